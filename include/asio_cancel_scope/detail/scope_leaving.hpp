// SPDX-License-Identifier: MIT
#pragma once

#include <asio_cancel_scope/detail/asio.hpp>
#include <asio_cancel_scope/detail/errors.hpp>
#include <asio_cancel_scope/detail/keep_running.hpp>
#include <asio_cancel_scope/detail/list.hpp>
#include <asio_cancel_scope/detail/record.hpp>
#include <asio_cancel_scope/detail/scope_state.hpp>
#include <asio_cancel_scope/detail/waiter.hpp>

#include <algorithm>
#include <atomic>
#include <exception>
#include <memory>
#include <mutex>
#include <utility>

// How a scope is left: the last child, the joins, the outcome; the protocol is told in
// scope_state.hpp.

namespace asio_cancel_scope::inline ASIO_CANCEL_SCOPE_BACKEND::detail {

template <typename Executor>
void scope_state<Executor>::retire(record_type& child) noexcept {
  auto const running = child.runs_elsewhere() ? keep_context() : keep_running<Executor>();
  reference<record_type> self;  // before all else, so that it goes last: it may own this
  short_list<waiter<record_type>> child_joins;
  list<join_waiter> scope_joins;
  bool services_left = false;
  bool admits = false;
  {
    std::lock_guard const lock(mutex_);
    self = child.let_go();
    child.unlink();
    child_joins.take(child.joins);
    child_joins.for_each([](auto& join) { join.disconnect(); });
    child.done.store(true, std::memory_order_release);
    if (child.enrolled) {
      if (was_cut_by_scope(child)) cut_short_ = true;
      if (child.ending == end::lost) lost_ = true;
      if (shutting_down_) count_for_shutdown(child);
      if (!child.is_body()) --children_;
      if (!child.service) --lasting_;
      --live_;
      admits = give_room();
      services_left = leave_if_last(scope_joins);
    }
  }
  if (admits) admit_all();
  if (services_left) tell_or_give_up();
  while (auto* const join = child_joins.pop_front()) join->complete(self);
  if (scope_joins.empty()) return;
  // Nothing of the scope may be held here once the last join has been posted: it may be what lets
  // the context be destroyed, on another thread.
  auto scope = this->shared_from_this();
  self.reset();
  complete_all(scope_joins, std::move(scope));
}

template <typename Executor>
bool scope_state<Executor>::leave_if_last(list<join_waiter>& joins) noexcept {
  if (joins_.empty()) return false;
  if (live_ != 0) return end_services();
  close();
  if (emissions_ == 0) joins.splice(joins_);
  return false;
}

template <typename Executor>
void scope_state<Executor>::end_emission() noexcept {
  list<join_waiter> joins;
  bool services_left = false;
  {
    std::lock_guard const lock(mutex_);
    --emissions_;
    services_left = leave_if_last(joins);
  }
  if (services_left) tell_or_give_up();
  if (!joins.empty()) complete_all(joins, this->shared_from_this());
}

template <typename Executor>
void scope_state<Executor>::complete_all(list<join_waiter>& joins,
                                         std::shared_ptr<scope_state> scope) noexcept {
  // A scope that has lost a child with its context must not be kept alive by a join on another; the
  // join of a block lives in the scope. Nobody writes `lost_` once the scope is closed.
  bool const let_go = scope->lost_ && !scope->is_block();
  auto const failure = let_go ? scope->outcome() : nullptr;
  while (auto* const join = joins.pop_front()) {
    bool const last = joins.empty();
    if (let_go) join->failure = failure;
    join->complete(let_go ? nullptr : last ? std::move(scope) : scope);
    if (last) return;
  }
}

template <typename Executor>
void scope_state<Executor>::join(join_waiter& join, bool here) {
  list<join_waiter> joins;
  bool services_left = false;
  {
    std::lock_guard const lock(mutex_);
    joins_.push_back(join);
    if (here) joined_here_ = true;
    services_left = leave_if_last(joins);
  }
  if (services_left) tell_or_give_up();
  if (!joins.empty()) complete_all(joins, this->shared_from_this());
}

template <typename Executor>
void scope_state<Executor>::join(reference<record_type> const& child, waiter<record_type>& join) {
  {
    std::lock_guard const lock(mutex_);
    if (!child->done.load(std::memory_order_relaxed)) return child->joins.push_back(join);
    join.disconnect();
  }
  join.complete(child);
}

template <typename Executor>
bool scope_state<Executor>::settle(record_type& child) {
  waiter<record_type>* join = nullptr;
  reference<record_type> self;
  {
    std::lock_guard const lock(mutex_);
    join = unsettled(child);
    if (!join || child.asked.load(std::memory_order_relaxed) != asio::cancellation_type::none)
      return false;
    child.joins.remove(*join);
    join->disconnect();
    self = child.if_kept();
  }
  join->complete(std::move(self));
  return true;
}

template <typename Executor>
void scope_state<Executor>::forget(record_type& child, waiter<record_type>& join) noexcept {
  std::lock_guard const lock(mutex_);
  child.joins.remove(join);
  join.disconnect();
}

template <typename Executor>
void scope_state<Executor>::end_join(link_type const& link) {
  reference<record_type> child;
  waiter<record_type>* join = nullptr;
  {
    std::lock_guard const lock(mutex_);
    if (!link.child()) return;
    child = reference<record_type>(*link.child());
    join = link.join();
    child->joins.remove(*join);
    join->disconnect();
    join->failure = aborted();
  }
  join->complete(std::move(child));
}

template <typename Executor>
std::exception_ptr scope_state<Executor>::error_of_leaving() const {
  if (first_error_) return first_error_;
  return lost_ || (outer_requested_ && cut_short_) ? aborted() : nullptr;
}

template <typename Executor>
void scope_state<Executor>::abandon() noexcept {
  if (closed_.load(std::memory_order_acquire)) return;
  std::exception_ptr unseen;
  bool left = false;
  {
    std::lock_guard const lock(mutex_);
    owner_gone_ = true;
    left = live_ != 0;
    if (!closed_ && joins_.empty()) unseen = std::exchange(first_error_, nullptr);
    // An operation that has been prepared may be started later: nobody would own its child.
    if (!left) close();
  }
  if (unseen) suppress(unseen);
  if (!left) return;
  try {
    request(asio::cancellation_type::terminal, cause::requested, telling::by_posting);
  } catch (...) {
    // The children go on without having been told: nobody is left who could ask again.
  }
}

template <typename Executor>
bool scope_state<Executor>::end_services() noexcept {
  if (lasting_ != 0 || services_end_.load(std::memory_order_relaxed)) return false;
  services_end_ = true;
  untell_all();
  return true;
}

template <typename Executor>
void scope_state<Executor>::count_for_shutdown(record_type const& child) noexcept {
  if (child.is_body() || child.service || !child.started) return;
  ++(child.sent == asio::cancellation_type::terminal ? shutdown_.forced : shutdown_.finished);
}

template <typename Executor>
bool scope_state<Executor>::is_known(std::exception_ptr const& e) const noexcept {
  return e == first_error_ ||
         std::find(given_errors_.begin(), given_errors_.end(), e) != given_errors_.end();
}

template <typename Executor>
void scope_state<Executor>::report(record_type const& child) noexcept {
  bool const fatal = child.is_body() || settings_.cancel_on_child_error;
  bool suppressed = false;
  {
    std::lock_guard const lock(mutex_);
    bool const thrown_in_the_end = !owner_gone_ || !joins_.empty();
    if (!first_error_ && thrown_in_the_end && (fatal || !settings_.on_suppressed))
      first_error_ = child.error;
    else
      suppressed = !child.is_body() || !is_known(child.error);
    // The body may have it from the observer or from the child's handle, and throw it on.
    if (suppressed && first_error_ && settings_.on_suppressed) remember(child.error);
  }
  if (suppressed) suppress(child.error);
  if (fatal) request_surely(cause::child_error);
}

template <typename Executor>
bool record<Executor>::is_unseen() const noexcept {
  // If the reference is the scope's own, there is nobody left who could make another.
  return references_.load(std::memory_order_acquire) == 1 && !scope->has_joins(*this);
}

template <typename Executor>
void record<Executor>::throw_failure() const {
  if (auto const e = failure()) std::rethrow_exception(e);
}

}  // namespace asio_cancel_scope::inline ASIO_CANCEL_SCOPE_BACKEND::detail
