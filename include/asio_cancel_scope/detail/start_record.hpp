// SPDX-License-Identifier: MIT
#pragma once

#include <asio_cancel_scope/detail/access.hpp>
#include <asio_cancel_scope/detail/admission.hpp>
#include <asio_cancel_scope/detail/asio.hpp>
#include <asio_cancel_scope/detail/child_initiation.hpp>
#include <asio_cancel_scope/detail/coroutine_record.hpp>
#include <asio_cancel_scope/detail/errors.hpp>
#include <asio_cancel_scope/detail/record.hpp>
#include <asio_cancel_scope/detail/scope_state.hpp>
#include <asio_cancel_scope/detail/settings.hpp>

#include <exception>
#include <memory>
#include <optional>
#include <stdexcept>
#include <type_traits>
#include <utility>

namespace asio_cancel_scope::inline ASIO_CANCEL_SCOPE_BACKEND::detail {

/// What is said by a child that is ready with nothing.
struct nothing_said {};

/// The state of a start: pending until the child has said that it is ready, or has ended. Touched
/// by the child, and by who delivers after that.
template <typename V>
class readiness {
 public:
  using said_type = std::conditional_t<std::is_void_v<V>, nothing_said, V>;

  [[noreturn]] static void throw_over() {
    throw std::logic_error("asio_cancel_scope: the child that was to be ready has ended");
  }

  void say(said_type value) {
    if (said_) throw std::logic_error("asio_cancel_scope: a start can become ready only once");
    if (over_) throw_over();
    said_.emplace(std::move(value));
    settle();
  }

 protected:
  ~readiness() = default;

  /// The value has been said: who waits may have it.
  virtual void settle() = 0;

  std::optional<said_type> said_;
  bool over_ = false;  // the child has ended
};

template <typename V, typename Said>
void say_ready(std::shared_ptr<readiness<V>> const& start, Said said) {
  if (!start) readiness<V>::throw_over();
  start->say(std::move(said));
}

/// The record of a child whose start is waited for. `F` makes its awaitable from a `Signal`.
template <typename Executor, typename F, typename Signal, typename V>
class start_record : public coroutine_record<Executor, std::invoke_result_t<F&, Signal>>,
                     public readiness<V> {
  using awaitable_type = std::invoke_result_t<F&, Signal>;
  using base = coroutine_record<Executor, awaitable_type>;

 public:
  start_record(std::shared_ptr<scope_state<Executor>> owner, F f)
      : base(std::move(owner), base::role::child), runs_(std::move(f)) {}

  /// A `ready_signal` may outlive the child: it holds the record weakly, which is therefore owned
  /// by a shared_ptr besides.
  template <typename Made, typename... Args>
  [[nodiscard]] static reference<Made> make(Args&&... args) {
    auto const made = std::make_shared<Made>(std::forward<Args>(args)...);
    made->memory_ = made;
    return reference<Made>::adopt(*made);
  }
  void unreferenced() noexcept override { auto const last = std::move(memory_); }

  void release() noexcept override { runs_.reset(); }

  /// Until the start is settled the outcome is the waiter's.
  [[nodiscard]] bool claims_outcome() noexcept override {
    this->over_ = true;
    return !settled_;
  }

  struct deliver_readiness {
    template <typename Handler>
    static void deliver(reference<record<Executor>> child, std::exception_ptr failure,
                        Handler& handler) {
      auto& start = static_cast<start_record&>(*child);
      if (!failure && !start.settled_) failure = start.why_not_ready();
      std::optional<typename readiness<V>::said_type> said;
      try {
        if (!failure) said.emplace(*std::move(start.said_));
      } catch (...) {
        failure = std::current_exception();
      }
      child.reset();
      if constexpr (std::is_void_v<V>) {
        std::move(handler)(std::move(failure));
      } else {
        if (failure)
          std::move(handler)(std::move(failure), V());
        else
          std::move(handler)(std::exception_ptr(), *std::move(said));
      }
    }
  };

 private:
  awaitable_type make_awaitable() override {
    signal_.emplace(access::make<Signal>(memory_));
    return (*runs_)(std::move(*signal_));
  }

  /// Readiness is not handed over while the child is to end because its waiter has been cancelled.
  void settle() override {
    settled_ = true;  // first: who waits may look at once
    if (!this->scope->settle(*this)) settled_ = false;
  }

  [[nodiscard]] std::exception_ptr why_not_ready() const noexcept {
    if (auto const e = this->failure()) return e;
    if (this->said_) return nullptr;
    return error<std::logic_error>(
        "asio_cancel_scope: the child has ended without having said it is ready");
  }

  std::shared_ptr<start_record> memory_;  // of this; empty when nobody refers to the record
  std::optional<Signal> signal_;          // here, because `F` may take it by reference
  std::optional<F> runs_;                 // empty from release() on
  bool settled_ = false;  // readiness has been handed over: from now on a child like any other
};

/// Starts a child when there is room, and waits until it says that it is ready.
template <typename Executor, typename Signal, typename V>
class initiate_start : public child_initiation<Executor> {
 public:
  initiate_start(std::shared_ptr<scope_state<Executor>> scope, std::optional<Executor> ex,
                 child_settings settings)
      : child_initiation<Executor>(std::move(scope), std::move(ex), std::move(settings)) {}

  template <typename Handler, typename F>
  void operator()(Handler&& handler, F&& f) const {
    using record_type = start_record<Executor, std::decay_t<F>, Signal, V>;
    auto const child = this->template make_record<record_type>(std::forward<F>(f));
    store_and_spawn<typename record_type::deliver_readiness, ask_it, Executor>(
        child, std::forward<Handler>(handler));
  }

 private:
  /// A child that is not ready yet is asked to end; one that is has no waiter any more.
  struct ask_it {
    void operator()(record<Executor>& child, asio::cancellation_type type) const {
      child.scope->request_of_unsettled(child, type);
    }
  };
};

}  // namespace asio_cancel_scope::inline ASIO_CANCEL_SCOPE_BACKEND::detail
