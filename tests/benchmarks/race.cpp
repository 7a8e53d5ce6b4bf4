// SPDX-License-Identifier: MIT
//
// Of two children the first ends the other: one hops, one is asleep. What that costs is for the
// most part the exception that the loser ends with, twice thrown. Or both return at once.

#include "benchmarks/children.hpp"
#include "benchmarks/parallel_group.hpp"
#include "benchmarks/registry.hpp"
#include "benchmarks/yardstick.hpp"

#include <asio_cancel_scope/race.hpp>
#include <asio_cancel_scope/with_cancel_scope.hpp>

namespace benchmarks {

namespace {

template <typename Executor>
asio::awaitable<void, Executor> race_library(rounds& r) {
  while (r.next()) co_await asio_cancel_scope::race(hop<Executor>(), asleep<Executor>());
}

template <typename Executor>
asio::awaitable<void, Executor> race_at_once_library(rounds& r) {
  while (r.next()) co_await asio_cancel_scope::race(trivial<Executor>(), trivial<Executor>());
}

template <typename Executor>
asio::awaitable<void, Executor> race_at_once_operators(rounds& r) {
  using namespace asio::experimental::awaitable_operators;
  while (r.next()) co_await (trivial<Executor>() || trivial<Executor>());
}

template <typename Executor, typename Group>
asio::awaitable<void, Executor> hop_and_cancel(Group& group) {
  co_await asio::post(asio::use_awaitable_t<Executor>());
  group.cancel();
}

template <typename Executor>
asio::awaitable<void, Executor> race_block(rounds& r) {
  auto const body =
      [](asio_cancel_scope::cancel_scope<Executor>& scope) -> asio::awaitable<void, Executor> {
    scope.spawn(hop_and_cancel<Executor>(scope));
    scope.spawn(asleep<Executor>());
    co_return;
  };
  while (r.next()) co_await asio_cancel_scope::with_cancel_scope(body);
}

template <typename Executor>
asio::awaitable<void, Executor> race_operators(rounds& r) {
  using namespace asio::experimental::awaitable_operators;
  while (r.next()) co_await (hop<Executor>() || asleep<Executor>());
}

template <typename Executor>
asio::awaitable<void, Executor> race_yardstick(rounds& r) {
  Executor const ex = co_await asio::this_coro::executor;
  while (r.next()) {
    yardstick<Executor> group(ex);
    group.spawn(hop_and_cancel<Executor>(group));
    group.spawn(asleep<Executor>());
    if (!group.empty()) co_await group.async_join();
  }
}

asio::awaitable<void> race_parallel_group(rounds& r) {
  any_executor const ex = co_await asio::this_coro::executor;
  child_operation const first(ex, hop<any_executor>);
  child_operation const second(ex, asleep<any_executor>);
  while (r.next()) {
    auto group = asio::experimental::make_parallel_group(first, second);
    co_await group.async_wait(asio::experimental::wait_for_one(), asio::use_awaitable);
  }
}

}  // namespace

void add_race() {
  add("race", 2, "operators", race_operators<any_executor>);
  add("race", 2, "race", race_library<any_executor>);
  add("race", 2, "library", race_block<any_executor>);
  add("race", 2, "operators-own", race_operators<own_executor>);
  add("race", 2, "race-own", race_library<own_executor>);
  add("race", 2, "library-own", race_block<own_executor>);
  add("race", 2, "yardstick", race_yardstick<any_executor>);
  add("race", 2, "parallel_group", race_parallel_group);
  add("race_at_once", 2, "operators", race_at_once_operators<any_executor>);
  add("race_at_once", 2, "race", race_at_once_library<any_executor>);
  add("race_at_once", 2, "operators-own", race_at_once_operators<own_executor>);
  add("race_at_once", 2, "race-own", race_at_once_library<own_executor>);
}

}  // namespace benchmarks
