// SPDX-License-Identifier: MIT
//
// A heartbeat that goes on as long as there is work, and does not keep the scope open: a service.
#include <asio.hpp>
#include <asio_cancel_scope.hpp>

#include <chrono>
#include <iostream>

using namespace std::chrono_literals;
using asio_cancel_scope::child_options;
using asio_cancel_scope::with_cancel_scope;

asio::awaitable<void> sleep_for(std::chrono::milliseconds time) {
  asio::steady_timer timer(co_await asio::this_coro::executor, time);
  co_await timer.async_wait(asio::use_awaitable);
}

asio::awaitable<void> work(int& done) {
  co_await sleep_for(100ms);
  ++done;
}

//[service
asio::awaitable<void> heartbeat(int& beats) {
  for (;;) {
    ++beats;
    co_await sleep_for(10ms);
  }
}

asio::awaitable<void> work_with_heartbeat(int& done, int& beats) {
  co_await with_cancel_scope([&](auto& scope) -> asio::awaitable<void> {
    scope.spawn(child_options().service(), heartbeat(beats));
    for (int i = 0; i < 3; ++i) scope.spawn(work(done));
    co_return;  // the heartbeat ends when the work has ended
  });
}
//]

asio::awaitable<bool> example() {
  int done = 0;
  int beats = 0;
  co_await work_with_heartbeat(done, beats);
  std::cout << done << " pieces of work, " << beats << " heartbeats\n";
  bool const as_promised = done == 3 && beats > 1;
  co_return as_promised;
}

int main() {
  asio::io_context context;
  auto as_promised = asio::co_spawn(context, example(), asio::use_future);
  context.run();
  return as_promised.get() ? 0 : 1;
}
