// SPDX-License-Identifier: MIT
#pragma once

#include "support/asio.hpp"

#include <chrono>
#include <future>
#include <stdexcept>
#include <thread>
#include <utility>

// For tests that need threads. Nothing in them depends on how long something takes; only a test
// that would hang fails after a while.

inline constexpr std::chrono::seconds time_limit(40);

/// What `future` gets; throws when nothing comes.
template <typename T>
T wait_for(std::future<T> future) {
  if (future.wait_for(time_limit) != std::future_status::ready) {
    throw std::runtime_error("stalled: the result has not come in time");
  }
  return future.get();
}

/// Yields until `condition()`; false when that does not come.
template <typename Condition>
bool becomes_true(Condition condition) {
  auto const end = std::chrono::steady_clock::now() + time_limit;
  while (!condition()) {
    if (std::chrono::steady_clock::now() > end) {
      return false;
    }
    std::this_thread::yield();
  }
  return true;
}

/// Runs a coroutine elsewhere, on threads that others run, and blocks until it has ended.
template <typename Executor, typename Body>
auto run_elsewhere(Executor const& ex, Body body) {
  return wait_for(asio::co_spawn(ex, std::move(body), asio::use_future));
}
