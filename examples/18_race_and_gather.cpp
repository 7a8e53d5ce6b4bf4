// SPDX-License-Identifier: MIT
//
// Several things at once, without a scope of one's own: `gather` wants all their values, `race` the
// first. Whatever happens, none of them is left when you go on, and an error comes out as itself.
#include <asio.hpp>
#include <asio_cancel_scope.hpp>

#include <chrono>
#include <iostream>
#include <stdexcept>
#include <string>
#include <variant>
#include <vector>

using namespace std::chrono_literals;
using asio_cancel_scope::gather;
using asio_cancel_scope::race;

/// What is running, and what was cut.
struct tally {
  int running = 0;
  int cut = 0;
};

asio::awaitable<std::string> ask(std::string server, std::chrono::milliseconds time, tally& count) {
  asio::steady_timer timer(co_await asio::this_coro::executor, time);
  asio::error_code cut_short;
  ++count.running;
  co_await timer.async_wait(asio::redirect_error(asio::use_awaitable, cut_short));
  --count.running;
  if (cut_short) {
    ++count.cut;
    throw asio::system_error(cut_short);
  }
  co_return "from " + server;
}

asio::awaitable<int> price() {
  co_return 42;
}

asio::awaitable<void> broken() {
  throw std::runtime_error("no such server");
  co_return;
}

asio::awaitable<bool> all_of_them(tally& count) {
  //[gather
  auto [name, cents] = co_await gather(ask("names", 30ms, count), price());

  std::vector<asio::awaitable<std::string>> questions;
  for (int i = 0; i < 5; ++i)
    questions.push_back(ask("shard " + std::to_string(i), 10ms * (5 - i), count));
  std::vector<std::string> answers = co_await gather(std::move(questions));
  //]
  std::cout << name << ", " << cents << "; " << answers.front() << " ... " << answers.back()
            << '\n';
  co_return cents == 42 && answers.front() == "from shard 0" && answers.back() == "from shard 4";
}

asio::awaitable<bool> first_of_them(tally& count) {
  //[race
  auto first = co_await race(ask("far", 10s, count), ask("near", 20ms, count));
  std::cout << "number " << first.index() << ": " << std::get<1>(first) << '\n';

  try {
    co_await race(ask("far", 10s, count), broken());
  } catch (std::runtime_error const& e) {
    std::cout << "an error ends the race: " << e.what() << '\n';
  }
  //]
  co_return first.index() == 1;
}

asio::awaitable<bool> example() {
  tally count;
  bool const all = co_await all_of_them(count);
  bool const first = co_await first_of_them(count);
  std::cout << count.cut << " were cut, " << count.running << " are left\n";
  bool const as_promised = all && first && count.cut == 2 && count.running == 0;
  co_return as_promised;
}

int main() {
  asio::io_context context;
  auto as_promised = asio::co_spawn(context, example(), asio::use_future);
  context.run();
  return as_promised.get() ? 0 : 1;
}
