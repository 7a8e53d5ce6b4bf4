// SPDX-License-Identifier: MIT
#pragma once

#include <asio_cancel_scope/detail/asio.hpp>
#include <asio_cancel_scope/detail/co_await_temporaries.hpp>
#include <asio_cancel_scope/detail/group.hpp>
#include <asio_cancel_scope/detail/group_kinds.hpp>
#include <asio_cancel_scope/race_result.hpp>

#include <ranges>
#include <utility>

namespace asio_cancel_scope::inline ASIO_CANCEL_SCOPE_BACKEND {

/// Runs all of @p xs at once and gives the value of the first that returns: the others are
/// cancelled, and have ended when this completes.
///
/// They start at once, one after the other, as children of a scope that has no body. A loser that
/// returns all the same changes nothing. One that fails ends the race: the others are cancelled,
/// and its error is thrown, the very object, also if it fails while it is being cancelled; of
/// several errors the first in time is thrown. What may fail without ending the race catches its
/// error itself. To be used instead of `a || b` of Asio's awaitable_operators, which goes on
/// waiting when one fails, and throws the error away when the other succeeds (asio issues 1094,
/// 1123, 1594).
///
/// @param x, xs  Awaitables, and callables without parameters that return one. All of one executor
///   type.
///
/// @return An awaitable of a `std::variant` of the values, with `std::monostate` for void; its
///   `index()` tells who was first.
///
/// @par Executor
/// All run on the executor of the awaiting coroutine, and that coroutine goes on there. Inside
/// `any_io_executor`, the executor of a `thread_pool` is replaced by a strand for each.
///
/// @par Per-Operation Cancellation
/// @li `terminal`, `partial`, `total`: forwarded to all; when they have ended `operation_aborted`
///   is thrown, unless nothing has been cut short. That goes for a race that has been won too, as
///   long as losers are left.
///
/// @par Example
/// @snippet examples/18_race_and_gather.cpp race
template <typename X, typename... Xs>
  requires(!std::ranges::input_range<X> || sizeof...(Xs) != 0)
auto race(X&& x, Xs&&... xs) {
  static_assert(detail::safe_in_co_await<X> && (detail::safe_in_co_await<Xs> && ...),
                ASIO_CANCEL_SCOPE_NAME_IT_FIRST);
  using executor_type = detail::member_executor_t<detail::member_t<X>>;
  using kind = detail::race_list<executor_type, detail::member_t<X>, detail::member_t<Xs>...>;
  return detail::run_group<kind>(
      typename kind::body_type(std::forward<X>(x), std::forward<Xs>(xs)...));
}

/// Runs all elements of @p range at once and gives the value of the first that returns.
///
/// @param range  Of awaitables, to be moved in, or of callables. An empty one has no winner, and is
///   over at once; with Asio's make_parallel_group it never is (asio issue 1375).
///
/// @return An awaitable of `race_result<T>`.
template <std::ranges::input_range Range>
auto race(Range&& range) {
  auto members = detail::members_of(std::forward<Range>(range));
  using member_type = typename decltype(members)::value_type;
  using kind = detail::race_range<detail::member_executor_t<member_type>, member_type, race_result>;
  return detail::run_group<kind>(std::move(members));
}

}  // namespace asio_cancel_scope::inline ASIO_CANCEL_SCOPE_BACKEND
