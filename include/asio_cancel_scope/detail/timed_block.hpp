// SPDX-License-Identifier: MIT
#pragma once

#include <asio_cancel_scope/detail/asio.hpp>
#include <asio_cancel_scope/detail/co_await_temporaries.hpp>
#include <asio_cancel_scope/detail/deadline.hpp>
#include <asio_cancel_scope/detail/operand.hpp>
#include <asio_cancel_scope/detail/run_block.hpp>
#include <asio_cancel_scope/detail/settings.hpp>

#include <chrono>
#include <optional>
#include <utility>

namespace asio_cancel_scope::inline ASIO_CANCEL_SCOPE_BACKEND::detail {

// `x` as the body of a block of its own, which has a deadline or a shield.

template <typename X, template <typename> typename Scope, template <typename> typename Result>
using moving_on = telling_block<typename operand<X>::executor_type, typename operand<X>::body_type,
                                Scope, Result>;

template <typename X, template <typename> typename Scope>
using failing = value_block<typename operand<X>::executor_type, typename operand<X>::body_type,
                            Scope, outer::forwarded>;

template <typename X, template <typename> typename Scope>
using shielding = value_block<typename operand<X>::executor_type, typename operand<X>::body_type,
                              Scope, outer::ignored>;

/// The settings of a scope whose time is limited from when it is entered.
template <typename Rep, typename Period>
[[nodiscard]] scope_settings limit_of(std::chrono::duration<Rep, Period> limit) {
  scope_settings settings;
  settings.deadline_after = saturated(limit);
  return settings;
}

/// The settings of a scope that has a deadline.
[[nodiscard]] inline scope_settings until(time_point deadline) {
  scope_settings settings;
  settings.deadline_at = deadline;
  return settings;
}

template <typename Kind, typename X>
[[nodiscard]] typename Kind::awaitable_type run_timed(scope_settings settings, X&& x) {
  static_assert(safe_in_co_await<X>, ASIO_CANCEL_SCOPE_NAME_IT_FIRST);
  return run_block<Kind>(std::move(settings), std::optional<typename Kind::body_type>(
                                                  std::in_place, std::forward<X>(x)));
}

}  // namespace asio_cancel_scope::inline ASIO_CANCEL_SCOPE_BACKEND::detail
