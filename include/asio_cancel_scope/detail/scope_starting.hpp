// SPDX-License-Identifier: MIT
#pragma once

#include <asio_cancel_scope/detail/asio.hpp>
#include <asio_cancel_scope/detail/cancellation_error.hpp>
#include <asio_cancel_scope/detail/errors.hpp>
#include <asio_cancel_scope/detail/nesting.hpp>
#include <asio_cancel_scope/detail/posting.hpp>
#include <asio_cancel_scope/detail/record.hpp>
#include <asio_cancel_scope/detail/scope_state.hpp>
#include <asio_cancel_scope/detail/waiter.hpp>

#include <exception>
#include <memory>
#include <mutex>
#include <span>
#include <utility>

// How a child starts and how it ends; the protocol is told in scope_state.hpp.

namespace asio_cancel_scope::inline ASIO_CANCEL_SCOPE_BACKEND::detail {

template <typename Executor>
void scope_state<Executor>::spawn(record_type& child) {
  auto next = step::none;
  {
    std::lock_guard const lock(mutex_);
    expect_open();
    if (!cancel_called()) expect_room();
    next = take_in(child);
  }
  carry_out_or_withdraw(next, child);
}

template <typename Executor>
bool scope_state<Executor>::try_spawn(record_type& child) {
  auto next = step::none;
  {
    std::lock_guard const lock(mutex_);
    expect_open();
    if (!has_room() || cancel_called()) return false;
    next = take_in(child);
  }
  carry_out_or_withdraw(next, child);
  return true;
}

template <typename Executor>
void scope_state<Executor>::spawn_when_room(record_type& child) {
  auto next = step::none;
  {
    std::lock_guard const lock(mutex_);
    expect_open();
    if (!has_room() && !cancel_called()) {
      child.keep();
      return waiting_.push_back(child);
    }
    next = take_in(child);
  }
  carry_out_or_withdraw(next, child);
  if (child.tells_admission) settle(child);
}

template <typename Executor>
bool scope_state<Executor>::end_wait_for_room(record_type& child) {
  reference<record_type> self;
  waiter<record_type>* join = nullptr;
  {
    std::lock_guard const lock(mutex_);
    if (!child.is_kept() || child.enrolled) return false;
    self = child.let_go();
    child.unlink();
    join = child.joins.pop_front();
    join->disconnect();
  }
  child.release();
  child.ending = end::cut_before_start;
  join->failure = aborted();
  join->complete(self);
  return true;
}

template <typename Executor>
typename scope_state<Executor>::step scope_state<Executor>::take_in(record_type& child) noexcept {
  enroll(child);
  return place_in(child);
}

template <typename Executor>
typename scope_state<Executor>::step scope_state<Executor>::place_in(record_type& child) noexcept {
  if (cancel_called()) return step::refuse;
  group_of(child).untold.push_back(child);
  if (child.has_executor) return step::post_child;
  queue_.push_back(child);
  return std::exchange(draining_, true) ? step::none : step::post_drain;
}

template <typename Executor>
bool scope_state<Executor>::give_room() noexcept {
  if (waiting_.empty() || !has_room()) return false;
  auto& first = *waiting_.pop_front();
  enroll(first);
  admitted_.push_back(first);
  return !std::exchange(admitting_, true);
}

template <typename Executor>
void scope_state<Executor>::admit_all() noexcept {
  for (;;) {
    reference<record_type> child;
    auto next = step::none;
    {
      std::lock_guard const lock(mutex_);
      auto* const first = admitted_.pop_front();
      admitting_ = first != nullptr;
      if (!first) return;
      child = first->if_kept();
      next = place_in(*child);
    }
    admit(next, child);
  }
}

template <typename Executor>
void scope_state<Executor>::carry_out(step next, record_type& child) {
  std::exception_ptr failure;
  switch (next) {
    case step::none: return;
    case step::refuse: return never_start(child);
    case step::post_drain:
      if (try_post(executor_, drain(this->shared_from_this()), failure) == posting::refused)
        return lose_queued();
      break;
    case step::post_child:
      if (try_post(child.get_executor(), start_of(reference<record_type>(child)), failure) ==
          posting::refused)
        return lose(child);
      break;
  }
  if (failure) std::rethrow_exception(failure);
}

template <typename Executor>
void scope_state<Executor>::carry_out_or_withdraw(step next, record_type& child) {
  try {
    carry_out(next, child);
  } catch (...) {
    if (next == step::post_drain) leave_queue(child);
    bool admits = false;
    reference<record_type> withdrawn;
    {
      std::lock_guard const lock(mutex_);
      withdrawn = withdraw(child);
      admits = give_room();
    }
    // An executor that is stuck keeps the record; the callable must not stay with it.
    child.release();
    if (admits) admit_all();
    throw;
  }
}

template <typename Executor>
void scope_state<Executor>::admit(step next, reference<record_type> const& child) noexcept {
  try {
    if (next == step::refuse)
      turn_away(child);
    else
      carry_out(next, *child);
  } catch (...) {
    if (next == step::post_drain) leave_queue(*child);
    finish(*child, std::current_exception());
  }
  if (child->tells_admission) settle(*child);
}

template <typename Executor>
void scope_state<Executor>::leave_queue(record_type& child) noexcept {
  {
    std::lock_guard const lock(mutex_);
    queue_.remove(child);
  }
  // The drain was also to start those that others have queued since.
  fail_queued(std::current_exception());
}

template <typename Executor>
void scope_state<Executor>::start_together(std::span<reference<record_type> const> children,
                                           join_waiter& join) {
  if (children.empty()) return this->join(join);
  {
    std::lock_guard const lock(mutex_);
    joins_.push_back(join);
    for (auto const& child : children) {
      enroll(*child);
      group_of(*child).untold.push_back(*child);
    }
  }
  for (auto const& child : children) start_now(child);
}

template <typename Executor>
void scope_state<Executor>::start_now(reference<record_type> const& child) {
  if (is_told(*child)) return never_start(*child);
  if (!child->has_executor && !nesting::too_deep()) {
    nesting const inner;
    return child->launch();
  }
  std::exception_ptr failure;
  auto const result = try_post(child->get_executor(), start_of(child), failure);
  if (result == posting::refused) return lose(*child);
  if (failure) finish(*child, failure);
}

template <typename Executor>
void scope_state<Executor>::adopt(record_type& operation) {
  std::lock_guard const lock(mutex_);
  expect_open();
  expect_room();
  enroll(operation);
  group_of(operation).untold.push_back(operation);
}

template <typename Executor>
void scope_state<Executor>::adopted_has_started(reference<record_type> const& operation) noexcept {
  {
    std::lock_guard const lock(mutex_);
    operation->started.store(true, std::memory_order_release);
    if (!operation->is_kept() || !is_told(*operation)) return;
  }
  twice_at_most([&] { operation->have_told(operation, telling::by_posting); });
}

template <typename Executor>
void scope_state<Executor>::adopted_has_ended(record_type& operation,
                                              bool by_cancellation) noexcept {
  operation.ending = by_cancellation && is_told(operation) ? end::cut : end::returned;
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
  child.started.store(true, std::memory_order_release);
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
void scope_state<Executor>::refuse(record_type& child, std::exception_ptr e) noexcept {
  {
    std::lock_guard const lock(mutex_);
    child.keep();
  }
  child.ending = end::failed;
  child.release();
  child.error = std::move(e);
  child.hand_out();
}

template <typename Executor>
void scope_state<Executor>::enroll(record_type& child) noexcept {
  if (!child.is_kept()) child.keep();
  child.enrolled = true;
  ++live_;
  if (!child.is_body()) ++children_;
  if (!child.service) ++lasting_;
}

template <typename Executor>
reference<record<Executor>> scope_state<Executor>::withdraw(record_type& child) noexcept {
  child.unlink();
  child.enrolled = false;
  --live_;
  --children_;
  if (!child.service) --lasting_;
  return child.let_go();
}

template <typename Executor>
void scope_state<Executor>::start_queued() noexcept {
  auto batch = take_queued();
  // Only those that are here now: a child that spawns a child must let others run.
  while (auto* const child = batch.pop_front()) start(*child);
  {
    std::lock_guard const lock(mutex_);
    draining_ = !queue_.empty();
    if (!draining_) return;
  }
  std::exception_ptr failure;
  if (try_post(executor_, drain(this->shared_from_this()), failure) == posting::refused)
    return lose_queued();
  if (failure) fail_queued(failure);
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
  bool const claimed = child.claims_outcome();
  if (child.ending == end::failed && !claimed) report(child);
  if (claimed) stop_telling(child);
  if (!claimed || !child.hand_out()) retire(child);
}

}  // namespace asio_cancel_scope::inline ASIO_CANCEL_SCOPE_BACKEND::detail
