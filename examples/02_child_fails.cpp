// SPDX-License-Identifier: MIT
//
// One child fails: its siblings are stopped, and the error comes out where the scope is left.
#include <asio.hpp>
#include <asio_cancel_scope.hpp>

#include <chrono>
#include <iostream>
#include <stdexcept>
#include <string>

using namespace std::chrono_literals;

asio::awaitable<void> sleep_for(std::chrono::milliseconds time) {
  asio::steady_timer timer(co_await asio::this_coro::executor, time);
  co_await timer.async_wait(asio::use_awaitable);
}

asio::awaitable<void> download(std::string file, int& stopped) {
  try {
    co_await sleep_for(10s);
  } catch (asio::system_error const&) {
    ++stopped;
    std::cout << file << ": stopped\n";
    throw;
  }
}

asio::awaitable<void> download_to_full_disk(std::string file) {
  co_await sleep_for(20ms);
  throw std::runtime_error(file + ": disk full");
}

asio::awaitable<bool> example() {
  int stopped = 0;
  std::string error;
  try {
    co_await asio_cancel_scope::with_cancel_scope([&](auto& scope) -> asio::awaitable<void> {
      scope.spawn(download("first.iso", stopped));
      scope.spawn(download_to_full_disk("second.iso"));
      scope.spawn(download("third.iso", stopped));
      co_return;
    });
  } catch (std::runtime_error const& e) {
    error = e.what();
  }
  std::cout << "the scope threw \"" << error << "\" when its other " << stopped
            << " children had stopped\n";
  co_return error == "second.iso: disk full" && stopped == 2;
}

int main() {
  asio::io_context context;
  auto as_promised = asio::co_spawn(context, example(), asio::use_future);
  context.run();
  return as_promised.get() ? 0 : 1;
}
