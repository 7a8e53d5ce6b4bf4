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
class slot_link;

/// What a slot is linked to: a part of a join, or of the record of a token's child.
template <typename Executor>
class slot_anchor {
 public:
  slot_anchor() = default;
  slot_anchor(slot_anchor const&) = delete;
  slot_anchor& operator=(slot_anchor const&) = delete;

  /// Under the scope's mutex: the slot finds nothing any more. To be called before this goes.
  void disconnect() noexcept;

 private:
  friend slot_link<Executor>;

  slot_link<Executor>* link_ = nullptr;  // under the scope's mutex; null: no slot, or none any more
};

/// How a slot finds a child, or a join of it. A part of the slot's function object, which may
/// outlive all that it is about and must keep nothing: so the two ends know each other, and who
/// goes first is forgotten by the other.
template <typename Executor>
class slot_link {
  using waiter_type = waiter<record<Executor>>;

 public:
  /// Before anybody else knows of `anchor`. `join` is null for the slot of a token.
  slot_link(slot_anchor<Executor>& anchor, record<Executor>& child,
            waiter_type* join = nullptr) noexcept
      : scope_(child.scope), anchor_(&anchor), child_(&child), join_(join) {
    anchor.link_ = this;
  }
  slot_link(slot_link const&) = delete;
  slot_link& operator=(slot_link const&) = delete;
  ~slot_link() {
    if (auto const at = scope()) at->disconnect(*this);
  }

  /// The scope, if there is still something to ask it for. Otherwise it is not even held for a
  /// moment: a slot must not be what ends a scope whose context has gone.
  [[nodiscard]] std::shared_ptr<scope_state<Executor>> scope() const noexcept {
    return child_.load(std::memory_order_acquire) ? scope_.lock() : nullptr;
  }

  // Under the scope's mutex.
  [[nodiscard]] record<Executor>* child() const noexcept {  // null: disconnected
    return child_.load(std::memory_order_relaxed);
  }
  [[nodiscard]] waiter_type* join() const noexcept { return join_; }
  void leave_anchor() noexcept {
    if (child()) anchor_->link_ = nullptr;
  }

 private:
  friend slot_anchor<Executor>;

  std::weak_ptr<scope_state<Executor>> const scope_;
  slot_anchor<Executor>* const anchor_;  // valid until this is disconnected

  // Null once this is disconnected. Written under the scope's mutex, read without it by the slot.
  // The release is the last that the anchor does with the link.
  std::atomic<record<Executor>*> child_;

  waiter_type* const join_;
};

template <typename Executor>
void slot_anchor<Executor>::disconnect() noexcept {
  if (link_) std::exchange(link_, nullptr)->child_.store(nullptr, std::memory_order_release);
}

}  // namespace asio_cancel_scope::inline ASIO_CANCEL_SCOPE_BACKEND::detail
