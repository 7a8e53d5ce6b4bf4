// SPDX-License-Identifier: MIT
#pragma once

#include <asio_cancel_scope/cancel_scope.hpp>
#include <asio_cancel_scope/detail/timed_block.hpp>
#include <asio_cancel_scope/scope_result.hpp>

#include <chrono>
#include <utility>

namespace asio_cancel_scope::inline ASIO_CANCEL_SCOPE_BACKEND {

// Timeouts, in Trio's words: each runs something in a block of its own that has a deadline.

/// Runs @p x for no longer than @p limit, and goes on. As Trio's `move_on_after`.
///
/// @param limit  As for `fail_after`.
/// @param x  As for `fail_after`.
///
/// @par Executor
/// As `with_cancel_scope`.
///
/// @par Per-Operation Cancellation
/// @li `terminal`, `partial`, `total`: forwarded with that type to x and its children, which are
///   waited for; then `operation_aborted` is thrown, unless nothing has been cut short.
///
/// @return An awaitable of `scope_result<T>`: `cancelled_caught()` tells whether the deadline cut
///   something short, and the value of x is there if x returned one all the same. Its deadline
///   never makes it throw; a real error, or a cancellation of the awaiting coroutine, does.
///
/// @par Example
/// @snippet examples/10_timeouts.cpp move_on
template <typename Rep, typename Period, typename X>
auto move_on_after(std::chrono::duration<Rep, Period> limit, X&& x) {
  return detail::run_timed<detail::moving_on<X, cancel_scope, scope_result>>(
      detail::limit_of(limit), std::forward<X>(x));
}

/// Runs @p x until @p deadline, and goes on. As `move_on_after`.
template <typename X>
auto move_on_at(std::chrono::steady_clock::time_point deadline, X&& x) {
  return detail::run_timed<detail::moving_on<X, cancel_scope, scope_result>>(
      detail::until(deadline), std::forward<X>(x));
}

/// Runs @p x for no longer than @p limit, and fails if that is not enough. As Trio's `fail_after`.
///
/// When x is done nothing waits for the deadline any more.
///
/// @param limit  From when the awaitable is awaited, in any unit; a fraction of the clock's tick is
///   rounded up. `duration::max()`, and what is too long for the clock, is never; zero or less is
///   at once: then x never starts.
/// @param x  An `awaitable<T, Executor>`, moved in; a callable without parameters that returns one;
///   or one that takes `cancel_scope<Executor>&`, as the body of `with_cancel_scope`. On GCC up to
///   12 a temporary callable that is not trivially destructible is refused, as there.
///
/// @par Executor
/// As `with_cancel_scope`.
///
/// @par Per-Operation Cancellation
/// @li `terminal`, `partial`, `total`: forwarded with that type to x and its children, which are
///   waited for; then `operation_aborted` is thrown, unless nothing has been cut short.
///
/// @return An awaitable of what x returns.
///
/// @par Errors
/// @li `asio::error::timed_out` if and only if the deadline has cut something short: x, or a child
///   that x has spawned. If all have finished all the same the value is returned.
/// @li `asio::error::operation_aborted` if the awaiting coroutine was cancelled and that cut
///   something short, also after the deadline; or if x has cancelled its own scope and there is no
///   value.
///
/// @par Example
/// @snippet examples/10_timeouts.cpp fail
template <typename Rep, typename Period, typename X>
auto fail_after(std::chrono::duration<Rep, Period> limit, X&& x) {
  return detail::run_timed<detail::failing<X, cancel_scope>>(detail::limit_of(limit),
                                                             std::forward<X>(x));
}

/// Runs @p x until @p deadline, and fails if that is not enough. As `fail_after`.
template <typename X>
auto fail_at(std::chrono::steady_clock::time_point deadline, X&& x) {
  return detail::run_timed<detail::failing<X, cancel_scope>>(detail::until(deadline),
                                                             std::forward<X>(x));
}

}  // namespace asio_cancel_scope::inline ASIO_CANCEL_SCOPE_BACKEND
