// SPDX-License-Identifier: MIT
#pragma once

#include <asio_cancel_scope/detail/asio.hpp>

#include <exception>

namespace asio_cancel_scope::inline ASIO_CANCEL_SCOPE_BACKEND::detail {

/// An `E` made of `args` for who waits; that there is no memory, if there is none for it.
template <typename E, typename... Args>
[[nodiscard]] std::exception_ptr error(Args const&... args) noexcept {
  try {
    return std::make_exception_ptr(E(args...));
  } catch (...) {
    return std::current_exception();
  }
}

/// The error of what was cancelled.
[[nodiscard]] inline std::exception_ptr aborted() noexcept {
  return error<system_error>(asio::error::operation_aborted);
}

}  // namespace asio_cancel_scope::inline ASIO_CANCEL_SCOPE_BACKEND::detail
