// SPDX-License-Identifier: MIT
#pragma once

#include <asio_cancel_scope/cancel_scope.hpp>
#include <asio_cancel_scope/detail/access.hpp>
#include <asio_cancel_scope/detail/awaitable_traits.hpp>
#include <asio_cancel_scope/detail/co_await_temporaries.hpp>
#include <asio_cancel_scope/detail/run_block.hpp>
#include <asio_cancel_scope/scope_options.hpp>
#include <asio_cancel_scope/scope_result.hpp>

#include <optional>
#include <type_traits>
#include <utility>

namespace asio_cancel_scope::inline ASIO_CANCEL_SCOPE_BACKEND {

namespace detail {

template <typename Executor, typename Body>
using scope_block = telling_block<typename body_executor<Executor, Body>::type, std::decay_t<Body>,
                                  cancel_scope, scope_result>;

}  // namespace detail

/// Runs a body with a scope of its own and leaves the scope: completes when the body and every
/// child, also those that children spawned, have ended and are destroyed.
///
/// The body starts at once, like a called function, on the executor of the awaiting coroutine, as a
/// child of its own: cancelling the scope reaches it too, and its cancellation state is its own. It
/// never starts if the awaiting coroutine has been cancelled before.
///
/// When the awaiting coroutine is cancelled, the request is forwarded with its type to the children
/// and the body, and the scope goes on waiting for them. Afterwards the coroutine's cancellation
/// state and `throw_if_cancelled` are as they were without the scope: nothing of the scope's own
/// cancellation is left in them and nothing of an outer one is lost.
///
/// @tparam Executor  The scope's executor; default: as written in the body's parameter,
///   `any_io_executor` for a generic lambda.
///
/// @param options  What the scope does about errors, how many children it takes, its deadline.
/// @param body  A callable that takes `cancel_scope<Executor>&` and returns an `awaitable<T>`. An
///   lvalue is copied; wrap what cannot be copied in `std::ref`. On GCC up to 12 a temporary that
///   is not trivially destructible is refused, because that compiler destroys it twice inside a
///   `co_await` expression: name the lambda first, or capture by reference.
///
/// @par Executor
/// The body runs on the executor of the awaiting coroutine, and that coroutine goes on there.
/// Inside `any_io_executor`, the executor of a `thread_pool` is replaced by strands on it for the
/// body and each child.
///
/// @par Per-Operation Cancellation
/// @li `terminal`, `partial`, `total`: forwarded with that type to the body and the children, which
///   are waited for.
///
/// @return An awaitable of `scope_result<T>`, which does nothing until it is awaited. It throws the
///   first real error, of a child or of the body; else `operation_aborted` if the awaiting
///   coroutine was cancelled and that cut something short. Cancellation of the scope itself throws
///   nothing.
///
/// @par Example
/// @snippet examples/01_first_scope.cpp first_scope
template <typename Executor = detail::deduced, typename Body>
auto with_cancel_scope(scope_options options, Body&& body) ->
    typename detail::scope_block<Executor, Body>::awaitable_type {
  static_assert(detail::safe_in_co_await<Body>, ASIO_CANCEL_SCOPE_NAME_IT_FIRST);
  return detail::run_block<detail::scope_block<Executor, Body>>(
      std::move(detail::access::settings(options)), std::forward<Body>(body));
}

/// Runs a body with a scope of its own that has the default options.
template <typename Executor = detail::deduced, typename Body>
  requires(!std::is_same_v<std::remove_cvref_t<Body>, scope_options>)
auto with_cancel_scope(Body&& body) ->
    typename detail::scope_block<Executor, Body>::awaitable_type {
  static_assert(detail::safe_in_co_await<Body>, ASIO_CANCEL_SCOPE_NAME_IT_FIRST);
  return detail::run_block<detail::scope_block<Executor, Body>>(std::nullopt,
                                                                std::forward<Body>(body));
}

}  // namespace asio_cancel_scope::inline ASIO_CANCEL_SCOPE_BACKEND
