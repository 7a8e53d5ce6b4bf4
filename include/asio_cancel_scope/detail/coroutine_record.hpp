// SPDX-License-Identifier: MIT
#pragma once

#include <asio_cancel_scope/detail/asio.hpp>
#include <asio_cancel_scope/detail/awaitable_traits.hpp>
#include <asio_cancel_scope/detail/handover.hpp>
#include <asio_cancel_scope/detail/in_place_signal.hpp>
#include <asio_cancel_scope/detail/outcome_record.hpp>
#include <asio_cancel_scope/detail/record.hpp>
#include <asio_cancel_scope/detail/scope_state.hpp>

#include <exception>
#include <type_traits>
#include <utility>

namespace asio_cancel_scope::inline ASIO_CANCEL_SCOPE_BACKEND::detail {

// Between these versions co_spawn loses the handler of a child that is cancelled before its first
// suspension and ends without one; a coroutine around it must end by ignoring the cancellation.
inline constexpr bool needs_guard_coroutine = asio_version >= 102500 && asio_version < 103002;

// co_spawn makes a T where there is none, and moves the T that there is, and cannot cope with
// either throwing; such values are taken by a coroutine of ours.
template <typename T>
inline constexpr bool needs_value_coroutine =
    !std::is_nothrow_default_constructible_v<T> || !std::is_nothrow_move_constructible_v<T>;
template <>
inline constexpr bool needs_value_coroutine<void> = false;

// Until this version an executor of the handler changes nothing in how a coroutine is cancelled.
// From then on emission does not act inside emit() any more, and costs an allocation.
inline constexpr bool may_have_executor = asio_version < 102300;

/// What gives a child's completion handler an associated executor: the child's own. The copy that
/// co_spawn would make of it costs more, for it also counts work, which the coroutine does already.
template <typename Executor, bool = may_have_executor>
class completes_on {
 public:
  // Nothing about it may make a compiler ask whether it converts to an `Executor`: the answer
  // depends on whether it is one. So it is a member, and made of a pointer.
  class executor_type {
   public:
    template <typename F>
    void execute(F&& f) const {
      // The handler may destroy the record, and its executor with it.
      auto const ex = *executor_;
      if (posts_)
        asio::post(ex, std::forward<F>(f));
      else if constexpr (requires { ex.execute(std::forward<F>(f)); })
        ex.execute(std::forward<F>(f));
      else
        asio::dispatch(ex, std::forward<F>(f));
    }

    [[nodiscard]] executor_type require(asio::execution::blocking_t::never_t) const noexcept {
      auto posting = *this;
      posting.posts_ = true;
      return posting;
    }

    friend bool operator==(executor_type const& a, executor_type const& b) noexcept {
      return a.executor_ == b.executor_ && a.posts_ == b.posts_;
    }
    friend bool operator!=(executor_type const& a, executor_type const& b) noexcept {
      return !(a == b);
    }

   private:
    friend completes_on;

    explicit executor_type(Executor const* ex) noexcept : executor_(ex) {}

    Executor const* executor_;  // of the record, which is there until the handler has been called
    bool posts_ = false;        // instead of running at once where that is possible
  };

  explicit completes_on(Executor const& ex) noexcept : executor_(&ex) {}

  [[nodiscard]] executor_type get_executor() const noexcept { return executor_; }

 private:
  executor_type executor_;
};
template <typename Executor>
class completes_on<Executor, false> {
 public:
  explicit completes_on(Executor const&) noexcept {}
};

/// The completion handler of a child's coroutine. It is called on the child's executor, also when
/// the coroutine has changed to another.
template <typename Executor, typename T>
class child_completion : public completes_on<Executor> {
  using record_type = outcome_record<Executor, T>;

 public:
  using cancellation_slot_type = in_place_signal::slot_type;

  explicit child_completion(record_type& child) noexcept
      : completes_on<Executor>(child.get_executor()), child_(&child) {}
  child_completion(child_completion&& other) noexcept
      : completes_on<Executor>(other), child_(std::exchange(other.child_, nullptr)) {}
  child_completion& operator=(child_completion&&) = delete;
  ~child_completion() {
    if (!child_ || handover::give_back(static_cast<record<Executor>*>(child_))) return;
    if (child_->ending == record<Executor>::end::failed)
      child_->scope->finish(*child_, std::move(child_->error));
    else
      child_->scope->lose(*child_);
  }

  [[nodiscard]] cancellation_slot_type get_cancellation_slot() const noexcept {
    return child_->signal.slot();
  }

  void operator()(std::exception_ptr e) noexcept {
    auto& child = *std::exchange(child_, nullptr);
    if constexpr (!std::is_void_v<T>) child.drop_value_if_unseen();
    child.scope->finish(child, e ? std::move(e) : std::move(child.error));
  }

  template <typename U>
  void operator()(std::exception_ptr e, U&& value) noexcept {
    if (!e) child_->value.emplace(std::forward<U>(value));
    (*this)(std::move(e));
  }

 private:
  record_type* child_;  // null when moved from or called
};

/// A record that gives a coroutine to co_spawn. It knows the type of the awaitable but not what
/// makes it, so that co_spawn is instantiated once for each type of result and not for each
/// callable.
template <typename Executor, typename Awaitable>
class coroutine_record
    : public outcome_record<Executor, typename awaitable_traits<Awaitable>::value_type> {
 public:
  using value_type = typename awaitable_traits<Awaitable>::value_type;
  using outcome_record<Executor, value_type>::outcome_record;

  void launch() final {
    if (this->graceful)
      enter_by<entry_by<&coroutine_record::run_gracefully>>();
    else if constexpr (needs_guard_coroutine || needs_value_coroutine<value_type>)
      enter_by<entry_by<&coroutine_record::run>>();
    else
      enter_by<entry_by<&coroutine_record::enter>>();
  }

 private:
  template <typename Entry>
  void enter_by() {
    handover call(static_cast<record<Executor>*>(this));
    try {
      // Not copied here, for co_spawn does that before anything starts, and each copy of an
      // executor that hides its type costs.
      Executor const& ex = this->get_executor();
      asio::co_spawn(ex, Entry(*this), child_completion<Executor, value_type>(*this));
    } catch (...) {
      if (call.returned()) return this->scope->finish(*this, std::current_exception());
      // The handler is in a frame that Asio is still to destroy, and ends the child then.
      this->ending = record<Executor>::end::failed;
      this->error = std::current_exception();
      return;
    }
    if (call.returned()) this->scope->lose(*this);
  }

  using awaitable_executor = typename awaitable_traits<Awaitable>::executor_type;

  /// Calls the callable, or hands over the awaitable.
  virtual Awaitable make_awaitable() = 0;

  Awaitable enter() {
    this->scope->enter(*this);
    return make_awaitable();
  }

  /// What co_spawn is given: calls the member `Run`.
  template <auto Run>
  class entry_by {
   public:
    explicit entry_by(coroutine_record& child) noexcept : child_(&child) {}
    std::invoke_result_t<decltype(Run), coroutine_record&> operator()() const {
      return (child_->*Run)();
    }

   private:
    coroutine_record* child_;
  };

  /// Awaits the child in a coroutine of ours. Its frame is small: there may be a million.
  asio::awaitable<void, awaitable_executor> run() {
    try {
      if constexpr (std::is_void_v<value_type>)
        co_await enter();
      else
        this->value.emplace(co_await enter());
    } catch (...) {
      // Not thrown on: that would cost as much again.
      this->error = std::current_exception();
    }
    if constexpr (needs_guard_coroutine) co_await asio::this_coro::throw_if_cancelled(false);
  }

  asio::awaitable<void, awaitable_executor> run_gracefully() {
    // Before anything can be sent: resetting the state would forget a request.
    co_await asio::this_coro::reset_cancellation_state(asio::enable_total_cancellation());
    co_await run();
  }
};

}  // namespace asio_cancel_scope::inline ASIO_CANCEL_SCOPE_BACKEND::detail
