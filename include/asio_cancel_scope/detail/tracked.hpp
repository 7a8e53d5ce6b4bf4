// SPDX-License-Identifier: MIT
#pragma once

#include <asio_cancel_scope/detail/asio.hpp>
#include <asio_cancel_scope/detail/cancellation_error.hpp>
#include <asio_cancel_scope/detail/handover.hpp>
#include <asio_cancel_scope/detail/join.hpp>
#include <asio_cancel_scope/detail/record.hpp>
#include <asio_cancel_scope/detail/scope_state.hpp>
#include <asio_cancel_scope/detail/serial_executor.hpp>
#include <asio_cancel_scope/detail/slot_forwarding.hpp>

#include <atomic>
#include <concepts>
#include <exception>
#include <memory>
#include <optional>
#include <stdexcept>
#include <system_error>
#include <type_traits>
#include <utility>

namespace asio_cancel_scope::inline ASIO_CANCEL_SCOPE_BACKEND::detail {

// A tracked operation is started by its initiating function, at a time and with results that the
// scope does not know. The token claims a place in the scope when it is made, the operation's
// handler takes the claim over, and the record is what the two and the scope share.

template <typename Executor>
class tracked_record final : public record<Executor> {
 public:
  explicit tracked_record(std::shared_ptr<scope_state<Executor>> owner)
      : record<Executor>(std::move(owner), record<Executor>::role::operation) {}

  /// Its initiating function starts it.
  void launch() noexcept override {}
  void release() noexcept override {}
  void emit(asio::cancellation_type type) override { this->signal.emit(type); }

  void have_told(reference<record<Executor>> me, telling how) override {
    if (this->started.load(std::memory_order_acquire))
      this->scope->tell_on(*runs_on_, std::move(me), how);
  }

  /// Before the operation is started.
  void runs_on(asio::any_io_executor ex) noexcept { runs_on_.emplace(std::move(ex)); }

  /// The operation does not take place. Nobody has been told that it would.
  static void forget(reference<tracked_record> operation) noexcept {
    operation->ending = record<Executor>::end::returned;
    retire_at_exit<Executor> const retire(std::move(operation));
  }

  /// The handler has been destroyed.
  static void lose(reference<tracked_record> operation) noexcept {
    auto const running = operation->scope->keep_context();
    auto const lost = std::move(operation);
    lost->scope->lose(*lost);
  }

  asio::cancellation_signal signal;     // on the operation's executor only
  slot_of_child<Executor> slot{*this};  // of the handler

 private:
  std::optional<asio::any_io_executor> runs_on_;  // constant once `started`
};

/// A place in the scope for one operation; given back if the operation is never started.
template <typename Executor>
class tracked_claim {
 public:
  using record_type = tracked_record<Executor>;

  explicit tracked_claim(std::shared_ptr<scope_state<Executor>> const& scope)
      : record_(record_type::template make<record_type>(scope)) {
    scope->adopt(*record_);
  }
  tracked_claim(tracked_claim&& other) noexcept : record_(std::move(other.record_)) {}
  tracked_claim& operator=(tracked_claim&&) = delete;
  ~tracked_claim() {
    if (record_) record_type::forget(std::move(record_));
  }

  /// To be taken over by the operation's handler.
  [[nodiscard]] reference<record_type>& get() noexcept { return record_; }
  [[nodiscard]] reference<record_type> const& get() const noexcept { return record_; }

 private:
  reference<record_type> record_;  // empty when moved from, or taken over
};

/// Where an operation runs that is started with a `Handler`: on the handler's executor, unless that
/// is nowhere; then on that of the initiation.
template <typename Handler, typename Default>
struct operation_executor {
  using associated = asio::associated_executor_t<Handler, Default>;
  static constexpr bool is_default = std::same_as<associated, Default>;
  static constexpr bool is_a_place = std::convertible_to<associated, asio::any_io_executor>;
  using chosen =
      serial<std::conditional_t<is_default || !is_a_place, Default, asio::any_io_executor>>;
  using type = typename chosen::type;
  static_assert(std::convertible_to<type, asio::any_io_executor>,
                "asio_cancel_scope: a tracked operation must run on an executor that "
                "any_io_executor can hold");

  [[nodiscard]] static type of(Handler const& handler, Default const& ex) {
    if constexpr (is_default) {
      return chosen::on(asio::get_associated_executor(handler, ex));
    } else if constexpr (is_a_place) {
      auto const its = asio::get_associated_executor(handler, ex);
      return chosen::on(is_nowhere(its) ? asio::any_io_executor(ex) : asio::any_io_executor(its));
    } else {
      return chosen::on(ex);
    }
  }
};

/// The handler that a tracked operation gets: the token's own, with the scope's signal for it.
template <typename Executor, typename Handler, typename RunsOn>
class tracked_handler {
 public:
  using executor_type = RunsOn;
  using allocator_type = asio::associated_allocator_t<Handler>;
  using cancellation_slot_type = asio::cancellation_slot;
  using record_type = tracked_record<Executor>;

  /// Takes `record` over when everything else has been done that may throw.
  template <typename H>
  tracked_handler(reference<record_type>& record, H&& handler, RunsOn const& ex)
      : handler_(std::forward<H>(handler)), executor_(ex), record_(std::move(record)) {}
  tracked_handler(tracked_handler&& other) noexcept
      : handler_(std::move(other.handler_)),
        executor_(other.executor_),
        record_(std::move(other.record_)) {}
  tracked_handler& operator=(tracked_handler&&) = delete;
  ~tracked_handler() {
    if (record_ && !handover::give_back(record_.get())) record_type::lose(std::move(record_));
  }

  [[nodiscard]] executor_type get_executor() const noexcept { return executor_; }
  [[nodiscard]] allocator_type get_allocator() const noexcept {
    return asio::get_associated_allocator(handler_);
  }
  [[nodiscard]] cancellation_slot_type get_cancellation_slot() const noexcept {
    return record_->signal.slot();
  }

  template <typename... Args>
  void operator()(Args&&... args) {
    auto& record = *record_;
    retire_at_exit<Executor> const retire(std::move(record_));
    record.scope->adopted_has_ended(record, is_aborted(args...));
    auto slot = asio::get_associated_cancellation_slot(handler_);
    if (slot.is_connected()) slot.clear();
    auto handler = std::move(handler_);
    std::move(handler)(std::forward<Args>(args)...);
  }

 private:
  [[nodiscard]] static bool is_aborted() noexcept { return false; }

  /// By convention an operation tells of an error first.
  template <typename First, typename... Rest>
  [[nodiscard]] static bool is_aborted(First const& first, Rest const&...) {
    if constexpr (std::same_as<First, std::exception_ptr>)
      return first && is_cancellation()(first);
    else if constexpr (std::same_as<First, error_code>)
      return is_cancellation()(first);
    else if constexpr (std::same_as<First, std::error_code>)
      return first == std::errc::operation_canceled;
    else
      return false;
  }

  Handler handler_;
  RunsOn executor_;
  reference<record_type> record_;  // empty when moved from or called
};

/// Starts a tracked operation with the handler made ready.
template <typename Executor, typename Initiation>
class tracked_initiation {
 public:
  using executor_type = asio::associated_executor_t<Initiation, Executor>;
  using record_type = tracked_record<Executor>;

  tracked_initiation(tracked_claim<Executor> claim, Initiation initiation)
      : claim_(std::move(claim)), initiation_(std::move(initiation)) {}

  [[nodiscard]] executor_type get_executor() const noexcept {
    return asio::get_associated_executor(initiation_, claim_.get()->scope->get_executor());
  }

  template <typename Handler, typename... Args>
  void operator()(Handler&& handler, Args&&... args) {
    using handler_type = std::decay_t<Handler>;
    using runs_on = operation_executor<handler_type, executor_type>;
    auto const ex = runs_on::of(handler, get_executor());
    auto const operation = claim_.get();
    operation->runs_on(ex);
    handover call(operation.get());
    try {
      operation->slot.connect(handler);
      std::move(initiation_)(tracked_handler<Executor, handler_type, typename runs_on::type>(
                                 claim_.get(), std::forward<Handler>(handler), ex),
                             std::forward<Args>(args)...);
    } catch (...) {
      if (call.returned()) record_type::forget(operation);
      throw;
    }
    if (call.returned()) return record_type::lose(operation);
    operation->scope->adopted_has_started(operation);
  }

 private:
  tracked_claim<Executor> claim_;
  Initiation initiation_;
};

/// What `cancel_scope::track` gives: a completion token around a completion token.
template <typename Executor, typename Token>
class tracked_token {
 public:
  template <typename T>
  tracked_token(std::shared_ptr<scope_state<Executor>> const& scope, T&& token)
      : claim_(scope), token_(std::forward<T>(token)) {}

  [[nodiscard]] tracked_claim<Executor> take_claim() {
    if (!claim_.get())
      throw std::logic_error("asio_cancel_scope: what track() gives is good for one operation");
    return std::move(claim_);
  }
  [[nodiscard]] Token& inner() noexcept { return token_; }

 private:
  tracked_claim<Executor> claim_;
  Token token_;
};

}  // namespace asio_cancel_scope::inline ASIO_CANCEL_SCOPE_BACKEND::detail

/// The inner token decides what the initiating function returns, and when the operation starts.
template <typename Executor, typename Token, typename... Signatures>
class asio_cancel_scope::detail::asio::async_result<
    asio_cancel_scope::detail::tracked_token<Executor, Token>, Signatures...> {
  template <typename Initiation>
  using initiation_of =
      asio_cancel_scope::detail::tracked_initiation<Executor, std::decay_t<Initiation>>;

 public:
  // The return type is written down, so that a concept or an adapter of tokens that only asks
  // whether the token fits does not look into the initiation, which then may be a stand-in.
  template <typename Initiation, typename Tracked, typename... Args>
  static auto initiate(Initiation&& initiation, Tracked&& token, Args&&... args)
      -> decltype(asio_cancel_scope::detail::asio::async_initiate<Token, Signatures...>(
          std::declval<initiation_of<Initiation>>(), token.inner(), std::forward<Args>(args)...)) {
    namespace backend = asio_cancel_scope::detail::asio;
    return backend::async_initiate<Token, Signatures...>(
        initiation_of<Initiation>(token.take_claim(), std::forward<Initiation>(initiation)),
        token.inner(), std::forward<Args>(args)...);
  }
};
