// SPDX-License-Identifier: MIT
//
// A server on port 0, which means: on any that is free. It says which one when it listens, and not
// before; who started it waits for that, and then the server goes on in the scope.
#include <asio.hpp>
#include <asio_cancel_scope.hpp>

#include <cstddef>
#include <exception>
#include <iostream>
#include <string>
#include <utility>

using asio::ip::tcp;
using asio_cancel_scope::cancel_scope;
using asio_cancel_scope::on_child_error;
using asio_cancel_scope::ready_signal;
using asio_cancel_scope::scope_options;
using asio_cancel_scope::with_cancel_scope;

asio::awaitable<void> answer(tcp::socket socket) {
  std::string line;
  co_await asio::async_read_until(socket, asio::dynamic_buffer(line), '\n', asio::use_awaitable);
  co_await asio::async_write(socket, asio::buffer("you said: " + line), asio::use_awaitable);
}

//[server
asio::awaitable<void> serve(tcp::endpoint where, ready_signal<tcp::endpoint> ready) {
  bool const shared = false;
  tcp::acceptor acceptor(co_await asio::this_coro::executor, where, shared);
  ready(acceptor.local_endpoint());
  auto const ignore = [](std::exception_ptr) {};  // a client that goes away stops nobody else
  auto const options = scope_options().policy(on_child_error::keep_running).on_suppressed(ignore);
  co_await with_cancel_scope(options, [&](auto& sessions) -> asio::awaitable<void> {
    for (;;) sessions.spawn(answer(co_await acceptor.async_accept(asio::use_awaitable)));
  });
}
//]

asio::awaitable<std::string> ask(tcp::endpoint server, std::string question) {
  tcp::socket socket(co_await asio::this_coro::executor);
  co_await socket.async_connect(server, asio::use_awaitable);
  co_await asio::async_write(socket, asio::buffer(question + "\n"), asio::use_awaitable);
  std::string got;
  std::size_t const length =
      co_await asio::async_read_until(socket, asio::dynamic_buffer(got), '\n', asio::use_awaitable);
  co_return got.substr(0, length - 1);
}

//[start
asio::awaitable<tcp::endpoint> start(cancel_scope<>& scope, tcp::endpoint where) {
  auto const server = [where](auto ready) { return serve(where, ready); };
  co_return co_await scope.async_start<tcp::endpoint>(server);
}
//]

// What goes wrong before the server is ready comes out of async_start and does not fail the scope.
asio::awaitable<bool> is_taken(cancel_scope<>& scope, tcp::endpoint where) {
  try {
    co_await start(scope, where);
  } catch (asio::system_error const& e) {
    std::cout << "another on the same port: " << e.code().message() << '\n';
    co_return e.code() == asio::error::address_in_use;
  }
  co_return false;
}

asio::awaitable<bool> example() {
  std::string got;
  bool taken = false;
  auto left = co_await with_cancel_scope([&](cancel_scope<>& scope) -> asio::awaitable<void> {
    auto const address = co_await start(scope, {asio::ip::address_v4::loopback(), 0});
    std::cout << "the server listens on port " << address.port() << '\n';
    taken = co_await is_taken(scope, address);
    got = co_await ask(address, "hello");
    scope.cancel();  // the server has nothing left to do
  });
  std::cout << "the answer is \"" << got << "\"\n";
  bool const as_promised = taken && got == "you said: hello" && left.cancelled_caught();
  co_return as_promised;
}

int main() {
  asio::io_context context;
  auto as_promised = asio::co_spawn(context, example(), asio::use_future);
  context.run();
  return as_promised.get() ? 0 : 1;
}
