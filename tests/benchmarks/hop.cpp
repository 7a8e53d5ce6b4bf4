// SPDX-License-Identifier: MIT
//
// n children that hop once through the executor, and are joined.

#include "benchmarks/children.hpp"
#include "benchmarks/parallel_group.hpp"
#include "benchmarks/registry.hpp"
#include "benchmarks/task_group.hpp"
#include "benchmarks/yardstick.hpp"

#include <asio_cancel_scope/cancel_scope.hpp>
#include <asio_cancel_scope/with_cancel_scope.hpp>

#include <cstddef>

namespace benchmarks {

namespace {

template <typename Executor>
asio::awaitable<void, Executor> hop_library(rounds& r) {
  auto const body =
      [&](asio_cancel_scope::cancel_scope<Executor>& scope) -> asio::awaitable<void, Executor> {
    for (auto n = r.children(); n != 0; --n) scope.spawn(hop<Executor>());
    co_return;
  };
  while (r.next()) co_await asio_cancel_scope::with_cancel_scope(body);
}

// Written as the yardstick is.
template <typename Executor>
asio::awaitable<void, Executor> hop_object(rounds& r) {
  Executor const ex = co_await asio::this_coro::executor;
  while (r.next()) {
    asio_cancel_scope::cancel_scope<Executor> scope(ex);
    for (auto n = r.children(); n != 0; --n) scope.spawn(hop<Executor>());
    co_await scope.async_join();
  }
}

template <typename Executor>
asio::awaitable<void, Executor> hop_yardstick(rounds& r) {
  Executor const ex = co_await asio::this_coro::executor;
  while (r.next()) {
    yardstick<Executor> group(ex);
    for (auto n = r.children(); n != 0; --n) group.spawn(hop<Executor>());
    if (!group.empty()) co_await group.async_join();
  }
}

asio::awaitable<void> hop_task_group(rounds& r) {
  any_executor const ex = co_await asio::this_coro::executor;
  while (r.next()) {
    task_group group(ex);
    for (auto n = r.children(); n != 0; --n)
      asio::co_spawn(ex, hop(), group.adapt(ignore_outcome()));
    co_await group.async_wait(asio::use_awaitable);
  }
}

template <typename Executor>
asio::awaitable<void, Executor> hop_and_tell(std::size_t& left, timer<Executor>& none_left) {
  co_await asio::post(asio::use_awaitable_t<Executor>());
  if (--left == 0) none_left.cancel();
}

template <typename Executor>
asio::awaitable<void, Executor> hop_detached(rounds& r) {
  Executor const ex = co_await asio::this_coro::executor;
  error_code ignored;
  while (r.next()) {
    timer<Executor> none_left(ex, never);
    auto left = r.children();
    for (auto n = r.children(); n != 0; --n)
      asio::co_spawn(ex, hop_and_tell(left, none_left), asio::detached);
    co_await none_left.async_wait(asio::redirect_error(asio::use_awaitable_t<Executor>(), ignored));
  }
}

#if defined(ACS_BENCHMARK_RANGED_GROUP)
asio::awaitable<void> hop_parallel_group(rounds& r) {
  any_executor const ex = co_await asio::this_coro::executor;
  while (r.next()) {
    auto group = group_of(ex, r.children(), hop<any_executor>);
    co_await group.async_wait(asio::experimental::wait_for_all(), asio::use_awaitable);
  }
}
#endif

}  // namespace

void add_hop() {
  for (std::size_t const n : {1u, 10u, 1000u, 10000u, 100000u, 1000000u}) {
    add("hop", n, "yardstick", hop_yardstick<any_executor>);
    add("hop", n, "library", hop_library<any_executor>);
    add("hop", n, "object", hop_object<any_executor>);
    add("hop", n, "yardstick-own", hop_yardstick<own_executor>);
    add("hop", n, "library-own", hop_library<own_executor>);
    add("hop", n, "object-own", hop_object<own_executor>);
    add("hop", n, "task_group", hop_task_group);
    add("hop", n, "detached", hop_detached<any_executor>);
#if defined(ACS_BENCHMARK_RANGED_GROUP)
    add("hop", n, "parallel_group", hop_parallel_group);
#endif
  }
}

}  // namespace benchmarks
