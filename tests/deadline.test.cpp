// SPDX-License-Identifier: MIT

// What a deadline of a scope does; the time is held in the test's hands.

#include "support/asio.hpp"
#include "support/catch.hpp"
#include "support/ended.hpp"
#include "support/event_log.hpp"
#include "support/logged.hpp"
#include "support/manual_event.hpp"
#include "support/manual_timer.hpp"
#include "support/run.hpp"
#include "support/tracking_executor.hpp"

#include <asio_cancel_scope.hpp>

#include <chrono>
#include <optional>
#include <stdexcept>
#include <string>

using namespace asio_cancel_scope;
using namespace std::chrono_literals;

namespace {

awaitable<void> hop() {
  co_await asio::post(use_awaitable);
}

}  // namespace

TEST_CASE("B122: a deadline aborts the body and the children and joins them and the host goes on",
          "[deadline][cancel]") {
  manual_clock time;
  manual_event never;
  manual_event slow;
  asio::io_context ctx;
  event_log log;
  host h(ctx, [&]() -> awaitable<void> {
    auto const result = co_await with_cancel_scope([&](auto& scope) -> awaitable<void> {
      scope.cancel_after(10ms);
      scope.spawn(logged(log, "a", never.wait()));
      scope.spawn(logged(log, "b", slow.wait_ignoring_cancellation()));
      co_await logged(log, "body", never.wait());
    });
    CHECK(result.cancelled_caught());
    CHECK(result.cause() == cancel_cause::deadline);
    CHECK_FALSE(result.has_value());
    log.add("left");
    co_await hop();
    log.add("host");
  });
  drain(ctx);
  time.advance(10ms - 1ns);
  drain(ctx);
  CHECK(log.str().empty());
  time.advance(1ns);
  drain(ctx);
  CHECK(log.count("a:aborted") == 1);
  CHECK(log.count("body:aborted") == 1);
  CHECK(log.size() == 2);
  slow.set();
  drain(ctx);
  CHECK(log.str().ends_with("b left host"));
  CHECK(h.clean());
}

TEST_CASE("B122: the expired flag stays false when the scope is left in any other way",
          "[deadline][query]") {
  manual_clock time;
  manual_event never;
  manual_event done;
  std::optional<scope_result<void>> result;
  std::optional<cancel_cause> cause_at_exit;
  auto const leave_by = [&](std::string const& way) -> std::string {
    result.reset();
    cause_at_exit.reset();
    asio::io_context ctx;
    std::string word;
    host h(ctx, [&]() -> awaitable<void> {
      word = co_await ended([&]() -> awaitable<void> {
        result = co_await with_cancel_scope(scope_options().deadline_after(10ms),
                                            [&](auto& scope) -> awaitable<void> {
                                              try {
                                                if (way == "cancel") scope.cancel();
                                                if (way == "error") throw std::runtime_error("E1");
                                                if (way == "child error")
                                                  scope.spawn([]() -> awaitable<void> {
                                                    throw std::runtime_error("E1");
                                                    co_return;
                                                  });
                                                if (way != "value") co_await never.wait();
                                              } catch (...) {
                                                cause_at_exit = scope.cause();
                                                throw;
                                              }
                                            });
      }());
    });
    drain(ctx);
    if (way == "outer") h.cancel();
    drain(ctx);
    CHECK(h.done());
    time.advance(20ms);
    drain(ctx);
    return word;
  };

  CHECK(leave_by("value") == "value");
  CHECK(result->cause() == cancel_cause::none);
  CHECK_FALSE(result->cancelled_caught());

  CHECK(leave_by("cancel") == "value");
  CHECK(result->cause() == cancel_cause::requested);

  CHECK(leave_by("error") == "E1");
  CHECK(cause_at_exit == cancel_cause::none);

  CHECK(leave_by("child error") == "E1");
  CHECK(cause_at_exit == cancel_cause::child_error);

  CHECK(leave_by("outer") == "aborted");
  CHECK(cause_at_exit == cancel_cause::outer);
}

TEST_CASE("B124: with a deadline in the past at entry the body never starts", "[deadline][start]") {
  manual_clock time;
  auto const enter = [&](scope_options options) {
    asio::io_context ctx;
    run(ctx, [&]() -> awaitable<void> {
      bool started = false;
      auto const result =
          co_await with_cancel_scope(std::move(options), [&](cancel_scope<>&) -> awaitable<int> {
            started = true;
            co_return 1;
          });
      CHECK_FALSE(started);
      CHECK(result.cancelled_caught());
      CHECK(result.cause() == cancel_cause::deadline);
      CHECK_FALSE(result.has_value());
      co_await hop();
    });
  };
  enter(scope_options().deadline_after(0s));
  enter(scope_options().deadline_after(-1s));
  enter(scope_options().deadline_at(time.now()));
  enter(scope_options().deadline_at(time.now() - 1ns));
  enter(scope_options().deadline_at(manual_clock::time_point::min()));
  CHECK(time.timers_made() == 0);
}

TEST_CASE("rule 17: a deadline in the past cancels at once", "[deadline][cancel]") {
  manual_clock time;
  auto const set = [&](auto set_deadline) {
    manual_event never;
    asio::io_context ctx;
    event_log log;
    run(ctx, [&]() -> awaitable<void> {
      auto const result = co_await with_cancel_scope([&](auto& scope) -> awaitable<void> {
        scope.spawn(logged(log, "child", never.wait()));
        co_await hop();
        set_deadline(scope);
        CHECK(scope.cancel_called());
        CHECK(scope.cause() == cancel_cause::deadline);
        auto const late = scope.spawn(logged(log, "late", hop()));
        CHECK(late.done());
        log.add("next");
        co_await logged(log, "body", never.wait());
      });
      CHECK(result.cancelled_caught());
      CHECK(result.cause() == cancel_cause::deadline);
    });
    CHECK(log.count("next") == 1);
    CHECK(log.count("child:aborted") == 1);
    CHECK(log.size() == 2);
  };
  set([](auto& scope) { scope.cancel_after(0ms); });
  set([](auto& scope) { scope.cancel_after(-5min); });
  set([&](auto& scope) { scope.cancel_at(time.now()); });
  set([&](auto& scope) { scope.cancel_at(time.now() - 1h); });
}

TEST_CASE("rule 17: a deadline at a point in time and one after a duration are the same",
          "[deadline][cancel]") {
  manual_clock time;
  auto const expires_at_10ms = [&](auto set_deadline, scope_options options) {
    manual_event never;
    asio::io_context ctx;
    host h(ctx, [&]() -> awaitable<void> {
      auto const result =
          co_await with_cancel_scope(std::move(options), [&](auto& scope) -> awaitable<void> {
            set_deadline(scope);
            co_await never.wait();
          });
      CHECK(result.cause() == cancel_cause::deadline);
    });
    drain(ctx);
    time.advance(10ms - 1ns);
    drain(ctx);
    CHECK_FALSE(h.done());
    time.advance(1ns);
    drain(ctx);
    CHECK(h.clean());
  };
  auto const nothing_more = [](auto&) {};
  expires_at_10ms([](auto& scope) { scope.cancel_after(10ms); }, {});
  expires_at_10ms([&](auto& scope) { scope.cancel_at(time.now() + 10ms); }, {});
  expires_at_10ms(nothing_more, scope_options().deadline_after(10ms));
  expires_at_10ms(nothing_more, scope_options().deadline_at(time.now() + 10ms));
  // The later of two options counts.
  expires_at_10ms(nothing_more, scope_options().deadline_at(time.now()).deadline_after(10ms));
  expires_at_10ms(nothing_more, scope_options().deadline_after(0s).deadline_at(time.now() + 10ms));
}

TEST_CASE("rule 17: the options set a deadline also when they are set one by one",
          "[deadline][cancel]") {
  manual_clock time;
  scope_options options;
  options.deadline_at(time.now() + 1h);
  options.deadline_after(10ms);
  options.name("limited");
  asio::io_context ctx;
  cancel_scope<> scope(ctx, options);
  CHECK(scope.deadline() == time.now() + 10ms);
}

TEST_CASE("B130: a relative deadline counts from when the scope is entered", "[deadline][start]") {
  manual_clock time;
  manual_event never;
  asio::io_context ctx;
  event_log log;
  host h(ctx, [&]() -> awaitable<void> {
    auto block = with_cancel_scope(scope_options().deadline_after(10ms),
                                   [&](auto&) -> awaitable<void> { co_await never.wait(); });
    time.advance(1h);
    co_await logged(log, "block", std::move(block));
  });
  drain(ctx);
  time.advance(9ms);
  drain(ctx);
  CHECK(log.str().empty());
  time.advance(1ms);
  drain(ctx);
  CHECK(log.str() == "block");
}

TEST_CASE("rule 17: the first cause stays", "[deadline][cancel]") {
  manual_clock time;
  manual_event slow;
  asio::io_context ctx;

  SECTION("an explicit cancel before the deadline keeps requested") {
    host h(ctx, [&]() -> awaitable<void> {
      auto const result = co_await with_cancel_scope([&](auto& scope) -> awaitable<void> {
        scope.spawn(slow.wait_ignoring_cancellation());
        scope.cancel_after(10ms);
        scope.spawn(hop());
        scope.cancel();
        co_return;
      });
      CHECK(result.cause() == cancel_cause::requested);
      CHECK(result.cancelled_caught());
    });
    drain(ctx);
    time.advance(20ms);
    drain(ctx);
    slow.set();
    drain(ctx);
    CHECK(h.clean());
  }
  SECTION("so does one of a weaker type and the deadline still sends terminal") {
    manual_event never;
    host h(ctx, [&]() -> awaitable<void> {
      auto const result = co_await with_cancel_scope([&](auto& scope) -> awaitable<void> {
        scope.cancel_after(10ms);
        scope.cancel(asio::cancellation_type::total);
        co_await never.wait();
      });
      CHECK(result.cause() == cancel_cause::requested);
      CHECK(result.cancelled_caught());
    });
    drain(ctx);
    CHECK_FALSE(h.done());
    time.advance(10ms);
    drain(ctx);
    CHECK(h.clean());
  }
  SECTION("an explicit cancel after the deadline leaves it the cause") {
    host h(ctx, [&]() -> awaitable<void> {
      auto const result = co_await with_cancel_scope([&](auto& scope) -> awaitable<void> {
        scope.spawn(slow.wait_ignoring_cancellation());
        scope.cancel_after(0s);
        scope.cancel();
        scope.cancel_after(1h);
        co_await hop();
      });
      CHECK(result.cause() == cancel_cause::deadline);
    });
    drain(ctx);
    slow.set();
    drain(ctx);
    CHECK(h.clean());
  }
}

TEST_CASE("rule 13: a real error wins over the deadline in whatever order they come",
          "[deadline][error]") {
  manual_clock time;
  manual_event never;
  manual_event fail_now;
  asio::io_context ctx;
  std::string word;
  host h(ctx, [&]() -> awaitable<void> {
    word = co_await ended(with_cancel_scope(scope_options().deadline_after(10ms),
                                            [&](auto& scope) -> awaitable<void> {
                                              scope.spawn([&]() -> awaitable<void> {
                                                co_await fail_now.wait_ignoring_cancellation();
                                                throw std::runtime_error("E1");
                                              });
                                              co_await never.wait();
                                            }));
  });
  drain(ctx);
  time.advance(10ms);
  drain(ctx);
  CHECK_FALSE(h.done());
  fail_now.set();
  drain(ctx);
  CHECK(word == "E1");
}

TEST_CASE("rule 9: a body that goes on after the deadline returns its value",
          "[deadline][cancel]") {
  manual_clock time;
  manual_event never;
  manual_event slow;
  asio::io_context ctx;
  std::optional<scope_result<int>> result;
  host h(ctx, [&]() -> awaitable<void> {
    result = co_await with_cancel_scope([&](auto& scope) -> awaitable<int> {
      scope.cancel_after(10ms);
      scope.spawn(never.wait());
      co_await slow.wait_ignoring_cancellation();
      co_return 7;
    });
  });
  drain(ctx);
  time.advance(10ms);
  drain(ctx);
  slow.set();
  drain(ctx);
  REQUIRE(result);
  CHECK(result->cancelled_caught());
  CHECK(result->cause() == cancel_cause::deadline);
  CHECK(result->value() == 7);
}

TEST_CASE("rule 17: a deadline that comes while the scope is being left cuts the children",
          "[deadline][cancel]") {
  manual_clock time;
  manual_event never;
  asio::io_context ctx;
  std::optional<scope_result<int>> result;
  host h(ctx, [&]() -> awaitable<void> {
    result = co_await with_cancel_scope([&](auto& scope) -> awaitable<int> {
      scope.spawn(never.wait());
      scope.cancel_after(10ms);
      co_return 7;
    });
  });
  drain(ctx);
  CHECK_FALSE(h.done());
  time.advance(10ms);
  drain(ctx);
  REQUIRE(result);
  CHECK(result->cancelled_caught());
  CHECK(result->value() == 7);
}

TEST_CASE("rule 17: an object has a deadline too and its join tells nothing of it",
          "[deadline][cancel]") {
  manual_clock time;
  manual_event never;
  asio::io_context ctx;
  event_log log;
  cancel_scope<> scope(ctx, scope_options().deadline_after(10ms));
  auto const handle = scope.spawn(logged(log, "child", never.wait()));
  auto const token = scope.get_stop_token();
  bool joined = false;
  scope.async_join([&](std::exception_ptr e) {
    CHECK_FALSE(e);
    joined = true;
  });
  drain(ctx);
  CHECK_FALSE(joined);
  CHECK_FALSE(token.stop_requested());
  time.advance(10ms);
  CHECK_FALSE(scope.cancel_called());
  drain(ctx);
  CHECK(joined);
  CHECK(token.stop_requested());
  CHECK(scope.cause() == cancel_cause::deadline);
  CHECK(scope.cancelled_caught());
  CHECK(log.str() == "child:aborted");
}

TEST_CASE("rule 7: a deadline reaches each child on the child's own executor",
          "[deadline][executor]") {
  manual_clock time;
  asio::io_context ctx;
  int told = 0;
  cancel_scope<> scope(ctx, scope_options().deadline_after(10ms));
  for (int id = 1; id < 4; ++id) {
    scope.spawn(tracking_executor<>(id, ctx.get_executor()), [&told, id] {
      return until_cancelled([&told, id] { told += running_on(id) ? 1 : 100; });
    });
  }
  scope.async_join([](std::exception_ptr) {});
  drain(ctx);
  time.advance(10ms);
  drain(ctx);
  CHECK(told == 3);
  CHECK(scope.size() == 0);
}
