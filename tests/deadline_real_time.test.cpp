// SPDX-License-Identifier: MIT

// The few things that only the real clock can tell. Nothing here may be early; how late it may be
// is left to the machine.

#include "support/asio.hpp"
#include "support/catch.hpp"
#include "support/ended.hpp"
#include "support/manual_event.hpp"
#include "support/run.hpp"

#include <asio_cancel_scope.hpp>

#include <chrono>
#include <string>

using namespace asio_cancel_scope;
using namespace std::chrono_literals;

namespace {

using clock_type = std::chrono::steady_clock;

constexpr auto long_time = 30s;  // what never comes in these tests, and what they take at most

awaitable<void> sleep_for(clock_type::duration d) {
  asio::steady_timer timer(co_await asio::this_coro::executor, d);
  co_await timer.async_wait(use_awaitable);
}

}  // namespace

TEST_CASE("B143: a deadline never fires early", "[deadline][real_time]") {
  asio::io_context ctx;
  for (auto const limit : {0us, 1us, 999us, 1000us, 1500us, 20000us, 60000us}) {
    manual_event never;
    auto const began = clock_type::now();
    run_blocking(ctx, [&]() -> awaitable<void> {
      auto const result = co_await move_on_after(limit, never.wait());
      CHECK(result.cancelled_caught());
      CHECK(result.cause() == cancel_cause::deadline);
    });
    auto const took = clock_type::now() - began;
    CHECK(took >= limit);
    CHECK(took < long_time);
  }
}

TEST_CASE("B143: a deadline at a point in time never fires early", "[deadline][real_time]") {
  asio::io_context ctx;
  manual_event never;
  auto const at = clock_type::now() + 30ms;
  run_blocking(ctx, [&]() -> awaitable<void> {
    auto const result = co_await move_on_at(at, never.wait());
    CHECK(clock_type::now() >= at);
    CHECK(result.cause() == cancel_cause::deadline);
  });
}

TEST_CASE("B143: a deadline that is moved later again and again never fires early",
          "[deadline][real_time]") {
  asio::io_context ctx;
  manual_event never;
  clock_type::time_point last;
  run_blocking(ctx, [&]() -> awaitable<void> {
    auto const result = co_await with_cancel_scope([&](auto& scope) -> awaitable<void> {
      for (int i = 0; i < 10; ++i) {
        last = clock_type::now() + 200ms;
        scope.cancel_at(last);
        co_await sleep_for(10ms);
      }
      co_await never.wait();
    });
    CHECK(result.cause() == cancel_cause::deadline);
    CHECK(clock_type::now() >= last);
  });
}

TEST_CASE("B143: a deadline that is moved earlier comes then", "[deadline][real_time]") {
  asio::io_context ctx;
  manual_event never;
  auto const began = clock_type::now();
  run_blocking(ctx, [&]() -> awaitable<void> {
    auto const result = co_await move_on_after(1h, [&](auto& scope) -> awaitable<void> {
      co_await sleep_for(1ms);
      scope.cancel_after(10ms);
      co_await never.wait();
    });
    CHECK(result.cancelled_caught());
  });
  CHECK(clock_type::now() - began >= 10ms);
  CHECK(clock_type::now() - began < long_time);
}

TEST_CASE("rule 18: a pending deadline delays neither leaving nor the end of run",
          "[deadline][real_time]") {
  auto const began = clock_type::now();
  asio::io_context ctx;
  auto const out = support::start(ctx.get_executor(), []() -> awaitable<int> {
    auto const work = []() -> awaitable<int> {
      co_await sleep_for(1ms);
      co_return 3;
    };
    auto const first = co_await fail_after(1h, work);
    auto const second = co_await move_on_after(2h, work);
    auto const third = co_await shielded(1h, work);
    auto const fourth = co_await with_cleanup(1h, work, [] { return sleep_for(1ms); });
    co_return first + *second + third + fourth;
  });
  ctx.run();
  CHECK(clock_type::now() - began < long_time);
  CHECK(out->done);
  CHECK(support::take(*out) == 12);
}

TEST_CASE("rule 17: a cancelled scope with a deadline far off is left at once",
          "[deadline][real_time]") {
  auto const began = clock_type::now();
  asio::io_context ctx;
  auto const out = support::start(ctx.get_executor(), []() -> awaitable<void> {
    co_await with_cancel_scope([](auto& scope) -> awaitable<void> {
      scope.cancel_after(1h);
      scope.spawn(sleep_for(2h));
      co_await sleep_for(1ms);
      scope.cancel();
    });
  });
  ctx.run();
  CHECK(clock_type::now() - began < long_time);
  CHECK(out->done);
}

TEST_CASE("B127: work that ends just at its deadline gives a value or has timed out and not both",
          "[deadline][real_time]") {
  asio::io_context ctx;
  int values = 0;
  int timeouts = 0;
  for (int i = 0; i < 200; ++i) {
    run_blocking(ctx, [&]() -> awaitable<void> {
      int ended_by_itself = 0;
      auto const work = [&]() -> awaitable<int> {
        co_await sleep_for(500us);
        co_return ++ended_by_itself;
      };
      auto const word = co_await ended(fail_after(500us, work));
      CHECK((word == "value" || word == "timed_out"));
      CHECK(ended_by_itself == (word == "value" ? 1 : 0));
      (word == "value" ? values : timeouts) += 1;
      // Nothing of either is left in the host.
      co_await asio::post(use_awaitable);
    });
  }
  CHECK(values + timeouts == 200);
}

TEST_CASE("rule 18: a shutdown forces when the grace period is over and not before",
          "[shutdown][real_time]") {
  asio::io_context ctx;
  manual_event never;
  clock_type::time_point told;
  run_blocking(ctx, [&]() -> awaitable<void> {
    auto const result = co_await with_cancel_scope([&](auto& scope) -> awaitable<void> {
      scope.spawn(never.wait());
      co_await asio::post(use_awaitable);
      told = clock_type::now();
      scope.shutdown(30ms);
    });
    CHECK(clock_type::now() - told >= 30ms);
    CHECK(clock_type::now() - told < long_time);
    CHECK(result.shutdown_counts().forced() == 1);
  });
}
