// SPDX-License-Identifier: MIT
#pragma once

#include <asio_cancel_scope/detail/asio.hpp>

namespace asio_cancel_scope::inline ASIO_CANCEL_SCOPE_BACKEND {

/// What an error of a child does to the other children. An error of the body always cancels.
enum class on_child_error : unsigned char {
  cancel_scope,  ///< It cancels the scope; leaving throws it. As Trio's nursery, asyncio's
                 ///< TaskGroup.
  keep_running,  ///< It cancels nothing: a supervisor.
};

}  // namespace asio_cancel_scope::inline ASIO_CANCEL_SCOPE_BACKEND
