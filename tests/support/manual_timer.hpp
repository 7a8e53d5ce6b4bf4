// SPDX-License-Identifier: MIT
#pragma once

// Time in the test's hands: every deadline and grace period of a program that includes this before
// the library is kept by a `manual_timer`, which a `manual_clock` moves on.

#if defined(ASIO_CANCEL_SCOPE_TIMER)
#  error "support/manual_timer.hpp must be included before the library"
#endif
#define ASIO_CANCEL_SCOPE_TEST_TIMER ::manual_timer

#include "support/waiter.hpp"

#include <algorithm>
#include <chrono>
#include <cstddef>
#include <iterator>
#include <list>
#include <memory>
#include <mutex>
#include <utility>

namespace support {

/// What the timers of a program share. They find it as the real ones find the clock: it is global.
class manual_time {
 public:
  using clock = std::chrono::steady_clock;

  static manual_time& instance() {
    static manual_time time;
    return time;
  }

  void start_over() {
    std::lock_guard lock(mutex_);
    now_ = clock::time_point(std::chrono::hours(1000));
    timers_made_ = waits_started_ = 0;
    holding_ = false;
    held_.clear();
  }

  clock::time_point now() const {
    std::lock_guard lock(mutex_);
    return now_;
  }

  void pass(clock::duration d) {
    std::lock_guard lock(mutex_);
    now_ += d;
  }

  void fire() {
    std::list<std::shared_ptr<waiter>> due;
    {
      std::lock_guard lock(mutex_);
      // In the order of their times; of two with the same time the older one first.
      pending_.sort([](auto const& a, auto const& b) { return a.at < b.at; });
      while (!pending_.empty() && pending_.front().at <= now_) {
        auto w = pending_.front().wait.lock();
        pending_.pop_front();
        if (w && w->claim()) {
          (holding_ ? held_ : due).push_back(std::move(w));
        }
      }
    }
    complete(due, error_code());
  }

  void hold() {
    std::lock_guard lock(mutex_);
    holding_ = true;
  }

  void release() {
    std::list<std::shared_ptr<waiter>> due;
    {
      std::lock_guard lock(mutex_);
      holding_ = false;
      due.swap(held_);
    }
    complete(due, error_code());
  }

  void add_timer() {
    std::lock_guard lock(mutex_);
    ++timers_;
    ++timers_made_;
  }

  void remove_timer() noexcept {
    std::lock_guard lock(mutex_);
    --timers_;
  }

  void add_wait(void const* timer, clock::time_point at, std::weak_ptr<waiter> w) {
    {
      std::lock_guard lock(mutex_);
      pending_.push_back({timer, at, std::move(w)});
      ++waits_started_;
      if (at > now_) {
        return;
      }
    }
    fire();
  }

  void cancel(void const* timer) {
    std::list<std::shared_ptr<waiter>> cancelled;
    {
      std::lock_guard lock(mutex_);
      for (auto it = pending_.begin(); it != pending_.end();) {
        auto const next = std::next(it);
        if (it->timer == timer) {
          auto w = it->wait.lock();
          pending_.erase(it);
          if (w && w->claim()) {
            cancelled.push_back(std::move(w));
          }
        }
        it = next;
      }
    }
    complete(cancelled, asio::error::operation_aborted);
  }

  std::size_t timers() const {
    std::lock_guard lock(mutex_);
    return timers_;
  }

  std::size_t timers_made() const {
    std::lock_guard lock(mutex_);
    return timers_made_;
  }

  std::size_t waits() const {
    std::lock_guard lock(mutex_);
    auto const alive = std::count_if(pending_.begin(), pending_.end(),
                                     [](auto const& p) { return !p.wait.expired(); });
    return static_cast<std::size_t>(alive) + held_.size();
  }

  std::size_t waits_started() const {
    std::lock_guard lock(mutex_);
    return waits_started_;
  }

 private:
  struct pending_wait {
    void const* timer;
    clock::time_point at;
    std::weak_ptr<waiter> wait;  // the context alone owns what waits
  };

  static void complete(std::list<std::shared_ptr<waiter>> const& waits, error_code ec) {
    for (auto const& w : waits) {
      w->post_completion(ec);
    }
  }

  mutable std::mutex mutex_;
  clock::time_point now_{std::chrono::hours(1000)};
  std::list<pending_wait> pending_;
  std::list<std::shared_ptr<waiter>> held_;  // due, and beyond being cancelled
  bool holding_ = false;
  std::size_t timers_ = 0;
  std::size_t timers_made_ = 0;
  std::size_t waits_started_ = 0;
};

}  // namespace support

/// Stands for the timer of a scope. As that of Asio: setting its time, and destroying it, ends what
/// waits with operation_aborted, by posting.
template <typename Executor>
class manual_timer {
 public:
  using time_point = std::chrono::steady_clock::time_point;

  explicit manual_timer(Executor const& ex) : executor_(ex) {
    support::manual_time::instance().add_timer();
  }
  manual_timer(manual_timer const&) = delete;
  manual_timer& operator=(manual_timer const&) = delete;
  ~manual_timer() {
    support::manual_time::instance().cancel(this);
    support::manual_time::instance().remove_timer();
  }

  static time_point now() noexcept { return support::manual_time::instance().now(); }

  void expires_at(time_point at) {
    support::manual_time::instance().cancel(this);
    at_ = at;
  }

  template <typename Handler>
  void async_wait(Handler&& handler) {
    std::shared_ptr<support::waiter> const w =
        support::store_handler(std::forward<Handler>(handler), executor_);
    support::manual_time::instance().add_wait(this, at_, w);
  }

 private:
  Executor executor_;
  time_point at_{};
};

/// The clock of a test. It stands still; it is declared before the context.
class manual_clock {
 public:
  using duration = std::chrono::steady_clock::duration;
  using time_point = std::chrono::steady_clock::time_point;

  manual_clock() { time_.start_over(); }
  manual_clock(manual_clock const&) = delete;
  manual_clock& operator=(manual_clock const&) = delete;

  time_point now() const { return time_.now(); }

  /// Time goes by, and what is due is completed, by posting, in the order of the times.
  void advance(duration d) {
    time_.pass(d);
    time_.fire();
  }

  /// Time goes by and nobody looks at the timers, as while a handler computes; `advance(0)` looks.
  void pass(duration d) { time_.pass(d); }

  /// From here on what is due is kept back, beyond being cancelled, as if its handler were queued;
  /// `release` posts it.
  void hold() { time_.hold(); }
  void release() { time_.release(); }

  /// How many timers there are, and how many waits that have not been posted.
  std::size_t timers() const { return time_.timers(); }
  std::size_t waits() const { return time_.waits(); }

  /// How many there have been since this clock was made.
  std::size_t timers_made() const { return time_.timers_made(); }
  std::size_t waits_started() const { return time_.waits_started(); }

 private:
  support::manual_time& time_ = support::manual_time::instance();
};
