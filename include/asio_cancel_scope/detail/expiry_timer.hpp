// SPDX-License-Identifier: MIT
#pragma once

#include <asio_cancel_scope/detail/asio.hpp>
#include <asio_cancel_scope/detail/settings.hpp>

#include <optional>
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

/// One timer for a point in time that moves. Moving it later costs nothing: the timer wakes up at
/// the old time, finds that it is early, and is armed again. No timer is made before it is needed.
template <typename Executor>
class expiry_timer {
 public:
  using timer_type = ASIO_CANCEL_SCOPE_TIMER<Executor>;

  [[nodiscard]] static time_point now() noexcept { return timer_type::now(); }

  /// Sees to it that `wake` is called at `at`, or before.
  template <typename Wake>
  void arm(Executor const& ex, time_point at, Wake wake) {
    if (armed_for_ && *armed_for_ <= at) return;
    if (!timer_) timer_.emplace(ex);
    armed_for_.reset();
    timer_->expires_at(at);
    timer_->async_wait(std::move(wake));
    armed_for_ = at;
  }

  /// To be called when `wake` has been called.
  void woken() noexcept { armed_for_.reset(); }

  /// Nobody waits any more.
  void stop() noexcept {
    timer_.reset();
    armed_for_.reset();
  }

 private:
  std::optional<timer_type> timer_;
  std::optional<time_point> armed_for_;  // when the pending wait ends; empty when none is pending
};

}  // namespace asio_cancel_scope::inline ASIO_CANCEL_SCOPE_BACKEND::detail
