// SPDX-License-Identifier: MIT
#pragma once

#include <asio_cancel_scope/detail/asio.hpp>

namespace asio_cancel_scope::inline ASIO_CANCEL_SCOPE_BACKEND::detail {

/// The library's key to what its public classes hold and hide.
struct access {
  template <typename Options>
  [[nodiscard]] static auto settings(Options& options) noexcept -> decltype((options.settings_)) {
    return options.settings_;
  }

  template <typename Scope>
  [[nodiscard]] static auto const& state(Scope const& scope) noexcept {
    return scope.state_;
  }

  template <typename Child>
  [[nodiscard]] static auto const& record(Child const& child) noexcept {
    return child.record_;
  }

  template <typename T, typename... Args>
  [[nodiscard]] static T make(Args&&... args) {
    return T(static_cast<Args&&>(args)...);
  }
};

}  // namespace asio_cancel_scope::inline ASIO_CANCEL_SCOPE_BACKEND::detail
