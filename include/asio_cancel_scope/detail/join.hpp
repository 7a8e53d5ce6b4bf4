// SPDX-License-Identifier: MIT
#pragma once

#include <asio_cancel_scope/detail/asio.hpp>
#include <asio_cancel_scope/detail/cancellation_type.hpp>
#include <asio_cancel_scope/detail/errors.hpp>
#include <asio_cancel_scope/detail/keep_running.hpp>
#include <asio_cancel_scope/detail/outcome_record.hpp>
#include <asio_cancel_scope/detail/record.hpp>
#include <asio_cancel_scope/detail/reference.hpp>
#include <asio_cancel_scope/detail/scope_state.hpp>
#include <asio_cancel_scope/detail/slot_forwarding.hpp>
#include <asio_cancel_scope/detail/slot_link.hpp>
#include <asio_cancel_scope/detail/waiter.hpp>

#include <exception>
#include <memory>
#include <optional>
#include <stdexcept>
#include <type_traits>
#include <utility>

namespace asio_cancel_scope::inline ASIO_CANCEL_SCOPE_BACKEND::detail {

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

/// Retires a child when its token's handler has returned, which may be on any context.
template <typename Executor>
class retire_at_exit {
 public:
  explicit retire_at_exit(reference<record<Executor>> child) noexcept
      : running_(child->scope->keep_context()), child_(std::move(child)) {}
  retire_at_exit(retire_at_exit const&) = delete;
  retire_at_exit& operator=(retire_at_exit const&) = delete;
  ~retire_at_exit() { child_->scope->retire(*child_); }

 private:
  keep_running<Executor> running_;  // first, so that it goes last
  reference<record<Executor>> child_;
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
      join->failure = error<std::logic_error>(
          "asio_cancel_scope: the scope of a block is joined by leaving it: use a nested block");
      return join->complete(scope_);
    }
    on_cancellation<forward_to_scope<Executor>>(*join, scope_);
    scope_->join(*join, join->runs_on(get_executor()));
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
        : link_(join, child, &join) {}

    void operator()(asio::cancellation_type type) const {
      if (strongest(type) == asio::cancellation_type::none) return;
      if (auto const scope = link_.scope()) scope->end_join(link_);
    }

   private:
    slot_link<Executor> link_;
  };

  reference<outcome_record<Executor, T>> child_;
};

}  // namespace asio_cancel_scope::inline ASIO_CANCEL_SCOPE_BACKEND::detail
