// SPDX-License-Identifier: MIT
#pragma once

#include <asio_cancel_scope/cancel_scope.hpp>
#include <asio_cancel_scope/detail/timed_block.hpp>

#include <chrono>
#include <utility>

namespace asio_cancel_scope::inline ASIO_CANCEL_SCOPE_BACKEND {

/// Runs @p x out of reach of the awaiting coroutine's cancellation, and waits for it.
///
/// The coroutine's cancellation state is left as it was: a cancellation that came meanwhile shows
/// at its next `co_await`. A shield delays whoever cancels: keep what is inside short, or give it a
/// limit. A coroutine that has been cancelled already cannot start it, as it can start nothing; for
/// cleanup see `with_cleanup`. As a shielded CancelScope in Trio.
///
/// @param x  As for `fail_after`: an awaitable, a callable, or a body that takes its scope.
///
/// @par Executor
/// As `with_cancel_scope`.
///
/// @par Per-Operation Cancellation
/// @li All types: do not reach x, and show at the coroutine's next `co_await`.
///
/// @return An awaitable of what x returns.
template <typename X>
auto shielded(X&& x) {
  return detail::run_timed<detail::shielding<X, cancel_scope>>({}, std::forward<X>(x));
}

/// Runs @p x out of reach of the awaiting coroutine's cancellation, but no longer than @p limit.
///
/// @par Errors
/// @li `asio::error::timed_out` if the limit cut something short. With a limit of zero or less x
///   never starts.
template <typename Rep, typename Period, typename X>
auto shielded(std::chrono::duration<Rep, Period> limit, X&& x) {
  return detail::run_timed<detail::shielding<X, cancel_scope>>(detail::limit_of(limit),
                                                               std::forward<X>(x));
}

}  // namespace asio_cancel_scope::inline ASIO_CANCEL_SCOPE_BACKEND
