// SPDX-License-Identifier: MIT
//
// Two children that return at once, and are joined.

#include "benchmarks/children.hpp"
#include "benchmarks/parallel_group.hpp"
#include "benchmarks/registry.hpp"
#include "benchmarks/task_group.hpp"
#include "benchmarks/yardstick.hpp"

#include <asio_cancel_scope/gather.hpp>
#include <asio_cancel_scope/with_cancel_scope.hpp>

namespace benchmarks {

namespace {

template <typename Executor>
asio::awaitable<void, Executor> two_library(rounds& r) {
  auto const body =
      [](asio_cancel_scope::cancel_scope<Executor>& scope) -> asio::awaitable<void, Executor> {
    scope.spawn(trivial<Executor>());
    scope.spawn(trivial<Executor>());
    co_return;
  };
  while (r.next()) co_await asio_cancel_scope::with_cancel_scope(body);
}

template <typename Executor>
asio::awaitable<void, Executor> two_gather(rounds& r) {
  while (r.next()) co_await asio_cancel_scope::gather(trivial<Executor>(), trivial<Executor>());
}

template <typename Executor>
asio::awaitable<void, Executor> two_operators(rounds& r) {
  using namespace asio::experimental::awaitable_operators;
  while (r.next()) co_await (trivial<Executor>() && trivial<Executor>());
}

template <typename Executor>
asio::awaitable<void, Executor> two_yardstick(rounds& r) {
  Executor const ex = co_await asio::this_coro::executor;
  while (r.next()) {
    yardstick<Executor> group(ex);
    group.spawn(trivial<Executor>());
    group.spawn(trivial<Executor>());
    if (!group.empty()) co_await group.async_join();
  }
}

asio::awaitable<void> two_task_group(rounds& r) {
  any_executor const ex = co_await asio::this_coro::executor;
  while (r.next()) {
    task_group group(ex);
    asio::co_spawn(ex, trivial(), group.adapt(ignore_outcome()));
    asio::co_spawn(ex, trivial(), group.adapt(ignore_outcome()));
    co_await group.async_wait(asio::use_awaitable);
  }
}

asio::awaitable<void> two_parallel_group(rounds& r) {
  any_executor const ex = co_await asio::this_coro::executor;
  child_operation const child(ex, trivial<any_executor>);
  while (r.next()) {
    auto group = asio::experimental::make_parallel_group(child, child);
    co_await group.async_wait(asio::experimental::wait_for_all(), asio::use_awaitable);
  }
}

}  // namespace

void add_two() {
  add("two", 2, "operators", two_operators<any_executor>);
  add("two", 2, "library", two_library<any_executor>);
  add("two", 2, "gather", two_gather<any_executor>);
  add("two", 2, "operators-own", two_operators<own_executor>);
  add("two", 2, "library-own", two_library<own_executor>);
  add("two", 2, "gather-own", two_gather<own_executor>);
  add("two", 2, "yardstick", two_yardstick<any_executor>);
  add("two", 2, "task_group", two_task_group);
  add("two", 2, "parallel_group", two_parallel_group);
}

}  // namespace benchmarks
