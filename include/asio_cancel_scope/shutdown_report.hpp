// SPDX-License-Identifier: MIT
#pragma once

#include <asio_cancel_scope/detail/settings.hpp>

#include <cstddef>

namespace asio_cancel_scope::inline ASIO_CANCEL_SCOPE_BACKEND {

/// What became of the children that `cancel_scope::shutdown` found running. Service children are
/// not counted.
class shutdown_report {
 public:
  /// A report of no children.
  shutdown_report() noexcept : shutdown_report(0, 0) {}

  /// How many ended before they were told terminal.
  [[nodiscard]] std::size_t finished() const noexcept { return finished_; }

  /// How many ended after they had been told terminal.
  [[nodiscard]] std::size_t forced() const noexcept { return forced_; }

 private:
  friend detail::access;

  shutdown_report(std::size_t finished, std::size_t forced) noexcept
      : finished_(finished), forced_(forced) {}

  std::size_t finished_;
  std::size_t forced_;
};

}  // namespace asio_cancel_scope::inline ASIO_CANCEL_SCOPE_BACKEND
