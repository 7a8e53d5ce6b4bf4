// SPDX-License-Identifier: MIT

#include "support/asio.hpp"
#include "support/catch.hpp"
#include "support/ended.hpp"
#include "support/event_log.hpp"
#include "support/run.hpp"

#include <asio_cancel_scope.hpp>

#include <string>

using namespace asio_cancel_scope;

TEST_CASE("checkpoint lets others run and then goes on", "[checkpoint]") {
  asio::io_context ctx;
  event_log log;
  auto const counts = [&](std::string name) -> awaitable<void> {
    for (int i = 0; i < 3; ++i) {
      log.add(name);
      co_await checkpoint();
    }
  };
  run(ctx, [&]() -> awaitable<void> {
    co_await with_cancel_scope([&](auto& scope) -> awaitable<void> {
      scope.spawn(counts("a"));
      scope.spawn(counts("b"));
      co_return;
    });
  });
  CHECK(log.str() == "a b a b a b");
}

TEST_CASE("checkpoint throws in a loop that awaits nothing else when its scope is cancelled",
          "[checkpoint][cancel]") {
  asio::io_context ctx;
  int turns = 0;
  run(ctx, [&]() -> awaitable<void> {
    auto const result = co_await with_cancel_scope([&](auto& scope) -> awaitable<void> {
      scope.spawn([&]() -> awaitable<void> {
        for (;;) {
          ++turns;
          co_await checkpoint();
        }
      });
      for (int i = 0; i < 5; ++i) {
        co_await checkpoint();
      }
      scope.cancel();
    });
    CHECK(result.cancelled_caught());
  });
  CHECK(turns >= 4);
  CHECK(turns <= 6);
}

TEST_CASE("checkpoint throws when the request came before it and when it comes meanwhile",
          "[checkpoint][cancel]") {
  asio::io_context ctx;
  std::string word;
  bool const throws = GENERATE(true, false);
  SECTION("before") {
    host h(ctx, [&]() -> awaitable<void> {
      co_await asio::this_coro::throw_if_cancelled(false);
      h.cancel();
      word = co_await ended([](bool on) -> awaitable<void> {
        co_await asio::this_coro::throw_if_cancelled(on);
        co_await checkpoint();
      }(throws));
    });
    drain(ctx);
  }
  SECTION("meanwhile") {
    host h(ctx, [&]() -> awaitable<void> {
      co_await asio::this_coro::throw_if_cancelled(throws);
      asio::post(ctx, [&h] { h.cancel(); });
      word = co_await ended(checkpoint());
    });
    drain(ctx);
  }
  CHECK(word == "aborted");
}

TEST_CASE("checkpoint tells of a request of any type that the coroutine accepts",
          "[checkpoint][cancel]") {
  asio::io_context ctx;
  event_log log;
  auto const checks = [&](bool accepts_total) -> awaitable<void> {
    if (accepts_total)
      co_await asio::this_coro::reset_cancellation_state(asio::enable_total_cancellation());
    co_await checkpoint();
    co_await checkpoint();
    log.add("passed");
  };
  host a(ctx, [&] { return checks(false); });
  host b(ctx, [&] { return checks(true); });
  ctx.poll_one();
  ctx.poll_one();
  a.cancel(asio::cancellation_type::total);
  b.cancel(asio::cancellation_type::total);
  drain(ctx);
  CHECK(a.clean());
  CHECK(b.aborted());
  CHECK(log.str() == "passed");
}

TEST_CASE("checkpoint passes where cancellation is disabled and in a shield",
          "[checkpoint][shielded]") {
  asio::io_context ctx;
  event_log log;
  host h(ctx, [&]() -> awaitable<void> {
    co_await shielded([&]() -> awaitable<void> {
      co_await checkpoint();
      h.cancel();
      co_await checkpoint();
      log.add("shield");
    });
    co_await asio::this_coro::reset_cancellation_state(asio::disable_cancellation());
    co_await checkpoint();
    log.add("disabled");
  });
  drain(ctx);
  CHECK(log.str() == "shield disabled");
  CHECK(h.clean());
}

TEST_CASE("checkpoint leaves the cancellation state as it is", "[checkpoint]") {
  asio::io_context ctx;
  host h(ctx, [&]() -> awaitable<void> {
    co_await asio::this_coro::throw_if_cancelled(false);
    h.cancel();
    auto const first = co_await ended(checkpoint());
    auto const second = co_await ended(checkpoint());
    CHECK(first == "aborted");
    CHECK(second == "aborted");
    bool const throws = co_await asio::this_coro::throw_if_cancelled();
    CHECK_FALSE(throws);
    asio::cancellation_state const state = co_await asio::this_coro::cancellation_state;
    CHECK(state.cancelled() == asio::cancellation_type::terminal);
  });
  drain(ctx);
  CHECK(h.clean());
}

TEST_CASE("checkpoint takes the executor of its coroutine", "[checkpoint][executor]") {
  using executor = asio::strand<asio::io_context::executor_type>;
  asio::io_context ctx;
  auto const strand = asio::make_strand(ctx);
  run_on(ctx, strand, [&]() -> awaitable<void, executor> {
    co_await checkpoint<executor>();
    CHECK(strand.running_in_this_thread());
  });
}
