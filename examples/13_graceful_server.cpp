// SPDX-License-Identifier: MIT
//
// A server that is told to end by a signal: connections that wait for a request end at once, those
// at work on one finish it, and what is still at work when the grace period is over is cut short.
#include "13_graceful_server_clients.hpp"

#include <asio.hpp>
#include <asio_cancel_scope.hpp>

#include <chrono>
#include <cstddef>
#include <exception>
#include <iostream>
#include <optional>
#include <string>
#include <utility>

using asio_cancel_scope::child_options;
using asio_cancel_scope::on_child_error;
using asio_cancel_scope::scope_options;
using asio_cancel_scope::shutdown_on_signal;
using asio_cancel_scope::shutdown_report;

/// A request is a line with a number: how many milliseconds its answer takes.
asio::awaitable<void> answer_request(tcp::socket& socket, std::string& buffer) {
  std::size_t const length = co_await asio::async_read_until(socket, asio::dynamic_buffer(buffer),
                                                             '\n', asio::use_awaitable);
  std::chrono::milliseconds const effort(std::stoi(buffer));
  buffer.erase(0, length);
  co_await asio::async_write(socket, asio::buffer(first_line), asio::use_awaitable);
  asio::steady_timer timer(socket.get_executor(), effort);
  co_await timer.async_wait(asio::use_awaitable);
  co_await asio::async_write(socket, asio::buffer(final_line), asio::use_awaitable);
}

//[session
asio::awaitable<void> session(tcp::socket socket) {
  std::string buffer;
  for (;;) {
    // Idle: a shutdown ends the session here. async_wait, async_read_some and timers hear of it;
    // async_read and async_read_until do not, they take no cancellation_type::total.
    if (buffer.empty()) co_await socket.async_wait(tcp::socket::wait_read, asio::use_awaitable);

    // Busy: a shutdown passes this block by, and is seen by the next co_await after it. Only the
    // end of the grace period reaches inside.
    co_await with_cancel_scope([&](auto&) { return answer_request(socket, buffer); });
  }
}
//]

asio::awaitable<shutdown_report> serve(tcp::acceptor& acceptor, std::chrono::milliseconds grace) {
  auto const report = [](std::exception_ptr error) {
    try {
      std::rethrow_exception(error);
    } catch (std::exception const& e) {
      std::cout << "a connection ended: " << e.what() << '\n';
    }
  };
  auto const options =
      scope_options().policy(on_child_error::keep_running).on_suppressed(report).name("server");

  //[signals
  auto left = co_await with_cancel_scope(options, [&](auto& scope) -> asio::awaitable<void> {
    shutdown_on_signal(scope, grace);  // SIGINT or SIGTERM; the second one ends the grace period
    for (;;) {
      tcp::socket socket = co_await acceptor.async_accept(asio::use_awaitable);
      scope.spawn(child_options().graceful(), session(std::move(socket)));
    }
  });
  shutdown_report const counts = left.shutdown_counts();
  //]
  co_return counts;
}

asio::awaitable<bool> example() {
  tcp::acceptor acceptor(co_await asio::this_coro::executor,
                         tcp::endpoint(asio::ip::address_v4::loopback(), 0));
  client_tally clients;
  std::optional<shutdown_report> counts;
  co_await with_cancel_scope([&](auto& scope) -> asio::awaitable<void> {
    scope.spawn(run_clients(acceptor.local_endpoint(), clients));
    counts = co_await serve(acceptor, 800ms);
    std::cout << "server: " << counts->finished() << " connections ended within the grace period, "
              << counts->forced() << " were forced\n";
  });
  std::cout << "clients: " << clients.answered << " of " << clients.ended << " were answered\n";
  constexpr std::size_t in_time = idle_clients + busy_clients;
  bool const server_right = counts->finished() == in_time && counts->forced() == straggling_clients;
  bool const clients_right =
      clients.answered == in_time && clients.ended == in_time + straggling_clients;
  bool const as_promised = server_right && clients_right;
  co_return as_promised;
}

int main() {
  asio::io_context context;
  auto as_promised = asio::co_spawn(context, example(), asio::use_future);
  context.run();
  return as_promised.get() ? 0 : 1;
}
