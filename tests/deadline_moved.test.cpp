// SPDX-License-Identifier: MIT

// Deadlines that are moved and cleared while their scope runs.

#include "support/asio.hpp"
#include "support/catch.hpp"
#include "support/manual_event.hpp"
#include "support/manual_timer.hpp"
#include "support/run.hpp"

#include <asio_cancel_scope.hpp>

#include <chrono>
#include <functional>
#include <optional>
#include <utility>

using namespace asio_cancel_scope;
using namespace std::chrono_literals;

namespace {

// A scope with a child that waits for ever, and a join.
struct waiting_scope {
  manual_clock time;
  manual_event never;
  asio::io_context ctx;
  cancel_scope<> scope{ctx};
  bool joined = false;

  waiting_scope() {
    scope.spawn(never.wait());
    scope.async_join([this](std::exception_ptr) { joined = true; });
    drain(ctx);
  }

  void advance(manual_clock::duration d) {
    time.advance(d);
    drain(ctx);
  }

  // Exactly at that time from now, not a tick before.
  bool is_cancelled_after(manual_clock::duration d) {
    advance(d - 1ns);
    bool const early = scope.cancel_called();
    advance(1ns);
    return !early && joined && scope.cause() == cancel_cause::deadline;
  }

  bool is_never_cancelled() {
    advance(10000h);
    return !scope.cancel_called() && !joined;
  }
};

}  // namespace

TEST_CASE("B128: when the deadline is moved later the old one does not fire", "[deadline][move]") {
  waiting_scope s;
  s.scope.cancel_after(10ms);
  s.advance(5ms);
  s.scope.cancel_after(10ms);
  CHECK(s.is_cancelled_after(10ms));
}

TEST_CASE("rule 17: a deadline that is moved earlier fires at the new time", "[deadline][move]") {
  waiting_scope s;
  s.scope.cancel_after(1h);
  s.advance(1min);
  s.scope.cancel_after(10ms);
  CHECK(s.is_cancelled_after(10ms));
}

TEST_CASE("rule 17: a deadline that is moved into the past fires at once", "[deadline][move]") {
  waiting_scope s;
  s.scope.cancel_after(1h);
  s.advance(1min);
  s.scope.cancel_at(s.time.now() - 30s);
  CHECK(s.scope.cancel_called());
  drain(s.ctx);
  CHECK(s.joined);
}

TEST_CASE("rule 17: a deadline that is cleared does not fire", "[deadline][move]") {
  waiting_scope s;
  s.scope.cancel_after(10ms);
  s.advance(9ms);
  SECTION("by name") {
    s.scope.clear_deadline();
  }
  SECTION("by the longest duration") {
    s.scope.cancel_after(manual_clock::duration::max());
  }
  SECTION("by the last point in time") {
    s.scope.cancel_at(manual_clock::time_point::max());
  }
  CHECK_FALSE(s.scope.deadline());
  CHECK(s.is_never_cancelled());
}

TEST_CASE("rule 17: a deadline can be set again after it was cleared", "[deadline][move]") {
  waiting_scope s;
  s.scope.cancel_after(10ms);
  s.scope.clear_deadline();
  s.scope.clear_deadline();
  s.advance(20ms);
  s.scope.cancel_after(10ms);
  CHECK(s.is_cancelled_after(10ms));
}

TEST_CASE("rule 17: a deadline is moved in every order any number of times", "[deadline][move]") {
  // Every sequence of three moves; the last one counts.
  auto const moves = {1h, 2h, 3h, 0h};
  for (auto const first : moves) {
    for (auto const second : moves) {
      for (auto const third : moves) {
        for (bool const let_run : {false, true}) {
          waiting_scope s;
          for (auto const d : {first, second, third}) {
            if (d == 0h) {
              s.scope.clear_deadline();
            } else {
              s.scope.cancel_after(d);
            }
            if (let_run) s.advance(1min);
          }
          CAPTURE(first.count(), second.count(), third.count(), let_run);
          CHECK(s.time.waits() <= 1);
          if (third == 0h) {
            CHECK(s.is_never_cancelled());
          } else {
            CHECK(s.is_cancelled_after(third - (let_run ? 1min : 0min)));
          }
        }
      }
    }
  }
}

TEST_CASE("B128: a deadline that is due and is moved before its handler runs does not fire",
          "[deadline][move]") {
  waiting_scope s;
  s.scope.cancel_after(10ms);
  s.time.hold();
  s.time.advance(10ms);

  SECTION("later") {
    s.scope.cancel_after(10ms);
    s.time.release();
    drain(s.ctx);
    CHECK_FALSE(s.scope.cancel_called());
    CHECK(s.is_cancelled_after(10ms));
  }
  SECTION("cleared") {
    s.scope.clear_deadline();
    s.time.release();
    drain(s.ctx);
    CHECK(s.is_never_cancelled());
  }
  SECTION("cleared and set again") {
    s.scope.clear_deadline();
    s.scope.cancel_after(10ms);
    s.time.release();
    drain(s.ctx);
    CHECK_FALSE(s.scope.cancel_called());
    CHECK(s.is_cancelled_after(10ms));
  }
  SECTION("cleared and set again and moved earlier") {
    s.scope.clear_deadline();
    s.scope.cancel_after(1h);
    s.time.release();
    drain(s.ctx);
    s.scope.cancel_after(10ms);
    CHECK(s.is_cancelled_after(10ms));
  }
  SECTION("later and then back") {
    s.scope.cancel_after(1h);
    s.scope.cancel_after(5ms);
    s.time.release();
    drain(s.ctx);
    CHECK_FALSE(s.scope.cancel_called());
    CHECK(s.is_cancelled_after(5ms));
  }
}

TEST_CASE("rule 17: deadline tells what is set", "[deadline][query]") {
  waiting_scope s;
  CHECK_FALSE(s.scope.deadline());
  s.scope.cancel_after(10ms);
  auto const first = s.time.now() + 10ms;
  CHECK(s.scope.deadline() == first);
  s.advance(5ms);
  CHECK(s.scope.deadline() == first);
  s.scope.cancel_at(first + 1h);
  CHECK(s.scope.deadline() == first + 1h);
  s.scope.cancel_after(1ms);
  CHECK(s.scope.deadline() == s.time.now() + 1ms);
  s.scope.clear_deadline();
  CHECK_FALSE(s.scope.deadline());
  auto const past = s.time.now() - 1h;
  s.scope.cancel_at(past);
  CHECK(s.scope.deadline() == past);
  drain(s.ctx);
  CHECK(s.scope.deadline() == past);
}

TEST_CASE("rule 17: the deadline of the options is the one that is moved", "[deadline][move]") {
  manual_clock time;
  manual_event never;
  asio::io_context ctx;
  std::optional<cancel_cause> cause;
  host h(ctx, [&]() -> awaitable<void> {
    auto const result = co_await with_cancel_scope(scope_options().deadline_after(10ms),
                                                   [&](auto& scope) -> awaitable<void> {
                                                     CHECK(scope.deadline() == time.now() + 10ms);
                                                     scope.cancel_at(*scope.deadline() + 10ms);
                                                     co_await never.wait();
                                                   });
    cause = result.cause();
  });
  drain(ctx);
  time.advance(10ms);
  drain(ctx);
  CHECK_FALSE(cause);
  time.advance(10ms);
  drain(ctx);
  CHECK(cause == cancel_cause::deadline);
}

TEST_CASE("rule 17: whoever knows the scope may move its deadline", "[deadline][move]") {
  manual_clock time;
  manual_event never;
  manual_event act;
  asio::io_context ctx;
  std::optional<scope_result<void>> result;
  std::function<void()> by_handler;
  host h(ctx, [&]() -> awaitable<void> {
    result = co_await with_cancel_scope([&](cancel_scope<>& scope) -> awaitable<void> {
      by_handler = [&scope] { scope.cancel_after(10ms); };
      scope.cancel_after(1h);
      scope.spawn([&]() -> awaitable<void> {
        co_await act.wait();
        scope.cancel_after(1min);
        co_await never.wait();
      });
      co_await never.wait();
    });
  });
  drain(ctx);
  SECTION("a child") {
    act.set();
    drain(ctx);
    time.advance(1min);
  }
  SECTION("a completion handler") {
    asio::post(ctx, std::exchange(by_handler, nullptr));
    drain(ctx);
    time.advance(10ms);
  }
  drain(ctx);
  REQUIRE(result);
  CHECK(result->cause() == cancel_cause::deadline);
}

TEST_CASE("rule 3: a deadline on a closed scope does nothing", "[deadline][closed]") {
  manual_clock time;
  asio::io_context ctx;
  cancel_scope<> scope(ctx);
  scope.cancel_after(1h);
  auto const before = scope.deadline();
  scope.async_join([](std::exception_ptr) {});
  drain(ctx);
  CHECK(time.waits() == 0);

  scope.cancel_after(1ms);
  scope.cancel_after(-1ms);
  scope.cancel_at(time.now());
  scope.clear_deadline();
  CHECK(scope.deadline() == before);
  CHECK(time.waits() == 0);
  time.advance(2h);
  drain(ctx);
  CHECK_FALSE(scope.cancel_called());
  CHECK(scope.cause() == cancel_cause::none);
}

TEST_CASE("rule 17: a deadline set in a cancelled scope starts no timer", "[deadline][cost]") {
  manual_clock time;
  manual_event slow;
  asio::io_context ctx;
  cancel_scope<> scope(ctx);
  scope.spawn(slow.wait_ignoring_cancellation());
  drain(ctx);
  scope.cancel();
  scope.cancel_after(1h);
  CHECK(scope.deadline() == time.now() + 1h);
  CHECK(time.timers_made() == 0);
  slow.set();
  drain(ctx);
  CHECK(scope.cause() == cancel_cause::requested);
}
