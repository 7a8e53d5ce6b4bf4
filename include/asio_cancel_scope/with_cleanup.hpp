// SPDX-License-Identifier: MIT
#pragma once

#include <asio_cancel_scope/cancel_scope.hpp>
#include <asio_cancel_scope/detail/cleanup.hpp>
#include <asio_cancel_scope/detail/deadline.hpp>
#include <asio_cancel_scope/detail/timed_block.hpp>

#include <chrono>
#include <type_traits>
#include <utility>

namespace asio_cancel_scope::inline ASIO_CANCEL_SCOPE_BACKEND {

/// Runs @p x and then, whatever has become of it, @p cleanup; gives what x gives.
///
/// The cleanup runs once: whether x returned, threw, was cancelled or never got to start. It may
/// await, although the awaiting coroutine has been cancelled: it is shielded. Asio lets a cancelled
/// coroutine start nothing with `co_await`, in a catch block neither; that is why cleanup is
/// written ahead. A coroutine that has been cancelled before it awaits this starts neither.
///
/// @param x  As for `fail_after`: an awaitable, a callable, or a body that takes its scope.
/// @param cleanup  A callable that returns an awaitable, without parameters or with one
///   `std::exception_ptr`: what x threw, null if it returned.
///
/// @par Executor
/// As `with_cancel_scope`.
///
/// @par Per-Operation Cancellation
/// @li `terminal`, `partial`, `total`: forwarded with that type to x, which is waited for; they do
///   not reach cleanup, and show when it has run.
///
/// @return An awaitable of what x returns.
///
/// @par Errors
/// If cleanup throws, its error is thrown, unless x has failed with a real error: then that is
/// thrown, the very object, and the error of the cleanup is not.
///
/// @par Example
/// @snippet examples/14_cleanup.cpp cleanup
template <typename X, typename Cleanup>
  requires(!detail::is_duration<std::remove_cvref_t<X>>)
auto with_cleanup(X&& x, Cleanup&& cleanup) {
  return detail::start_with_cleanup<cancel_scope>({}, std::forward<X>(x),
                                                  std::forward<Cleanup>(cleanup), nullptr);
}

/// The same with an observer of what is not thrown.
///
/// @param x, cleanup  As above.
/// @param on_suppressed  Gets the error of a cleanup that is not thrown. Must not throw.
template <typename X, typename Cleanup, typename OnSuppressed>
  requires(!detail::is_duration<std::remove_cvref_t<X>>)
auto with_cleanup(X&& x, Cleanup&& cleanup, OnSuppressed&& on_suppressed) {
  return detail::start_with_cleanup<cancel_scope>({}, std::forward<X>(x),
                                                  std::forward<Cleanup>(cleanup),
                                                  std::forward<OnSuppressed>(on_suppressed));
}

/// The same with a limit for the cleanup: one that takes longer is cancelled, and has failed with
/// `asio::error::timed_out`.
template <typename Rep, typename Period, typename X, typename Cleanup>
auto with_cleanup(std::chrono::duration<Rep, Period> limit, X&& x, Cleanup&& cleanup) {
  return detail::start_with_cleanup<cancel_scope>(detail::limit_of(limit), std::forward<X>(x),
                                                  std::forward<Cleanup>(cleanup), nullptr);
}

/// The same with both.
template <typename Rep, typename Period, typename X, typename Cleanup, typename OnSuppressed>
auto with_cleanup(std::chrono::duration<Rep, Period> limit, X&& x, Cleanup&& cleanup,
                  OnSuppressed&& on_suppressed) {
  return detail::start_with_cleanup<cancel_scope>(detail::limit_of(limit), std::forward<X>(x),
                                                  std::forward<Cleanup>(cleanup),
                                                  std::forward<OnSuppressed>(on_suppressed));
}

}  // namespace asio_cancel_scope::inline ASIO_CANCEL_SCOPE_BACKEND
