// SPDX-License-Identifier: MIT
//
// A scope that is entered and left, without children.

#include "benchmarks/children.hpp"
#include "benchmarks/registry.hpp"

#include <asio_cancel_scope/with_cancel_scope.hpp>

namespace benchmarks {

namespace {

template <typename Executor>
asio::awaitable<void, Executor> empty_library(rounds& r) {
  auto const body =
      [](asio_cancel_scope::cancel_scope<Executor>&) -> asio::awaitable<void, Executor> {
    co_return;
  };
  while (r.next()) co_await asio_cancel_scope::with_cancel_scope(body);
}

template <typename Executor>
asio::awaitable<void, Executor> empty_co_spawn(rounds& r) {
  Executor const ex = co_await asio::this_coro::executor;
  while (r.next())
    co_await asio::co_spawn(ex, trivial<Executor>, asio::use_awaitable_t<Executor>());
}

}  // namespace

void add_empty() {
  add("empty", 1, "co_spawn", empty_co_spawn<any_executor>);
  add("empty", 1, "library", empty_library<any_executor>);
  add("empty", 1, "co_spawn-own", empty_co_spawn<own_executor>);
  add("empty", 1, "library-own", empty_library<own_executor>);
}

}  // namespace benchmarks
