// SPDX-License-Identifier: MIT

// Limits in limits, in scopes, in children, in loops.

#include "support/asio.hpp"
#include "support/catch.hpp"
#include "support/ended.hpp"
#include "support/event_log.hpp"
#include "support/manual_event.hpp"
#include "support/manual_timer.hpp"
#include "support/run.hpp"

#include <asio_cancel_scope.hpp>

#include <chrono>
#include <optional>
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

TEST_CASE("rule 18: limits and shields and cleanups take each other as what they run",
          "[timeouts][compose]") {
  manual_clock time;
  run([&]() -> awaitable<void> {
    auto const body = [](auto& scope) -> awaitable<int> {
      scope.spawn(hop());
      co_return co_await five();
    };
    int sum = 0;
    sum += co_await fail_after(1s, fail_after(2s, five));
    sum += *co_await fail_after(1s, move_on_after(2s, five()));
    sum += **co_await move_on_after(1s, move_on_after(2s, body));
    sum += *co_await fail_after(1s, with_cancel_scope(body));
    sum += co_await fail_after(1s, shielded(2s, body));
    sum += co_await shielded(fail_after(1s, five));
    sum += *co_await shielded(1s, move_on_after(2s, five));
    sum += co_await fail_after(1s, with_cleanup(five, hop));
    sum += co_await with_cleanup(fail_after(1s, body), hop);
    sum += *co_await with_cleanup(1s, move_on_after(1s, five), [] { return shielded(hop); });
    CHECK(sum == 50);
  });
}

TEST_CASE("rule 18: a limit in a child fails the scope with timed_out", "[timeouts][compose]") {
  manual_clock time;
  manual_event never;
  asio::io_context ctx;
  event_log log;
  host h(ctx, [&]() -> awaitable<void> {
    log.add(co_await ended(with_cancel_scope([&](auto& scope) -> awaitable<void> {
      scope.spawn(fail_after(10ms, never.wait()));
      log.add(co_await ended(never.wait()));
    })));
  });
  drain(ctx);
  time.advance(10ms);
  drain(ctx);
  CHECK(log.str() == "aborted timed_out");
  CHECK(h.clean());
}

TEST_CASE("rule 18: a limit per request and one over all", "[timeouts][compose]") {
  manual_clock time;
  manual_event never;
  asio::io_context ctx;
  event_log log;
  auto const session = [&](manual_clock::duration over_all) -> awaitable<void> {
    log.add(co_await ended(fail_after(over_all, [&]() -> awaitable<void> {
      for (int request = 0; request < 3; ++request) {
        auto const result = co_await move_on_after(10ms, never.wait());
        log.add(result.cancelled_caught() ? "slow" : "done");
      }
    })));
  };
  std::optional<host> h;
  SECTION("the requests are slow") {
    h.emplace(ctx, [&] { return session(1h); });
    for (int i = 0; i < 3; ++i) {
      drain(ctx);
      time.advance(10ms);
    }
    drain(ctx);
    CHECK(log.str() == "slow slow slow value");
  }
  SECTION("all of it is too slow") {
    h.emplace(ctx, [&] { return session(25ms); });
    for (int i = 0; i < 5; ++i) {
      drain(ctx);
      time.advance(5ms);
    }
    drain(ctx);
    CHECK(log.str() == "slow slow timed_out");
  }
  CHECK(h->clean());
  CHECK(time.waits() == 0);
}

TEST_CASE("rule 18: limits of siblings come in the order of their times", "[timeouts][compose]") {
  manual_clock time;
  manual_event never;
  asio::io_context ctx;
  event_log log;
  auto const limited = [&](int n) -> awaitable<void> {
    co_await move_on_after(n * 1ms, never.wait());
    log.add(std::to_string(n));
  };
  host h(ctx, [&]() -> awaitable<void> {
    co_await with_cancel_scope([&](auto& scope) -> awaitable<void> {
      for (int const n : {4, 2, 5, 1, 3}) {
        scope.spawn(limited(n));
      }
      co_return;
    });
  });
  drain(ctx);
  CHECK(time.waits() == 5);
  time.advance(10ms);
  drain(ctx);
  CHECK(log.str() == "1 2 3 4 5");
  CHECK(h.clean());
}

TEST_CASE("rule 17: the work may move the limit that it runs under", "[timeouts][compose]") {
  manual_clock time;
  manual_event never;
  manual_event step;
  asio::io_context ctx;
  std::string word;
  host h(ctx, [&]() -> awaitable<void> {
    word = co_await ended(fail_after(10ms, [&](auto& scope) -> awaitable<void> {
      CHECK(scope.deadline() == time.now() + 10ms);
      co_await step.wait();
      scope.cancel_after(1h);
      co_await never.wait();
    }));
  });
  drain(ctx);
  step.set();
  drain(ctx);
  time.advance(1min);
  drain(ctx);
  CHECK(word.empty());
  time.advance(1h);
  drain(ctx);
  CHECK(word == "timed_out");
}

TEST_CASE("rule 17: the work may take its limit away", "[timeouts][compose]") {
  manual_clock time;
  manual_event finish;
  asio::io_context ctx;
  std::optional<int> value;
  host h(ctx, [&]() -> awaitable<void> {
    value = co_await fail_after(10ms, [&](auto& scope) -> awaitable<int> {
      scope.clear_deadline();
      co_await finish.wait();
      co_return 2;
    });
  });
  drain(ctx);
  time.advance(10000h);
  drain(ctx);
  finish.set();
  drain(ctx);
  CHECK(value == 2);
}

TEST_CASE("rule 16: an own cancel under an inner limit leaves the outer one running",
          "[timeouts][compose]") {
  manual_clock time;
  manual_event never;
  asio::io_context ctx;
  event_log log;
  host h(ctx, [&]() -> awaitable<void> {
    log.add(co_await ended(fail_after(20ms, [&]() -> awaitable<void> {
      log.add(co_await ended(fail_after(10ms, [&](auto& scope) -> awaitable<void> {
        scope.cancel();
        co_await never.wait();
      })));
      co_await never.wait();
    })));
  });
  drain(ctx);
  CHECK(log.str() == "value");
  time.advance(20ms);
  drain(ctx);
  CHECK(log.str() == "value timed_out");
}
