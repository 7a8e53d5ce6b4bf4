// SPDX-License-Identifier: MIT
#include "support/asio.hpp"
#include "support/catch.hpp"
#include "support/event_log.hpp"
#include "support/manual_event.hpp"
#include "support/run.hpp"
#include "support/tracking_executor.hpp"

#include <asio_cancel_scope.hpp>

#include <chrono>
#include <exception>
#include <future>
#include <memory>
#include <optional>
#include <stdexcept>
#include <string>
#include <utility>

using namespace asio_cancel_scope;
using namespace std::chrono_literals;

namespace {

bool is_aborted(error_code const& ec) {
  return ec == asio::error::operation_aborted;
}

/// An operation that has completed when its initiating function returns, with what it is given.
template <typename Token>
auto async_give(error_code ec, int value, Token&& token) {
  return asio::async_initiate<Token, void(error_code, int)>(
      [](auto&& handler, error_code e, int v) {
        auto const ex = asio::get_associated_executor(handler);
        asio::post(ex, [h = std::move(handler), e, v]() mutable { std::move(h)(e, v); });
      },
      token, ec, value);
}

}  // namespace

TEST_CASE("rule 26: a tracked operation gives its outcome to the token", "[cancel_scope][track]") {
  asio::io_context ctx;
  cancel_scope<> scope(ctx);
  SECTION("a value") {
    std::optional<int> value;
    async_give({}, 7, scope.track([&](error_code ec, int v) {
      CHECK(!ec);
      value = v;
    }));
    CHECK(!value);
    drain(ctx);
    CHECK(value == 7);
  }
  SECTION("an error which does not fail the scope") {
    error_code seen;
    async_give(asio::error::eof, 0, scope.track([&](error_code ec, int) { seen = ec; }));
    drain(ctx);
    CHECK(seen == asio::error::eof);
    CHECK(scope.cause() == cancel_cause::none);
  }
  SECTION("an operation_aborted that nobody asked for") {
    error_code seen;
    async_give(asio::error::operation_aborted, 0,
               scope.track([&](error_code ec, int) { seen = ec; }));
    drain(ctx);
    CHECK(is_aborted(seen));
    CHECK_FALSE(scope.cancelled_caught());
  }
  bool joined = false;
  scope.async_join([&](std::exception_ptr e) { joined = !e; });
  drain(ctx);
  CHECK(joined);
}

TEST_CASE("rule 26: leaving waits until the handler of a tracked operation has returned",
          "[cancel_scope][track]") {
  asio::io_context ctx;
  event_log log;
  manual_event done(ctx.get_executor());
  host h(ctx, [&]() -> awaitable<void> {
    co_await with_cancel_scope([&](auto& scope) -> awaitable<void> {
      done.async_wait(scope.track([&](error_code) { log.add("handler"); }));
      CHECK(scope.size() == 1);
      co_return;
    });
    log.add("left");
  });
  drain(ctx);
  CHECK(log.str() == "");
  done.set();
  drain(ctx);
  CHECK(h.clean());
  CHECK(log.str() == "handler left");
}

TEST_CASE("rule 26: cancel of the scope cancels its tracked operations", "[cancel_scope][track]") {
  asio::io_context ctx;
  cancel_scope<> scope(ctx);
  manual_event never(ctx.get_executor());
  error_code first;
  error_code second;
  never.async_wait(scope.track([&](error_code ec) { first = ec; }));
  // Completes inside the emission.
  async_until_cancelled(scope.track([&](error_code ec) {
    second = ec;
    scope.cancel();
  }));
  drain(ctx);
  scope.cancel();
  drain(ctx);
  CHECK(is_aborted(first));
  CHECK(is_aborted(second));
  CHECK(scope.size() == 0);
  CHECK(scope.cancelled_caught());
}

TEST_CASE("rule 26: use_awaitable and use_future and detached can be tracked",
          "[cancel_scope][track]") {
  asio::io_context ctx;
  manual_event first(ctx.get_executor());
  manual_event second(ctx.get_executor());
  manual_event third(ctx.get_executor());
  std::future<void> future;
  bool resumed = false;
  host h(ctx, [&]() -> awaitable<void> {
    auto const result = co_await with_cancel_scope([&](auto& scope) -> awaitable<void> {
      co_await first.async_wait(scope.track(use_awaitable));
      resumed = true;
      future = second.async_wait(scope.track(asio::use_future));
      third.async_wait(scope.track(asio::detached));
      scope.cancel();
    });
    CHECK(result.cancelled_caught());
  });
  drain(ctx);
  CHECK_FALSE(resumed);
  first.set();
  drain(ctx);
  CHECK(resumed);
  CHECK(h.clean());
  CHECK(third.waiters() == 0);
  REQUIRE(future.wait_for(0s) == std::future_status::ready);
  CHECK_THROWS_AS(future.get(), system_error);
}

TEST_CASE("rule 26: adapters of tokens go inside track", "[cancel_scope][track]") {
  asio::io_context ctx;
  manual_event never(ctx.get_executor());
  error_code ec;
  host h(ctx, [&]() -> awaitable<void> {
    auto const result = co_await with_cancel_scope([&](auto& scope) -> awaitable<void> {
      scope.spawn([&]() -> awaitable<void> {
        co_await never.async_wait(scope.track(asio::redirect_error(use_awaitable, ec)));
      });
      co_await asio::post(use_awaitable);
      co_await asio::post(use_awaitable);
      scope.cancel();
    });
    CHECK(result.cancelled_caught());
  });
  drain(ctx);
  CHECK(h.clean());
  CHECK(is_aborted(ec));
}

#if ACS_TEST_ASIO_VERSION >= 103100
TEST_CASE("rule 26: cancel_after goes inside track and around it", "[cancel_scope][track]") {
  auto const time = GENERATE(1ms, std::chrono::milliseconds(1h));
  auto const inside = GENERATE(false, true);
  asio::io_context ctx;
  cancel_scope<> scope(ctx);
  asio::steady_timer never(ctx, asio::steady_timer::time_point::max());
  error_code seen;
  auto const see = [&](error_code ec) { seen = ec; };
  if (inside) {
    never.async_wait(scope.track(asio::cancel_after(time, see)));
  } else {
    never.async_wait(asio::cancel_after(time, scope.track(see)));
  }
  CHECK(scope.size() == 1);
  if (time > 1ms) {
    scope.cancel();
  }
  ctx.run();
  CHECK(is_aborted(seen));
  CHECK(scope.size() == 0);
  CHECK(scope.cancelled_caught() == (time > 1ms));
}
#endif

TEST_CASE("rule 5: what is tracked after a cancel is started and told but not in the same call",
          "[cancel_scope][track]") {
  asio::io_context ctx;
  cancel_scope<> scope(ctx);
  scope.cancel();
  error_code seen;
  bool inside = true;
  asio::post(ctx, [&] {
    async_until_cancelled(scope.track([&](error_code ec) {
      CHECK_FALSE(inside);
      seen = ec;
    }));
    inside = false;
  });
  drain(ctx);
  CHECK(is_aborted(seen));
  CHECK(scope.cancelled_caught());
}

TEST_CASE("rule 5: a cancel between track and the start of the operation reaches it",
          "[cancel_scope][track]") {
  asio::io_context ctx;
  cancel_scope<> scope(ctx);
  manual_event never(ctx.get_executor());
  error_code seen;
  auto token = scope.track([&](error_code ec) { seen = ec; });
  scope.cancel();
  drain(ctx);
  never.async_wait(std::move(token));
  CHECK(scope.size() == 1);
  drain(ctx);
  CHECK(is_aborted(seen));
  CHECK(scope.size() == 0);
}

TEST_CASE("rules 3 and 25: track needs an open scope with room", "[cancel_scope][track]") {
  asio::io_context ctx;
  manual_event done(ctx.get_executor());
  SECTION("closed") {
    cancel_scope<> scope(ctx);
    scope.async_join(asio::detached);
    CHECK_THROWS_AS(scope.track(asio::detached), std::logic_error);
  }
  SECTION("full") {
    cancel_scope<> scope(ctx, scope_options().max_children(1));
    done.async_wait(scope.track(asio::detached));
    CHECK_THROWS_AS(scope.track(asio::detached), std::length_error);
    CHECK_FALSE(scope.try_spawn([]() -> awaitable<void> { co_return; }));
    done.set();
    drain(ctx);
    done.async_wait(scope.track(asio::detached));
    drain(ctx);
    CHECK(scope.size() == 0);
  }
  SECTION("one who waits for room gets that of an operation") {
    cancel_scope<> scope(ctx, scope_options().max_children(1));
    bool ran = false;
    done.async_wait(scope.track(asio::detached));
    scope.async_spawn(
        [&]() -> awaitable<void> {
          ran = true;
          co_return;
        },
        [](std::exception_ptr e, child<void>) { CHECK(!e); });
    drain(ctx);
    CHECK_FALSE(ran);
    done.set();
    drain(ctx);
    CHECK(ran);
  }
}

TEST_CASE("rule 26: a token that is not used gives its place back", "[cancel_scope][track]") {
  asio::io_context ctx;
  cancel_scope<> scope(ctx, scope_options().max_children(1));
  manual_event done(ctx.get_executor());
  bool joined = false;
  {
    auto const token = scope.track(asio::detached);
    CHECK(scope.size() == 1);
    scope.async_join([&](std::exception_ptr e) { joined = !e; });
    drain(ctx);
    CHECK_FALSE(joined);
  }
  drain(ctx);
  CHECK(joined);
  CHECK(scope.size() == 0);
}

TEST_CASE("rule 26: an awaitable of a tracked operation that is not awaited gives its place back",
          "[cancel_scope][track]") {
  asio::io_context ctx;
  cancel_scope<> scope(ctx);
  manual_event done(ctx.get_executor());
  {
    auto const operation = done.async_wait(scope.track(use_awaitable));
    CHECK(scope.size() == 1);
  }
  CHECK(scope.size() == 0);
}

TEST_CASE("rule 26: what track gives is good for one operation", "[cancel_scope][track]") {
  asio::io_context ctx;
  cancel_scope<> scope(ctx);
  manual_event done(ctx.get_executor());
  auto token = scope.track(asio::detached);
  done.async_wait(token);
  CHECK_THROWS_AS(done.async_wait(token), std::logic_error);
  CHECK(scope.size() == 1);
}

TEST_CASE("rule 26: a slot that the token already had goes on working", "[cancel_scope][track]") {
  asio::io_context ctx;
  cancel_scope<> scope(ctx);
  manual_event never(ctx.get_executor());
  asio::cancellation_signal signal;
  error_code seen;
  auto const handler = [&](error_code ec) { seen = ec; };
  never.async_wait(scope.track(asio::bind_cancellation_slot(signal.slot(), handler)));
  drain(ctx);
  SECTION("the slot cancels the operation and nothing else") {
    error_code other;
    never.async_wait(scope.track([&](error_code ec) { other = ec; }));
    asio::post(ctx, [&] { signal.emit(asio::cancellation_type::terminal); });
    drain(ctx);
    CHECK(is_aborted(seen));
    CHECK(!other);
    CHECK(scope.size() == 1);
    CHECK(scope.cause() == cancel_cause::none);
    scope.cancel();
    drain(ctx);
    CHECK(is_aborted(other));
  }
  SECTION("the scope cancels it too") {
    scope.cancel();
    drain(ctx);
    CHECK(is_aborted(seen));
    // The operation is over: nothing is left for the slot to reach.
    signal.emit(asio::cancellation_type::terminal);
    drain(ctx);
  }
  CHECK(scope.size() == 0);
}

TEST_CASE("rule 14: an operation cut by its own slot alone does not count",
          "[cancel_scope][track]") {
  asio::io_context ctx;
  cancel_scope<> scope(ctx);
  manual_event never(ctx.get_executor());
  asio::cancellation_signal signal;
  never.async_wait(
      scope.track(asio::bind_cancellation_slot(signal.slot(), [](error_code const&) {})));
  asio::post(ctx, [&] { signal.emit(asio::cancellation_type::terminal); });
  drain(ctx);
  scope.cancel();
  CHECK_FALSE(scope.cancelled_caught());
}

TEST_CASE("rule 14: a tracked operation that an outer request has cut counts",
          "[cancel_scope][track]") {
  asio::io_context ctx;
  manual_event never(ctx.get_executor());
  error_code seen;
  host h(ctx, [&]() -> awaitable<void> {
    co_await with_cancel_scope([&](auto& scope) -> awaitable<void> {
      never.async_wait(scope.track([&](error_code ec) { seen = ec; }));
      co_return;
    });
  });
  drain(ctx);
  CHECK_FALSE(h.done());
  h.cancel();
  drain(ctx);
  CHECK(h.aborted());
  CHECK(is_aborted(seen));
}

TEST_CASE("rule 26: shutdown sends a tracked operation total and later terminal",
          "[cancel_scope][track]") {
  asio::io_context ctx;
  cancel_scope<> scope(ctx);
  manual_event never(ctx.get_executor());
  error_code takes_total;
  error_code takes_terminal;
  never.async_wait(scope.track([&](error_code ec) { takes_total = ec; }),
                   asio::cancellation_type::total);
  never.async_wait(scope.track([&](error_code ec) { takes_terminal = ec; }),
                   asio::cancellation_type::terminal);
  drain(ctx);
  scope.shutdown(1h);
  drain(ctx);
  CHECK(is_aborted(takes_total));
  CHECK(!takes_terminal);
  scope.cancel();
  drain(ctx);
  CHECK(is_aborted(takes_terminal));
}

TEST_CASE("rule 26: an operation runs and is cancelled on its handler's executor",
          "[cancel_scope][track]") {
  asio::io_context ctx;
  cancel_scope<> scope(ctx);
  tracking_executor<> const ex(1, ctx.get_executor());
  bool emitted_there = false;
  bool completed_there = false;
  async_until_cancelled(
      [&] { emitted_there = running_on(1); },
      scope.track(asio::bind_executor(ex, [&](error_code) { completed_there = running_on(1); })));
  drain(ctx);
  scope.cancel();
  CHECK_FALSE(emitted_there);
  drain(ctx);
  CHECK(emitted_there);
  CHECK(completed_there);
}

TEST_CASE("rule 26: without one it is the executor of the initiation", "[cancel_scope][track]") {
  asio::io_context scopes;
  asio::io_context timers;
  cancel_scope<> scope(scopes);
  asio::steady_timer never(timers, asio::steady_timer::time_point::max());
  error_code seen;
  never.async_wait(scope.track([&](error_code ec) { seen = ec; }));
  scope.cancel();
  drain(scopes);
  CHECK(!seen);
  drain(timers);
  CHECK(is_aborted(seen));
}

TEST_CASE("rule 26: and without that it is the executor of the scope", "[cancel_scope][track]") {
  asio::io_context ctx;
  cancel_scope<> scope(tracking_executor<>(2, ctx.get_executor()));
  manual_event done;
  bool completed_there = false;
  done.async_wait(scope.track([&](error_code) { completed_there = running_on(2); }));
  done.set();
  drain(ctx);
  CHECK(completed_there);
}

TEST_CASE("rule 26: a scope of a concrete executor tracks operations of others",
          "[cancel_scope][track]") {
  asio::io_context ctx;
  cancel_scope<asio::io_context::executor_type> scope(ctx.get_executor());
  manual_event never(ctx.get_executor());
  error_code seen;
  never.async_wait(
      scope.track(asio::bind_executor(asio::make_strand(ctx), [&](error_code ec) { seen = ec; })));
  drain(ctx);
  scope.cancel();
  drain(ctx);
  CHECK(is_aborted(seen));
}
