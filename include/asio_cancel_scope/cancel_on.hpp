// SPDX-License-Identifier: MIT
#pragma once

#include <asio_cancel_scope/cancel_scope.hpp>
#include <asio_cancel_scope/child_options.hpp>
#include <asio_cancel_scope/detail/access.hpp>
#include <asio_cancel_scope/detail/deadline.hpp>
#include <asio_cancel_scope/detail/stop_sources.hpp>

#include <chrono>
#include <csignal>
#include <initializer_list>
#include <optional>
#include <stop_token>
#include <utility>

namespace asio_cancel_scope::inline ASIO_CANCEL_SCOPE_BACKEND {

/// Cancels @p scope when the process gets one of @p signals.
///
/// They are watched from this call on by a service child, which does not keep the scope open, until
/// the scope is left or everything in it is cancelled (terminal), also by this. After that they do
/// what they did before: another SIGINT ends the process, even while children are still cleaning
/// up, unless a `signal_set` of your own catches it.
///
/// @throws system_error if a signal cannot be registered; and as `cancel_scope::spawn`.
template <typename Executor>
void cancel_on_signal(cancel_scope<Executor>& scope,
                      std::initializer_list<int> signals = {SIGINT, SIGTERM}) {
  scope.spawn(child_options().service().name("cancel_on_signal"),
              detail::signal_watch<Executor>(detail::access::state(scope), signals, std::nullopt));
}

/// Shuts @p scope down with a grace period when the process gets one of @p signals; the second
/// signal ends the grace period. As `cancel_on_signal` otherwise: the signals are watched until the
/// grace period is over.
///
/// @par Example
/// @snippet examples/13_graceful_server.cpp signals
template <typename Executor, typename Rep, typename Period>
void shutdown_on_signal(cancel_scope<Executor>& scope, std::chrono::duration<Rep, Period> grace,
                        std::initializer_list<int> signals = {SIGINT, SIGTERM}) {
  scope.spawn(child_options().service().name("shutdown_on_signal"),
              detail::signal_watch<Executor>(detail::access::state(scope), signals,
                                             detail::saturated(grace)));
}

/// Cancels @p scope when stop is requested of @p token, from whatever thread; at once if it has
/// been.
///
/// The token is watched by a service child, which does not keep the scope open, until the scope is
/// left or everything in it is cancelled (terminal).
///
/// @throws std::logic_error and more, as `cancel_scope::spawn`; if stop has been requested before,
///   as `cancel_scope::cancel`.
template <typename Executor>
void cancel_on_stop(cancel_scope<Executor>& scope, std::stop_token token) {
  if (token.stop_requested()) return scope.cancel();
  scope.spawn(child_options().service().name("cancel_on_stop"),
              detail::stop_watch<Executor>(detail::access::state(scope), std::move(token)));
}

}  // namespace asio_cancel_scope::inline ASIO_CANCEL_SCOPE_BACKEND
