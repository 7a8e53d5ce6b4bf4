// SPDX-License-Identifier: MIT
#pragma once

#include <asio_cancel_scope/detail/access.hpp>

#include <cstddef>

namespace asio_cancel_scope::inline ASIO_CANCEL_SCOPE_BACKEND {

/// What became of the children that `cancel_scope::shutdown` found running. Service children are
/// not counted.
class shutdown_report {
 public:
  /// A report of no children.
  shutdown_report() noexcept = default;

  /// How many ended before they were told terminal.
  [[nodiscard]] std::size_t finished() const noexcept { return finished_; }

  /// How many ended after they had been told terminal.
  [[nodiscard]] std::size_t forced() const noexcept { return forced_; }

 private:
  friend detail::access;

  template <typename Counts>
  explicit shutdown_report(Counts const& counts) noexcept
      : finished_(counts.finished), forced_(counts.forced) {}

  std::size_t finished_ = 0;
  std::size_t forced_ = 0;
};

}  // namespace asio_cancel_scope::inline ASIO_CANCEL_SCOPE_BACKEND
