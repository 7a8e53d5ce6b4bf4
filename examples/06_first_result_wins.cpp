// SPDX-License-Identifier: MIT
//
// Three mirrors are asked, the first answer wins, the others are cancelled. Two answer in the same
// moment: the second has its answer before it can be told to stop, so it has to look whether there
// is a winner already. A cancellation stops what still waits; it does not undo what has happened.
#include <asio.hpp>
#include <asio_cancel_scope.hpp>

#include <chrono>
#include <iostream>
#include <optional>
#include <string>
#include <vector>

using namespace std::chrono_literals;
using asio_cancel_scope::cancel_scope;
using asio_cancel_scope::with_cancel_scope;
using std::chrono::steady_clock;

struct race {
  std::optional<std::string> winner;
  std::vector<std::string> answers;
};

asio::awaitable<std::string> answer(std::string mirror, steady_clock::time_point when, race& r) {
  asio::steady_timer timer(co_await asio::this_coro::executor, when);
  co_await timer.async_wait(asio::use_awaitable);
  r.answers.push_back(mirror);
  co_return mirror;
}

//[first_result_wins
asio::awaitable<void> ask(cancel_scope<>& scope, std::string mirror, steady_clock::time_point when,
                          race& r) {
  std::string result = co_await answer(mirror, when, r);
  if (r.winner) co_return;  // too late, although it was not cut short
  r.winner = std::move(result);
  scope.cancel();
}
//]

asio::awaitable<bool> example() {
  race r;
  auto const soon = steady_clock::now() + 50ms;
  co_await with_cancel_scope([&](auto& scope) -> asio::awaitable<void> {
    scope.spawn(ask(scope, "mirror one", soon + 10s, r));
    scope.spawn(ask(scope, "mirror two", soon, r));
    scope.spawn(ask(scope, "mirror three", soon, r));
    co_return;
  });
  std::cout << "the winner is " << r.winner.value_or("nobody") << "; " << r.answers.size()
            << " had an answer\n";
  bool const first_has_won = r.winner == r.answers.at(0) && r.answers.size() < 3;
  co_return first_has_won;
}

int main() {
  asio::io_context context;
  auto as_promised = asio::co_spawn(context, example(), asio::use_future);
  context.run();
  return as_promised.get() ? 0 : 1;
}
