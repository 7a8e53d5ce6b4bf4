// SPDX-License-Identifier: MIT
#pragma once

#include <asio_cancel_scope/detail/asio.hpp>

#include <exception>
#include <functional>
#include <optional>
#include <string>

namespace asio_cancel_scope::inline ASIO_CANCEL_SCOPE_BACKEND::detail {

/// What `scope_options` collects.
struct scope_settings {
  bool cancel_on_child_error = true;
  std::function<void(std::exception_ptr)> on_suppressed;
  std::string name;
};

/// What `child_options` collects.
struct child_settings {
  std::optional<asio::any_io_executor> executor;
  std::string name;
};

/// Lets the library read what a public options class holds.
struct access {
  template <typename Options>
  [[nodiscard]] static auto settings(Options& options) noexcept -> decltype((options.settings_))
  {
    return options.settings_;
  }

  template <typename T, typename... Args>
  [[nodiscard]] static T make(Args&&... args)
  {
    return T(static_cast<Args&&>(args)...);
  }
};

}  // namespace asio_cancel_scope::inline ASIO_CANCEL_SCOPE_BACKEND::detail
