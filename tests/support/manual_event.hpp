// SPDX-License-Identifier: MIT
#pragma once

#include "support/waiter.hpp"

#include <algorithm>
#include <concepts>
#include <cstddef>
#include <list>
#include <memory>
#include <mutex>
#include <utility>

/// An operation that the test completes by hand: order without timers.
///
/// `set()` completes all present and later waits, each by posting to its handler's executor, in
/// the order in which they came. Any thread may call any member.
///
/// A wait does not depend on its event: destroying the event completes nothing, what waits can
/// still be cancelled, and it is destroyed, uncalled, with its context, which the event may
/// outlive.
class manual_event {
 public:
  manual_event() = default;

  /// For handlers that have no executor of their own.
  explicit manual_event(asio::any_io_executor fallback) : fallback_(std::move(fallback)) {}

  manual_event(manual_event const&) = delete;
  manual_event& operator=(manual_event const&) = delete;

  void set() {
    std::list<std::shared_ptr<support::waiter>> ready;
    {
      std::lock_guard lock(state_->mutex);
      state_->is_set = true;
      for (auto const& weak : state_->waiting) {
        if (auto w = weak.lock()) {
          w->is_in_event = false;
          ready.push_back(std::move(w));
        }
      }
      state_->waiting.clear();
    }
    for (auto const& w : ready) {
      if (w->claim()) {
        w->post_completion(error_code());
      }
    }
  }

  bool is_set() const {
    std::lock_guard lock(state_->mutex);
    return state_->is_set;
  }

  /// How many wait now.
  std::size_t waiters() const {
    std::lock_guard lock(state_->mutex);
    return static_cast<std::size_t>(
        std::count_if(state_->waiting.begin(), state_->waiting.end(),
                      [](auto const& weak) { return !weak.expired(); }));
  }

  /// Signature void(error_code). A cancellation whose type has a bit of `accepted` completes the
  /// wait with operation_aborted, by posting.
  template <typename Token>
  auto async_wait(Token&& token,
                  asio::cancellation_type accepted = asio::cancellation_type::terminal) {
    return asio::async_initiate<Token, void(error_code)>(initiation{state_, fallback_, accepted},
                                                         token);
  }

  template <typename Executor = asio::any_io_executor>
  awaitable<void, Executor> wait(
      asio::cancellation_type accepted = asio::cancellation_type::terminal) {
    return async_wait(asio::use_awaitable_t<Executor>(), accepted);
  }

  template <typename Executor = asio::any_io_executor>
  awaitable<void, Executor> wait_ignoring_cancellation() {
    return async_wait(asio::use_awaitable_t<Executor>(), asio::cancellation_type::none);
  }

 private:
  struct state {
    // True when it took the waiter in, false when the event had been set.
    bool enter(std::shared_ptr<support::waiter> const& w) {
      std::lock_guard lock(mutex);
      if (is_set) {
        return false;
      }
      w->place_in_event = waiting.insert(waiting.end(), w);
      w->is_in_event = true;
      return true;
    }

    void leave(support::waiter& w) noexcept {
      std::lock_guard lock(mutex);
      if (w.is_in_event) {
        w.is_in_event = false;
        waiting.erase(w.place_in_event);
      }
    }

    std::mutex mutex;
    bool is_set = false;
    // The context alone owns what waits.
    std::list<std::weak_ptr<support::waiter>> waiting;
  };

  struct initiation {
    std::shared_ptr<state> event;
    asio::any_io_executor fallback;
    asio::cancellation_type accepted;

    template <typename Handler>
    void operator()(Handler&& handler) {
      auto const w = support::store_handler(std::forward<Handler>(handler), fallback);
      try {
        enter(w);
      } catch (...) {
        // No memory: the operation has not started.
        if (w->claim()) {
          w->service().remove(*w);
        }
        throw;
      }
    }

   private:
    template <typename Waiter>
    void enter(std::shared_ptr<Waiter> const& w) {
      auto slot = w->slot();
      if (slot.is_connected() && accepted != asio::cancellation_type::none) {
        slot.assign([event = std::weak_ptr<state>(event), weak = std::weak_ptr<support::waiter>(w),
                     accepted = accepted](asio::cancellation_type type) {
          if ((type & accepted) == asio::cancellation_type::none) {
            return;
          }
          auto const told = weak.lock();
          if (told && told->claim()) {
            if (auto const e = event.lock()) {
              e->leave(*told);
            }
            told->post_completion(asio::error::operation_aborted);
          }
        });
      }
      // From here on another thread may complete it.
      if (!event->enter(w) && w->claim()) {
        w->post_completion(error_code());
      }
    }
  };

  std::shared_ptr<state> state_ = std::make_shared<state>();
  asio::any_io_executor fallback_;
};

/// An operation that ends only by being cancelled, by whatever type, and then completes inside
/// the emission, which none of Asio's own operations do. Signature void(error_code).
/// `on_cancel` runs inside the emission too, before the completion.
template <typename OnCancel, typename Token>
auto async_until_cancelled(OnCancel on_cancel, Token&& token) {
  auto initiation = [](auto&& handler, OnCancel callback) {
    auto const w =
        support::store_handler(std::forward<decltype(handler)>(handler), asio::system_executor());
    auto slot = w->slot();
    if (slot.is_connected()) {
      slot.assign([weak = std::weak_ptr<support::waiter>(w),
                   callback = std::move(callback)](asio::cancellation_type type) mutable {
        // The completion may destroy this very object: only locals from here on.
        auto const told = weak.lock();
        auto call = std::move(callback);
        if (type != asio::cancellation_type::none && told && told->claim()) {
          if constexpr (std::invocable<OnCancel&, asio::cancellation_type>) {
            call(type);
          } else {
            call();
          }
          told->complete_inline(asio::error::operation_aborted);
        }
      });
    }
  };
  return asio::async_initiate<Token, void(error_code)>(std::move(initiation), token,
                                                       std::move(on_cancel));
}

template <typename Token>
auto async_until_cancelled(Token&& token) {
  return async_until_cancelled([] {}, std::forward<Token>(token));
}

template <typename Executor = asio::any_io_executor>
awaitable<void, Executor> until_cancelled() {
  return async_until_cancelled(asio::use_awaitable_t<Executor>());
}

template <typename Executor = asio::any_io_executor, typename OnCancel>
awaitable<void, Executor> until_cancelled(OnCancel on_cancel) {
  return async_until_cancelled(std::move(on_cancel), asio::use_awaitable_t<Executor>());
}
