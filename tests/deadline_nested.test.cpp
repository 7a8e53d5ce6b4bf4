// SPDX-License-Identifier: MIT

// Deadlines within deadlines: each tells of its own expiry only.

#include "support/asio.hpp"
#include "support/catch.hpp"
#include "support/ended.hpp"
#include "support/event_log.hpp"
#include "support/manual_event.hpp"
#include "support/manual_timer.hpp"
#include "support/run.hpp"

#include <asio_cancel_scope.hpp>

#include <chrono>
#include <string>

using namespace asio_cancel_scope;
using namespace std::chrono_literals;

namespace {

std::string word_of(scope_result<void> const& result) {
  return !result.cancelled_caught()                  ? "done"
         : result.cause() == cancel_cause::deadline  ? "expired"
         : result.cause() == cancel_cause::requested ? "cancelled"
                                                     : "other";
}

// Two limits around one wait. Logs what became of each, and what comes between the two.
struct nested {
  manual_clock time;
  manual_event never;
  manual_event between;
  asio::io_context ctx;
  event_log log;

  awaitable<void> run_moving_on(manual_clock::duration outer, manual_clock::duration inner) {
    auto const outer_result = co_await move_on_after(outer, [&]() -> awaitable<void> {
      auto const inner_result = co_await move_on_after(inner, never.wait());
      log.add("inner:" + word_of(inner_result));
      co_await between.wait();
      log.add("between");
    });
    log.add("outer:" + word_of(outer_result));
  }

  awaitable<void> run_failing(manual_clock::duration outer, manual_clock::duration inner) {
    log.add("outer:" + co_await ended(fail_after(outer, [&]() -> awaitable<void> {
              log.add("inner:" + co_await ended(fail_after(inner, never.wait())));
              co_await between.wait();
              log.add("between");
            })));
  }

  void advance(manual_clock::duration d) {
    time.advance(d);
    drain(ctx);
  }
};

}  // namespace

TEST_CASE("B131: when the outer deadline comes first the inner one tells of no expiry",
          "[deadline][nested]") {
  nested n;
  SECTION("move on") {
    host h(n.ctx, [&] { return n.run_moving_on(10ms, 20ms); });
    drain(n.ctx);
    n.advance(10ms);
    CHECK(h.clean());
    CHECK(n.log.str() == "outer:expired");
  }
  SECTION("fail") {
    host h(n.ctx, [&] { return n.run_failing(10ms, 20ms); });
    drain(n.ctx);
    n.advance(10ms);
    CHECK(h.clean());
    CHECK(n.log.str() == "inner:aborted outer:timed_out");
  }
  CHECK(n.time.waits() == 0);
}

TEST_CASE("B131: when the inner deadline comes first the outer one goes on", "[deadline][nested]") {
  nested n;
  SECTION("and does not expire") {
    host h(n.ctx, [&] { return n.run_moving_on(20ms, 10ms); });
    drain(n.ctx);
    n.advance(10ms);
    CHECK(n.log.str() == "inner:expired");
    n.between.set();
    n.advance(9ms);
    CHECK(n.log.str() == "inner:expired between outer:done");
    CHECK(h.clean());
  }
  SECTION("or expires by itself later") {
    host h(n.ctx, [&] { return n.run_moving_on(20ms, 10ms); });
    drain(n.ctx);
    n.advance(10ms);
    n.advance(10ms);
    CHECK(n.log.str() == "inner:expired outer:expired");
    CHECK(h.clean());
  }
  SECTION("fail") {
    host h(n.ctx, [&] { return n.run_failing(20ms, 10ms); });
    drain(n.ctx);
    n.advance(10ms);
    CHECK(n.log.str() == "inner:timed_out");
    n.advance(10ms);
    CHECK(n.log.str() == "inner:timed_out outer:timed_out");
    CHECK(h.clean());
  }
}

TEST_CASE("B132: of two deadlines that come together one is told of", "[deadline][nested]") {
  nested n;
  // With equal times the outer timer, which is older, runs first; with a tick between them the
  // inner one does, but the outer request comes before the inner scope is left.
  auto const inner = GENERATE(10ms + 0ns, 10ms - 1ns);
  SECTION("move on") {
    host h(n.ctx, [&] { return n.run_moving_on(10ms, inner); });
    drain(n.ctx);
    n.advance(10ms);
    CHECK(h.clean());
    CHECK(n.log.str() == "outer:expired");
  }
  SECTION("fail") {
    host h(n.ctx, [&] { return n.run_failing(10ms, inner); });
    drain(n.ctx);
    n.advance(10ms);
    CHECK(h.clean());
    CHECK(n.log.str() == "inner:aborted outer:timed_out");
  }
}

TEST_CASE("B132: two deadlines in the past on entry start nothing and the outer one tells",
          "[deadline][nested]") {
  nested n;
  run(n.ctx, [&] { return n.run_moving_on(0s, 0s); });
  CHECK(n.log.str() == "outer:expired");
  n.log.clear();
  run(n.ctx, [&] { return n.run_failing(-1s, 10ms); });
  CHECK(n.log.str() == "outer:timed_out");
}

TEST_CASE("B133: an outer deadline that passes while the inner error is handled still comes",
          "[deadline][nested]") {
  manual_clock time;
  manual_event never;
  asio::io_context ctx;
  event_log log;
  host h(ctx, [&]() -> awaitable<void> {
    log.add(co_await ended(fail_after(20ms, [&]() -> awaitable<void> {
      log.add(co_await ended(fail_after(10ms, never.wait())));
      // A long computation: nobody looks at the timers.
      time.pass(50ms);
      asio::post(ctx, [&] { time.advance(0ms); });
      log.add("handled");
      co_await never.wait();
    })));
  });
  drain(ctx);
  time.advance(10ms);
  drain(ctx);
  CHECK(log.str() == "timed_out handled timed_out");
  CHECK(h.clean());
}

TEST_CASE("B144: the deadline of a body that computes comes when the timer gets to run",
          "[deadline][nested]") {
  manual_clock time;
  manual_event never;
  asio::io_context ctx;
  event_log log;
  host h(ctx, [&]() -> awaitable<void> {
    auto const result = co_await move_on_after(10ms, [&](auto& scope) -> awaitable<void> {
      time.pass(1h);
      CHECK_FALSE(scope.cancel_called());
      co_await asio::post(use_awaitable);
      log.add("went on");
      asio::post(ctx, [&] { time.advance(0ms); });
      co_await checkpoint();
      log.add("timer looked at");
      co_await checkpoint();
      log.add("not reached");
    });
    CHECK(result.cancelled_caught());
    CHECK(result.cause() == cancel_cause::deadline);
  });
  drain(ctx);
  CHECK(h.clean());
  CHECK(log.str().starts_with("went on"));
  CHECK(log.count("not reached") == 0);
}

TEST_CASE("B139: an outer deadline that comes while an inner cancelled scope is being left",
          "[deadline][nested]") {
  manual_clock time;
  manual_event slow;
  manual_event never;
  asio::io_context ctx;
  event_log log;

  auto const outer = [&](bool child_goes_on) -> awaitable<void> {
    log.add(co_await ended(fail_after(10ms, [&]() -> awaitable<void> {
      log.add("inner:" + co_await ended(with_cancel_scope([&](auto& scope) -> awaitable<void> {
                scope.spawn([&]() -> awaitable<void> {
                  co_await slow.wait_ignoring_cancellation();
                  if (!child_goes_on) co_await never.wait();
                });
                co_await asio::post(use_awaitable);
                scope.cancel();
              })));
      co_await never.wait();
      log.add("not reached");
    })));
  };

  SECTION("its child is cut") {
    host h(ctx, [&] { return outer(false); });
    drain(ctx);
    time.advance(10ms);
    drain(ctx);
    CHECK(log.str().empty());
    slow.set();
    drain(ctx);
    CHECK(log.str() == "inner:aborted timed_out");
    CHECK(h.clean());
  }
  SECTION("its child ends by itself and the next await in the outer one is cut") {
    host h(ctx, [&] { return outer(true); });
    drain(ctx);
    time.advance(10ms);
    drain(ctx);
    slow.set();
    drain(ctx);
    CHECK(log.str() == "inner:value timed_out");
    CHECK(h.clean());
  }
}

TEST_CASE("B140: a deadline on a shielded region in a cancelled scope ends it and then the outer",
          "[deadline][shielded]") {
  manual_clock time;
  manual_event never;
  asio::io_context ctx;
  event_log log;
  host h(ctx, [&]() -> awaitable<void> {
    auto const result = co_await with_cancel_scope([&](auto& scope) -> awaitable<void> {
      asio::post(ctx, [&scope] { scope.cancel(); });
      log.add("region:" + co_await ended(shielded(10ms, never.wait())));
      co_await never.wait();
      log.add("not reached");
    });
    log.add("outer:" + word_of(result));
  });
  drain(ctx);
  CHECK(log.str().empty());
  CHECK(never.waiters() == 1);
  time.advance(10ms);
  drain(ctx);
  CHECK(h.clean());
  CHECK(log.str() == "region:timed_out outer:cancelled");
}

TEST_CASE("rule 17: three deadlines tell each of its own in the order in which they come",
          "[deadline][nested]") {
  manual_clock time;
  manual_event never;
  asio::io_context ctx;
  event_log log;
  auto const wait = [&](std::string const& name) -> awaitable<void> {
    log.add(name);
    co_await never.wait();
  };
  host h(ctx, [&]() -> awaitable<void> {
    log.add(word_of(co_await move_on_after(30ms, [&]() -> awaitable<void> {
      log.add(word_of(co_await move_on_after(20ms, [&]() -> awaitable<void> {
        log.add(word_of(co_await move_on_after(10ms, wait("3"))));
        co_await wait("2");
      })));
      co_await wait("1");
    })));
  });
  for (int i = 0; i < 3; ++i) {
    drain(ctx);
    time.advance(10ms);
  }
  drain(ctx);
  CHECK(log.str() == "3 expired 2 expired 1 expired");
  CHECK(h.clean());
}
