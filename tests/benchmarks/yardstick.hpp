// SPDX-License-Identifier: MIT
#pragma once

#include "benchmarks/children.hpp"
#include "support/asio.hpp"

#include <exception>
#include <list>
#include <utility>

namespace benchmarks {

/// What people write by hand who need no more than to cancel all and to wait for all: co_spawn
/// bound to the slot of an element of a list of signals, which the handler erases, and a timer to
/// wait with. It does not tell errors from cancellation, it has no deadline and nothing that may be
/// called from another thread: it is the least that the work can cost in this scheme.
template <typename Executor>
class yardstick {
 public:
  explicit yardstick(Executor const& ex) : executor_(ex), empty_(ex, never) {}
  yardstick(yardstick const&) = delete;
  yardstick& operator=(yardstick const&) = delete;

  [[nodiscard]] bool empty() const noexcept { return signals_.empty(); }

  void spawn(asio::awaitable<void, Executor> child) {
    auto const at = signals_.emplace(signals_.end());
    asio::co_spawn(executor_, std::move(child),
                   asio::bind_cancellation_slot(at->slot(), ended(*this, at)));
  }

  void cancel() {
    // Each operation of Asio completes later, so that no element but this one can go meanwhile.
    for (auto at = signals_.begin(); at != signals_.end();)
      (at++)->emit(asio::cancellation_type::terminal);
  }

  /// To be awaited if there are children.
  [[nodiscard]] auto async_join() {
    return empty_.async_wait(asio::redirect_error(asio::use_awaitable_t<Executor>(), ignored_));
  }

 private:
  using signals = std::list<asio::cancellation_signal>;

  class ended {
   public:
    ended(yardstick& of, typename signals::iterator at) noexcept : of_(&of), at_(at) {}

    void operator()(std::exception_ptr const&) const {
      of_->signals_.erase(at_);
      if (of_->signals_.empty()) of_->empty_.cancel();
    }

   private:
    yardstick* of_;
    typename signals::iterator at_;
  };

  Executor const executor_;
  signals signals_;
  timer<Executor> empty_;
  error_code ignored_;
};

}  // namespace benchmarks
