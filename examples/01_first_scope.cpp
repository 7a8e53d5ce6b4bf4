// SPDX-License-Identifier: MIT
//
// Four sleeps of 1, 2, 3 and 4 seconds are cut short together after a tenth of a second.
#include <asio.hpp>
#include <asio_cancel_scope.hpp>

#include <chrono>
#include <iostream>

using namespace std::chrono_literals;
using std::chrono::steady_clock;

struct tally {
  int started = 0;
  int cut = 0;
};

asio::awaitable<void> sleep_for(steady_clock::duration time) {
  asio::steady_timer timer(co_await asio::this_coro::executor, time);
  co_await timer.async_wait(asio::use_awaitable);
}

asio::awaitable<void> long_sleep(std::chrono::seconds time, tally& count) {
  ++count.started;
  try {
    co_await sleep_for(time);
    std::cout << "the sleep of " << time.count() << " s came to its end\n";
  } catch (asio::system_error const&) {
    ++count.cut;
    std::cout << "the sleep of " << time.count() << " s was cut short\n";
    throw;
  }
}

asio::awaitable<bool> example() {
  tally count;
  auto const start = steady_clock::now();

  //[first_scope
  co_await asio_cancel_scope::with_cancel_scope([&](auto& scope) -> asio::awaitable<void> {
    for (auto time : {1s, 2s, 3s, 4s}) scope.spawn(long_sleep(time, count));
    co_await sleep_for(100ms);
    scope.cancel();
  });
  //]

  auto const took =
      std::chrono::duration_cast<std::chrono::milliseconds>(steady_clock::now() - start);
  std::cout << "started: " << count.started << ", cut short: " << count.cut << ", all in "
            << took.count() << " ms\n";
  co_return count.started == 4 && count.cut == 4 && took >= 100ms && took < 1s;
}

int main() {
  asio::io_context context;
  auto as_promised = asio::co_spawn(context, example(), asio::use_future);
  context.run();
  return as_promised.get() ? 0 : 1;
}
