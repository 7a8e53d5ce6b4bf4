// SPDX-License-Identifier: MIT
#pragma once

#include <asio_cancel_scope/detail/asio.hpp>
#include <asio_cancel_scope/detail/record.hpp>
#include <asio_cancel_scope/detail/scope_state.hpp>
#include <asio_cancel_scope/detail/slot_link.hpp>

#include <memory>
#include <utility>

namespace asio_cancel_scope::inline ASIO_CANCEL_SCOPE_BACKEND::detail {

/// What a join's slot does: the whole scope is asked to end.
template <typename Executor>
class forward_to_scope {
 public:
  explicit forward_to_scope(std::weak_ptr<scope_state<Executor>> scope) noexcept
      : scope_(std::move(scope)) {}

  void operator()(asio::cancellation_type type) const {
    if (auto const scope = scope_.lock()) scope->request(type, scope_state<Executor>::cause::outer);
  }

 private:
  std::weak_ptr<scope_state<Executor>> scope_;
};

/// What the slot of a token does whose child it is: this child alone is asked to end.
template <typename Executor>
class forward_to_child {
 public:
  forward_to_child(slot_anchor<Executor>& anchor, record<Executor>& child) noexcept
      : link_(anchor, child) {}

  void operator()(asio::cancellation_type type) const {
    if (auto const scope = link_.scope()) scope->request_of(link_, type);
  }

 private:
  slot_link<Executor> link_;
};

/// The slot of the handler that gets a child's outcome, as the child's record sees it.
template <typename Executor>
class slot_of_child {
 public:
  explicit slot_of_child(record<Executor>& child) noexcept : child_(child) {}
  slot_of_child(slot_of_child const&) = delete;
  slot_of_child& operator=(slot_of_child const&) = delete;
  ~slot_of_child() {
    if (is_connected_) child_.scope->disconnect(anchor_);
  }

  /// Has the slot of `handler`, if it has one, ask the child to end.
  template <typename Handler>
  void connect(Handler const& handler) {
    auto slot = asio::get_associated_cancellation_slot(handler);
    if (!slot.is_connected()) return;
    slot.template emplace<forward_to_child<Executor>>(anchor_, child_);
    is_connected_ = true;
  }

 private:
  record<Executor>& child_;  // which this is a part of
  slot_anchor<Executor> anchor_;
  bool is_connected_ = false;  // the slot has, or had, a link to it
};

}  // namespace asio_cancel_scope::inline ASIO_CANCEL_SCOPE_BACKEND::detail
