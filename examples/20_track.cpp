// SPDX-License-Identifier: MIT
//
// Operations with callbacks in a scope: a connection written in the old way, whose reads and timers
// end with the scope, and before what they refer to is gone.
#include <asio.hpp>
#include <asio_cancel_scope.hpp>

#include <array>
#include <chrono>
#include <cstddef>
#include <iostream>
#include <optional>
#include <string>
#include <string_view>
#include <utility>

using namespace std::chrono_literals;
using asio::ip::tcp;
using asio_cancel_scope::cancel_scope;
using asio_cancel_scope::with_cancel_scope;

//[track
/// Collects what a peer says, and counts the time. It may go when its scope has been left: no
/// callback comes after that.
class listener {
 public:
  listener(cancel_scope<>& scope, tcp::socket socket)
      : scope_(scope), socket_(std::move(socket)), timer_(socket_.get_executor()) {
    read();
    tick();
  }

  std::string heard;
  int ticks = 0;
  int ended = 0;

 private:
  void read() {
    socket_.async_read_some(asio::buffer(buffer_),
                            scope_.track([this](asio::error_code error, std::size_t length) {
                              if (error) return void(++ended);
                              heard += std::string_view(buffer_.data(), length);
                              read();
                            }));
  }

  void tick() {
    timer_.expires_after(10ms);
    timer_.async_wait(scope_.track([this](asio::error_code error) {
      if (error) return void(++ended);
      ++ticks;
      tick();
    }));
  }

  cancel_scope<>& scope_;
  tcp::socket socket_;
  asio::steady_timer timer_;
  std::array<char, 64> buffer_;
};
//]

asio::awaitable<bool> example() {
  auto executor = co_await asio::this_coro::executor;
  tcp::acceptor acceptor(executor, tcp::endpoint(asio::ip::address_v4::loopback(), 0));
  tcp::socket peer(executor);
  co_await peer.async_connect(acceptor.local_endpoint(), asio::use_awaitable);
  tcp::socket socket = co_await acceptor.async_accept(asio::use_awaitable);

  std::optional<listener> one;
  auto left = co_await with_cancel_scope([&](cancel_scope<>& scope) -> asio::awaitable<void> {
    one.emplace(scope, std::move(socket));
    co_await asio::async_write(peer, asio::buffer("hello", 5), asio::use_awaitable);
    asio::steady_timer timer(executor, 100ms);
    co_await timer.async_wait(asio::use_awaitable);
    scope.cancel();
  });

  std::cout << "heard " << one->heard << ", ticked " << one->ticks << " times, " << one->ended
            << " operations ended with the scope\n";
  bool const as_promised =
      one->heard == "hello" && one->ticks > 0 && one->ended == 2 && left.cancelled_caught();
  co_return as_promised;
}

int main() {
  asio::io_context context;
  auto as_promised = asio::co_spawn(context, example(), asio::use_future);
  context.run();
  return as_promised.get() ? 0 : 1;
}
