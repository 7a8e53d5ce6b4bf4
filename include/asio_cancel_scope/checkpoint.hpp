// SPDX-License-Identifier: MIT
#pragma once

#include <asio_cancel_scope/detail/asio.hpp>

namespace asio_cancel_scope::inline ASIO_CANCEL_SCOPE_BACKEND {

/// Lets others run, then goes on; throws if the awaiting coroutine has been cancelled. For loops
/// that compute without awaiting anything. As `trio.lowlevel.checkpoint`.
///
/// @tparam Executor  That of the awaiting coroutine, which is posted to it.
///
/// @par Per-Operation Cancellation
/// @li All types that the coroutine's cancellation state lets through: it throws when it goes on.
///
/// @par Errors
/// @li `asio::error::operation_aborted` if the coroutine has been cancelled, also where its
///   `throw_if_cancelled` is off.
template <typename Executor = asio::any_io_executor>
asio::awaitable<void, Executor> checkpoint() {
  asio::use_awaitable_t<Executor> token;
  co_await asio::post(token);
  asio::cancellation_state const state = co_await asio::this_coro::cancellation_state;
  if (state.cancelled() != asio::cancellation_type::none)
    throw detail::system_error(asio::error::operation_aborted, "checkpoint");
}

}  // namespace asio_cancel_scope::inline ASIO_CANCEL_SCOPE_BACKEND
