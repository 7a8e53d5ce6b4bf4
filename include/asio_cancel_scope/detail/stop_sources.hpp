// SPDX-License-Identifier: MIT
#pragma once

#include <asio_cancel_scope/detail/asio.hpp>
#include <asio_cancel_scope/detail/scope_state.hpp>
#include <asio_cancel_scope/detail/settings.hpp>

#include <initializer_list>
#include <memory>
#include <optional>
#include <stop_token>
#include <utility>

namespace asio_cancel_scope::inline ASIO_CANCEL_SCOPE_BACKEND::detail {

// What the service children run that cancel a scope from outside. They hold the scope weakly: a
// scope destroyed by mistake does not wait for them.

/// Cancels the scope, or shuts it down, at each signal of the process.
template <typename Executor>
class signal_watch {
 public:
  signal_watch(std::weak_ptr<scope_state<Executor>> scope, std::initializer_list<int> signals,
               std::optional<duration> grace)
      : scope_(std::move(scope)),
        signals_(std::make_unique<signal_set>(scope_.lock()->get_executor())),
        grace_(grace) {
    for (int const number : signals) signals_->add(number);
  }

  asio::awaitable<void, Executor> operator()() {
    for (;;) {
      co_await signals_->async_wait(asio::use_awaitable_t<Executor>());
      auto const scope = scope_.lock();
      if (!scope) co_return;
      if (grace_)
        scope->shutdown(*grace_);
      else
        scope->request(asio::cancellation_type::terminal, scope_state<Executor>::cause::requested);
    }
  }

 private:
  using signal_set = asio::basic_signal_set<Executor>;

  std::weak_ptr<scope_state<Executor>> scope_;
  std::unique_ptr<signal_set> signals_;
  std::optional<duration> grace_;
};

/// Cancels the scope when stop is requested, and otherwise waits to be cancelled.
template <typename Executor>
class stop_watch {
 public:
  stop_watch(std::weak_ptr<scope_state<Executor>> scope, std::stop_token token)
      : scope_(std::move(scope)), token_(std::move(token)) {}

  asio::awaitable<void, Executor> operator()() {
    std::stop_callback const on_stop(token_, cancel(scope_));
    asio::basic_waitable_timer<clock, asio::wait_traits<clock>, Executor> never(
        co_await asio::this_coro::executor, time_point::max());
    co_await never.async_wait(asio::use_awaitable_t<Executor>());
  }

 private:
  class cancel {
   public:
    explicit cancel(std::weak_ptr<scope_state<Executor>> scope) noexcept
        : scope_(std::move(scope)) {}

    void operator()() const noexcept {
      if (auto const scope = scope_.lock())
        scope->request_surely(scope_state<Executor>::cause::requested);
    }

   private:
    std::weak_ptr<scope_state<Executor>> scope_;
  };

  std::weak_ptr<scope_state<Executor>> scope_;
  std::stop_token token_;
};

}  // namespace asio_cancel_scope::inline ASIO_CANCEL_SCOPE_BACKEND::detail
