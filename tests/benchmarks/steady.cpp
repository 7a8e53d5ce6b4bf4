// SPDX-License-Identifier: MIT
//
// One long-lived scope, as that of a server: n children, each of which is spawned while those
// before it finish.

#include "benchmarks/children.hpp"
#include "benchmarks/registry.hpp"
#include "benchmarks/task_group.hpp"
#include "benchmarks/yardstick.hpp"

#include <asio_cancel_scope/with_cancel_scope.hpp>

#include <cstddef>

namespace benchmarks {

namespace {

template <typename Executor>
asio::awaitable<void, Executor> steady_library(rounds& r) {
  auto const body =
      [&](asio_cancel_scope::cancel_scope<Executor>& scope) -> asio::awaitable<void, Executor> {
    for (auto n = r.children(); n != 0; --n) {
      scope.spawn(hop<Executor>());
      co_await hop<Executor>();
    }
  };
  while (r.next()) co_await asio_cancel_scope::with_cancel_scope(body);
}

template <typename Executor>
asio::awaitable<void, Executor> steady_yardstick(rounds& r) {
  Executor const ex = co_await asio::this_coro::executor;
  while (r.next()) {
    yardstick<Executor> group(ex);
    for (auto n = r.children(); n != 0; --n) {
      group.spawn(hop<Executor>());
      co_await hop<Executor>();
    }
    if (!group.empty()) co_await group.async_join();
  }
}

asio::awaitable<void> steady_task_group(rounds& r) {
  any_executor const ex = co_await asio::this_coro::executor;
  while (r.next()) {
    task_group group(ex);
    for (auto n = r.children(); n != 0; --n) {
      asio::co_spawn(ex, hop(), group.adapt(ignore_outcome()));
      co_await hop();
    }
    co_await group.async_wait(asio::use_awaitable);
  }
}

asio::awaitable<void> steady_detached(rounds& r) {
  any_executor const ex = co_await asio::this_coro::executor;
  while (r.next()) {
    for (auto n = r.children(); n != 0; --n) {
      asio::co_spawn(ex, hop(), asio::detached);
      co_await hop();
    }
    co_await hop();
  }
}

}  // namespace

void add_steady() {
  constexpr std::size_t n = 10000;
  add("steady", n, "yardstick", steady_yardstick<any_executor>);
  add("steady", n, "library", steady_library<any_executor>);
  add("steady", n, "yardstick-own", steady_yardstick<own_executor>);
  add("steady", n, "library-own", steady_library<own_executor>);
  add("steady", n, "task_group", steady_task_group);
  add("steady", n, "detached", steady_detached);
}

}  // namespace benchmarks
