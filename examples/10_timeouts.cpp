// SPDX-License-Identifier: MIT
//
// A client with a timeout for each request and one over all, against a server that answers every
// other request and lets the rest wait.
#include <asio.hpp>
#include <asio_cancel_scope.hpp>

#include <chrono>
#include <exception>
#include <iostream>
#include <string>

using namespace std::chrono_literals;
using asio::ip::tcp;
using asio_cancel_scope::cancel_cause;
using asio_cancel_scope::fail_after;
using asio_cancel_scope::move_on_after;
using asio_cancel_scope::on_child_error;
using asio_cancel_scope::scope_options;
using asio_cancel_scope::with_cancel_scope;

asio::awaitable<std::string> read_line(tcp::socket& socket) {
  std::string line;
  co_await asio::async_read_until(socket, asio::dynamic_buffer(line), '\n', asio::use_awaitable);
  co_return line;
}

asio::awaitable<void> session(tcp::socket socket) {
  std::string const question = co_await read_line(socket);
  if (std::stoi(question) % 2 != 0) {
    std::string const answer = "the answer to " + question;
    co_await asio::async_write(socket, asio::buffer(answer), asio::use_awaitable);
  }
  asio::error_code client_is_gone;
  char more = 0;
  co_await socket.async_read_some(asio::buffer(&more, 1),
                                  asio::redirect_error(asio::use_awaitable, client_is_gone));
}

asio::awaitable<void> serve(tcp::acceptor& acceptor) {
  auto const ignore = [](std::exception_ptr) {};  // a client that goes away stops nobody else
  auto const options = scope_options().policy(on_child_error::keep_running).on_suppressed(ignore);
  co_await with_cancel_scope(options, [&](auto& sessions) -> asio::awaitable<void> {
    for (;;) sessions.spawn(session(co_await acceptor.async_accept(asio::use_awaitable)));
  });
}

asio::awaitable<std::string> exchange(tcp::endpoint server, std::string question) {
  tcp::socket socket(co_await asio::this_coro::executor);
  co_await socket.async_connect(server, asio::use_awaitable);
  co_await asio::async_write(socket, asio::buffer(question), asio::use_awaitable);
  co_return co_await read_line(socket);
}

//[fail
asio::awaitable<std::string> ask(tcp::endpoint server, int number) {
  co_return co_await fail_after(150ms, exchange(server, std::to_string(number) + "\n"));
}
//]

struct tally {
  int answered = 0;
  int too_late = 0;
  int asked = 0;
};

asio::awaitable<bool> ask_for_a_second(tcp::endpoint server) {
  tally count;
  //[move_on
  auto all = co_await move_on_after(1s, [&]() -> asio::awaitable<void> {
    for (;;) {
      try {
        std::cout << co_await ask(server, ++count.asked);
        ++count.answered;
      } catch (asio::system_error const& e) {
        if (e.code() != asio::error::timed_out) throw;  // the second over all is up, for one
        ++count.too_late;
      }
    }
  });
  bool const out_of_time = all.cancelled_caught();
  //]

  std::cout << count.answered << " answered, " << count.too_late << " timed out, "
            << count.asked - count.answered - count.too_late << " cut off by the end of it all\n";
  bool const the_last_was_cut = count.asked == count.answered + count.too_late + 1;
  bool const some_of_each = count.answered > 0 && count.too_late > 0;
  bool const by_deadline = out_of_time && all.cause() == cancel_cause::deadline;
  bool const as_promised = by_deadline && the_last_was_cut && some_of_each;
  co_return as_promised;
}

asio::awaitable<bool> example() {
  tcp::acceptor acceptor(co_await asio::this_coro::executor,
                         tcp::endpoint(asio::ip::address_v4::loopback(), 0));
  auto left = co_await with_cancel_scope([&](auto& scope) -> asio::awaitable<bool> {
    scope.spawn(serve(acceptor));
    bool const as_promised = co_await ask_for_a_second(acceptor.local_endpoint());
    scope.cancel();
    co_return as_promised;
  });
  co_return left.value();
}

int main() {
  asio::io_context context;
  auto as_promised = asio::co_spawn(context, example(), asio::use_future);
  context.run();
  return as_promised.get() ? 0 : 1;
}
