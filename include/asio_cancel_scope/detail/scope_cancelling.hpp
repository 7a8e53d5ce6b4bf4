// SPDX-License-Identifier: MIT
#pragma once

#include <asio_cancel_scope/detail/asio.hpp>
#include <asio_cancel_scope/detail/cancellation_type.hpp>
#include <asio_cancel_scope/detail/deadline.hpp>
#include <asio_cancel_scope/detail/list.hpp>
#include <asio_cancel_scope/detail/nesting.hpp>
#include <asio_cancel_scope/detail/posting.hpp>
#include <asio_cancel_scope/detail/record.hpp>
#include <asio_cancel_scope/detail/scope_state.hpp>
#include <asio_cancel_scope/detail/settings.hpp>

#include <algorithm>
#include <atomic>
#include <exception>
#include <memory>
#include <mutex>
#include <optional>
#include <stop_token>
#include <utility>

// How a scope, or one child, is asked to end, and when time does it; the protocol is told in
// scope_state.hpp.

namespace asio_cancel_scope::inline ASIO_CANCEL_SCOPE_BACKEND::detail {

template <typename Executor>
void scope_state<Executor>::request(asio::cancellation_type mask, cause why, telling how) {
  auto const type = strongest(mask);
  if (type == asio::cancellation_type::none) return;
  // Once it has been told, everything may end on another thread before this call does.
  auto const running = keep_context();
  auto const self = this->shared_from_this();
  std::optional<std::stop_source> stop;
  list<record_type> waiting;
  {
    std::lock_guard const lock(mutex_);
    if (why == cause::outer) outer_requested_ = true;
    if (closed_) return;
    stop = note_request(type, why);
    take_waiting(waiting);
    if (type == asio::cancellation_type::terminal) timer_.stop();
  }
  if (stop) stop->request_stop();
  turn_away(std::move(waiting));
  tell(how);
}

template <typename Executor>
void scope_state<Executor>::request_surely(cause why) noexcept {
  try {
    request(asio::cancellation_type::terminal, why);
  } catch (...) {
    tell_or_give_up();
  }
}

template <typename Executor>
void scope_state<Executor>::shutdown(duration grace) {
  auto const running = keep_context();
  auto const self = this->shared_from_this();
  std::optional<std::stop_source> stop;
  list<record_type> waiting;
  {
    std::lock_guard const lock(mutex_);
    if (closed_) return;
    auto const end_of_grace = detail::after(timer_.now(), grace);
    bool const at_once = grace <= duration::zero() || shutting_down_;
    if (at_once)
      timer_.stop();
    else if (requested_.load() != asio::cancellation_type::terminal)
      arm(end_of_grace);
    stop =
        note_request(at_once ? asio::cancellation_type::terminal : asio::cancellation_type::total,
                     cause::requested);
    take_waiting(waiting);
    // The body is to be told more than the others.
    if (!shutting_down_.exchange(true)) untell_all();
    grace_ends_ = at_once ? time_point::max() : end_of_grace;
  }
  if (stop) stop->request_stop();
  turn_away(std::move(waiting));
  tell(telling::at_once);
}

template <typename Executor>
void scope_state<Executor>::take_waiting(list<record_type>& taken) noexcept {
  while (auto* const child = waiting_.pop_front()) {
    enroll(*child);
    taken.push_back(*child);
  }
}

template <typename Executor>
void scope_state<Executor>::turn_away(list<record_type> waiting) noexcept {
  while (auto* const first = waiting.pop_front()) turn_away(reference<record_type>(*first));
}

template <typename Executor>
void scope_state<Executor>::turn_away(reference<record_type> const& child) noexcept {
  std::exception_ptr failure;
  if (try_post(child->get_executor(), start_of(child), failure) == posting::refused)
    lose(*child);
  else if (failure)
    never_start(*child);
}

template <typename Executor>
void scope_state<Executor>::start_deadline() {
  if (settings_.deadline_after) return cancel_after(*settings_.deadline_after);
  if (settings_.deadline_at) set_deadline(*settings_.deadline_at);
}

template <typename Executor>
void scope_state<Executor>::set_deadline(time_point at) {
  {
    std::lock_guard const lock(mutex_);
    if (closed_) return;
    if (at > timer_.now()) {
      if (at == time_point::max()) {
        deadline_.reset();
        if (grace_ends_ == time_point::max()) timer_.disarm();
      } else {
        // Nothing stronger can come of it than what has been requested.
        if (requested_.load() != asio::cancellation_type::terminal) arm(at);
        deadline_ = at;
      }
      return;
    }
    deadline_ = at;
  }
  request(asio::cancellation_type::terminal, cause::deadline);
}

template <typename Executor>
void scope_state<Executor>::fail(std::exception_ptr e) {
  {
    std::lock_guard const lock(mutex_);
    first_error_ = std::move(e);
  }
  request(asio::cancellation_type::terminal, cause::child_error);
}

template <typename Executor>
void scope_state<Executor>::request_of(record_type& child, asio::cancellation_type mask) {
  reference<record_type> live;
  {
    std::lock_guard const lock(mutex_);
    live = ask(child, mask);
  }
  if (live) child.have_told(std::move(live), telling::at_once);
}

template <typename Executor>
void scope_state<Executor>::request_of_unsettled(record_type& child, asio::cancellation_type mask) {
  reference<record_type> live;
  {
    std::lock_guard const lock(mutex_);
    if (unsettled(child)) live = ask(child, mask);
  }
  if (live) child.have_told(std::move(live), telling::at_once);
}

template <typename Executor>
reference<record<Executor>> scope_state<Executor>::ask(record_type& child,
                                                       asio::cancellation_type mask) noexcept {
  auto const type = strongest(mask);
  if (child.is_kept() && stronger(type, child.asked.load(std::memory_order_relaxed)))
    child.asked.store(type, std::memory_order_release);
  return child.if_kept();
}

template <typename Executor>
void record<Executor>::request(asio::cancellation_type mask) {
  scope->request_of(*this, mask);
}

template <typename Executor>
void scope_state<Executor>::request_of(link_type const& link, asio::cancellation_type mask) {
  if (auto const child = child_of(link)) request_of(*child, mask);
}

template <typename Executor>
reference<record<Executor>> scope_state<Executor>::child_of(link_type const& link) const noexcept {
  std::lock_guard const lock(mutex_);
  return link.child() ? link.child()->if_kept() : nullptr;
}

template <typename Executor>
template <typename RunsOn>
void scope_state<Executor>::tell_on(RunsOn const& ex, reference<record_type> child, telling how) {
  if (!child->runs_elsewhere())
    emit_on(ex, how, [child = std::move(child)] { child->scope->tell_one(*child); });
  else if (begin_emission(*child))
    emit_on(ex, how, emission(std::move(child)));
}

template <typename Executor>
void record<Executor>::have_told(reference<record> me, telling how) {
  scope->tell_on(get_executor(), std::move(me), how);
}

template <typename Executor>
asio::cancellation_type scope_state<Executor>::wanted(record_type const& child) const noexcept {
  auto const of_all = requested_.load(std::memory_order_acquire);
  if (child.is_body() ? of_all != asio::cancellation_type::none && shutting_down_.load()
                      : child.service && services_end_.load())
    return asio::cancellation_type::terminal;
  asio::cancellation_type const of_it = child.asked.load(std::memory_order_acquire);
  return stronger(of_it, of_all) ? of_it : of_all;
}

template <typename Executor>
std::optional<std::stop_source> scope_state<Executor>::note_request(asio::cancellation_type type,
                                                                    cause why) noexcept {
  auto const before = requested_.load(std::memory_order_relaxed);
  if (stronger(type, before)) {
    requested_.store(type, std::memory_order_release);
    untell_all();
  }
  if (before != asio::cancellation_type::none) return std::nullopt;
  cause_ = why;
  return stop_;
}

template <typename Executor>
template <typename RunsOn, typename Emission>
void scope_state<Executor>::emit_on(RunsOn const& ex, telling how, Emission emission) {
  auto nested = [emission = std::move(emission)] {
    nesting const inner;
    emission();
  };
  if (how == telling::by_posting || nesting::too_deep())
    asio::post(ex, std::move(nested));
  else
    asio::dispatch(ex, std::move(nested));
}

template <typename Executor>
void scope_state<Executor>::tell(telling how) {
  if (!nobody_untold(here_))
    emit_on(executor_, how, [self = this->shared_from_this()] {
      while (auto const child = self->next_untold(self->here_)) self->tell_one(*child);
    });
  while (auto const child = next_untold(elsewhere_)) {
    try {
      child->have_told(child, how);
    } catch (...) {
      untell(*child);
      throw;
    }
  }
}

template <typename Executor>
void scope_state<Executor>::tell_or_give_up() noexcept {
  twice_at_most([&] { tell(telling::at_once); });
}

template <typename Executor>
reference<record<Executor>> scope_state<Executor>::next_untold(group& of) noexcept {
  std::lock_guard const lock(mutex_);
  auto* const child = of.untold.pop_front();
  if (!child) return nullptr;
  of.told.push_back(*child);
  return child->if_kept();
}

template <typename Executor>
void scope_state<Executor>::untell(record_type& child) noexcept {
  std::lock_guard const lock(mutex_);
  if (!child.is_kept() || child.past_telling) return;
  child.unlink();
  group_of(child).untold.push_back(child);
}

template <typename Executor>
void scope_state<Executor>::tell_one(record_type& child) {
  if (!child.started.load(std::memory_order_acquire) || child.has_ended()) return;
  auto const type = wanted(child);
  if (!stronger(type, child.sent)) return;
  auto const of_all = requested_.load(std::memory_order_acquire);
  // Once the scope has told it, it has been told by the scope, whatever comes after that.
  if (child.sent == asio::cancellation_type::none || child.told_alone)
    child.told_alone = !child.is_body() && stronger(type, of_all);
  auto const before = std::exchange(child.sent, type);
  try {
    child.emit(type);
  } catch (...) {
    child.sent = before;
    untell(child);
    throw;
  }
}

template <typename Executor>
void scope_state<Executor>::arm(time_point at) {
  if (at == time_point::max()) return;
  timer_.arm(executor_, at, [weak = this->weak_from_this()](error_code const&) {
    if (auto const self = weak.lock()) self->wake_up();
  });
}

template <typename Executor>
void scope_state<Executor>::wake_up() {
  cause due = cause::none;
  {
    std::lock_guard const lock(mutex_);
    timer_.woken();
    auto const now = timer_.now();
    if (closed_ || requested_.load() == asio::cancellation_type::terminal) return;
    if (deadline_ && *deadline_ <= now) {
      due = cause::deadline;
    } else if (grace_ends_ <= now) {
      due = cause::requested;
    } else {
      auto const next = deadline_ ? std::min(*deadline_, grace_ends_) : grace_ends_;
      twice_at_most([&] { arm(next); });
      if (next == time_point::max() || timer_.is_waiting()) return;
      // Without memory to wait with, better too early than never.
      due = deadline_ ? cause::deadline : cause::requested;
    }
  }
  request_surely(due);
}

}  // namespace asio_cancel_scope::inline ASIO_CANCEL_SCOPE_BACKEND::detail
