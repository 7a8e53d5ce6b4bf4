// SPDX-License-Identifier: MIT

#include "support/asio.hpp"
#include "support/catch.hpp"
#include "support/ended.hpp"
#include "support/event_log.hpp"
#include "support/every_turn.hpp"
#include "support/manual_event.hpp"
#include "support/manual_timer.hpp"
#include "support/run.hpp"
#include "support/tracked.hpp"

#include <asio_cancel_scope.hpp>

#include <chrono>
#include <exception>
#include <functional>
#include <stdexcept>
#include <string>

using namespace asio_cancel_scope;
using namespace std::chrono_literals;

namespace {

awaitable<void> hop() {
  co_await asio::post(use_awaitable);
}

awaitable<int> five() {
  co_await hop();
  co_return 5;
}

}  // namespace

TEST_CASE("rule 22: a shield takes an awaitable or a callable or one that takes its scope",
          "[shielded]") {
  manual_clock time;
  run([&]() -> awaitable<void> {
    auto const body = [](cancel_scope<>& scope) -> awaitable<int> {
      scope.spawn(hop());
      co_return co_await five();
    };
    auto const generic = [](auto& scope) -> awaitable<int> {
      scope.spawn(hop());
      co_return co_await five();
    };
    int sum = 0;
    sum += co_await shielded(five());
    sum += co_await shielded(five);
    sum += co_await shielded(body);
    sum += co_await shielded(generic);
    sum += co_await shielded(1s, five());
    sum += co_await shielded(1s, five);
    sum += co_await shielded(1s, body);
    sum += co_await shielded(1s, generic);
    CHECK(sum == 40);
    co_await shielded(hop());
    auto const moved = co_await shielded([]() -> awaitable<move_only> { co_return move_only(2); });
    CHECK(moved.value == 2);
    auto const no_default = co_await shielded(1s, []() -> awaitable<not_default_constructible> {
      co_return not_default_constructible(3);
    });
    CHECK(no_default.value == 3);
  });
}

TEST_CASE("B145: a shielded region completes and the abort comes at the first await after it",
          "[shielded][outer]") {
  asio::io_context ctx;
  manual_event inside;
  event_log log;
  host h(ctx, [&]() -> awaitable<void> {
    auto const value = co_await shielded([&](auto& scope) -> awaitable<int> {
      scope.spawn([&]() -> awaitable<void> {
        co_await inside.wait();
        log.add("child");
      });
      co_await inside.wait();
      co_await hop();
      log.add("body");
      co_return 4;
    });
    log.add(std::to_string(value));
    co_await hop();
    log.add("not reached");
  });
  drain(ctx);
  h.cancel();
  drain(ctx);
  h.cancel();
  CHECK(drain(ctx) == 0);
  CHECK(log.str().empty());
  CHECK(inside.waiters() == 2);
  inside.set();
  drain(ctx);
  CHECK(log.str() == "child body 4");
  CHECK(h.aborted());
}

TEST_CASE("rule 22: a shield leaves the cancellation state of its caller as it was",
          "[shielded][outer]") {
  asio::io_context ctx;
  manual_event inside;
  manual_event never;
  bool const throws = GENERATE(true, false);
  bool const cancelled = GENERATE(true, false);
  bool checked = false;
  host h(ctx, [&]() -> awaitable<void> {
    co_await asio::this_coro::reset_cancellation_state(asio::enable_total_cancellation());
    co_await asio::this_coro::throw_if_cancelled(throws);
    co_await shielded([&]() -> awaitable<void> {
      // What the work does with its own state stays there.
      co_await asio::this_coro::reset_cancellation_state(asio::disable_cancellation());
      co_await asio::this_coro::throw_if_cancelled(!throws);
      co_await inside.wait();
    });
    bool const throws_after = co_await asio::this_coro::throw_if_cancelled();
    CHECK(throws_after == throws);
    asio::cancellation_state const state = co_await asio::this_coro::cancellation_state;
    CHECK(state.cancelled() ==
          (cancelled ? asio::cancellation_type::total : asio::cancellation_type::none));
    checked = true;
    co_await asio::this_coro::throw_if_cancelled(true);
    co_await never.wait(asio::cancellation_type::all);
  });
  drain(ctx);
  if (cancelled) h.cancel(asio::cancellation_type::total);
  drain(ctx);
  inside.set();
  drain(ctx);
  CHECK(checked);
  CHECK(h.aborted() == cancelled);
  if (!cancelled) {
    h.cancel(asio::cancellation_type::total);
    drain(ctx);
    CHECK(h.aborted());
  }
}

TEST_CASE("rule 22: of the scopes cancelled meanwhile none is forgotten", "[shielded][nested]") {
  // Three scopes around a shield; every subset of them is cancelled while it runs.
  for (unsigned subset = 0; subset < 16; ++subset) {
    asio::io_context ctx;
    manual_event inside;
    event_log log;
    std::function<void()> cancel[3];
    auto const tell = [&](char const* name, scope_result<void> const& result) {
      log.add(std::string(name) + (result.cancelled_caught() ? ":caught" : ":passed"));
    };
    host h(ctx, [&]() -> awaitable<void> {
      tell("a", co_await with_cancel_scope([&](auto& a) -> awaitable<void> {
             cancel[0] = [&] { a.cancel(); };
             tell("b", co_await with_cancel_scope([&](auto& b) -> awaitable<void> {
                    cancel[1] = [&] { b.cancel(); };
                    tell("c", co_await with_cancel_scope([&](auto& c) -> awaitable<void> {
                           cancel[2] = [&] { c.cancel(); };
                           co_await shielded(inside.wait());
                           log.add("region");
                           co_await hop();
                           log.add("c-goes-on");
                         }));
                    co_await hop();
                    log.add("b-goes-on");
                  }));
             co_await hop();
             log.add("a-goes-on");
           }));
      co_await hop();
      log.add("host-goes-on");
    });
    drain(ctx);
    // From the outermost to the innermost and the other way round.
    for (unsigned i = 0; i < 4; ++i) {
      unsigned const which = subset % 2 ? 3 - i : i;
      if ((subset >> which & 1U) == 0) continue;
      if (which == 3) {
        h.cancel();
      } else {
        cancel[which]();
      }
      drain(ctx);
    }
    CHECK(log.str().empty());
    CHECK(inside.waiters() == 1);
    inside.set();
    drain(ctx);

    bool const a = subset & 1U;
    bool const b = subset & 2U;
    bool const c = subset & 4U;
    bool const outer = subset & 8U;
    std::string expected = "region";
    // The outermost that was cancelled is where it stops.
    if (!outer) {
      if (!a) {
        if (!b) expected += c ? " c:caught b-goes-on" : " c-goes-on c:passed b-goes-on";
        expected += b ? " b:caught a-goes-on" : " b:passed a-goes-on";
      }
      expected += a ? " a:caught host-goes-on" : " a:passed host-goes-on";
    }
    CAPTURE(subset);
    CHECK(log.str() == expected);
    CHECK(h.aborted() == outer);
    CHECK(h.clean() == !outer);
  }
}

TEST_CASE("B148: a shielded child delays the exit without spinning and its siblings end at once",
          "[shielded][cancel]") {
  asio::io_context ctx;
  manual_event inside;
  manual_event never;
  event_log log;
  host h(ctx, [&]() -> awaitable<void> {
    auto const result = co_await with_cancel_scope([&](auto& scope) -> awaitable<void> {
      scope.spawn([&]() -> awaitable<void> {
        co_await shielded(inside.wait());
        log.add("shielded");
        log.add(co_await ended(hop()));
      });
      scope.spawn([&]() -> awaitable<void> { log.add(co_await ended(never.wait())); });
      co_await hop();
      co_await hop();
      scope.cancel();
    });
    log.add("left");
    CHECK(result.cancelled_caught());
  });
  drain(ctx);
  CHECK(log.str() == "aborted");
  CHECK(drain(ctx) == 0);
  CHECK_FALSE(h.done());
  inside.set();
  drain(ctx);
  // The child's next await, that of ended(), was aborted.
  CHECK(log.str() == "aborted shielded left");
  CHECK(h.clean());
}

TEST_CASE("B149: when the shield ends the pending request is there at once", "[shielded][outer]") {
  asio::io_context ctx;
  manual_event inside;
  manual_event never;
  host h(ctx, [&]() -> awaitable<void> {
    co_await shielded(inside.wait());
    co_await never.wait();
  });
  drain(ctx);
  h.cancel();
  inside.set();
  drain(ctx);
  CHECK(h.aborted());
  CHECK(never.waiters() == 0);
}

TEST_CASE("B153: an error from a shielded region propagates and the cancellation stays pending",
          "[shielded][error]") {
  asio::io_context ctx;
  manual_event inside;
  event_log log;
  std::exception_ptr const thrown = std::make_exception_ptr(std::runtime_error("E1"));
  host h(ctx, [&]() -> awaitable<void> {
    try {
      co_await shielded([&]() -> awaitable<void> {
        co_await inside.wait();
        std::rethrow_exception(thrown);
      });
    } catch (std::runtime_error const&) {
      log.add(std::current_exception() == thrown ? "same" : "other");
    }
    co_await hop();
    log.add("not reached");
  });
  drain(ctx);
  h.cancel();
  drain(ctx);
  inside.set();
  drain(ctx);
  CHECK(log.str() == "same");
  CHECK(h.aborted());
}

TEST_CASE("rule 22: work that cancels its own scope is cut in the shield too", "[shielded]") {
  manual_event never;
  run([&]() -> awaitable<void> {
    auto const body = [&](auto& scope) -> awaitable<void> {
      scope.spawn(never.wait());
      co_await hop();
      scope.cancel();
      co_await never.wait();
    };
    co_await shielded(body);
    auto const no_value = [&](auto& scope) -> awaitable<int> {
      scope.cancel();
      co_await never.wait();
      co_return 1;
    };
    auto const word = co_await ended(shielded(no_value));
    CHECK(word == "aborted");
  });
}

TEST_CASE("rule 22: a coroutine that is cancelled already starts a shield if it may await at all",
          "[shielded][outer]") {
  asio::io_context ctx;
  event_log log;
  host h(ctx, [&]() -> awaitable<void> {
    h.cancel();
    co_await asio::this_coro::throw_if_cancelled(false);
    log.add(co_await ended(shielded([&]() -> awaitable<void> {
      co_await hop();
      log.add("inside");
    })));
    co_await asio::this_coro::throw_if_cancelled(true);
    co_await shielded(hop);
    log.add("not reached");
  });
  drain(ctx);
  CHECK(log.str() == "inside value");
  CHECK(h.aborted());
}

TEST_CASE("rule 22: a request at any moment of a shield reaches only what comes after it",
          "[shielded][outer]") {
  for (int turn = 0; turn < 15; ++turn) {
    asio::io_context ctx;
    manual_event never;
    event_log log;
    host h(ctx, [&]() -> awaitable<void> {
      log.add(co_await ended(shielded([&](auto& scope) -> awaitable<void> {
        scope.spawn([&]() -> awaitable<void> {
          co_await hop();
          co_await hop();
          log.add("child");
        });
        co_await hop();
        log.add("body");
      })));
      co_await never.wait();
      log.add("not reached");
    });
    every_turn(ctx, [&, n = 0]() mutable {
      if (n++ < turn) return true;
      h.cancel();
      return false;
    });
    drain(ctx);
    CAPTURE(turn);
    CHECK(log.str() == "body child value");
    CHECK(h.aborted());
  }
}

TEST_CASE("rule 1: what a shield ran is destroyed when it is left", "[shielded][lifetime]") {
  run([&]() -> awaitable<void> {
    auto const work = [t = tracked()](auto& scope) -> awaitable<void> {
      tracked const local;
      scope.spawn([u = tracked()] { return hop(); });
      co_await hop();
    };
    co_await shielded(work);
    CHECK(tracked::alive() == 1);
  });
  CHECK(tracked::alive() == 0);
}
