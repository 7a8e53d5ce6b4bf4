// SPDX-License-Identifier: MIT
#pragma once

#include <asio_cancel_scope/detail/asio.hpp>
#include <asio_cancel_scope/detail/cancellation_type.hpp>
#include <asio_cancel_scope/detail/child_record.hpp>
#include <asio_cancel_scope/detail/scope_state.hpp>
#include <asio_cancel_scope/detail/waiter.hpp>
#include <asio_cancel_scope/detail/way.hpp>

#include <cstdint>
#include <exception>
#include <memory>
#include <optional>
#include <stdexcept>
#include <type_traits>
#include <utility>

namespace asio_cancel_scope::inline ASIO_CANCEL_SCOPE_BACKEND::detail {

/// The executor's own default token where it names one, else use_awaitable.
template <typename Executor>
struct default_token {
  using type = asio::use_awaitable_t<Executor>;
};

template <typename Executor>
  requires requires {
    typename Executor::default_completion_token_type;
  }
struct default_token<Executor> {
  using type = typename Executor::default_completion_token_type;
};

template <typename Executor>
using default_token_t = typename default_token<Executor>::type;

/// The signature of a completion with a `T`, as that of co_spawn.
template <typename T>
struct completion_signature {
  static_assert(
      std::is_default_constructible_v<T>,
      "asio_cancel_scope: a completion token gets an exception_ptr and a T, and Asio makes "
      "that T also where there is an exception: it must be default constructible");
  using type = void(std::exception_ptr, T);
};

template <>
struct completion_signature<void> {
  using type = void(std::exception_ptr);
};

/// Calls `handler` with `failure`, else with what `child` ended with; moves its value out. Calls
/// `let_go` before that: from there on the child is not needed.
template <typename Executor, typename T, typename Handler, typename LetGo>
void complete_with(outcome_record<Executor, T>& child, std::exception_ptr failure, Handler& handler,
                   LetGo let_go) {
  if (!failure) failure = child.failure();
  if constexpr (std::is_void_v<T>) {
    let_go();
    std::move(handler)(std::move(failure));
  } else {
    std::optional<T> value;
    try {
      if (!failure) value.emplace(child.take());
    } catch (...) {
      failure = std::current_exception();
    }
    let_go();
    if (failure)
      std::move(handler)(std::move(failure), T());
    else
      std::move(handler)(std::exception_ptr(), std::move(*value));
  }
}

struct deliver_scope_outcome {
  template <typename Executor, typename Handler>
  static void deliver(std::shared_ptr<scope_state<Executor>> scope, std::exception_ptr failure,
                      Handler& handler) {
    if (!failure) failure = scope->outcome();
    scope.reset();
    std::move(handler)(std::move(failure));
  }
};

template <typename T>
struct deliver_child_outcome {
  template <typename Executor, typename Handler>
  static void deliver(reference<record<Executor>> child, std::exception_ptr failure,
                      Handler& handler) {
    auto& outcome = static_cast<outcome_record<Executor, T>&>(*child);
    complete_with(outcome, std::move(failure), handler, [&] { child.reset(); });
  }
};

/// What a join's slot does: the whole scope is asked to end.
template <typename Executor>
class forward_to_scope {
 public:
  explicit forward_to_scope(std::weak_ptr<scope_state<Executor>> scope) noexcept
      : scope_(std::move(scope)) {}

  void operator()(asio::cancellation_type type) const {
    if (auto const scope = scope_.lock()) scope->request(type, scope_state<Executor>::cause::outer);
  }

 private:
  std::weak_ptr<scope_state<Executor>> scope_;
};

/// What the slot of a token does whose child it is: this child alone is asked to end.
template <typename Executor>
class forward_to_child {
 public:
  forward_to_child(way_end<Executor>& end, record<Executor>& child) noexcept : way_(end, child) {}

  void operator()(asio::cancellation_type type) const {
    if (auto const scope = way_.scope()) scope->request_of(way_, type);
  }

 private:
  way<Executor> way_;
};

/// The slot of the handler that gets a child's outcome, as the child's record sees it.
template <typename Executor>
class slot_of_child {
 public:
  explicit slot_of_child(record<Executor>& child) noexcept : child_(child) {}
  slot_of_child(slot_of_child const&) = delete;
  slot_of_child& operator=(slot_of_child const&) = delete;
  ~slot_of_child() {
    if (is_connected_) child_.scope->cut(end_);
  }

  /// Has the slot of `handler`, if it has one, ask the child to end.
  template <typename Handler>
  void connect(Handler const& handler) {
    auto slot = asio::get_associated_cancellation_slot(handler);
    if (!slot.is_connected()) return;
    slot.template emplace<forward_to_child<Executor>>(end_, child_);
    is_connected_ = true;
  }

 private:
  record<Executor>& child_;    // which this is a part of
  way_end<Executor> end_;      // of the slot's way
  bool is_connected_ = false;  // there is, or was, such a way
};

/// Retires a child when its token's handler has returned. The scope keeps the child until then.
template <typename Executor>
class retire_at_exit {
 public:
  explicit retire_at_exit(record<Executor>& child) noexcept : child_(child) {}
  retire_at_exit(retire_at_exit const&) = delete;
  retire_at_exit& operator=(retire_at_exit const&) = delete;
  ~retire_at_exit() { child_.scope->retire(child_); }

 private:
  record<Executor>& child_;
};

/// Starts waiting for a scope. An object, so that it composes with adapters that look for the
/// executor of an initiation.
template <typename Executor>
class initiate_scope_join {
 public:
  using executor_type = Executor;

  explicit initiate_scope_join(std::shared_ptr<scope_state<Executor>> scope) noexcept
      : scope_(std::move(scope)) {}

  [[nodiscard]] executor_type get_executor() const noexcept { return scope_->get_executor(); }

  template <typename Handler>
  void operator()(Handler&& handler) const {
    auto* const join = store<scope_state<Executor>, deliver_scope_outcome>(
        std::forward<Handler>(handler), get_executor());
    if (scope_->is_block()) {
      join->failure = std::make_exception_ptr(std::logic_error(
          "asio_cancel_scope: the scope of a block is joined by leaving it: use a nested block"));
      return join->complete(scope_);
    }
    on_cancellation<forward_to_scope<Executor>>(*join, scope_);
    scope_->join(*join);
  }

 private:
  std::shared_ptr<scope_state<Executor>> scope_;
};

/// Starts waiting for a child.
template <typename Executor, typename T>
class initiate_child_join {
 public:
  using executor_type = Executor;

  explicit initiate_child_join(reference<outcome_record<Executor, T>> child) noexcept
      : child_(std::move(child)) {}

  [[nodiscard]] executor_type get_executor() const noexcept { return child_->get_executor(); }

  template <typename Handler>
  void operator()(Handler&& handler) const {
    auto* const join = store<record<Executor>, deliver_child_outcome<T>>(
        std::forward<Handler>(handler), get_executor());
    join->id = waiter<record<Executor>>::of_handle;
    on_cancellation<end_the_wait>(*join, *child_, *join);
    child_->scope->join(child_, *join);
  }

 private:
  /// What the slot of a child's join does: the wait ends, the child goes on.
  class end_the_wait {
   public:
    end_the_wait(record<Executor>& child, waiter<record<Executor>>& join) noexcept
        : way_(join, child, &join) {}

    void operator()(asio::cancellation_type type) const {
      if (strongest(type) == asio::cancellation_type::none) return;
      if (auto const scope = way_.scope()) scope->end_join(way_);
    }

   private:
    way<Executor> way_;
  };

  reference<outcome_record<Executor, T>> child_;
};

}  // namespace asio_cancel_scope::inline ASIO_CANCEL_SCOPE_BACKEND::detail
