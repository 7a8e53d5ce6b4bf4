// SPDX-License-Identifier: MIT
//
// A limit of time on an operation that hops, and is done long before.

#include "benchmarks/children.hpp"
#include "benchmarks/registry.hpp"

#include <asio_cancel_scope/timeouts.hpp>

#include <chrono>

namespace benchmarks {

namespace {

constexpr std::chrono::hours limit(1);

template <typename Executor>
asio::awaitable<void, Executor> timeout_move_on_after(rounds& r) {
  while (r.next()) co_await asio_cancel_scope::move_on_after(limit, hop<Executor>());
}

template <typename Executor>
asio::awaitable<void, Executor> timeout_fail_after(rounds& r) {
  while (r.next()) co_await asio_cancel_scope::fail_after(limit, hop<Executor>());
}

template <typename Executor>
asio::awaitable<void, Executor> timeout_operators(rounds& r) {
  using namespace asio::experimental::awaitable_operators;
  Executor const ex = co_await asio::this_coro::executor;
  while (r.next()) {
    timer<Executor> timeout(ex, limit);
    co_await (hop<Executor>() || timeout.async_wait(asio::use_awaitable_t<Executor>()));
  }
}

template <typename Executor>
asio::awaitable<void, Executor> timeout_by_hand(rounds& r) {
  Executor const ex = co_await asio::this_coro::executor;
  asio::use_awaitable_t<Executor> const token;
  while (r.next()) {
    asio::cancellation_signal signal;
    timer<Executor> timeout(ex, limit);
    timeout.async_wait([&](error_code const& e) {
      if (!e) signal.emit(asio::cancellation_type::terminal);
    });
    co_await asio::co_spawn(ex, hop<Executor>(),
                            asio::bind_cancellation_slot(signal.slot(), token));
  }
}

}  // namespace

void add_timeout() {
  add("timeout", 1, "operators", timeout_operators<any_executor>);
  add("timeout", 1, "move_on_after", timeout_move_on_after<any_executor>);
  add("timeout", 1, "fail_after", timeout_fail_after<any_executor>);
  add("timeout", 1, "operators-own", timeout_operators<own_executor>);
  add("timeout", 1, "move_on_after-own", timeout_move_on_after<own_executor>);
  add("timeout", 1, "by_hand", timeout_by_hand<any_executor>);
}

}  // namespace benchmarks
