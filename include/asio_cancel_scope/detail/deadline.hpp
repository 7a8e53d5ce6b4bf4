// SPDX-License-Identifier: MIT
#pragma once

#include <asio_cancel_scope/detail/asio.hpp>
#include <asio_cancel_scope/detail/settings.hpp>

#include <chrono>
#include <ratio>

namespace asio_cancel_scope::inline ASIO_CANCEL_SCOPE_BACKEND::detail {

/// `d` in the clock's ticks, rounded up: a timer may be late but never early. What is too long for
/// the clock is the longest duration, which is "never"; NaN is zero.
template <typename Rep, typename Period>
[[nodiscard]] constexpr duration saturated(std::chrono::duration<Rep, Period> const& d) {
  using in_ticks = std::chrono::duration<long double, duration::period>;
  if constexpr (std::chrono::treat_as_floating_point_v<Rep>) {
    if (d != d) return duration::zero();
  }
  auto const ticks = in_ticks(d);
  if (ticks >= in_ticks(duration::max())) return duration::max();
  if (ticks <= in_ticks(duration::min())) return duration::min();
  // Where a tick is a part of the unit no step of the conversion is larger than its result.
  constexpr bool is_exact = std::ratio_divide<Period, duration::period>::den == 1;
  if constexpr (is_exact && !std::chrono::treat_as_floating_point_v<Rep>)
    return std::chrono::ceil<duration>(d);
  auto const whole = duration(static_cast<duration::rep>(ticks.count()));
  return in_ticks(whole) < ticks ? whole + duration(1) : whole;
}

/// `now + d`; what overflows is "never".
[[nodiscard]] constexpr time_point after(time_point now, duration d) noexcept {
  return d >= time_point::max() - now ? time_point::max() : now + d;
}

template <typename T>
inline constexpr bool is_duration = false;
template <typename Rep, typename Period>
inline constexpr bool is_duration<std::chrono::duration<Rep, Period>> = true;

}  // namespace asio_cancel_scope::inline ASIO_CANCEL_SCOPE_BACKEND::detail
