// SPDX-License-Identifier: MIT
//
// A supervisor: what fails is reported at once, and the others go on.
#include <asio.hpp>
#include <asio_cancel_scope.hpp>

#include <chrono>
#include <exception>
#include <iostream>
#include <stdexcept>
#include <string>

using namespace std::chrono_literals;
using asio_cancel_scope::on_child_error;
using asio_cancel_scope::scope_options;
using asio_cancel_scope::with_cancel_scope;

asio::awaitable<void> job(int number, int& finished) {
  asio::steady_timer timer(co_await asio::this_coro::executor, number * 10ms);
  co_await timer.async_wait(asio::use_awaitable);
  if (number % 2 == 0) throw std::runtime_error("job " + std::to_string(number) + " failed");
  ++finished;
  std::cout << "job " << number << " finished\n";
}

asio::awaitable<bool> example() {
  int finished = 0;
  int failed = 0;
  auto const report = [&](std::exception_ptr error) {
    try {
      std::rethrow_exception(error);
    } catch (std::exception const& e) {
      ++failed;
      std::cout << e.what() << '\n';
    }
  };

  auto options = scope_options().policy(on_child_error::keep_running).on_suppressed(report);
  auto left = co_await with_cancel_scope(options, [&](auto& scope) -> asio::awaitable<void> {
    for (int number = 1; number <= 5; ++number) scope.spawn(job(number, finished));
    co_return;
  });

  std::cout << finished << " finished, " << failed << " failed, none was cut short\n";
  co_return finished == 3 && failed == 2 && !left.cancelled_caught();
}

int main() {
  asio::io_context context;
  auto as_promised = asio::co_spawn(context, example(), asio::use_future);
  context.run();
  return as_promised.get() ? 0 : 1;
}
