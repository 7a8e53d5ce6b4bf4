// SPDX-License-Identifier: MIT
#pragma once

#include <asio_cancel_scope/detail/asio.hpp>

#include <utility>

namespace asio_cancel_scope::inline ASIO_CANCEL_SCOPE_BACKEND::detail {

// What the library gives to Asio (a function to post, a handler for co_spawn) owns something: a
// child that is to start, a join that is to complete. Asio destroys such an object without calling
// it in two quite different cases: later, because the context dies, and then what it owns must be
// dropped; or at once, because the very call that was to take it failed, and then what it owns goes
// back to the caller, who still knows what to do. A `handover` on the caller's stack tells the two
// apart: the destructor of the object asks it.

/// Stands on the stack around the call that hands `what` over.
class handover {
 public:
  explicit handover(void const* what) noexcept
      : what_(what), outer_(std::exchange(current_, this)) {}
  handover(handover const&) = delete;
  handover& operator=(handover const&) = delete;
  ~handover() { current_ = outer_; }

  /// Whether the call destroyed what it was given.
  [[nodiscard]] bool returned() const noexcept { return returned_; }

  /// Called by the destructor of the object given. True: the caller has it back; false: drop it.
  [[nodiscard]] static bool give_back(void const* what) noexcept {
    if (!current_ || current_->what_ != what) return false;
    current_->returned_ = true;
    return true;
  }

 private:
  // The innermost of this thread; null if there is none.
  inline static constinit thread_local handover* current_ = nullptr;

  void const* what_;
  handover* outer_;  // the one around this
  bool returned_ = false;
};

}  // namespace asio_cancel_scope::inline ASIO_CANCEL_SCOPE_BACKEND::detail
