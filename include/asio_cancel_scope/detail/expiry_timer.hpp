// SPDX-License-Identifier: MIT
#pragma once

#include <asio_cancel_scope/detail/asio.hpp>
#include <asio_cancel_scope/detail/settings.hpp>

#include <memory>
#include <utility>

// A test can hold time in its hands: it defines ASIO_CANCEL_SCOPE_TEST_TIMER as the name of a class
// template that stands for the timer, and has a static now().
#if !defined(ASIO_CANCEL_SCOPE_TEST_TIMER)

namespace asio_cancel_scope::inline ASIO_CANCEL_SCOPE_BACKEND::detail {

template <typename Executor>
class clock_timer : public asio::basic_waitable_timer<clock, asio::wait_traits<clock>, Executor> {
 public:
  using asio::basic_waitable_timer<clock, asio::wait_traits<clock>, Executor>::basic_waitable_timer;

  [[nodiscard]] static time_point now() noexcept { return clock::now(); }
};

}  // namespace asio_cancel_scope::inline ASIO_CANCEL_SCOPE_BACKEND::detail

#  define ASIO_CANCEL_SCOPE_TIMER clock_timer
#else
#  define ASIO_CANCEL_SCOPE_TIMER ASIO_CANCEL_SCOPE_TEST_TIMER
#endif

namespace asio_cancel_scope::inline ASIO_CANCEL_SCOPE_BACKEND::detail {

/// One timer for a point in time that moves, and at most one wait at a time: a wait that has become
/// too long is cut short, and is started again only when that has been delivered. Moving the time
/// later costs nothing: the wait ends at the old time, and its owner finds that it is early. No
/// timer is made before it is needed.
template <typename Executor>
class expiry_timer {
 public:
  using timer_type = ASIO_CANCEL_SCOPE_TIMER<Executor>;

  [[nodiscard]] static time_point now() noexcept { return timer_type::now(); }

  /// Sees to it that `wake` is called at `at`, or before. Its owner then calls `woken`, and `arm`
  /// again if there is still something to wait for.
  template <typename Wake>
  void arm(Executor const& ex, time_point at, Wake wake) {
    if (stopped_) return;
    if (waiting_) {
      if (at < waits_until_) disarm();
      return;
    }
    if (!timer_) timer_ = std::make_unique<timer_type>(ex);
    timer_->expires_at(at);
    timer_->async_wait(std::move(wake));
    waiting_ = true;
    waits_until_ = at;
  }

  /// There is nothing to wait for at the moment: `wake` is called soon.
  void disarm() {
    if (stopped_ || !waiting_ || waits_until_ == time_point::min()) return;
    timer_->expires_at(time_point::max());
    waits_until_ = time_point::min();
  }

  /// Whether `wake` has yet to be called.
  [[nodiscard]] bool is_waiting() const noexcept { return waiting_; }

  /// To be called when `wake` has been called.
  void woken() noexcept { waiting_ = false; }

  /// Nobody waits any more, for good.
  void stop() noexcept {
    stopped_ = true;
    timer_.reset();
  }

 private:
  // Most scopes have no deadline. The state of a block is under a kilobyte without it; a request
  // for more makes glibc's malloc consolidate its fastbins, at the cost of every child.
  std::unique_ptr<timer_type> timer_;
  bool waiting_ = false;                        // `wake` has yet to be called
  bool stopped_ = false;                        // for good
  time_point waits_until_ = time_point::min();  // while waiting; min: cut short
};

}  // namespace asio_cancel_scope::inline ASIO_CANCEL_SCOPE_BACKEND::detail
