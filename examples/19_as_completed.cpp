// SPDX-License-Identifier: MIT
//
// Results in the order in which they come, while more work is added: a checksum of a tree of files,
// each of which is read by a child.
#include <asio.hpp>
#include <asio_cancel_scope.hpp>

#include <chrono>
#include <iostream>
#include <numeric>
#include <string>
#include <vector>

using namespace std::chrono_literals;
using asio_cancel_scope::cancel_scope;
using asio_cancel_scope::child_queue;
using asio_cancel_scope::with_cancel_scope;

struct node {
  std::string name;
  int size = 0;
  std::vector<node> parts;
};

node const tree = {
    "root", 1, {{"slow", 2, {}}, {"folder", 4, {{"a", 8, {}}, {"b", 16, {}}}}, {"quick", 32, {}}}};

asio::awaitable<node const*> read(node const& what) {
  auto const time = what.name == "slow" ? 100ms : 10ms;
  asio::steady_timer timer(co_await asio::this_coro::executor, time);
  co_await timer.async_wait(asio::use_awaitable);
  co_return &what;
}

asio::awaitable<int> sum_up(std::vector<std::string>& order) {
  int total = 0;
  //[as_completed
  co_await with_cancel_scope([&](cancel_scope<>& scope) -> asio::awaitable<void> {
    child_queue<node const*> reading(scope);
    reading.add(scope.spawn(read(tree)));
    while (auto done = co_await reading.async_next(asio::use_awaitable)) {
      node const& what = *done->get();
      total += what.size;
      order.push_back(what.name);
      for (node const& part : what.parts) reading.add(scope.spawn(read(part)));
    }
  });
  //]
  co_return total;
}

asio::awaitable<bool> example() {
  std::vector<std::string> order;
  int const total = co_await sum_up(order);
  std::cout << "read:";
  for (auto const& name : order) std::cout << ' ' << name;
  std::cout << "; total " << total << '\n';
  bool const as_promised = total == 63 && order.front() == "root" && order.back() == "slow";
  co_return as_promised;
}

int main() {
  asio::io_context context;
  auto as_promised = asio::co_spawn(context, example(), asio::use_future);
  context.run();
  return as_promised.get() ? 0 : 1;
}
