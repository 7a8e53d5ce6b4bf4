// SPDX-License-Identifier: MIT

// Deadlines, shutdowns and stop tokens with several threads. Worth running under ThreadSanitizer.

#include "support/asio.hpp"
#include "support/catch.hpp"
#include "support/ended.hpp"
#include "support/manual_event.hpp"
#include "support/run.hpp"

#include <asio_cancel_scope.hpp>

#include <atomic>
#include <chrono>
#include <optional>
#include <stop_token>
#include <string>
#include <thread>
#include <vector>

using namespace asio_cancel_scope;
using namespace std::chrono_literals;

namespace {

awaitable<void> hops(int n) {
  for (int i = 0; i < n; ++i) {
    co_await asio::post(use_awaitable);
  }
}

// Calls `act` from some threads at a time until the body has ended.
class hammer {
 public:
  template <typename Act>
  explicit hammer(Act act, int threads = 3) {
    for (int i = 0; i < threads; ++i) {
      threads_.emplace_back([act, i](std::stop_token stop) {
        for (int n = 0; !stop.stop_requested(); ++n) {
          act(i, n);
          std::this_thread::yield();
        }
      });
    }
  }

 private:
  std::vector<std::jthread> threads_;
};

}  // namespace

TEST_CASE("rule 20: many threads set and move and clear a deadline that does not come",
          "[deadline][threads]") {
  asio::io_context ctx;
  run_blocking(ctx, [&]() -> awaitable<void> {
    auto const result = co_await with_cancel_scope([&](cancel_scope<>& scope) -> awaitable<void> {
      std::atomic<int> moves{0};
      {
        hammer const movers([&](int thread, int n) {
          switch ((thread + n) % 4) {
            case 0: scope.cancel_after(1h + 1s * n); break;
            case 1: scope.cancel_at(std::chrono::steady_clock::now() + 2h - 1s * n); break;
            case 2: scope.clear_deadline(); break;
            default: static_cast<void>(scope.deadline());
          }
          ++moves;
        });
        while (moves < 2000) {
          co_await hops(1);
        }
      }
      scope.clear_deadline();
      CHECK_FALSE(scope.deadline());
    });
    CHECK(result.cause() == cancel_cause::none);
  });
}

TEST_CASE("rule 20: a deadline that comes while many threads move it cancels once",
          "[deadline][threads]") {
  for (int round = 0; round < 20; ++round) {
    asio::thread_pool pool(3);
    manual_event never;
    std::atomic<int> aborted{0};
    std::atomic<bool> left{false};
    std::atomic<bool> by_deadline{false};
    asio::co_spawn(
        pool,
        [&]() -> awaitable<void> {
          auto const result =
              co_await with_cancel_scope([&](cancel_scope<>& scope) -> awaitable<void> {
                for (int i = 0; i < 8; ++i) {
                  scope.spawn([&]() -> awaitable<void> {
                    if (co_await ended(never.wait()) == "aborted") ++aborted;
                  });
                }
                hammer const movers([&](int thread, int n) {
                  scope.cancel_after(thread == 0 ? 1ms : 1us * (2000 - n));
                });
                co_await ended(never.wait());
              });
          by_deadline = result.cause() == cancel_cause::deadline;
          left = true;
        },
        asio::detached);
    pool.join();
    CHECK(left);
    CHECK(by_deadline);
    // Those that had not started never did.
    CHECK(aborted <= 8);
  }
}

TEST_CASE("rule 20: blocks with limits on a pool end and leave nothing", "[timeouts][threads]") {
  asio::thread_pool pool(3);
  std::atomic<int> values{0};
  std::atomic<int> timeouts{0};
  std::atomic<int> others{0};
  for (int i = 0; i < 100; ++i) {
    asio::co_spawn(
        pool,
        [&, i]() -> awaitable<void> {
          manual_event never;
          auto const word = co_await ended(fail_after(1us * (i * 10), [&]() -> awaitable<void> {
            co_await hops(i);
            if (i % 2 == 0) co_await never.wait();
          }));
          ++(word == "value" ? values : word == "timed_out" ? timeouts : others);
        },
        asio::detached);
  }
  pool.join();
  CHECK(values + timeouts == 100);
  CHECK(timeouts >= 50);
  CHECK(others == 0);
}

TEST_CASE("rule 20: many threads shut a scope down and all its children end",
          "[shutdown][threads]") {
  for (int round = 0; round < 20; ++round) {
    asio::thread_pool pool(3);
    manual_event never;
    std::optional<shutdown_report> report;
    std::atomic<bool> left{false};
    asio::co_spawn(
        pool,
        [&]() -> awaitable<void> {
          auto const result =
              co_await with_cancel_scope([&](cancel_scope<>& scope) -> awaitable<void> {
                std::atomic<int> started{0};
                for (int i = 0; i < 8; ++i) {
                  auto const options = i % 2 ? child_options() : child_options().graceful();
                  scope.spawn(options, [&]() -> awaitable<void> {
                    ++started;
                    co_await never.wait(asio::cancellation_type::all);
                  });
                }
                while (started < 8) {
                  co_await hops(1);
                }
                hammer const shutters([&](int thread, int n) {
                  if (thread == 0 || n > 20) scope.shutdown(1ms * thread);
                  static_cast<void>(scope.shutdown_counts());
                });
                co_await ended(never.wait());
              });
          report = result.shutdown_counts();
          left = true;
        },
        asio::detached);
    pool.join();
    REQUIRE(left);
    CHECK(report->finished() + report->forced() == 8);
  }
}

TEST_CASE("B106: stop is requested from other threads while the scope runs or is being left",
          "[cancel_on][threads]") {
  for (int round = 0; round < 100; ++round) {
    asio::io_context ctx;
    std::stop_source source;
    std::atomic<int> calls{0};
    std::jthread stopper;
    auto const word = run_blocking(ctx, [&]() -> awaitable<std::string> {
      auto const result = co_await with_cancel_scope([&](cancel_scope<>& scope) -> awaitable<void> {
        cancel_on_stop(scope, source.get_token());
        stopper = std::jthread([&, round] {
          for (int i = 0; i < round * 20; ++i) {
            calls.fetch_add(1);
          }
          source.request_stop();
        });
        co_await hops(round % 7);
      });
      co_return result.cause() == cancel_cause::requested ? "requested" : "none";
    });
    CHECK((word == "requested" || word == "none"));
  }
}

TEST_CASE("B106: stop requested by another thread ends a scope that waits",
          "[cancel_on][threads]") {
  asio::io_context ctx;
  manual_event never;
  std::stop_source source;
  std::jthread const stopper([&] { source.request_stop(); });
  run_blocking(ctx, [&]() -> awaitable<void> {
    auto const result = co_await with_cancel_scope([&](cancel_scope<>& scope) -> awaitable<void> {
      cancel_on_stop(scope, source.get_token());
      scope.spawn(never.wait());
      co_await never.wait();
    });
    CHECK(result.cause() == cancel_cause::requested);
    CHECK(result.cancelled_caught());
  });
}
