// SPDX-License-Identifier: MIT
//
// n scopes, each in the body of the one before.

#include "benchmarks/children.hpp"
#include "benchmarks/registry.hpp"

#include <asio_cancel_scope/with_cancel_scope.hpp>

#include <cstddef>

namespace benchmarks {

namespace {

template <typename Executor>
asio::awaitable<void, Executor> scopes(std::size_t n) {
  auto const body = [n](asio_cancel_scope::cancel_scope<Executor>&) {
    return scopes<Executor>(n - 1);
  };
  if (n != 0) co_await asio_cancel_scope::with_cancel_scope<Executor>(body);
}

template <typename Executor>
asio::awaitable<void, Executor> depth_library(rounds& r) {
  while (r.next()) co_await scopes<Executor>(r.children());
}

template <typename Executor>
asio::awaitable<void, Executor> spawns(std::size_t n) {
  Executor const ex = co_await asio::this_coro::executor;
  if (n != 0)
    co_await asio::co_spawn(ex, spawns<Executor>(n - 1), asio::use_awaitable_t<Executor>());
}

template <typename Executor>
asio::awaitable<void, Executor> depth_co_spawn(rounds& r) {
  while (r.next()) co_await spawns<Executor>(r.children());
}

}  // namespace

void add_depth() {
  for (std::size_t const n : {1u, 10u, 1000u}) {
    add("depth", n, "co_spawn", depth_co_spawn<any_executor>);
    add("depth", n, "library", depth_library<any_executor>);
  }
}

}  // namespace benchmarks
