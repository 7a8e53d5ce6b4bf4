// SPDX-License-Identifier: MIT
#pragma once

#include <asio_cancel_scope/detail/asio.hpp>

#include <chrono>
#include <cstddef>
#include <exception>
#include <functional>
#include <limits>
#include <optional>
#include <string>

namespace asio_cancel_scope::inline ASIO_CANCEL_SCOPE_BACKEND::detail {

using clock = std::chrono::steady_clock;
using duration = clock::duration;
using time_point = clock::time_point;

/// What `scope_options` collects.
struct scope_settings {
  bool cancel_on_child_error = true;
  std::function<void(std::exception_ptr)> on_suppressed;
  std::string name;
  std::size_t max_children = std::numeric_limits<std::size_t>::max();

  // At most one is set. The relative one counts from when the scope is entered.
  std::optional<time_point> deadline_at;
  std::optional<duration> deadline_after;
};

/// What `child_options` collects.
struct child_settings {
  std::optional<asio::any_io_executor> executor;
  std::string name;
  bool graceful = false;
  bool service = false;
};

}  // namespace asio_cancel_scope::inline ASIO_CANCEL_SCOPE_BACKEND::detail
