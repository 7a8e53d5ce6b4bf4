// SPDX-License-Identifier: MIT
#pragma once

#include <asio_cancel_scope/detail/asio.hpp>
#include <asio_cancel_scope/detail/co_await_temporaries.hpp>
#include <asio_cancel_scope/detail/group.hpp>
#include <asio_cancel_scope/detail/group_kinds.hpp>

#include <ranges>
#include <utility>

namespace asio_cancel_scope::inline ASIO_CANCEL_SCOPE_BACKEND {

/// Runs all of @p xs at once and gives their values, in the order in which they are written.
///
/// They start at once, one after the other, as children of a scope that has no body. When one fails
/// the others are cancelled, and when they have ended its error is thrown, the very object. That
/// also goes for one that fails while it is being cancelled; of several errors the first in time is
/// thrown. The order of the values is that of `asyncio.gather`, what errors do is that of
/// `asyncio.TaskGroup`. To be used instead of `a && b` of Asio's awaitable_operators, which throws
/// `multiple_exceptions` in place of the error (asio issue 1715).
///
/// @param x, xs  Awaitables, and callables without parameters that return one. All of one executor
///   type.
///
/// @return An awaitable of a `std::tuple` of the values, with `std::monostate` where there is none;
///   of void if there is none at all.
///
/// @par Executor
/// All run on the executor of the awaiting coroutine, and that coroutine goes on there. Inside
/// `any_io_executor`, the executor of a `thread_pool` is replaced by a strand for each.
///
/// @par Per-Operation Cancellation
/// @li `terminal`, `partial`, `total`: forwarded to all; when they have ended `operation_aborted`
///   is thrown, unless that has cut nothing short.
///
/// @par Example
/// @snippet examples/18_race_and_gather.cpp gather
template <typename X, typename... Xs>
  requires(!std::ranges::input_range<X> || sizeof...(Xs) != 0)
auto gather(X&& x, Xs&&... xs) {
  static_assert(detail::safe_in_co_await<X> && (detail::safe_in_co_await<Xs> && ...),
                ASIO_CANCEL_SCOPE_NAME_IT_FIRST);
  using executor_type = detail::member_executor_t<detail::member_t<X>>;
  using kind = detail::gather_list<executor_type, detail::member_t<X>, detail::member_t<Xs>...>;
  return detail::run_group<kind>(
      typename kind::body_type(std::forward<X>(x), std::forward<Xs>(xs)...));
}

/// Runs all elements of @p range at once and gives their values, in order.
///
/// @param range  Of awaitables, to be moved in, or of callables. An empty one gives no values, and
///   is over at once; with Asio's make_parallel_group it never is (asio issue 1375).
///
/// @return An awaitable of a `std::vector` of the values, or of void.
template <std::ranges::input_range Range>
auto gather(Range&& range) {
  auto members = detail::members_of(std::forward<Range>(range));
  using member_type = typename decltype(members)::value_type;
  using kind = detail::gather_range<detail::member_executor_t<member_type>, member_type>;
  return detail::run_group<kind>(std::move(members));
}

}  // namespace asio_cancel_scope::inline ASIO_CANCEL_SCOPE_BACKEND
