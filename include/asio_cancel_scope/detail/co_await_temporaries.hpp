// SPDX-License-Identifier: MIT
#pragma once

#include <asio_cancel_scope/detail/asio.hpp>
#include <asio_cancel_scope/detail/awaitable_traits.hpp>

#include <type_traits>

namespace asio_cancel_scope::inline ASIO_CANCEL_SCOPE_BACKEND::detail {

// GCC up to 12 destroys twice what a lambda captures by value when the lambda is written as a
// temporary inside a co_await expression (GCC bug 99576 and its kin).
#if defined(__GNUC__) && !defined(__clang__) && __GNUC__ < 13
inline constexpr bool temporaries_are_destroyed_twice = true;
#else
inline constexpr bool temporaries_are_destroyed_twice = false;
#endif

#define ASIO_CANCEL_SCOPE_NAME_IT_FIRST                                                          \
  "asio_cancel_scope: GCC up to 12 destroys twice what a temporary lambda captures by value in " \
  "a co_await expression: name the lambda first and pass it as an lvalue, or capture by "        \
  "reference; std::ref for one that cannot be copied"

/// Whether `T`, the deduced type of a forwarding reference, may be written in a co_await expression
/// on this compiler.
template <typename T>
inline constexpr bool safe_in_co_await =
    !temporaries_are_destroyed_twice || std::is_lvalue_reference_v<T> || awaitable<T> ||
    std::is_trivially_destructible_v<std::remove_cvref_t<T>>;

}  // namespace asio_cancel_scope::inline ASIO_CANCEL_SCOPE_BACKEND::detail
