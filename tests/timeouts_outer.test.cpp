// SPDX-License-Identifier: MIT

// Limits in a coroutine that is itself cancelled: who wins, and that nothing is lost.

#include "support/asio.hpp"
#include "support/catch.hpp"
#include "support/ended.hpp"
#include "support/event_log.hpp"
#include "support/every_turn.hpp"
#include "support/manual_event.hpp"
#include "support/manual_timer.hpp"
#include "support/run.hpp"

#include <asio_cancel_scope.hpp>

#include <chrono>
#include <string>

using namespace asio_cancel_scope;
using namespace std::chrono_literals;

namespace {

awaitable<void> hop() {
  co_await asio::post(use_awaitable);
}

// How a limit ended in its host, and whether the host could await anything after it.
struct observed {
  std::string word;
  bool went_on = false;

  template <typename Operation>
  awaitable<void> by(Operation operation) {
    word = co_await ended(operation());
    co_await hop();
    went_on = true;
  }
};

}  // namespace

TEST_CASE("B136: an outer cancel before the deadline gives aborted and not timed_out",
          "[timeouts][outer]") {
  manual_clock time;
  manual_event never;
  manual_event slow;
  asio::io_context ctx;
  observed fails;
  observed moves_on;
  observed is_slow;
  auto const slow_work = [&](auto& scope) -> awaitable<void> {
    scope.spawn(slow.wait_ignoring_cancellation());
    co_await never.wait();
  };
  host a(ctx, [&] { return fails.by([&] { return fail_after(10ms, never.wait()); }); });
  host b(ctx, [&] { return moves_on.by([&] { return move_on_after(10ms, never.wait()); }); });
  host c(ctx, [&] { return is_slow.by([&] { return fail_after(10ms, slow_work); }); });
  drain(ctx);
  a.cancel();
  b.cancel();
  c.cancel();
  drain(ctx);
  // The third is still being left when its deadline comes.
  time.advance(20ms);
  drain(ctx);
  slow.set();
  drain(ctx);
  for (auto const* const o : {&fails, &moves_on, &is_slow}) {
    CHECK(o->word == "aborted");
    CHECK_FALSE(o->went_on);
  }
}

TEST_CASE("rule 18: an outer request after the deadline and before leaving is done wins",
          "[timeouts][outer]") {
  manual_clock time;
  manual_event never;
  manual_event slow;
  asio::io_context ctx;
  observed o;
  auto const work = [&](auto& scope) -> awaitable<void> {
    scope.spawn(slow.wait_ignoring_cancellation());
    co_await never.wait();
  };
  bool const fails = GENERATE(true, false);
  host h(ctx, [&]() -> awaitable<void> {
    if (fails) return o.by([&] { return fail_after(10ms, work); });
    return o.by([&] { return move_on_after(10ms, work); });
  });
  drain(ctx);
  time.advance(10ms);
  drain(ctx);
  CHECK(o.word.empty());
  h.cancel();
  drain(ctx);
  CHECK(o.word.empty());
  slow.set();
  drain(ctx);
  CHECK(o.word == "aborted");
  CHECK(h.aborted());
}

TEST_CASE("rule 18: an outer request in the turn in which the deadline has ended all wins",
          "[timeouts][outer]") {
  // At every moment between the deadline and the return of the host: once it is back the error is
  // that of the deadline, and the outer request shows at the next await. Never neither.
  int aborted = 0;
  int timed_out = 0;
  for (int turn = 0; turn < 20; ++turn) {
    manual_clock time;
    manual_event never;
    asio::io_context ctx;
    observed o;
    auto const work = [&](auto& scope) -> awaitable<void> {
      scope.spawn(never.wait());
      co_await never.wait();
    };
    host h(ctx, [&]() -> awaitable<void> {
      co_await o.by([&] { return fail_after(10ms, work); });
      co_await never.wait();
    });
    drain(ctx);
    time.advance(10ms);
    every_turn(ctx, [&, n = 0]() mutable {
      if (n++ < turn) return true;
      h.cancel();
      return false;
    });
    drain(ctx);
    CAPTURE(turn);
    CHECK(h.aborted());
    CHECK((o.word == "aborted" || o.word == "timed_out"));
    if (o.word == "aborted") CHECK_FALSE(o.went_on);
    ++(o.word == "aborted" ? aborted : timed_out);
    // Once later than the return it is never earlier again.
    if (timed_out > 0) CHECK(o.word == "timed_out");
  }
  CHECK(aborted > 1);
  CHECK(timed_out > 1);
}

TEST_CASE("rule 14: an outer request that cut nothing shows at the next await",
          "[timeouts][outer]") {
  manual_clock time;
  manual_event slow;
  asio::io_context ctx;
  observed o;
  bool const fails = GENERATE(true, false);
  bool const expires = GENERATE(true, false);
  host h(ctx, [&]() -> awaitable<void> {
    if (fails) return o.by([&] { return fail_after(10ms, slow.wait_ignoring_cancellation()); });
    return o.by([&] { return move_on_after(10ms, slow.wait_ignoring_cancellation()); });
  });
  drain(ctx);
  if (expires) {
    time.advance(10ms);
    drain(ctx);
  }
  h.cancel();
  drain(ctx);
  slow.set();
  drain(ctx);
  CHECK(o.word == "value");
  CHECK_FALSE(o.went_on);
  CHECK(h.aborted());
}

TEST_CASE("B100: a limit in a coroutine that was cancelled before starts nothing",
          "[timeouts][outer]") {
  manual_clock time;
  asio::io_context ctx;
  event_log log;
  host h(ctx, [&]() -> awaitable<void> {
    h.cancel();
    co_await asio::this_coro::throw_if_cancelled(false);
    auto const work = [&]() -> awaitable<void> {
      log.add("started");
      co_return;
    };
    log.add(co_await ended(fail_after(1h, work)));
    log.add(co_await ended(move_on_after(1h, work)));
    log.add(co_await ended(fail_after(0s, work)));
    co_await asio::this_coro::throw_if_cancelled(true);
    co_await fail_after(1h, work);
    log.add("not reached");
  });
  drain(ctx);
  CHECK(log.str() == "aborted aborted aborted");
  CHECK(h.aborted());
  CHECK(time.waits() == 0);
}

TEST_CASE("rule 15: a limit leaves the cancellation state of its host as it was",
          "[timeouts][outer]") {
  manual_clock time;
  manual_event never;
  asio::io_context ctx;
  bool const throws = GENERATE(true, false);
  host h(ctx, [&]() -> awaitable<void> {
    co_await asio::this_coro::reset_cancellation_state(asio::enable_total_cancellation());
    co_await asio::this_coro::throw_if_cancelled(throws);
    asio::post(ctx, [&] { time.advance(10ms); });
    auto const word = co_await ended(fail_after(10ms, never.wait()));
    CHECK(word == "timed_out");
    bool const throws_after = co_await asio::this_coro::throw_if_cancelled();
    CHECK(throws_after == throws);
    asio::cancellation_state const state = co_await asio::this_coro::cancellation_state;
    CHECK(state.cancelled() == asio::cancellation_type::none);
    // The filter is that of before: total still reaches this coroutine.
    co_await asio::this_coro::throw_if_cancelled(true);
    co_await never.wait(asio::cancellation_type::all);
  });
  drain(ctx);
  CHECK(never.waiters() == 1);
  h.cancel(asio::cancellation_type::total);
  drain(ctx);
  CHECK(h.aborted());
}

TEST_CASE("B103: an outer request of a weaker type reaches a limit with its type",
          "[timeouts][outer]") {
  manual_clock time;
  manual_event never;
  asio::io_context ctx;
  observed o;
  std::string seen;
  auto const work = [&]() -> awaitable<void> {
    co_await asio::this_coro::reset_cancellation_state(asio::enable_total_cancellation());
    seen = co_await ended(never.wait(asio::cancellation_type::total));
    throw system_error(asio::error::operation_aborted);
  };
  host h(ctx, [&]() -> awaitable<void> {
    co_await asio::this_coro::reset_cancellation_state(asio::enable_total_cancellation());
    co_await o.by([&] { return fail_after(10ms, work); });
  });
  drain(ctx);
  h.cancel(asio::cancellation_type::total);
  drain(ctx);
  CHECK(seen == "aborted");
  CHECK(o.word == "aborted");
  CHECK(h.aborted());
}
