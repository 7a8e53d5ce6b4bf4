// SPDX-License-Identifier: MIT

// Races and gathers whose parts run on the threads of a pool.

#include "support/asio.hpp"
#include "support/catch.hpp"
#include "support/run.hpp"
#include "support/tracked.hpp"
#include "support/wait_for.hpp"

#include <asio_cancel_scope.hpp>

#include <atomic>
#include <cstddef>
#include <exception>
#include <functional>
#include <stdexcept>
#include <string>
#include <tuple>
#include <utility>
#include <variant>
#include <vector>

using namespace asio_cancel_scope;

namespace {

// True when `parts` coroutines are in here at the same time.
bool meet(std::atomic<int>& arrived, int parts) {
  ++arrived;
  return becomes_true([&] { return arrived >= parts; });
}

awaitable<int> hops(int n, int value) {
  tracked const local;
  for (int i = 0; i < n; ++i) {
    co_await asio::post(use_awaitable);
  }
  co_return value;
}

awaitable<int> hops_for_ever(std::atomic<int>& aborted) {
  tracked const local;
  try {
    for (;;) {
      co_await asio::post(use_awaitable);
    }
  } catch (system_error const&) {
    ++aborted;
    throw;
  }
}

}  // namespace

TEST_CASE("rule 20: parts of a race and of a gather on a bare pool run in parallel",
          "[race][gather][threads]") {
  asio::thread_pool pool(3);
  std::atomic<int> racers{0};
  std::atomic<int> met{0};
  auto const racer = [&]() -> awaitable<int> {
    met += meet(racers, 2);
    co_return 1;
  };
  run_elsewhere(pool.get_executor(), [&]() -> awaitable<void> {
    co_await gather(racer, racer);
    racers = 0;
    co_await race(racer, racer);
  });
  CHECK(met == 4);
}

TEST_CASE("rule 20: of racers on a pool exactly one wins and none is left", "[race][threads]") {
  for (int round = 0; round < 60; ++round) {
    asio::thread_pool pool(4);
    std::atomic<int> aborted{0};
    bool const bare = round % 2 == 0;
    asio::any_io_executor const ex =
        bare ? asio::any_io_executor(pool.get_executor()) : asio::make_strand(pool);
    std::atomic<int> alive{-1};
    std::size_t index = 9;
    int value = 0;
    run_elsewhere(ex, [&]() -> awaitable<void> {
      auto const winner = co_await race(hops(round % 7, 10), hops_for_ever(aborted),
                                        hops(round % 5, 12), hops(round % 3, 13));
      alive = tracked::alive();
      index = winner.index();
      value = std::visit([](int v) { return v; }, winner);
    });
    CHECK(alive == 0);
    CHECK(index != 1);
    CHECK(value == 10 + static_cast<int>(index));
    CHECK(aborted <= 1);
  }
}

TEST_CASE("rule 20: of a range of racers on a pool exactly one wins", "[race][threads]") {
  for (int round = 0; round < 30; ++round) {
    asio::thread_pool pool(4);
    auto const [index, value] =
        run_elsewhere(pool.get_executor(), [&]() -> awaitable<std::pair<std::size_t, int>> {
          std::vector<awaitable<int>> all;
          for (int i = 0; i < 20; ++i) {
            all.push_back(hops((i + round) % 4, i));
          }
          auto winner = co_await race(std::move(all));
          co_return std::pair(winner.index(), winner.value());
        });
    CHECK(index == static_cast<std::size_t>(value));
  }
  CHECK(tracked::alive() == 0);
}

TEST_CASE("rule 20: a gather on a pool gives what its parts have written", "[gather][threads]") {
  for (int round = 0; round < 30; ++round) {
    asio::thread_pool pool(4);
    int written[3] = {};
    auto const part = [&](int i) {
      return [&written, i, round]() -> awaitable<int> {
        for (int n = 0; n < (i + round) % 4; ++n) {
          co_await asio::post(use_awaitable);
        }
        written[i] = i + 1;
        co_return i;
      };
    };
    auto const a = part(0);
    auto const b = part(1);
    auto const c = part(2);
    auto const values = run_elsewhere(
        pool.get_executor(),
        [&]() -> awaitable<std::tuple<int, int, int>> { co_return co_await gather(a, b, c); });
    CHECK(values == std::tuple(0, 1, 2));
    CHECK(written[0] + written[1] + written[2] == 6);
  }
}

TEST_CASE("rule 20: an error on one thread ends the parts on the others",
          "[race][gather][threads]") {
  // Kept here: the sanitizer does not see how threads count the owners of an exception.
  auto const e1 = std::make_exception_ptr(std::runtime_error("E1"));
  for (int round = 0; round < 40; ++round) {
    asio::thread_pool pool(4);
    std::atomic<int> aborted{0};
    std::atomic<int> alive{-1};
    auto const fails = [&]() -> awaitable<int> {
      co_await asio::post(use_awaitable);
      std::rethrow_exception(e1);
    };
    std::string message;
    run_elsewhere(pool.get_executor(), [&]() -> awaitable<void> {
      try {
        if (round % 2 == 0)
          co_await race(hops_for_ever(aborted), fails, fails);
        else
          co_await gather(hops_for_ever(aborted), fails, fails);
      } catch (std::runtime_error const& e) {
        message = e.what();
      }
      alive = tracked::alive();
    });
    CHECK(message == "E1");
    CHECK(alive == 0);
  }
}

TEST_CASE("rule 20: a race on a pool is cancelled from outside", "[race][threads]") {
  for (int round = 0; round < 40; ++round) {
    asio::thread_pool pool(4);
    auto const strand = asio::make_strand(pool);
    std::atomic<int> aborted{0};
    asio::cancellation_signal signal;
    auto ended = asio::co_spawn(
        strand,
        [&]() -> awaitable<void> {
          co_await race(with_cancel_scope([&](auto& scope) -> awaitable<void> {
                          scope.spawn(asio::make_strand(pool), hops_for_ever(aborted));
                          static_cast<void>(co_await hops_for_ever(aborted));
                        }),
                        hops_for_ever(aborted));
        },
        asio::bind_cancellation_slot(signal.slot(), asio::use_future));
    asio::post(strand, [&] { signal.emit(asio::cancellation_type::terminal); });
    CHECK_THROWS_AS(wait_for(std::move(ended)), system_error);
    CHECK(tracked::alive() == 0);
  }
}
