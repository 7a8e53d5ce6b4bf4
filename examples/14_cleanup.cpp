// SPDX-License-Identifier: MIT
//
// A subscriber takes its leave of the publisher, over the connection, although it was cancelled. A
// publisher that does not answer holds it up no longer than the limit.
#include <asio.hpp>
#include <asio_cancel_scope.hpp>

#include <chrono>
#include <iostream>
#include <string>

using namespace std::chrono_literals;
using asio::ip::tcp;
using asio_cancel_scope::shielded;
using asio_cancel_scope::with_cancel_scope;
using asio_cancel_scope::with_cleanup;

asio::awaitable<void> send(tcp::socket& socket, std::string line) {
  co_await asio::async_write(socket, asio::buffer(line), asio::use_awaitable);
}

asio::awaitable<std::string> receive(tcp::socket& socket) {
  std::string line(4, '\0');  // "news", "read", "bye!": all are as long
  co_await asio::async_read(socket, asio::buffer(line), asio::use_awaitable);
  co_return line;
}

struct tally {
  int taken = 0;
  int confirmed = 0;
  bool goodbye = false;
};

asio::awaitable<void> take_and_confirm(tcp::socket& socket, tally& count) {
  co_await receive(socket);
  ++count.taken;
  co_await send(socket, "read");
}

//[shielded
asio::awaitable<void> take_news(tcp::socket& socket, tally& count) {
  for (;;) {
    // A cancellation ends the waiting, and never comes between the two halves of the rest.
    co_await socket.async_wait(tcp::socket::wait_read, asio::use_awaitable);
    co_await shielded(1s, take_and_confirm(socket, count));
  }
}
//]

asio::awaitable<void> say_goodbye(tcp::socket& socket) {
  co_await send(socket, "bye!");
  for (;;) {  // news may be on their way
    std::string const line = co_await receive(socket);
    if (line == "bye!") co_return;
  }
}

//[cleanup
asio::awaitable<void> subscribe(tcp::socket& socket, tally& count) {
  co_await with_cleanup(300ms, take_news(socket, count), [&] { return say_goodbye(socket); });
}
//]

asio::awaitable<void> send_news(tcp::socket& socket) {
  asio::steady_timer timer(socket.get_executor());
  for (;;) {
    co_await send(socket, "news");
    timer.expires_after(20ms);
    co_await timer.async_wait(asio::use_awaitable);
  }
}

asio::awaitable<void> publish(tcp::acceptor& acceptor, bool polite, tally& count) {
  tcp::socket socket = co_await acceptor.async_accept(asio::use_awaitable);
  co_await with_cancel_scope([&](auto& scope) -> asio::awaitable<void> {
    scope.spawn(send_news(socket));
    while (co_await receive(socket) == "read") ++count.confirmed;
    scope.cancel();
  });
  count.goodbye = true;
  if (polite) co_await send(socket, "bye!");
  asio::error_code closed;
  co_await socket.async_wait(tcp::socket::wait_read,
                             asio::redirect_error(asio::use_awaitable, closed));
}

asio::awaitable<asio::error_code> unsubscribe_after_a_while(bool polite, tally& count) {
  auto const executor = co_await asio::this_coro::executor;
  tcp::acceptor acceptor(executor, tcp::endpoint(asio::ip::address_v4::loopback(), 0));
  asio::error_code error;
  auto const connection = [&]() -> asio::awaitable<void> {
    tcp::socket socket(executor);
    co_await socket.async_connect(acceptor.local_endpoint(), asio::use_awaitable);
    co_await with_cancel_scope([&](auto& scope) -> asio::awaitable<void> {
      scope.spawn(subscribe(socket, count));
      asio::steady_timer timer(executor, 200ms);
      co_await timer.async_wait(asio::use_awaitable);
      scope.cancel();
    });
  };
  co_await with_cancel_scope([&](auto& scope) -> asio::awaitable<void> {
    scope.spawn(publish(acceptor, polite, count));
    try {
      co_await connection();
    } catch (asio::system_error const& e) {
      error = e.code();
    }
  });
  co_return error;
}

asio::awaitable<bool> example() {
  tally with_polite;
  auto const parted = co_await unsubscribe_after_a_while(true, with_polite);
  std::cout << with_polite.taken << " news taken, " << with_polite.confirmed
            << " confirmed, parting: " << parted.message() << '\n';

  tally with_silent;
  auto const gave_up = co_await unsubscribe_after_a_while(false, with_silent);
  std::cout << with_silent.taken << " news taken, " << with_silent.confirmed
            << " confirmed, parting: " << gave_up.message() << '\n';

  bool const polite_right =
      with_polite.goodbye && with_polite.confirmed == with_polite.taken && !parted;
  bool const silent_right = with_silent.goodbye && with_silent.confirmed == with_silent.taken &&
                            gave_up == asio::error::timed_out;
  bool const as_promised = polite_right && silent_right;
  co_return as_promised;
}

int main() {
  asio::io_context context;
  auto as_promised = asio::co_spawn(context, example(), asio::use_future);
  context.run();
  return as_promised.get() ? 0 : 1;
}
