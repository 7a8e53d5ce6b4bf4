// SPDX-License-Identifier: MIT
#pragma once

#include <asio_cancel_scope/detail/asio.hpp>
#include <asio_cancel_scope/detail/waiter.hpp>

#include <atomic>
#include <memory>
#include <utility>

namespace asio_cancel_scope::inline ASIO_CANCEL_SCOPE_BACKEND::detail {

template <typename Executor>
class record;

template <typename Executor>
class scope_state;

template <typename Executor>
class way;

/// Where a slot's way ends: at a join, or at the child of a token.
template <typename Executor>
class way_end {
 public:
  way_end() = default;
  way_end(way_end const&) = delete;
  way_end& operator=(way_end const&) = delete;

  /// Under the scope's mutex: the slot finds nothing any more. To be called before this goes.
  void cut() noexcept;

 private:
  friend way<Executor>;

  way<Executor>* way_ = nullptr;  // under the scope's mutex; null: there is none, or none any more
};

/// How a slot finds a child, or a join of it. A part of the slot's function object, which may
/// outlive all that it is about and must keep nothing: so the two ends know each other, and who
/// goes first is forgotten by the other.
template <typename Executor>
class way {
  using waiter_type = waiter<record<Executor>>;

 public:
  /// Before anybody else knows of `end`. `join` is null for the slot of a token.
  way(way_end<Executor>& end, record<Executor>& child, waiter_type* join = nullptr) noexcept
      : scope_(child.scope), end_(&end), child_(&child), join_(join) {
    end.way_ = this;
  }
  way(way const&) = delete;
  way& operator=(way const&) = delete;
  ~way() {
    if (auto const at = scope()) at->leave(*this);
  }

  /// The scope, if there is still something to ask it for. Otherwise it is not even held for a
  /// moment: a slot must not be what ends a scope whose context has gone.
  [[nodiscard]] std::shared_ptr<scope_state<Executor>> scope() const noexcept {
    return child_.load(std::memory_order_acquire) ? scope_.lock() : nullptr;
  }

  // Under the scope's mutex.
  [[nodiscard]] record<Executor>* child() const noexcept {  // null: the way is cut
    return child_.load(std::memory_order_relaxed);
  }
  [[nodiscard]] waiter_type* join() const noexcept { return join_; }
  void leave_end() noexcept {
    if (child()) end_->way_ = nullptr;
  }

 private:
  friend way_end<Executor>;

  std::weak_ptr<scope_state<Executor>> const scope_;
  way_end<Executor>* const end_;  // there until the way is cut

  // Null when the way has been cut, for good. Written under the scope's mutex, read without it by
  // the slot. The release is the last that the other end does with the way.
  std::atomic<record<Executor>*> child_;

  waiter_type* const join_;
};

template <typename Executor>
void way_end<Executor>::cut() noexcept {
  if (way_) std::exchange(way_, nullptr)->child_.store(nullptr, std::memory_order_release);
}

}  // namespace asio_cancel_scope::inline ASIO_CANCEL_SCOPE_BACKEND::detail
