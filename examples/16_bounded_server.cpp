// SPDX-License-Identifier: MIT
//
// A server that has at most three sessions at a time. Who comes then is not turned away: he is
// taken from the queue of the operating system when a session has ended.
#include <asio.hpp>
#include <asio_cancel_scope.hpp>

#include <algorithm>
#include <chrono>
#include <cstddef>
#include <exception>
#include <iostream>
#include <memory>
#include <string>
#include <utility>

using namespace std::chrono_literals;
using asio::ip::tcp;
using asio_cancel_scope::cancel_scope;
using asio_cancel_scope::on_child_error;
using asio_cancel_scope::ready_signal;
using asio_cancel_scope::scope_options;
using asio_cancel_scope::with_cancel_scope;

constexpr std::size_t most_sessions = 3;
constexpr std::size_t clients = 12;

struct tally {
  std::size_t now = 0;
  std::size_t most = 0;
  std::size_t answered = 0;
};

asio::awaitable<void> session(tcp::socket socket, tally& sessions) {
  auto const leave = [](tally* count) { --count->now; };
  std::unique_ptr<tally, decltype(leave)> const inside(&sessions, leave);
  sessions.most = std::max(sessions.most, ++sessions.now);

  std::string line;
  co_await asio::async_read_until(socket, asio::dynamic_buffer(line), '\n', asio::use_awaitable);
  asio::steady_timer work(socket.get_executor(), 20ms);
  co_await work.async_wait(asio::use_awaitable);
  co_await asio::async_write(socket, asio::buffer(line), asio::use_awaitable);
}

asio::awaitable<void> serve(tally& sessions, ready_signal<tcp::endpoint> ready) {
  tcp::acceptor acceptor(co_await asio::this_coro::executor,
                         tcp::endpoint(asio::ip::address_v4::loopback(), 0));
  ready(acceptor.local_endpoint());
  auto const ignore = [](std::exception_ptr) {};  // a client that goes away stops nobody else
  //[bounded
  auto const options = scope_options()
                           .max_children(most_sessions)
                           .policy(on_child_error::keep_running)
                           .on_suppressed(ignore);
  co_await with_cancel_scope(options, [&](auto& scope) -> asio::awaitable<void> {
    for (;;) {
      auto socket = co_await acceptor.async_accept(asio::use_awaitable);
      co_await scope.async_spawn(session(std::move(socket), sessions));  // waits for room
    }
  });
  //]
}

asio::awaitable<void> client(tcp::endpoint server, std::string question, tally& count) {
  tcp::socket socket(co_await asio::this_coro::executor);
  co_await socket.async_connect(server, asio::use_awaitable);
  co_await asio::async_write(socket, asio::buffer(question), asio::use_awaitable);
  std::string got(question.size(), '\0');
  co_await asio::async_read(socket, asio::buffer(got), asio::use_awaitable);
  if (got == question) ++count.answered;
}

asio::awaitable<bool> example() {
  tally sessions;
  tally asking;
  co_await with_cancel_scope([&](auto& scope) -> asio::awaitable<void> {
    auto const server = co_await scope.template async_start<tcp::endpoint>(
        [&](auto ready) { return serve(sessions, ready); });
    co_await with_cancel_scope([&](auto& all) -> asio::awaitable<void> {
      for (std::size_t i = 0; i < clients; ++i)
        all.spawn(client(server, "question " + std::to_string(i) + "\n", asking));
      co_return;
    });
    scope.cancel();
  });
  std::cout << asking.answered << " of " << clients << " clients were answered, at most "
            << sessions.most << " at a time\n";
  bool const all_answered = asking.answered == clients;
  bool const as_many_as_allowed = sessions.most == most_sessions;
  bool const as_promised = all_answered && as_many_as_allowed;
  co_return as_promised;
}

int main() {
  asio::io_context context;
  auto as_promised = asio::co_spawn(context, example(), asio::use_future);
  context.run();
  return as_promised.get() ? 0 : 1;
}
