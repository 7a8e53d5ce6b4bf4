// SPDX-License-Identifier: MIT

// move_on_after and fail_after, move_on_at and fail_at: what they take and what they give.

#include "support/asio.hpp"
#include "support/catch.hpp"
#include "support/ended.hpp"
#include "support/event_log.hpp"
#include "support/manual_event.hpp"
#include "support/manual_timer.hpp"
#include "support/run.hpp"
#include "support/tracked.hpp"

#include <asio_cancel_scope.hpp>

#include <chrono>
#include <functional>
#include <memory>
#include <optional>
#include <stdexcept>
#include <string>
#include <type_traits>
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

awaitable<int> add(cancel_scope<>& scope, int a, int b) {
  int sum = 0;
  scope.spawn([&sum, a, b]() -> awaitable<void> {
    co_await hop();
    sum = a + b;
  });
  co_await hop();
  co_await hop();
  co_return sum;
}

}  // namespace

TEST_CASE("rule 18: move_on and fail take an awaitable or a callable or one that takes its scope",
          "[timeouts]") {
  manual_clock time;
  asio::io_context ctx;
  run(ctx, [&]() -> awaitable<void> {
    auto const at = time.now() + 1h;
    auto const with_scope = [](cancel_scope<>& scope) { return add(scope, 2, 3); };
    auto const with_auto = [](auto& scope) -> awaitable<int> { return add(scope, 2, 3); };

    int sum = 0;
    sum += co_await fail_after(1h, five());
    sum += co_await fail_after(1h, five);
    sum += co_await fail_after(1h, [] { return five(); });
    sum += co_await fail_after(1h, with_scope);
    sum += co_await fail_after(1h, with_auto);
    CHECK(sum == 25);

    sum = 0;
    sum += co_await fail_at(at, five());
    sum += co_await fail_at(at, five);
    sum += co_await fail_at(at, with_scope);
    sum += co_await fail_at(at, with_auto);
    CHECK(sum == 20);

    sum = 0;
    sum += *co_await move_on_after(1h, five());
    sum += *co_await move_on_after(1h, five);
    sum += *co_await move_on_after(1h, with_scope);
    sum += *co_await move_on_after(1h, with_auto);
    CHECK(sum == 20);

    sum = 0;
    sum += *co_await move_on_at(at, five());
    sum += *co_await move_on_at(at, five);
    sum += *co_await move_on_at(at, with_scope);
    sum += *co_await move_on_at(at, with_auto);
    CHECK(sum == 20);
  });
}

TEST_CASE("rule 18: what is returned has the type of the work", "[timeouts]") {
  STATIC_REQUIRE(std::is_same_v<decltype(fail_after(1s, five)), awaitable<int>>);
  STATIC_REQUIRE(std::is_same_v<decltype(fail_after(1s, hop())), awaitable<void>>);
  STATIC_REQUIRE(std::is_same_v<decltype(fail_at({}, five())), awaitable<int>>);
  STATIC_REQUIRE(std::is_same_v<decltype(move_on_after(1s, five)), awaitable<scope_result<int>>>);
  STATIC_REQUIRE(std::is_same_v<decltype(move_on_at({}, hop)), awaitable<scope_result<void>>>);
}

TEST_CASE("rule 18: move only values and types without a default constructor pass through",
          "[timeouts]") {
  manual_clock time;
  run([&]() -> awaitable<void> {
    auto const only_moved = []() -> awaitable<move_only> {
      co_await hop();
      co_return move_only(3);
    };
    auto const no_default = []() -> awaitable<not_default_constructible> {
      co_await hop();
      co_return not_default_constructible(4);
    };
    auto const pointer = []() -> awaitable<std::unique_ptr<int>> {
      co_return std::make_unique<int>(5);
    };
    auto const failing_3 = co_await fail_after(1s, only_moved);
    CHECK(failing_3.value == 3);
    auto const failing_4 = co_await fail_after(1s, no_default);
    CHECK(failing_4.value == 4);
    auto const failing_5 = co_await fail_after(1s, pointer);
    CHECK(*failing_5 == 5);
    auto moving_on_3 = co_await move_on_after(1s, only_moved);
    CHECK(std::move(moving_on_3).value().value == 3);
    auto const moving_on_4 = co_await move_on_after(1s, no_default());
    CHECK(moving_on_4->value == 4);
    auto const word = co_await ended(fail_after(0s, no_default));
    CHECK(word == "timed_out");
    auto const nothing = co_await move_on_after(0s, no_default);
    CHECK_FALSE(nothing.has_value());
  });
}

TEST_CASE("rule 18: a concrete executor passes through", "[timeouts][executor]") {
  using executor = asio::io_context::executor_type;
  manual_clock time;
  manual_event never;
  asio::io_context ctx;
  auto const out = support::start(ctx.get_executor(), [&]() -> awaitable<int, executor> {
    auto const work = [&](cancel_scope<executor>& scope) -> awaitable<int, executor> {
      scope.spawn(never.wait<executor>());
      co_await asio::post(asio::use_awaitable_t<executor>());
      scope.cancel();
      co_return 6;
    };
    auto const plain = []() -> awaitable<int, executor> { co_return 1; };
    auto const first = co_await fail_after(1s, work);
    auto const second = co_await move_on_after(1s, plain);
    auto const third = co_await fail_after(1s, plain());
    auto const fourth = co_await shielded(1s, plain);
    co_await checkpoint<executor>();
    auto const fifth = co_await with_cleanup(1s, plain, [] { return checkpoint<executor>(); });
    co_return first + *second + third + fourth + fifth;
  });
  CHECK(support::step(ctx, out) == 10);
}

TEST_CASE("B123: fail_after throws timed_out when all has been joined", "[timeouts]") {
  manual_clock time;
  manual_event never;
  manual_event slow;
  asio::io_context ctx;
  std::string word;
  host h(ctx, [&]() -> awaitable<void> {
    tracked const in_host;
    word = co_await ended(fail_after(10ms, [&](auto& scope) -> awaitable<int> {
      tracked const in_body;
      scope.spawn(
          [&, t = tracked()]() -> awaitable<void> { co_await slow.wait_ignoring_cancellation(); });
      co_await never.wait();
      co_return 1;
    }));
    CHECK(tracked::alive() == 1);
    co_await hop();
  });
  drain(ctx);
  time.advance(10ms);
  drain(ctx);
  CHECK(word.empty());
  slow.set();
  drain(ctx);
  CHECK(word == "timed_out");
  CHECK(h.clean());
}

TEST_CASE("B124: a limit of zero or less starts nothing", "[timeouts]") {
  manual_clock time;
  run([&]() -> awaitable<void> {
    bool ran = false;
    auto const work = [&]() -> awaitable<int> {
      ran = true;
      co_return 1;
    };
    event_log log;
    log.add(co_await ended(fail_after(0s, work)));
    log.add(co_await ended(fail_after(-1h, work)));
    log.add(co_await ended(fail_after(0s, work())));
    log.add(co_await ended(fail_at(time.now(), work)));
    log.add(co_await ended(fail_at(time.now() - 1s, work)));
    CHECK(log.str() == "timed_out timed_out timed_out timed_out timed_out");
    for (auto const limit : {0s, -1s}) {
      auto const result = co_await move_on_after(limit, work);
      CHECK(result.cancelled_caught());
      CHECK(result.cause() == cancel_cause::deadline);
      CHECK_FALSE(result.has_value());
    }
    auto const result = co_await move_on_at(time.now(), work);
    CHECK(result.cancelled_caught());
    CHECK_FALSE(ran);
    co_await hop();
  });
  CHECK(time.timers_made() == 0);
}

TEST_CASE("B130: a limit counts from when it is awaited and not from when it is written",
          "[timeouts]") {
  manual_clock time;
  run([&]() -> awaitable<void> {
    auto failing = fail_after(10ms, five);
    auto moving_on = move_on_after(10ms, five());
    auto shield = shielded(10ms, five());
    time.advance(1h);
    auto const failed = co_await std::move(failing);
    auto const result = co_await std::move(moving_on);
    auto const shield_result = co_await std::move(shield);
    CHECK(failed == 5);
    CHECK_FALSE(result.cancelled_caught());
    CHECK(shield_result == 5);
  });
}

TEST_CASE("rule 18: move_on_after tells of its deadline and gives the value too", "[timeouts]") {
  manual_clock time;
  manual_event never;
  manual_event slow;
  asio::io_context ctx;
  std::optional<scope_result<int>> result;
  auto const go = [&](bool child_is_cut) {
    result.reset();
    asio::co_spawn(
        ctx,
        [&, child_is_cut]() -> awaitable<void> {
          auto const body = [&, child_is_cut](auto& scope) -> awaitable<int> {
            if (child_is_cut) scope.spawn(never.wait());
            co_await slow.wait_ignoring_cancellation();
            co_return 9;
          };
          result = co_await move_on_after(10ms, body);
        },
        asio::detached);
    drain(ctx);
    time.advance(10ms);
    drain(ctx);
    CHECK_FALSE(result);
    slow.set();
    drain(ctx);
  };
  SECTION("a child was cut and the body went on") {
    go(true);
    REQUIRE(result);
    CHECK(result->cancelled_caught());
    CHECK(result->value() == 9);
  }
  SECTION("nothing was cut") {
    go(false);
    REQUIRE(result);
    CHECK_FALSE(result->cancelled_caught());
    CHECK(result->cause() == cancel_cause::deadline);
    CHECK(result->value() == 9);
  }
}

TEST_CASE("rule 10: move_on_after never throws for its deadline but throws what is real",
          "[timeouts][error]") {
  manual_clock time;
  asio::io_context ctx;
  run(ctx, [&]() -> awaitable<void> {
    auto const work = [](auto& scope) -> awaitable<void> {
      scope.spawn([]() -> awaitable<void> {
        co_await hop();
        throw std::runtime_error("E1");
      });
      co_return;
    };
    event_log log;
    log.add(co_await ended(move_on_after(1h, work)));
    log.add(co_await ended(fail_after(1h, work)));
    // Nobody has cancelled: an abort of one's own is an error like any other.
    auto const own_abort = []() -> awaitable<void> {
      throw system_error(asio::error::operation_aborted);
      co_return;
    };
    log.add(co_await ended(move_on_after(1h, own_abort)));
    log.add(co_await ended(fail_after(1h, own_abort)));
    // timed_out of somebody else is no expiry of ours.
    auto const times_out = []() -> awaitable<void> {
      throw system_error(asio::error::timed_out);
      co_return;
    };
    log.add(co_await ended(move_on_after(1h, times_out)));
    CHECK(log.str() == "E1 E1 aborted aborted timed_out");
  });
}

TEST_CASE("rule 1: the callable and its captures are gone when a limit is left",
          "[timeouts][lifetime]") {
  manual_clock time;
  run([&]() -> awaitable<void> {
    {
      auto const work = [t = tracked()]() -> awaitable<void> { co_await hop(); };
      CHECK(tracked::alive() == 1);
      co_await fail_after(1s, work);
      CHECK(tracked::alive() == 1);
      co_await move_on_after(0s, work);
      co_await shielded(work);
      CHECK(tracked::alive() == 1);
    }
    CHECK(tracked::alive() == 0);
    auto held = std::make_unique<int>(4);
    auto only_moved = [&held, t = tracked()]() -> awaitable<int> { co_return *held; };
    auto const value = co_await fail_after(1s, std::ref(only_moved));
    CHECK(value == 4);
  });
  CHECK(tracked::alive() == 0);
}

TEST_CASE("B011: a limit that is never awaited does nothing", "[timeouts][lifetime]") {
  manual_clock time;
  asio::io_context ctx;
  bool ran = false;
  {
    auto const work = [&ran, t = tracked()]() -> awaitable<void> {
      ran = true;
      co_return;
    };
    auto const dropped = fail_after(1s, work);
    auto const dropped_too = move_on_after(0s, work());
    auto const dropped_shield = shielded(work);
    auto const dropped_cleanup = with_cleanup(work, work);
  }
  drain(ctx);
  CHECK_FALSE(ran);
  CHECK(tracked::alive() == 0);
  CHECK(time.timers_made() == 0);
}

TEST_CASE("B022: a callable that throws before it returns its awaitable fails the work",
          "[timeouts][error]") {
  manual_clock time;
  run([&]() -> awaitable<void> {
    auto const throws = []() -> awaitable<int> {
      if (true) throw std::runtime_error("E1");
      return five();
    };
    event_log log;
    log.add(co_await ended(fail_after(1s, throws)));
    log.add(co_await ended(move_on_after(1s, throws)));
    log.add(co_await ended(shielded(throws)));
    CHECK(log.str() == "E1 E1 E1");
  });
}
