// SPDX-License-Identifier: MIT
#pragma once

#include <asio_cancel_scope/detail/asio.hpp>
#include <asio_cancel_scope/detail/child_initiation.hpp>
#include <asio_cancel_scope/detail/child_record.hpp>
#include <asio_cancel_scope/detail/join.hpp>
#include <asio_cancel_scope/detail/keep_running.hpp>
#include <asio_cancel_scope/detail/posting.hpp>
#include <asio_cancel_scope/detail/record.hpp>
#include <asio_cancel_scope/detail/reference.hpp>
#include <asio_cancel_scope/detail/scope_state.hpp>
#include <asio_cancel_scope/detail/serial_executor.hpp>
#include <asio_cancel_scope/detail/settings.hpp>
#include <asio_cancel_scope/detail/slot_forwarding.hpp>

#include <atomic>
#include <cstdint>
#include <exception>
#include <memory>
#include <optional>
#include <type_traits>
#include <utility>

namespace asio_cancel_scope::inline ASIO_CANCEL_SCOPE_BACKEND::detail {

/// The record of a child that was spawned with a completion token: it hands its outcome to the
/// token's handler and retires when that has returned.
template <typename Executor, typename C, typename Handler>
class token_record : public child_record<Executor, C> {
  using base = child_record<Executor, C>;
  using handler_executor = asio::associated_executor_t<Handler, Executor>;

 public:
  /// `ex` is where the child runs.
  token_record(std::shared_ptr<scope_state<Executor>> owner, C c, Handler handler,
               Executor const& ex)
      : base(std::move(owner), std::move(c)),
        handler_(std::move(handler)),
        work_(asio::get_associated_executor(handler_, ex)) {
    this->is_for_handle = false;
  }

  void connect_slot() { slot_.connect(handler_); }

  [[nodiscard]] bool claims_outcome() noexcept override { return true; }

  bool hand_out() noexcept override {
    auto const its = work_.get_executor();
    // The handler may have been called, and all be over, before posting it has returned.
    keep_running const running(its);
    auto const own = this->get_executor();
    switch (is_nowhere(its) ? post_surely(own, delivery(*this))
                            : post_surely(its, delivery(*this))) {
      case posting::accepted:
      case posting::stuck: break;
      case posting::refused: drop(); break;
      // There is nobody to tell that there is no memory to post with, and a handler must not be
      // lost.
      case posting::failed: deliver(); break;
    }
    return true;
  }

 private:
  /// As a task to post: gives the handler the outcome. The record lives until it has retired.
  class delivery {
   public:
    using allocator_type = asio::associated_allocator_t<Handler>;

    delivery() = default;
    explicit delivery(token_record& child) noexcept : child_(&child) {}

    explicit operator bool() const noexcept { return child_; }
    [[nodiscard]] void const* identity() const noexcept { return child_; }
    [[nodiscard]] allocator_type get_allocator() const noexcept {
      return asio::get_associated_allocator(child_->handler_);
    }
    void run() const { child_->deliver(); }
    void drop() const noexcept { child_->drop(); }

   private:
    token_record* child_ = nullptr;  // null when there is nothing to deliver
  };

  void deliver() {
    retire_at_exit<Executor> const retire{reference<record<Executor>>(*this)};
    auto slot = asio::get_associated_cancellation_slot(handler_);
    if (slot.is_connected()) slot.clear();
    auto handler = std::move(handler_);
    complete_with(*this, nullptr, handler, [] {});
  }

  void drop() noexcept {
    retire_at_exit<Executor> const retire{reference<record<Executor>>(*this)};
    [[maybe_unused]] auto const handler = std::move(handler_);
  }

  Handler handler_;
  work_guard<handler_executor> work_;  // keeps the handler's context running
  slot_of_child<Executor> slot_{*this};
};

/// Marks, on its thread, the call of an initiating function: an initiation that runs inside it may
/// throw to the caller; one that a lazy token runs later must not.
class initiating_call {
 public:
  initiating_call() noexcept : id_(++made_), outer_(std::exchange(current_, id_)) {}
  initiating_call(initiating_call const&) = delete;
  initiating_call& operator=(initiating_call const&) = delete;
  ~initiating_call() { current_ = outer_; }

  [[nodiscard]] std::uint64_t id() const noexcept { return id_; }
  [[nodiscard]] static bool is_under_way(std::uint64_t id) noexcept { return current_ == id; }

 private:
  inline static constinit std::atomic<std::uint64_t> made_ = 0;  // the last id given; unique
  inline static constinit thread_local std::uint64_t current_ = 0;

  std::uint64_t id_;
  std::uint64_t outer_;
};

/// Spawns a child whose outcome goes to a handler.
template <typename Executor>
class initiate_spawn : public child_initiation<Executor> {
 public:
  initiate_spawn(std::shared_ptr<scope_state<Executor>> scope, std::optional<Executor> ex,
                 child_settings settings, initiating_call const& call)
      : child_initiation<Executor>(std::move(scope), std::move(ex), std::move(settings)),
        call_(call.id()) {}

  template <typename Handler, typename C>
  void operator()(Handler&& handler, C&& c) const {
    using record_type = token_record<Executor, std::decay_t<C>, std::decay_t<Handler>>;
    auto const child = this->template make_record<record_type>(
        std::forward<C>(c), std::forward<Handler>(handler), this->get_executor());
    try {
      child->connect_slot();
      this->scope().spawn(*child);
    } catch (...) {
      if (initiating_call::is_under_way(call_)) throw;
      this->scope().refuse(*child, std::current_exception());
    }
  }

 private:
  std::uint64_t call_;
};

}  // namespace asio_cancel_scope::inline ASIO_CANCEL_SCOPE_BACKEND::detail
