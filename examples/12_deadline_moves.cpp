// SPDX-License-Identifier: MIT
//
// A watchdog: each sign of life moves the deadline on. Work may take as long as it likes, but not
// stand still.
#include <asio.hpp>
#include <asio_cancel_scope.hpp>

#include <chrono>
#include <iostream>

using namespace std::chrono_literals;
using asio_cancel_scope::cancel_cause;
using asio_cancel_scope::cancel_scope;
using asio_cancel_scope::move_on_after;
using std::chrono::steady_clock;

constexpr int steps_before_it_hangs = 10;

asio::awaitable<void> step(int number) {
  auto const time = number < steps_before_it_hangs ? 50ms : 60s;
  asio::steady_timer timer(co_await asio::this_coro::executor, time);
  co_await timer.async_wait(asio::use_awaitable);
}

//[watchdog
asio::awaitable<void> work(cancel_scope<>& watchdog, int& steps) {
  for (;;) {
    co_await step(steps);
    ++steps;
    watchdog.cancel_after(300ms);  // from now: what was set before no longer counts
  }
}

asio::awaitable<bool> stood_still(int& steps) {
  auto left = co_await move_on_after(300ms, [&](auto& scope) { return work(scope, steps); });
  co_return left.cause() == cancel_cause::deadline;
}
//]

asio::awaitable<bool> example() {
  int steps = 0;
  auto const start = steady_clock::now();
  bool const stopped_by_watchdog = co_await stood_still(steps);

  auto const took =
      std::chrono::duration_cast<std::chrono::milliseconds>(steady_clock::now() - start);
  std::cout << steps << " steps, then none for 300 ms: stopped after " << took.count() << " ms\n";
  bool const as_promised = stopped_by_watchdog && steps == steps_before_it_hangs && took >= 800ms;
  co_return as_promised;
}

int main() {
  asio::io_context context;
  auto as_promised = asio::co_spawn(context, example(), asio::use_future);
  context.run();
  return as_promised.get() ? 0 : 1;
}
