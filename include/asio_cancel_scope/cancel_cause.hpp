// SPDX-License-Identifier: MIT
#pragma once

#include <asio_cancel_scope/detail/asio.hpp>

namespace asio_cancel_scope::inline ASIO_CANCEL_SCOPE_BACKEND {

/// Why a scope was cancelled: the first cause, which later ones do not replace.
enum class cancel_cause : unsigned char {
  none,         ///< It was not cancelled.
  requested,    ///< By `cancel()` or `shutdown()`, a signal or a stop token, or by the destructor
                ///< with children left.
  deadline,     ///< By its own deadline.
  child_error,  ///< By an error of a child, or of the body.
  outer,        ///< By a cancellation of the coroutine or operation that waits for the scope.
};

}  // namespace asio_cancel_scope::inline ASIO_CANCEL_SCOPE_BACKEND
