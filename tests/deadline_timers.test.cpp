// SPDX-License-Identifier: MIT

// What deadlines cost: the timers that there are, what waits for them, and what they leave behind.

#include "support/asio.hpp"
#include "support/catch.hpp"
#include "support/ended.hpp"
#include "support/manual_event.hpp"
#include "support/manual_timer.hpp"
#include "support/run.hpp"

#include <asio_cancel_scope.hpp>

#include <chrono>
#include <cstddef>
#include <memory>
#include <stdexcept>
#include <string>

using namespace asio_cancel_scope;
using namespace std::chrono_literals;

namespace {

awaitable<void> hop() {
  co_await asio::post(use_awaitable);
}

// Runs a block that sets a deadline far off; then nothing of it is left.
template <typename Body>
std::string leave_with_deadline(manual_clock& time, asio::io_context& ctx, Body body) {
  std::string word;
  run(ctx, [&]() -> awaitable<void> {
    word = co_await ended(with_cancel_scope([&](cancel_scope<>& scope) -> awaitable<void> {
      scope.cancel_after(1h);
      CHECK(time.waits() == 1);
      co_await body(scope);
    }));
    CHECK(time.timers() == 0);
    CHECK(time.waits() == 0);
  });
  return word;
}

}  // namespace

TEST_CASE("B125: without a deadline no timer is made", "[deadline][cost]") {
  manual_clock time;
  manual_event never;
  asio::io_context ctx;
  auto const forever = manual_clock::duration::max();
  run(ctx, [&]() -> awaitable<void> {
    co_await with_cancel_scope([&](auto& scope) -> awaitable<void> {
      scope.spawn(hop());
      scope.spawn(never.wait());
      co_await hop();
      scope.cancel();
    });
    co_await with_cancel_scope(scope_options().deadline_after(forever).name("never"),
                               [&](auto& scope) -> awaitable<void> {
                                 scope.clear_deadline();
                                 scope.cancel_after(forever);
                                 scope.cancel_at(manual_clock::time_point::max());
                                 CHECK_FALSE(scope.deadline());
                                 co_await hop();
                               });
    co_await with_cancel_scope(scope_options().deadline_at(manual_clock::time_point::max()),
                               [&](auto& scope) -> awaitable<void> {
                                 CHECK_FALSE(scope.deadline());
                                 co_await hop();
                               });
    co_await shielded(hop());
    co_await with_cleanup(hop(), hop);
    co_await move_on_after(forever, hop());
    co_await fail_after(forever, hop());
    co_await fail_at(manual_clock::time_point::max(), hop());
    co_await shielded(forever, hop());
    co_await with_cleanup(forever, hop(), hop);
  });
  CHECK(time.timers_made() == 0);
}

TEST_CASE("rule 17: moving the deadline later costs nothing", "[deadline][cost]") {
  manual_clock time;
  manual_event never;
  asio::io_context ctx;
  cancel_scope<> scope(ctx);
  scope.spawn(never.wait());
  drain(ctx);
  for (int i = 1; i <= 1000; ++i) {
    scope.cancel_after(i * 1s);
  }
  CHECK(time.timers_made() == 1);
  CHECK(time.waits_started() == 1);
  CHECK(drain(ctx) == 0);
  // It is early once, and armed once more.
  time.advance(1s);
  CHECK(drain(ctx) == 1);
  CHECK(time.waits_started() == 2);
  CHECK(time.waits() == 1);
  time.advance(999s);
  drain(ctx);
  CHECK(scope.cause() == cancel_cause::deadline);
  CHECK(time.waits_started() == 2);
}

TEST_CASE("rule 17: a heartbeat that moves the deadline each time keeps one timer",
          "[deadline][cost]") {
  manual_clock time;
  manual_event never;
  asio::io_context ctx;
  cancel_scope<> scope(ctx);
  scope.spawn(never.wait());
  drain(ctx);
  for (int beat = 0; beat < 1000; ++beat) {
    scope.cancel_after(10s);
    time.advance(1s);
    CHECK(drain(ctx) <= 1);
    CHECK(time.waits() == 1);
  }
  CHECK(time.timers_made() == 1);
  CHECK(time.waits_started() < 150);
  CHECK_FALSE(scope.cancel_called());
  time.advance(10s);
  drain(ctx);
  CHECK(scope.cancel_called());
}

TEST_CASE("rule 17: moving the deadline earlier keeps one timer and one wait", "[deadline][cost]") {
  manual_clock time;
  manual_event never;
  asio::io_context ctx;
  cancel_scope<> scope(ctx);
  scope.spawn(never.wait());
  drain(ctx);
  for (int i = 1000; i > 0; --i) {
    scope.cancel_after(i * 1s);
    CHECK(time.waits() <= 1);
    CHECK(drain(ctx) <= 1);
    CHECK(time.waits() == 1);
  }
  CHECK(time.timers() == 1);
  time.advance(1s);
  drain(ctx);
  CHECK(scope.cause() == cancel_cause::deadline);
}

TEST_CASE("rule 17: setting and clearing the deadline in turn piles up nothing",
          "[deadline][cost]") {
  manual_clock time;
  manual_event never;
  asio::io_context ctx;
  cancel_scope<> scope(ctx);
  scope.spawn(never.wait());
  drain(ctx);
  for (int i = 0; i < 1000; ++i) {
    scope.cancel_after(1h);
    scope.clear_deadline();
    CHECK(time.timers() <= 1);
    CHECK(time.waits() <= 1);
  }
  // Nor are there handlers that only tell that a wait was given up.
  CHECK(drain(ctx) <= 1);
  time.advance(2h);
  drain(ctx);
  CHECK_FALSE(scope.cancel_called());
}

TEST_CASE("rule 17: moving the deadline earlier without letting others run piles up no handlers",
          "[deadline][cost]") {
  manual_clock time;
  manual_event never;
  asio::io_context ctx;
  cancel_scope<> scope(ctx);
  scope.spawn(never.wait());
  drain(ctx);
  for (int i = 1000; i > 0; --i) {
    scope.cancel_after(i * 1s);
  }
  CHECK(drain(ctx) <= 2);
  time.advance(1s);
  drain(ctx);
  CHECK(scope.cause() == cancel_cause::deadline);
}

TEST_CASE("rule 18: nothing waits for a deadline that is no longer needed", "[deadline][cost]") {
  manual_clock time;
  manual_event never;
  asio::io_context ctx;

  CHECK(leave_with_deadline(time, ctx, [](auto&) { return hop(); }) == "value");
  CHECK(leave_with_deadline(time, ctx, [](auto& scope) {
          scope.spawn(hop());
          return hop();
        }) == "value");
  CHECK(leave_with_deadline(time, ctx, [&](auto& scope) {
          scope.spawn(never.wait());
          scope.cancel();
          return never.wait();
        }) == "value");
  CHECK(leave_with_deadline(time, ctx, [](auto&) -> awaitable<void> {
          throw std::runtime_error("E1");
          co_return;
        }) == "E1");
}

TEST_CASE("rule 18: when the work is done the pending deadline does not keep the context running",
          "[deadline][cost]") {
  manual_clock time;
  asio::io_context ctx;
  auto const out = support::start(ctx.get_executor(), []() -> awaitable<int> {
    co_return co_await fail_after(1h, []() -> awaitable<int> {
      co_await hop();
      co_return 5;
    });
  });
  ctx.run();
  CHECK(out->done);
  CHECK(support::take(*out) == 5);
}

TEST_CASE("rule 17: a cancelled scope gives its timer up before it is left", "[deadline][cost]") {
  manual_clock time;
  manual_event slow;
  asio::io_context ctx;
  cancel_scope<> scope(ctx);
  scope.cancel_after(1h);
  scope.spawn(slow.wait_ignoring_cancellation());
  drain(ctx);
  scope.cancel();
  CHECK(time.waits() == 0);
  slow.set();
  drain(ctx);
}

TEST_CASE("rule 19: a scope that is destroyed gives its timer up", "[deadline][lifetime]") {
  manual_clock time;
  manual_event slow;
  asio::io_context ctx;
  SECTION("without children") {
    auto scope = std::make_unique<cancel_scope<>>(ctx);
    scope->cancel_after(1h);
    scope.reset();
    CHECK(time.waits() == 0);
    CHECK(time.timers() == 0);
  }
  SECTION("with a handle of a child that has ended") {
    auto scope = std::make_unique<cancel_scope<>>(ctx);
    scope->cancel_after(1h);
    auto const handle = scope->spawn(hop());
    drain(ctx);
    scope.reset();
    drain(ctx);
    CHECK(handle.done());
    CHECK(time.waits() == 0);
    CHECK(time.timers() == 0);
  }
  SECTION("with a child that goes on") {
    auto scope = std::make_unique<cancel_scope<>>(ctx);
    scope->cancel_after(1h);
    auto const handle = scope->spawn(slow.wait_ignoring_cancellation());
    drain(ctx);
    scope.reset();
    CHECK(time.waits() == 0);
    drain(ctx);
    CHECK_FALSE(handle.done());
    slow.set();
    drain(ctx);
    CHECK(handle.done());
  }
  drain(ctx);
  time.advance(2h);
  CHECK(drain(ctx) == 0);
}

TEST_CASE("rule 18: a deadline that is due when its scope is left touches nothing later",
          "[deadline][closed]") {
  manual_clock time;
  manual_event go;
  manual_event go_again;
  manual_event never;
  asio::io_context ctx;
  host h(ctx, [&]() -> awaitable<void> {
    for (auto* const event : {&go, &go_again}) {
      auto const result =
          co_await with_cancel_scope(scope_options().deadline_after(10ms),
                                     [&](auto&) -> awaitable<void> { co_await event->wait(); });
      CHECK_FALSE(result.cancelled_caught());
      CHECK(result.cause() == cancel_cause::none);
    }
    co_await never.wait();
  });
  drain(ctx);
  time.hold();
  time.advance(10ms);
  go.set();
  drain(ctx);
  time.release();
  drain(ctx);
  go_again.set();
  drain(ctx);
  time.advance(1h);
  drain(ctx);
  CHECK(never.waiters() == 1);
  CHECK_FALSE(h.done());
}

TEST_CASE("rule 17: a loop of scopes with deadlines leaves nothing behind", "[deadline][cost]") {
  manual_clock time;
  asio::io_context ctx;
  run(ctx, [&]() -> awaitable<void> {
    for (int i = 0; i < 1000; ++i) {
      co_await move_on_after(1h, hop());
      CHECK(time.timers() == 0);
      CHECK(time.waits() == 0);
    }
  });
  CHECK(time.timers_made() == 1000);
  CHECK(drain(ctx) <= 1);
}
