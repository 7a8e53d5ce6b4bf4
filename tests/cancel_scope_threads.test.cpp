// SPDX-License-Identifier: MIT

// One scope used by many threads. Worth running under ThreadSanitizer.

#include "support/asio.hpp"
#include "support/catch.hpp"
#include "support/manual_event.hpp"
#include "support/tracked.hpp"
#include "support/wait_for.hpp"

#include <asio_cancel_scope.hpp>

#include <atomic>
#include <cstddef>
#include <exception>
#include <mutex>
#include <optional>
#include <stdexcept>
#include <thread>
#include <vector>

using namespace asio_cancel_scope;

namespace {

constexpr int threads = 4;

// Runs `work(i)` on several threads that begin together.
template <typename Work>
void on_threads(Work work) {
  std::atomic<int> waiting{0};
  std::vector<std::jthread> running;
  for (int i = 0; i < threads; ++i) {
    running.emplace_back([&, i] {
      ++waiting;
      while (waiting.load() < threads) {
        std::this_thread::yield();
      }
      work(i);
    });
  }
}

struct tally {
  std::atomic<int> spawned{0};
  std::atomic<int> refused{0};
  std::atomic<int> started{0};
  std::atomic<int> returned{0};
  std::atomic<int> aborted{0};
  std::atomic<int> other{0};

  void count(std::exception_ptr const& error) {
    if (!error) {
      ++returned;
      return;
    }
    try {
      std::rethrow_exception(error);
    } catch (system_error const& e) {
      ++(e.code() == asio::error::operation_aborted ? aborted : other);
    } catch (...) {
      ++other;
    }
  }

  int ended() const { return returned + aborted + other; }
};

// Spawns a child that ends by itself or by a cancellation, and counts what becomes of it.
void spawn_counted(cancel_scope<>& scope, tally& t) {
  try {
    scope.spawn(
        [&t, local = tracked()]() -> awaitable<void> {
          ++t.started;
          for (int i = 0; i < 3; ++i) {
            co_await asio::post(use_awaitable);
          }
        },
        [&t](std::exception_ptr error) { t.count(error); });
    ++t.spawned;
  } catch (std::logic_error const&) {
    ++t.refused;
  }
}

}  // namespace

TEST_CASE("B181: many threads spawn while another cancels and every child is accounted for",
          "[cancel_scope][threads]") {
  constexpr int per_thread = 150;
  for (int round = 0; round < 5; ++round) {
    tally t;
    {
      asio::thread_pool pool(threads);
      cancel_scope<> scope(pool);
      on_threads([&](int i) {
        for (int n = 0; n < per_thread; ++n) {
          spawn_counted(scope, t);
          if (i == 0 && n == per_thread / 2) {
            scope.cancel();
          }
        }
      });
      wait_for(scope.async_join(asio::use_future));
      CHECK(scope.size() == 0);
      CHECK(scope.cause() == cancel_cause::requested);
      CHECK(scope.cancelled_caught());
    }
    CHECK(t.spawned == threads * per_thread);
    CHECK(t.refused == 0);
    CHECK(t.ended() == t.spawned);
    CHECK(t.other == 0);
    CHECK(t.returned <= t.started);
    CHECK(t.started < t.spawned);
    CHECK(tracked::alive() == 0);
  }
}

TEST_CASE("B181: many threads spawn while the scope is being left and none is lost",
          "[cancel_scope][threads]") {
  constexpr int per_thread = 150;
  for (int round = 0; round < 5; ++round) {
    tally t;
    {
      asio::thread_pool pool(threads);
      cancel_scope<> scope(pool);
      auto joined = scope.async_join(asio::use_future);
      on_threads([&](int) {
        for (int n = 0; n < per_thread; ++n) {
          spawn_counted(scope, t);
        }
      });
      wait_for(std::move(joined));
      CHECK(scope.size() == 0);
      CHECK_THROWS_AS(scope.spawn([]() -> awaitable<void> { co_return; }), std::logic_error);
    }
    CHECK(t.spawned + t.refused == threads * per_thread);
    CHECK(t.ended() == t.spawned);
    CHECK(t.returned == t.spawned);
    CHECK(t.started == t.spawned);
    CHECK(tracked::alive() == 0);
  }
}

TEST_CASE("B182: cancel from a foreign thread reaches children on strands in whatever state",
          "[cancel_scope][threads]") {
  for (int round = 0; round < 40; ++round) {
    tally t;
    asio::thread_pool pool(threads);
    manual_event never;
    cancel_scope<> scope(pool);
    auto const handler = [&](std::exception_ptr error) { t.count(error); };
    for (int i = 0; i < 4; ++i) {
      scope.spawn(
          asio::make_strand(pool), [&]() -> awaitable<void> { co_await never.wait(); }, handler);
      scope.spawn(
          asio::make_strand(pool), [&]() -> awaitable<void> { co_await until_cancelled(); },
          handler);
      scope.spawn(
          asio::make_strand(pool),
          [&]() -> awaitable<void> {
            for (;;) {
              co_await asio::post(use_awaitable);
            }
          },
          handler);
      scope.spawn(
          asio::make_strand(pool),
          [&]() -> awaitable<void> {
            asio::steady_timer timer(co_await asio::this_coro::executor);
            for (;;) {
              timer.expires_after(std::chrono::microseconds(20));
              co_await timer.async_wait(use_awaitable);
            }
          },
          handler);
    }
    std::jthread canceller([&] { scope.cancel(); });
    scope.cancel();
    canceller.join();
    wait_for(scope.async_join(asio::use_future));
    CHECK(t.aborted == 16);
    CHECK(t.ended() == 16);
    CHECK(scope.size() == 0);
  }
}

TEST_CASE("B182: a foreign thread never emits a signal itself", "[cancel_scope][threads]") {
  asio::thread_pool pool(2);
  std::atomic<int> told{0};
  std::atomic<int> told_elsewhere{0};
  std::atomic<int> waiting{0};
  cancel_scope<> scope(pool);
  for (int i = 0; i < 8; ++i) {
    auto const strand = asio::make_strand(pool);
    scope.spawn(strand, [&, strand]() -> awaitable<void> {
      ++waiting;
      co_await until_cancelled([&] {
        ++told;
        told_elsewhere += !strand.running_in_this_thread();
      });
    });
  }
  REQUIRE(becomes_true([&] { return waiting == 8; }));
  scope.cancel();
  wait_for(scope.async_join(asio::use_future));
  CHECK(told == 8);
  CHECK(told_elsewhere == 0);
}

TEST_CASE("B184: what children write is seen after the join", "[cancel_scope][threads]") {
  asio::thread_pool pool(threads);
  for (int round = 0; round < 50; ++round) {
    std::vector<int> written(8);
    int total = 0;
    run_elsewhere(asio::make_strand(pool), [&]() -> awaitable<void> {
      co_await with_cancel_scope([&](auto& scope) -> awaitable<void> {
        for (std::size_t i = 0; i < written.size(); ++i) {
          scope.spawn(asio::make_strand(pool), [&written, i]() -> awaitable<void> {
            co_await asio::post(use_awaitable);
            written[i] = 1;
          });
        }
        co_return;
      });
      for (int const w : written) {
        total += w;
      }
    });
    CHECK(total == 8);
  }
}

TEST_CASE("B184: what a child writes is seen by whoever joined it or saw that it is done",
          "[child][threads]") {
  asio::thread_pool pool(threads);
  for (int round = 0; round < 50; ++round) {
    int joined = 0;
    int polled = 0;
    cancel_scope<> scope(pool);
    auto a = scope.spawn([&]() -> awaitable<int> {
      co_await asio::post(use_awaitable);
      joined = 1;
      co_return 2;
    });
    auto b = scope.spawn([&]() -> awaitable<int> {
      polled = 3;
      co_return 4;
    });
    CHECK(wait_for(a.async_join(asio::use_future)) == 2);
    CHECK(joined == 1);
    REQUIRE(becomes_true([&] { return b.done(); }));
    CHECK(b.get() == 4);
    CHECK(polled == 3);
    wait_for(scope.async_join(asio::use_future));
  }
}

TEST_CASE("rule 4: children of one executor start in the order in which many threads spawn them",
          "[cancel_scope][threads]") {
  auto const own_strand = GENERATE(false, true);
  constexpr int per_thread = 200;
  asio::thread_pool pool(threads);
  asio::any_io_executor const serial = asio::make_strand(pool);
  cancel_scope<> scope(own_strand ? asio::any_io_executor(pool.get_executor()) : serial);
  std::mutex spawning;
  int next = 0;
  std::vector<int> order;
  on_threads([&](int) {
    for (int n = 0; n < per_thread; ++n) {
      std::lock_guard const lock(spawning);
      scope.spawn(serial, [&order, number = next++]() -> awaitable<void> {
        order.push_back(number);
        co_return;
      });
    }
  });
  wait_for(scope.async_join(asio::use_future));
  REQUIRE(order.size() == threads * per_thread);
  bool in_order = true;
  for (std::size_t i = 0; i < order.size(); ++i) {
    in_order = in_order && order[i] == static_cast<int>(i);
  }
  CHECK(in_order);
}

TEST_CASE("rule 4: the children of each thread start in its order without any lock",
          "[cancel_scope][threads]") {
  constexpr int per_thread = 300;
  asio::thread_pool pool(threads);
  cancel_scope<> scope(asio::make_strand(pool));
  std::vector<std::vector<int>> order(threads);
  on_threads([&](int i) {
    for (int n = 0; n < per_thread; ++n) {
      scope.spawn([&order, i, n]() -> awaitable<void> {
        order[static_cast<std::size_t>(i)].push_back(n);
        co_return;
      });
    }
  });
  wait_for(scope.async_join(asio::use_future));
  for (auto const& started : order) {
    REQUIRE(started.size() == per_thread);
    bool in_order = true;
    for (std::size_t n = 0; n < started.size(); ++n) {
      in_order = in_order && started[n] == static_cast<int>(n);
    }
    CHECK(in_order);
  }
}

TEST_CASE("B174: handles are dropped cancelled and joined elsewhere while their children end",
          "[child][threads]") {
  for (int round = 0; round < 60; ++round) {
    std::atomic<int> joined{0};
    {
      asio::thread_pool pool(threads);
      cancel_scope<> scope(pool);
      std::vector<std::optional<child<int>>> handles;
      for (int i = 0; i < 3 * threads; ++i) {
        handles.emplace_back(scope.spawn([t = tracked()]() -> awaitable<int> {
          co_await asio::post(use_awaitable);
          co_return 1;
        }));
      }
      on_threads([&](int i) {
        auto const first = static_cast<std::size_t>(3 * i);
        handles[first].reset();
        handles[first + 1]->cancel();
        static_cast<void>(handles[first + 1]->done());
        handles[first + 1].reset();
        handles[first + 2]->async_join([&](std::exception_ptr, int n) { joined += n; });
        handles[first + 2].reset();
      });
      wait_for(scope.async_join(asio::use_future));
      pool.join();
    }
    CHECK(joined == threads);
    CHECK(tracked::alive() == 0);
  }
}

TEST_CASE("rule 20: every query may be made while children come and go",
          "[cancel_scope][threads]") {
  asio::thread_pool pool(threads);
  cancel_scope<> scope(pool, scope_options().name("queried"));
  std::atomic<bool> stop{false};
  std::atomic<int> seen_cancelled{0};
  std::atomic<bool> consistent{true};
  std::jthread reader([&] {
    while (!stop) {
      bool const stopped = scope.get_stop_token().stop_requested();
      bool const called = scope.cancel_called();
      bool const caught = scope.cancelled_caught();
      auto const cause = scope.cause();
      if ((stopped && !called) || (caught && cause == cancel_cause::none) || scope.size() > 4000 ||
          scope.name() != "queried" || !scope.get_executor()) {
        consistent = false;
      }
      seen_cancelled += called;
    }
  });
  tally t;
  on_threads([&](int i) {
    for (int n = 0; n < 300; ++n) {
      spawn_counted(scope, t);
      if (i == 0 && n == 200) {
        scope.cancel();
      }
    }
  });
  wait_for(scope.async_join(asio::use_future));
  CHECK(becomes_true([&] { return seen_cancelled > 0; }));
  stop = true;
  reader.join();
  CHECK(consistent);
  CHECK(t.ended() == t.spawned);
}
