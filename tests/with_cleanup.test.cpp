// SPDX-License-Identifier: MIT

// The cleanup of with_cleanup runs once, whatever became of the work, and may await.

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
#include <memory>
#include <stdexcept>
#include <string>
#include <utility>

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

// A cleanup that awaits several things and logs that it ran to its end, and after what.
auto logging_cleanup(event_log& log) {
  return [&log](std::exception_ptr e) -> awaitable<void> {
    co_await hop();
    co_await with_cancel_scope([](auto& scope) -> awaitable<void> {
      scope.spawn(hop());
      co_await hop();
    });
    log.add("cleanup:" + (e ? word_of(e) : "value"));
  };
}

}  // namespace

TEST_CASE("rule 23: the work is an awaitable or a callable or one that takes its scope",
          "[with_cleanup]") {
  manual_clock time;
  run([&]() -> awaitable<void> {
    int cleanups = 0;
    auto const cleanup = [&]() -> awaitable<void> {
      ++cleanups;
      co_return;
    };
    auto const body = [](cancel_scope<>& scope) -> awaitable<int> {
      scope.spawn(hop());
      co_return co_await five();
    };
    int sum = 0;
    sum += co_await with_cleanup(five(), cleanup);
    sum += co_await with_cleanup(five, cleanup);
    sum += co_await with_cleanup(body, cleanup);
    sum += co_await with_cleanup(1s, five(), cleanup);
    sum += co_await with_cleanup(1s, five, cleanup);
    sum += co_await with_cleanup(1s, body, cleanup);
    auto const observer = [](std::exception_ptr) {};
    sum += co_await with_cleanup(five, cleanup, observer);
    sum += co_await with_cleanup(1s, five, cleanup, observer);
    CHECK(sum == 40);
    CHECK(cleanups == 8);
    auto const moved =
        co_await with_cleanup([]() -> awaitable<move_only> { co_return move_only(2); }, cleanup);
    CHECK(moved.value == 2);
    auto const no_default = []() -> awaitable<not_default_constructible> {
      co_return not_default_constructible(3);
    };
    auto const made = co_await with_cleanup(no_default, cleanup);
    CHECK(made.value == 3);
  });
}

TEST_CASE("B154: the cleanup runs once after a value and an error and a cancellation",
          "[with_cleanup]") {
  asio::io_context ctx;
  manual_event never;
  event_log log;
  auto const cleanup = logging_cleanup(log);

  SECTION("a value") {
    run(ctx, [&]() -> awaitable<void> {
      auto const value = co_await with_cleanup(five, cleanup);
      log.add(std::to_string(value));
    });
    CHECK(log.str() == "cleanup:value 5");
  }
  SECTION("nothing") {
    run(ctx, [&]() -> awaitable<void> { co_await with_cleanup(hop(), cleanup); });
    CHECK(log.str() == "cleanup:value");
  }
  SECTION("an error") {
    run(ctx, [&]() -> awaitable<void> {
      auto const work = []() -> awaitable<int> {
        co_await hop();
        throw std::runtime_error("E1");
      };
      log.add(co_await ended(with_cleanup(work, cleanup)));
      co_await hop();
    });
    CHECK(log.str() == "cleanup:E1 E1");
  }
  SECTION("an error before the work returned its awaitable") {
    run(ctx, [&]() -> awaitable<void> {
      auto const work = []() -> awaitable<int> {
        if (true) throw std::runtime_error("E1");
        return five();
      };
      log.add(co_await ended(with_cleanup(work, cleanup)));
    });
    CHECK(log.str() == "cleanup:E1 E1");
  }
  SECTION("an outer cancellation") {
    host h(ctx, [&]() -> awaitable<void> {
      log.add(co_await ended(with_cleanup(never.wait(), cleanup)));
      co_await hop();
      log.add("not reached");
    });
    drain(ctx);
    h.cancel();
    drain(ctx);
    CHECK(log.str() == "cleanup:aborted aborted");
    CHECK(h.aborted());
  }
  SECTION("an own cancellation of the work without a value") {
    run(ctx, [&]() -> awaitable<void> {
      auto const work = [&](auto& scope) -> awaitable<int> {
        scope.cancel();
        co_await never.wait();
        co_return 1;
      };
      log.add(co_await ended(with_cleanup(work, cleanup)));
      co_await hop();
    });
    CHECK(log.str() == "cleanup:aborted aborted");
  }
  SECTION("an own cancellation of work that gives nothing") {
    run(ctx, [&]() -> awaitable<void> {
      auto const work = [&](auto& scope) -> awaitable<void> {
        scope.cancel();
        co_await never.wait();
      };
      log.add(co_await ended(with_cleanup(work, cleanup)));
      co_await hop();
    });
    CHECK(log.str() == "cleanup:value value");
  }
  CHECK(log.count("cleanup:value") + log.count("cleanup:E1") + log.count("cleanup:aborted") == 1);
}

TEST_CASE("rule 23: the cleanup may take what the work has ended with by reference",
          "[with_cleanup][lifetime]") {
  int told = 0;
  run([&]() -> awaitable<void> {
    auto const look = [&](std::exception_ptr const& e) -> awaitable<void> {
      co_await checkpoint();
      told += e ? 1 : 10;
    };
    co_await with_cleanup([]() -> awaitable<void> { co_return; }, look);
    auto const fails = []() -> awaitable<void> {
      throw std::runtime_error("E1");
      co_return;
    };
    try {
      co_await with_cleanup(fails, look);
    } catch (std::runtime_error const&) {
      told += 100;
    }
  });
  CHECK(told == 111);
}

TEST_CASE("rule 23: the cleanup runs when the work never got to start", "[with_cleanup]") {
  asio::io_context ctx;
  event_log log;
  host h(ctx, [&]() -> awaitable<void> {
    h.cancel();
    co_await asio::this_coro::throw_if_cancelled(false);
    auto const work = [&]() -> awaitable<void> {
      log.add("started");
      co_return;
    };
    log.add(co_await ended(with_cleanup(work, logging_cleanup(log))));
    bool const throws = co_await asio::this_coro::throw_if_cancelled();
    CHECK_FALSE(throws);
    asio::cancellation_state const state = co_await asio::this_coro::cancellation_state;
    CHECK(state.cancelled() == asio::cancellation_type::terminal);
  });
  drain(ctx);
  CHECK(log.str() == "cleanup:aborted aborted");
}

TEST_CASE("rule 23: a coroutine that is cancelled before it awaits with_cleanup starts neither",
          "[with_cleanup]") {
  asio::io_context ctx;
  event_log log;
  host h(ctx, [&]() -> awaitable<void> {
    h.cancel();
    auto const work = [&]() -> awaitable<void> {
      log.add("started");
      co_return;
    };
    co_await with_cleanup(work, logging_cleanup(log));
    log.add("not reached");
  });
  drain(ctx);
  CHECK(log.str().empty());
  CHECK(h.aborted());
}

TEST_CASE("rule 23: the cleanup awaits although its scope is cancelled", "[with_cleanup][cancel]") {
  asio::io_context ctx;
  manual_event never;
  manual_event closed;
  event_log log;
  host h(ctx, [&]() -> awaitable<void> {
    auto const result = co_await with_cancel_scope([&](auto& scope) -> awaitable<void> {
      scope.spawn(with_cleanup(never.wait(), [&]() -> awaitable<void> {
        co_await hop();
        log.add("closing");
        co_await closed.wait();
        log.add("closed");
      }));
      co_await hop();
      co_await hop();
      scope.cancel();
    });
    CHECK(result.cancelled_caught());
    log.add("left");
  });
  drain(ctx);
  CHECK(log.str() == "closing");
  CHECK_FALSE(h.done());
  CHECK(drain(ctx) == 0);
  closed.set();
  drain(ctx);
  CHECK(log.str() == "closing closed left");
  CHECK(h.clean());
}

TEST_CASE("rule 23: requests that come during the cleanup do not reach it and are not lost",
          "[with_cleanup][outer]") {
  asio::io_context ctx;
  manual_event never;
  manual_event closed;
  event_log log;
  bool const before = GENERATE(true, false);
  host h(ctx, [&]() -> awaitable<void> {
    auto const work = [&]() -> awaitable<int> {
      if (before) co_await never.wait();
      co_return 7;
    };
    auto const cleanup = [&]() -> awaitable<void> { log.add(co_await ended(closed.wait())); };
    log.add(co_await ended(with_cleanup(work, cleanup)));
    co_await hop();
    log.add("not reached");
  });
  drain(ctx);
  for (int i = 0; i < 3; ++i) {
    h.cancel();
    drain(ctx);
  }
  CHECK(closed.waiters() == 1);
  closed.set();
  drain(ctx);
  // The value of work that had returned before the request is given all the same.
  CHECK(log.str() == (before ? "value aborted" : "value value"));
  CHECK(h.aborted());
}

TEST_CASE("rule 23: a request at any moment lets the cleanup run once and to its end",
          "[with_cleanup][outer]") {
  for (int turn = 0; turn < 25; ++turn) {
    asio::io_context ctx;
    manual_event never;
    event_log log;
    bool started = false;
    host h(ctx, [&]() -> awaitable<void> {
      auto const work = [&](auto& scope) -> awaitable<void> {
        started = true;
        scope.spawn(hop());
        co_await hop();
        co_await hop();
      };
      co_await with_cleanup(work, logging_cleanup(log));
      co_await never.wait();
    });
    every_turn(ctx, [&, n = 0]() mutable {
      if (n++ < turn) return true;
      h.cancel();
      return false;
    });
    drain(ctx);
    CAPTURE(turn, log.str());
    CHECK(h.aborted());
    CHECK(log.size() == (started ? 1U : 0U));
  }
}

TEST_CASE("rule 23: all of the work is gone when the cleanup starts", "[with_cleanup][lifetime]") {
  asio::io_context ctx;
  manual_event never;
  manual_event slow;
  int alive = -1;
  host h(ctx, [&]() -> awaitable<void> {
    auto const work = [&never, &slow](auto& scope) -> awaitable<void> {
      tracked const local;
      scope.spawn([&slow, t = tracked()]() -> awaitable<void> {
        co_await slow.wait_ignoring_cancellation();
      });
      co_await never.wait();
    };
    co_await with_cleanup(work, [&]() -> awaitable<void> {
      alive = tracked::alive();
      co_return;
    });
  });
  drain(ctx);
  h.cancel();
  drain(ctx);
  CHECK(alive == -1);
  slow.set();
  drain(ctx);
  CHECK(alive == 0);
  CHECK(tracked::alive() == 0);
  CHECK(h.aborted());
}

TEST_CASE("rule 23: what the work holds and the cleanup too is destroyed in the end",
          "[with_cleanup][lifetime]") {
  run([&]() -> awaitable<void> {
    auto const work = [t = tracked()]() { return hop(); };
    auto const cleanup = [t = tracked()]() -> awaitable<void> {
      tracked const local;
      co_await hop();
    };
    CHECK(tracked::alive() == 2);
    co_await with_cleanup(work, cleanup);
    CHECK(tracked::alive() == 2);
    auto held = [p = std::make_unique<int>(1)] { return hop(); };
    co_await with_cleanup(std::ref(held), std::ref(held));
  });
  CHECK(tracked::alive() == 0);
}

TEST_CASE("rule 23: with_cleanup leaves the state of its host as it was", "[with_cleanup]") {
  asio::io_context ctx;
  manual_event never;
  bool const throws = GENERATE(true, false);
  host h(ctx, [&]() -> awaitable<void> {
    co_await asio::this_coro::reset_cancellation_state(asio::enable_total_cancellation());
    co_await asio::this_coro::throw_if_cancelled(throws);
    auto const work = [&]() -> awaitable<void> {
      co_await asio::this_coro::reset_cancellation_state(asio::disable_cancellation());
      co_await asio::this_coro::throw_if_cancelled(!throws);
      throw std::runtime_error("E1");
    };
    auto const word = co_await ended(with_cleanup(work, hop));
    CHECK(word == "E1");
    bool const throws_after = co_await asio::this_coro::throw_if_cancelled();
    CHECK(throws_after == throws);
    co_await asio::this_coro::throw_if_cancelled(true);
    co_await never.wait(asio::cancellation_type::all);
  });
  drain(ctx);
  h.cancel(asio::cancellation_type::total);
  drain(ctx);
  CHECK(h.aborted());
}

TEST_CASE("rule 23: cleanups nest and run from the inside out", "[with_cleanup]") {
  asio::io_context ctx;
  manual_event never;
  event_log log;
  auto const named = [&](std::string name) {
    return [&log, name]() -> awaitable<void> {
      co_await hop();
      log.add(name);
    };
  };
  host h(ctx, [&]() -> awaitable<void> {
    auto const inner = named("inner");
    auto const middle = named("middle");
    auto const outer = named("outer");
    co_await with_cleanup(with_cleanup(with_cleanup(never.wait(), inner), middle), outer);
  });
  drain(ctx);
  h.cancel();
  drain(ctx);
  CHECK(log.str() == "inner middle outer");
  CHECK(h.aborted());
}
