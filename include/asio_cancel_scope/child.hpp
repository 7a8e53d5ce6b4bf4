// SPDX-License-Identifier: MIT
#pragma once

#include <asio_cancel_scope/detail/access.hpp>
#include <asio_cancel_scope/detail/completion_token.hpp>
#include <asio_cancel_scope/detail/join.hpp>
#include <asio_cancel_scope/detail/outcome_record.hpp>
#include <asio_cancel_scope/detail/reference.hpp>

#include <stdexcept>
#include <string>
#include <utility>

namespace asio_cancel_scope::inline ASIO_CANCEL_SCOPE_BACKEND {

/// A handle on a child of a scope: tells when it is done, cancels it alone, gives its value.
///
/// The handle does not own the child: when it is dropped the child goes on, and its scope waits for
/// it. Joining a child takes nothing from the scope: an error of the child still fails the scope.
///
/// `child<T>` is the handle of an `awaitable<T>`; @p Executor is the executor of the scope.
///
/// @par Object Lifetimes
/// Movable, not copyable. It may outlive its scope, but, like an I/O object, not the context. A
/// handle that has been moved from may only be destroyed or assigned to.
///
/// @par Thread Safety
/// @e Distinct @e objects: Safe.@n
/// @e Shared @e objects: Safe, except assigning to the handle, moving from it and destroying it. Of
/// several that take the value, by `get()` or `async_join`, one gets it.
template <typename T, typename Executor = asio::any_io_executor>
class child {
 public:
  /// What the child returns.
  using value_type = T;
  /// The type of the executor.
  using executor_type = Executor;

  /// The handle of another executor type, as Asio's tokens look for it.
  template <typename E>
  struct rebind_executor {
    /// The handle of a child in a scope of the executor type `E`.
    using other = child<T, E>;
  };

  /// Takes the handle over.
  child(child&&) noexcept = default;
  /// Drops the handle and takes another over.
  child& operator=(child&&) noexcept = default;
  /// Drops the handle; the child goes on.
  ~child() = default;

  /// The executor that the child runs on.
  [[nodiscard]] executor_type get_executor() const noexcept { return record_->get_executor(); }

  /// The name given with `child_options::name`.
  [[nodiscard]] std::string const& name() const noexcept { return record_->name(); }

  /// Whether the child has ended, and its frame, its callable and the captures are destroyed. Once
  /// true it stays so, and what the child did happens before.
  [[nodiscard]] bool done() const noexcept { return record_->is_done(); }

  /// Asks this child alone to end. The scope is not cancelled, and does not fail by the
  /// `operation_aborted` that the child ends with.
  ///
  /// A child that has not started never will. Of the types in @p type the strongest counts; a child
  /// is never sent a type weaker than one that it has been sent. A default child reacts to
  /// `cancellation_type::terminal` only, like every coroutine of Asio. On a child that is done this
  /// does nothing.
  ///
  /// The signal is emitted on the child's executor: at once if this is called there, else posted.
  ///
  /// @throws std::bad_alloc if there is no memory to post with; it may be called again.
  void cancel(asio::cancellation_type type = asio::cancellation_type::terminal) {
    record_->request(type);
  }

  /// Waits for the child.
  ///
  /// @param token  Completion token; default: that of the executor where it names one, else
  ///   `use_awaitable_t<Executor>`.
  ///
  /// @par Completion Signature
  /// @code void(std::exception_ptr, T) @endcode
  /// or `void(std::exception_ptr)` for a `child<void>`. The exception is what the child ended with,
  /// `operation_aborted` for a child that never started, null for a value. The value is moved out:
  /// a second taker gets `std::logic_error`. @p T must be default constructible, as Asio's
  /// signature makes one where there is an exception; `get()` does not need that.
  ///
  /// @par Executor
  /// The handler runs on its associated executor, by default that of the child; never from inside
  /// this function.
  ///
  /// @par Per-Operation Cancellation
  /// @li `terminal`, `partial`, `total`: the wait ends with `operation_aborted`. The child goes on.
  ///
  /// @par Object Lifetimes
  /// The handle may be destroyed while the wait goes on.
  template <typename CompletionToken = detail::default_token_t<Executor>>
  auto async_join(CompletionToken&& token = CompletionToken()) {
    return asio::async_initiate<CompletionToken, typename detail::completion_signature<T>::type>(
        detail::initiate_child_join<Executor, T>(record_), token);
  }

  /// The child's value, moved out; void for a `child<void>`.
  ///
  /// @throws std::logic_error if it is not done, or if the value has been taken; else what the
  ///   child ended with.
  T get() {
    if (!done()) throw std::logic_error("asio_cancel_scope: child::get() before the child is done");
    return record_->take();
  }

 private:
  friend detail::access;

  explicit child(detail::reference<detail::outcome_record<Executor, T>> record) noexcept
      : record_(std::move(record)) {}

  detail::reference<detail::outcome_record<Executor, T>> record_;  // null when moved from
};

}  // namespace asio_cancel_scope::inline ASIO_CANCEL_SCOPE_BACKEND
