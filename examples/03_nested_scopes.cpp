// SPDX-License-Identifier: MIT
//
// Cancelling an inner scope leaves the outer one running; cancelling the outer one ends both.
#include <asio.hpp>
#include <asio_cancel_scope.hpp>

#include <chrono>
#include <iostream>
#include <string>

using namespace std::chrono_literals;
using asio_cancel_scope::cancel_cause;
using asio_cancel_scope::cancel_scope;
using asio_cancel_scope::with_cancel_scope;

asio::awaitable<void> sleep_for(std::chrono::milliseconds time) {
  asio::steady_timer timer(co_await asio::this_coro::executor, time);
  co_await timer.async_wait(asio::use_awaitable);
}

asio::awaitable<void> work(std::string name, int& at_work) {
  ++at_work;
  try {
    co_await sleep_for(10s);
  } catch (asio::system_error const&) {
    --at_work;
    std::cout << name << " stopped\n";
    throw;
  }
}

asio::awaitable<bool> inner_cancelled(int& at_work) {
  auto left = co_await with_cancel_scope([&](auto& inner) -> asio::awaitable<void> {
    inner.spawn(work("first inner worker", at_work));
    inner.spawn(work("second inner worker", at_work));
    co_await sleep_for(20ms);
    std::cout << "cancelling the inner scope\n";
    inner.cancel();
  });
  bool const as_promised = at_work == 1 && left.cause() == cancel_cause::requested;
  co_return as_promised;
}

asio::awaitable<void> outer_cancelled(cancel_scope<>& outer, int& at_work, cancel_cause& seen) {
  co_await with_cancel_scope([&](auto& inner) -> asio::awaitable<void> {
    inner.spawn(work("third inner worker", at_work));
    co_await sleep_for(20ms);
    std::cout << "cancelling the outer scope\n";
    outer.cancel();
    seen = inner.cause();
  });
}

asio::awaitable<bool> example() {
  int at_work = 0;
  bool outer_went_on = false;
  bool came_back = false;
  cancel_cause seen_by_inner{};

  co_await with_cancel_scope([&](auto& outer) -> asio::awaitable<void> {
    outer.spawn(work("outer worker", at_work));
    bool const only_these_stopped = co_await inner_cancelled(at_work);
    outer_went_on = only_these_stopped && !outer.cancel_called();

    co_await outer_cancelled(outer, at_work, seen_by_inner);
    came_back = true;  // never: the inner scope does not swallow what was meant for the outer one
  });

  std::cout << "at work after the outer scope: " << at_work << "\n";
  co_return outer_went_on && !came_back && seen_by_inner == cancel_cause::outer && at_work == 0;
}

int main() {
  asio::io_context context;
  auto as_promised = asio::co_spawn(context, example(), asio::use_future);
  context.run();
  return as_promised.get() ? 0 : 1;
}
