// SPDX-License-Identifier: MIT
#pragma once

#include <asio_cancel_scope/detail/asio.hpp>

namespace asio_cancel_scope::inline ASIO_CANCEL_SCOPE_BACKEND::detail {

/// Counts how deep the library's calls are nested on this thread: bodies that are started inside
/// bodies, and emissions inside emissions, run inline up to a limit and go through the executor
/// beyond it, so that they do not eat the stack.
class nesting {
 public:
  static constexpr unsigned limit = 16;

  nesting() noexcept { ++depth_; }
  nesting(nesting const&) = delete;
  nesting& operator=(nesting const&) = delete;
  ~nesting() { --depth_; }

  [[nodiscard]] static bool too_deep() noexcept { return depth_ >= limit; }

 private:
  inline static constinit thread_local unsigned depth_ = 0;  // how many there are on this thread
};

}  // namespace asio_cancel_scope::inline ASIO_CANCEL_SCOPE_BACKEND::detail
