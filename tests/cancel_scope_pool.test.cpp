// SPDX-License-Identifier: MIT

// Scopes and blocks on a thread_pool: what serialises whom, and work that blocks.

#include "support/asio.hpp"
#include "support/catch.hpp"
#include "support/manual_event.hpp"
#include "support/run.hpp"
#include "support/tracked.hpp"
#include "support/wait_for.hpp"

#include <asio_cancel_scope.hpp>

#include <atomic>
#include <exception>
#include <stdexcept>
#include <stop_token>
#include <string>
#include <thread>
#include <utility>
#include <vector>

using namespace asio_cancel_scope;

namespace {

// Whether functions that are posted to an executor from several threads ever overlap.
class overlap_probe {
 public:
  void enter_and_leave() {
    if (inside_.exchange(true)) {
      overlapped_ = true;
    }
    ++entered_;
    std::this_thread::yield();
    inside_ = false;
  }

  bool overlapped() const { return overlapped_; }
  int entered() const { return entered_; }

 private:
  std::atomic<bool> inside_{false};
  std::atomic<bool> overlapped_{false};
  std::atomic<int> entered_{0};
};

// Floods the executor of the calling coroutine and waits until all has run.
awaitable<void> flood(overlap_probe& probe) {
  constexpr int posts = 200;
  asio::any_io_executor const mine = co_await asio::this_coro::executor;
  for (int i = 0; i < posts; ++i) {
    asio::post(mine, [&probe] { probe.enter_and_leave(); });
  }
  while (probe.entered() < posts) {
    co_await asio::post(use_awaitable);
  }
}

// True when `parts` coroutines are in here at the same time.
bool meet(std::atomic<int>& arrived, int parts) {
  ++arrived;
  return becomes_true([&] { return arrived >= parts; });
}

}  // namespace

TEST_CASE("rule 20: children on different strands run in parallel", "[cancel_scope][threads]") {
  asio::thread_pool pool(2);
  cancel_scope<> scope(pool);
  std::atomic<int> arrived{0};
  std::atomic<int> met{0};
  for (int i = 0; i < 2; ++i) {
    scope.spawn(asio::make_strand(pool), [&]() -> awaitable<void> {
      met += meet(arrived, 2);
      co_return;
    });
  }
  wait_for(scope.async_join(asio::use_future));
  CHECK(met == 2);
}

TEST_CASE("rule 20: children of a bare thread_pool executor run in parallel",
          "[cancel_scope][threads]") {
  asio::thread_pool pool(2);
  cancel_scope<> scope(pool.get_executor());
  std::atomic<int> arrived{0};
  std::atomic<int> met{0};
  for (int i = 0; i < 2; ++i) {
    scope.spawn([&]() -> awaitable<void> {
      met += meet(arrived, 2);
      co_return;
    });
  }
  wait_for(scope.async_join(asio::use_future));
  CHECK(met == 2);
}

TEST_CASE("rule 20: each child of a bare thread_pool executor is serialised by its own strand",
          "[cancel_scope][threads]") {
  auto const how = GENERATE(0, 1, 2, 3);
  asio::io_context ctx;
  asio::thread_pool pool(4);
  cancel_scope<> scope(how == 0 ? asio::any_io_executor(pool.get_executor())
                                : asio::any_io_executor(ctx.get_executor()));
  overlap_probe probes[3];
  std::vector<child<void>> handles;
  for (auto& probe : probes) {
    auto const work = [&probe] { return flood(probe); };
    if (how == 0) {
      handles.push_back(scope.spawn(work));
    } else if (how == 1) {
      handles.push_back(scope.spawn(pool, work));
    } else if (how == 2) {
      handles.push_back(scope.spawn(pool.get_executor(), work));
    } else {
      handles.push_back(scope.spawn(child_options().on(pool), work));
    }
  }
  for (auto& handle : handles) {
    wait_for(handle.async_join(asio::bind_executor(pool, asio::use_future)));
  }
  for (auto const& probe : probes) {
    CHECK(probe.entered() == 200);
    CHECK_FALSE(probe.overlapped());
  }
  CHECK(handles[0].get_executor() != asio::any_io_executor(pool.get_executor()));
  CHECK(handles[0].get_executor() != handles[1].get_executor());
}

TEST_CASE("rule 20: the body of a block on a bare thread_pool executor has a strand of its own",
          "[with_cancel_scope][threads]") {
  asio::thread_pool pool(4);
  overlap_probe body_probe;
  overlap_probe child_probe;
  asio::any_io_executor of_body;
  asio::any_io_executor of_host;
  run_elsewhere(pool.get_executor(), [&]() -> awaitable<void> {
    of_host = co_await asio::this_coro::executor;
    co_await with_cancel_scope([&](auto& scope) -> awaitable<void> {
      of_body = co_await asio::this_coro::executor;
      scope.spawn([&] { return flood(child_probe); });
      co_await flood(body_probe);
    });
  });
  CHECK(body_probe.entered() == 200);
  CHECK_FALSE(body_probe.overlapped());
  CHECK_FALSE(child_probe.overlapped());
  CHECK(of_body != of_host);
  CHECK(of_host == asio::any_io_executor(pool.get_executor()));
}

TEST_CASE("rule 20: the system_executor is recognised too", "[cancel_scope][threads]") {
  cancel_scope<> scope(asio::system_executor{});
  overlap_probe probe;
  auto const handle = scope.spawn([&] { return flood(probe); });
  wait_for(scope.async_join(asio::use_future));
  CHECK(handle.done());
  CHECK(handle.get_executor() != asio::any_io_executor(asio::system_executor()));
  CHECK(probe.entered() == 200);
  CHECK_FALSE(probe.overlapped());
}

TEST_CASE("rule 20: a block on a bare thread_pool executor is cancelled from anywhere",
          "[with_cancel_scope][threads]") {
  for (int round = 0; round < 40; ++round) {
    std::atomic<int> aborted{0};
    asio::thread_pool pool(4);
    auto const waits = [&]() -> awaitable<void> {
      try {
        for (;;) {
          co_await asio::post(use_awaitable);
        }
      } catch (system_error const&) {
        ++aborted;
        throw;
      }
    };
    std::jthread canceller;
    bool const caught = run_elsewhere(pool.get_executor(), [&]() -> awaitable<bool> {
      auto const result = co_await with_cancel_scope([&](auto& scope) -> awaitable<void> {
        for (int i = 0; i < 4; ++i) {
          scope.spawn(waits);
        }
        canceller = std::jthread([&] { scope.cancel(); });
        co_await waits();
      });
      co_return result.cancelled_caught();
    });
    CHECK(caught);
    CHECK(aborted >= 1);
    CHECK(aborted <= 5);
  }
}

TEST_CASE("rule 20: a host on a strand is cancelled while its children run on the pool",
          "[with_cancel_scope][threads]") {
  for (int round = 0; round < 40; ++round) {
    asio::thread_pool pool(4);
    auto const strand = asio::make_strand(pool);
    std::atomic<int> running{0};
    auto const waits = [&]() -> awaitable<void> {
      ++running;
      for (;;) {
        co_await asio::post(use_awaitable);
      }
    };
    asio::cancellation_signal signal;
    auto ended = asio::co_spawn(
        strand,
        [&]() -> awaitable<void> {
          co_await with_cancel_scope([&](auto& scope) -> awaitable<void> {
            for (int i = 0; i < 4; ++i) {
              scope.spawn(asio::make_strand(pool), waits);
            }
            co_await waits();
          });
        },
        asio::bind_cancellation_slot(signal.slot(), asio::use_future));
    REQUIRE(becomes_true([&] { return running > round % 5; }));
    asio::post(strand, [&] { signal.emit(asio::cancellation_type::terminal); });
    CHECK_THROWS_AS(wait_for(std::move(ended)), system_error);
  }
}

TEST_CASE("B187: blocking work on a pool is waited for, told by the stop token, or never begun",
          "[with_cancel_scope][threads]") {
  asio::io_context ctx;
  asio::thread_pool pool(1);
  std::atomic<bool> running{false};
  bool stopped = false;
  bool second_started = false;
  std::thread::id worker;
  {
    bool const caught = run_blocking(ctx, [&]() -> awaitable<bool> {
      auto const result = co_await with_cancel_scope([&](auto& scope) -> awaitable<void> {
        auto const stop = scope.get_stop_token();
        scope.spawn(pool, [&, stop]() -> awaitable<void> {
          worker = std::this_thread::get_id();
          running = true;
          stopped = becomes_true([&] { return stop.stop_requested(); });
          co_return;
        });
        scope.spawn(pool, [&second_started, t = tracked()]() -> awaitable<void> {
          second_started = true;
          co_return;
        });
        while (!running) {
          co_await asio::post(use_awaitable);
        }
        scope.cancel();
      });
      co_return result.cancelled_caught();
    });
    CHECK(caught);
  }
  CHECK(stopped);
  CHECK_FALSE(second_started);
  CHECK(worker != std::this_thread::get_id());
  CHECK(tracked::alive() == 0);
}

TEST_CASE("rule 20: an error on one thread cancels the children on the others once",
          "[with_cancel_scope][threads]") {
  // Kept here: the sanitizer does not see how threads count the owners of an exception.
  auto const e1 = std::make_exception_ptr(std::runtime_error("E1"));
  for (int round = 0; round < 40; ++round) {
    std::atomic<int> suppressed{0};
    std::string message;
    asio::thread_pool pool(4);
    try {
      run_elsewhere(asio::make_strand(pool), [&]() -> awaitable<void> {
        auto const options =
            scope_options().on_suppressed([&](std::exception_ptr const&) { ++suppressed; });
        co_await with_cancel_scope(options, [&](auto& scope) -> awaitable<void> {
          for (int i = 0; i < 4; ++i) {
            scope.spawn(asio::make_strand(pool), [&]() -> awaitable<void> {
              co_await asio::post(use_awaitable);
              std::rethrow_exception(e1);
            });
            scope.spawn(asio::make_strand(pool), []() -> awaitable<void> {
              for (;;) {
                co_await asio::post(use_awaitable);
              }
            });
          }
          co_return;
        });
      });
    } catch (std::runtime_error const& e) {
      message = e.what();
    }
    CHECK(message == "E1");
    CHECK(suppressed <= 3);
  }
}
