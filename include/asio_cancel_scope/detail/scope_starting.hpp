// SPDX-License-Identifier: MIT
#pragma once

#include <asio_cancel_scope/detail/asio.hpp>
#include <asio_cancel_scope/detail/cancellation_error.hpp>
#include <asio_cancel_scope/detail/handover.hpp>
#include <asio_cancel_scope/detail/record.hpp>
#include <asio_cancel_scope/detail/scope_state.hpp>

#include <exception>
#include <memory>
#include <mutex>
#include <utility>

// How a child starts and how it ends; the protocol is told in scope_state.hpp.

namespace asio_cancel_scope::inline ASIO_CANCEL_SCOPE_BACKEND::detail {

template <typename Executor>
void scope_state<Executor>::spawn(std::shared_ptr<record_type> const& child) {
  enum class step { none, refuse, post_drain, post_child } next = step::none;
  {
    std::lock_guard const lock(mutex_);
    expect_open();
    enroll(child);
    if (cancel_called()) {
      next = step::refuse;
    } else if (child->elsewhere) {
      elsewhere_.untold.push_back(*child);
      next = step::post_child;
    } else {
      here_.untold.push_back(*child);
      queue_.push_back(*child);
      if (!std::exchange(draining_, true)) next = step::post_drain;
    }
  }
  switch (next) {
    case step::none: return;
    case step::refuse: return never_start(*child);
    case step::post_drain: return post_drain_for(*child);
    case step::post_child: return post_start_of(*child);
  }
}

template <typename Executor>
void scope_state<Executor>::start_body(std::shared_ptr<record_type> const& body,
                                       join_waiter& join) {
  bool refuse = false;
  {
    std::lock_guard const lock(mutex_);
    joins_.push_back(join);
    enroll(body);
    refuse = cancel_called();
    if (!refuse) (body->elsewhere ? elsewhere_ : here_).untold.push_back(*body);
  }
  if (refuse) return never_start(*body);
  if (!body->elsewhere && !nesting::too_deep()) {
    nesting const inner;
    return start(*body);
  }
  try {
    if (post_task(body->get_executor(), *body) == posting::refused) lose(*body);
  } catch (...) {
    finish(*body, std::current_exception());
  }
}

template <typename Executor>
void scope_state<Executor>::start(record_type& child) {
  if (is_told(child))
    never_start(child);
  else
    child.launch();
}

template <typename Executor>
void scope_state<Executor>::enter(record_type& child) {
  if (is_told(child)) {
    child.ending = end::cut_before_start;
    throw system_error(asio::error::operation_aborted);
  }
  child.started = true;
}

template <typename Executor>
void scope_state<Executor>::finish(record_type& child, std::exception_ptr e) noexcept {
  if (!child.has_ended()) {
    child.ending = !e                                       ? end::returned
                   : is_told(child) && is_cancellation()(e) ? end::cut
                                                            : end::failed;
  }
  conclude(child, std::move(e));
}

template <typename Executor>
void scope_state<Executor>::lose(record_type& child) noexcept {
  child.ending = end::lost;
  conclude(child, nullptr);
}

template <typename Executor>
void scope_state<Executor>::refuse(std::shared_ptr<record_type> const& child,
                                   std::exception_ptr e) noexcept {
  child->self = child;
  child->ending = end::failed;
  child->release();
  child->error = std::move(e);
  child->hand_out();
}

template <typename Executor>
void scope_state<Executor>::enroll(std::shared_ptr<record_type> const& child) noexcept {
  child->self = child;
  child->enrolled = true;
  ++live_;
  if (!child->is_body()) ++children_;
  if (!child->service) ++lasting_;
}

template <typename Executor>
void scope_state<Executor>::withdraw(record_type& child) noexcept {
  child.unlink();
  child.enrolled = false;
  child.self.reset();
  --live_;
  --children_;
  if (!child.service) --lasting_;
}

template <typename Executor>
void scope_state<Executor>::post_start_of(record_type& child) {
  try {
    if (post_task(child.get_executor(), child) == posting::refused) lose(child);
  } catch (...) {
    std::lock_guard const lock(mutex_);
    withdraw(child);
    throw;
  }
}

template <typename Executor>
void scope_state<Executor>::post_drain_for(record_type& child) {
  try {
    if (post_task(executor_, drain_) == posting::refused) lose_queued();
  } catch (...) {
    {
      std::lock_guard const lock(mutex_);
      queue_.remove(child);
      withdraw(child);
    }
    fail_queued(std::current_exception());
    throw;
  }
}

template <typename Executor>
void scope_state<Executor>::start_queued() noexcept {
  auto const keep = this->shared_from_this();
  auto batch = take_queued();
  // Only those that are here now: a child that spawns a child must let others run.
  while (auto* const child = batch.pop_front()) start(*child);
  {
    std::lock_guard const lock(mutex_);
    draining_ = !queue_.empty();
    if (!draining_) return;
  }
  try {
    if (post_task(executor_, drain_) == posting::refused) lose_queued();
  } catch (...) {
    fail_queued(std::current_exception());
  }
}

template <typename Executor>
start_queue<Executor> scope_state<Executor>::take_queued() noexcept {
  std::lock_guard const lock(mutex_);
  return std::move(queue_);
}

template <typename Executor>
void scope_state<Executor>::lose_queued() noexcept {
  auto const keep = this->shared_from_this();
  auto batch = stop_draining();
  while (auto* const child = batch.pop_front()) lose(*child);
}

template <typename Executor>
void scope_state<Executor>::fail_queued(std::exception_ptr const& e) noexcept {
  auto const keep = this->shared_from_this();
  auto batch = stop_draining();
  while (auto* const child = batch.pop_front()) finish(*child, e);
}

template <typename Executor>
start_queue<Executor> scope_state<Executor>::stop_draining() noexcept {
  std::lock_guard const lock(mutex_);
  draining_ = false;
  return std::move(queue_);
}

template <typename Executor>
void scope_state<Executor>::never_start(record_type& child) noexcept {
  child.ending = end::cut_before_start;
  conclude(child, nullptr);
}

template <typename Executor>
void scope_state<Executor>::conclude(record_type& child, std::exception_ptr e) noexcept {
  child.release();
  child.error = std::move(e);
  if (child.ending == end::failed && child.kind != record_type::role::token_child) report(child);
  if (!child.hand_out()) retire(child);
}

template <typename Executor>
void record<Executor>::run() {
  scope.start(*this);
}

template <typename Executor>
void record<Executor>::drop() noexcept {
  scope.lose(*this);
}

}  // namespace asio_cancel_scope::inline ASIO_CANCEL_SCOPE_BACKEND::detail
