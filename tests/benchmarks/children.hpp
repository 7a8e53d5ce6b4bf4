// SPDX-License-Identifier: MIT
#pragma once

#include "benchmarks/registry.hpp"
#include "support/asio.hpp"

#include <chrono>

namespace benchmarks {

template <typename Executor>
using timer = asio::basic_waitable_timer<std::chrono::steady_clock,
                                         asio::wait_traits<std::chrono::steady_clock>, Executor>;

inline constexpr auto never = std::chrono::steady_clock::time_point::max();

// What the children do.

template <typename Executor = any_executor>
asio::awaitable<void, Executor> trivial() {
  co_return;
}

template <typename Executor = any_executor>
asio::awaitable<void, Executor> hop() {
  co_await asio::post(asio::use_awaitable_t<Executor>());
}

template <typename Executor = any_executor>
asio::awaitable<void, Executor> asleep() {
  timer<Executor> forever(co_await asio::this_coro::executor, never);
  co_await forever.async_wait(asio::use_awaitable_t<Executor>());
}

}  // namespace benchmarks
