// SPDX-License-Identifier: MIT
//
// Another thread cancels a scope. The children hear of it on their own thread. The scope is an
// object here, joined with async_join, for it begins and ends outside of any coroutine.
#include <asio.hpp>
#include <asio_cancel_scope.hpp>

#include <chrono>
#include <iostream>
#include <latch>
#include <thread>

using namespace std::chrono_literals;

asio::awaitable<void> wait_long(std::latch& started, int& told_at_home) {
  auto const home = std::this_thread::get_id();
  asio::steady_timer timer(co_await asio::this_coro::executor, 10s);
  started.count_down();
  try {
    co_await timer.async_wait(asio::use_awaitable);
  } catch (asio::system_error const&) {
    if (std::this_thread::get_id() == home) ++told_at_home;
    throw;
  }
}

int main() {
  constexpr int children = 3;
  int told_at_home = 0;
  std::latch started(children);

  asio::io_context context;
  asio_cancel_scope::cancel_scope<> scope(context);
  for (int i = 0; i < children; ++i) scope.spawn(wait_long(started, told_at_home));
  auto left = scope.async_join(asio::use_future);

  // The scope must outlive every call on it: the thread is joined before the scope goes.
  std::thread other([&] {
    started.wait();
    scope.cancel();
  });
  context.run();
  other.join();
  left.get();  // throws nothing: what was cut short was cut by the scope itself

  std::cout << told_at_home << " children were told, each on its own thread\n";
  return told_at_home == children && scope.cancelled_caught() ? 0 : 1;
}
