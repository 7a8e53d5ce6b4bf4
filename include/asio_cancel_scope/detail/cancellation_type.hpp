// SPDX-License-Identifier: MIT
#pragma once

#include <asio_cancel_scope/detail/asio.hpp>

#include <cstdint>

namespace asio_cancel_scope::inline ASIO_CANCEL_SCOPE_BACKEND::detail {

/// The strongest single type in `mask`, which is what a mask counts as: a child's filter could turn
/// a mask into a type that is weaker than the one it has already seen.
[[nodiscard]] constexpr asio::cancellation_type strongest(asio::cancellation_type mask) noexcept {
  using enum asio::cancellation_type;
  if ((mask & terminal) != none) return terminal;
  if ((mask & partial) != none) return partial;
  return mask & total;
}

/// Compares two single types: terminal > partial > total > none. The smaller the bit, the stronger.
[[nodiscard]] constexpr bool stronger(asio::cancellation_type a,
                                      asio::cancellation_type b) noexcept {
  using enum asio::cancellation_type;
  return a != none && (b == none || static_cast<unsigned>(a) < static_cast<unsigned>(b));
}

/// A single type, or none, in one byte: there may be a million.
class small_type {
 public:
  constexpr small_type(asio::cancellation_type type = asio::cancellation_type::none) noexcept
      : bit_(static_cast<std::uint8_t>(type)) {}
  constexpr operator asio::cancellation_type() const noexcept {
    return static_cast<asio::cancellation_type>(bit_);
  }

 private:
  std::uint8_t bit_;
};

}  // namespace asio_cancel_scope::inline ASIO_CANCEL_SCOPE_BACKEND::detail
