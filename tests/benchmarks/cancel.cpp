// SPDX-License-Identifier: MIT
//
// n children asleep on timers; all are cancelled, and joined.

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
asio::awaitable<void, Executor> cancel_library(rounds& r) {
  auto const body =
      [&](asio_cancel_scope::cancel_scope<Executor>& scope) -> asio::awaitable<void, Executor> {
    for (auto n = r.children(); n != 0; --n) scope.spawn(asleep<Executor>());
    co_await hop<Executor>();
    scope.cancel();
  };
  while (r.next()) co_await asio_cancel_scope::with_cancel_scope(body);
}

// Written as the yardstick is.
template <typename Executor>
asio::awaitable<void, Executor> cancel_object(rounds& r) {
  Executor const ex = co_await asio::this_coro::executor;
  while (r.next()) {
    asio_cancel_scope::cancel_scope<Executor> scope(ex);
    for (auto n = r.children(); n != 0; --n) scope.spawn(asleep<Executor>());
    co_await hop<Executor>();
    scope.cancel();
    co_await scope.async_join();
  }
}

template <typename Executor>
asio::awaitable<void, Executor> cancel_yardstick(rounds& r) {
  Executor const ex = co_await asio::this_coro::executor;
  while (r.next()) {
    yardstick<Executor> group(ex);
    for (auto n = r.children(); n != 0; --n) group.spawn(asleep<Executor>());
    co_await hop<Executor>();
    group.cancel();
    if (!group.empty()) co_await group.async_join();
  }
}

asio::awaitable<void> cancel_task_group(rounds& r) {
  any_executor const ex = co_await asio::this_coro::executor;
  while (r.next()) {
    task_group group(ex);
    for (auto n = r.children(); n != 0; --n)
      asio::co_spawn(ex, asleep(), group.adapt(ignore_outcome()));
    co_await hop();
    group.emit(asio::cancellation_type::terminal);
    co_await group.async_wait(asio::use_awaitable);
  }
}

#if defined(ACS_BENCHMARK_RANGED_GROUP)
asio::awaitable<void> cancel_parallel_group(rounds& r) {
  any_executor const ex = co_await asio::this_coro::executor;
  asio::cancellation_signal stop;
  auto const emit = [&] { stop.emit(asio::cancellation_type::terminal); };
  auto const emit_later = [&] { asio::post(ex, emit); };
  while (r.next()) {
    auto group = group_of(ex, r.children(), asleep<any_executor>);
    // The group is started by waiting for it: twice through the executor, and all are asleep.
    asio::post(ex, emit_later);
    co_await group.async_wait(asio::experimental::wait_for_all(),
                              asio::bind_cancellation_slot(stop.slot(), asio::use_awaitable));
  }
}
#endif

}  // namespace

void add_cancel() {
  for (std::size_t const n : {1u, 10u, 1000u, 10000u, 100000u, 1000000u}) {
    add("cancel", n, "yardstick", cancel_yardstick<any_executor>);
    add("cancel", n, "library", cancel_library<any_executor>);
    add("cancel", n, "object", cancel_object<any_executor>);
    add("cancel", n, "yardstick-own", cancel_yardstick<own_executor>);
    add("cancel", n, "library-own", cancel_library<own_executor>);
    add("cancel", n, "object-own", cancel_object<own_executor>);
    add("cancel", n, "task_group", cancel_task_group);
#if defined(ACS_BENCHMARK_RANGED_GROUP)
    add("cancel", n, "parallel_group", cancel_parallel_group);
#endif
  }
}

}  // namespace benchmarks
