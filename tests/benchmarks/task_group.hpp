// SPDX-License-Identifier: MIT
#pragma once

#include "benchmarks/children.hpp"
#include "support/asio.hpp"

#include <list>
#include <mutex>
#include <type_traits>
#include <utility>

namespace benchmarks {

/// A task group of the shape that Boost.Beast shows in an example of a server: a mutex, a list of
/// signals, and an adapter for the handler that a task is started with: it enters the group there,
/// and leaves it when the handler is gone.
class task_group {
 public:
  explicit task_group(any_executor const& ex) : changed_(ex, never) {}
  task_group(task_group const&) = delete;
  task_group& operator=(task_group const&) = delete;

  /// The handler with which the task is to be started.
  template <typename Handler>
  [[nodiscard]] auto adapt(Handler handler) {
    std::lock_guard const lock(mutex_);
    auto const at = signals_.emplace(signals_.end());
    return asio::bind_cancellation_slot(at->slot(),
                                        membership_of<Handler>(*this, at, std::move(handler)));
  }

  void emit(asio::cancellation_type type) {
    std::lock_guard const lock(mutex_);
    for (auto& signal : signals_) signal.emit(type);
  }

  /// Completes when no task is left.
  template <typename CompletionToken>
  auto async_wait(CompletionToken&& token) {
    return asio::async_compose<CompletionToken, void(error_code)>(wait(*this), token, changed_);
  }

 private:
  using signals = std::list<asio::cancellation_signal>;

  /// A handler that is in the group as long as it lives.
  template <typename Handler>
  class membership_of {
   public:
    membership_of(task_group& group, signals::iterator at, Handler handler)
        : group_(&group), at_(at), handler_(std::move(handler)) {}
    membership_of(membership_of&& other) noexcept(std::is_nothrow_move_constructible_v<Handler>)
        : group_(std::exchange(other.group_, nullptr)),
          at_(other.at_),
          handler_(std::move(other.handler_)) {}
    membership_of& operator=(membership_of&&) = delete;
    ~membership_of() {
      if (group_) group_->remove(at_);
    }

    template <typename... Args>
    void operator()(Args&&... args) {
      std::move(handler_)(std::forward<Args>(args)...);
    }

   private:
    task_group* group_;
    signals::iterator at_;
    Handler handler_;
  };

  class wait {
   public:
    explicit wait(task_group& group) noexcept : group_(&group) {}

    template <typename Self>
    void operator()(Self& self, error_code e = {}) {
      bool const has_waited = std::exchange(has_waited_, true);
      if (has_waited && e == asio::error::operation_aborted) e = {};
      {
        // The timer too is touched under the mutex alone.
        std::lock_guard const lock(group_->mutex_);
        if (!group_->signals_.empty() && !e) return group_->changed_.async_wait(std::move(self));
      }
      if (has_waited) return self.complete(e);
      asio::post(group_->changed_.get_executor(), std::move(self));
    }

   private:
    task_group* group_;
    bool has_waited_ = false;
  };

  void remove(signals::iterator at) {
    std::lock_guard const lock(mutex_);
    signals_.erase(at);
    if (signals_.empty()) changed_.cancel();
  }

  std::mutex mutex_;
  signals signals_;
  timer<any_executor> changed_;
};

/// The handler of a task whose outcome nobody wants, as Asio's detached.
struct ignore_outcome {
  template <typename... Args>
  void operator()(Args&&...) const noexcept {}
};

}  // namespace benchmarks
