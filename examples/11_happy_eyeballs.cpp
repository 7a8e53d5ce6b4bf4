// SPDX-License-Identifier: MIT
//
// Happy eyeballs: a server has several addresses, and some of them are dead. Each gets a head
// start, the first connection wins, and the attempts that lost have ended when it is handed over.
#include <asio.hpp>
#include <asio_cancel_scope.hpp>

#include <chrono>
#include <iostream>
#include <optional>
#include <vector>

using namespace std::chrono_literals;
using asio::ip::tcp;
using asio_cancel_scope::cancel_scope;
using asio_cancel_scope::move_on_after;
using asio_cancel_scope::with_cancel_scope;

struct race {
  std::optional<tcp::socket> winner;
  asio::error_code error = asio::error::host_not_found;
  int started = 0;
  int ended = 0;
};

//[race
asio::awaitable<void> attempt(cancel_scope<>& scope, tcp::endpoint to, race& r) {
  tcp::socket socket(co_await asio::this_coro::executor);
  asio::error_code error;
  co_await socket.async_connect(to, asio::redirect_error(asio::use_awaitable, error));
  ++r.ended;
  std::cout << "  port " << to.port() << ": " << (error ? error.message() : "connected") << '\n';
  if (error == asio::error::operation_aborted) throw asio::system_error(error);
  if (error) {
    r.error = error;  // that is no error of the race, unless all fail
  } else if (!r.winner) {
    r.winner = std::move(socket);
    scope.cancel();
  }
}

asio::awaitable<void> run_race(std::vector<tcp::endpoint> const& targets, race& r) {
  co_await with_cancel_scope([&](auto& scope) -> asio::awaitable<void> {
    for (auto const& to : targets) {
      auto runner = scope.spawn(attempt(scope, to, r));
      ++r.started;
      // The next one's turn is when this one has failed, or is slow; then it goes on all the same.
      co_await move_on_after(100ms, runner.async_join(asio::use_awaitable));
    }
  });
  if (!r.winner) throw asio::system_error(r.error);
}
//]

tcp::endpoint any_port() {
  return {asio::ip::address_v4::loopback(), 0};
}

/// Listens, but its queue is full: whoever connects now gets no answer.
class silent_server {
 public:
  explicit silent_server(asio::any_io_executor ex) : acceptor_(ex) {
    acceptor_.open(tcp::v4());
    acceptor_.bind(any_port());
    acceptor_.listen(0);
  }

  asio::awaitable<void> fill_queue() {
    for (bool room = true; room;) {
      auto& filler = fillers_.emplace_back(acceptor_.get_executor());
      auto connected = co_await move_on_after(
          100ms, filler.async_connect(acceptor_.local_endpoint(), asio::use_awaitable));
      room = connected.has_value();
    }
  }

  tcp::endpoint endpoint() const { return acceptor_.local_endpoint(); }

 private:
  tcp::acceptor acceptor_;
  std::vector<tcp::socket> fillers_;
};

asio::awaitable<bool> example() {
  auto const executor = co_await asio::this_coro::executor;
  silent_server silent(executor);
  co_await silent.fill_queue();
  tcp::socket refusing(executor, any_port());  // bound, and does not listen
  tcp::acceptor good(executor, any_port());
  tcp::acceptor never_needed(executor, any_port());

  std::cout << "one never answers, one refuses, one is good, one is not needed:\n";
  std::vector<tcp::endpoint> const mixed = {silent.endpoint(), refusing.local_endpoint(),
                                            good.local_endpoint(), never_needed.local_endpoint()};
  race first;
  co_await run_race(mixed, first);
  bool const good_won = first.winner->remote_endpoint() == good.local_endpoint();

  std::cout << "all refuse:\n";
  std::vector<tcp::endpoint> const dead(2, refusing.local_endpoint());
  race second;
  asio::error_code error;
  try {
    co_await run_race(dead, second);
  } catch (asio::system_error const& e) {
    error = e.code();
  }
  bool const as_promised = good_won && first.started == 3 && first.ended == 3 &&
                           second.ended == 2 && error == asio::error::connection_refused;
  co_return as_promised;
}

int main() {
  asio::io_context context;
  auto as_promised = asio::co_spawn(context, example(), asio::use_future);
  context.run();
  return as_promised.get() ? 0 : 1;
}
