// SPDX-License-Identifier: MIT
#pragma once

#include <asio_cancel_scope/cancel_scope.hpp>
#include <asio_cancel_scope/child.hpp>
#include <asio_cancel_scope/detail/access.hpp>
#include <asio_cancel_scope/detail/arrivals.hpp>
#include <asio_cancel_scope/detail/completion_token.hpp>

#include <cstddef>
#include <exception>
#include <memory>
#include <optional>
#include <utility>

namespace asio_cancel_scope::inline ASIO_CANCEL_SCOPE_BACKEND {

/// Gives handles of children back in the order in which the children end, while others run and are
/// added. As AnyIO's `as_completed`, and `join_next` of tokio's JoinSet.
///
/// It only watches: its children belong to their scope, and an error of one of them fails the scope
/// as it does without a queue. To go on when a child fails, let the scope keep running
/// (`on_child_error::keep_running` with an `on_suppressed`): then the error comes out of `get()` of
/// the handle. When the queue is destroyed the children that are left go on.
///
/// @tparam T  What the children return. Their executor is that of the scope.
///
/// @par Object Lifetimes
/// May outlive its scope, but, like an I/O object, not the context.
///
/// @par Thread Safety
/// @e Distinct @e objects: Safe.@n
/// @e Shared @e objects: Safe, except construction and destruction.
///
/// @par Example
/// @snippet examples/19_as_completed.cpp as_completed
template <typename T, typename Executor = asio::any_io_executor>
class child_queue {
 public:
  /// What is added and given back.
  using value_type = child<T, Executor>;
  /// The type of the executor.
  using executor_type = Executor;

  /// The queue of another executor type, as Asio's tokens look for it.
  template <typename E>
  struct rebind_executor {
    /// The queue of children in a scope of the executor type `E`.
    using other = child_queue<T, E>;
  };

  /// Makes an empty queue for children of `scope`.
  explicit child_queue(cancel_scope<Executor> const& scope)
      : arrivals_(std::make_shared<arrivals_type>(scope.get_executor())) {}

  child_queue(child_queue const&) = delete;
  child_queue& operator=(child_queue const&) = delete;

  /// The executor of the scope.
  [[nodiscard]] executor_type get_executor() const noexcept { return arrivals_->get_executor(); }

  /// Adds a child; also one that is done.
  ///
  /// @throws std::bad_alloc. Then @p added is as it was.
  void add(child<T, Executor>&& added) {
    arrivals_->expect(detail::access::record(added));
    [[maybe_unused]] auto const taken = std::move(added);
  }

  /// How many children have been added and not been given back.
  [[nodiscard]] std::size_t size() const noexcept { return arrivals_->size(); }

  /// Waits until a child is done that has not been given back.
  ///
  /// One at a time: a second wait gets `std::logic_error`.
  ///
  /// @param token  Completion token; default: that of the executor where it names one, else
  ///   `use_awaitable_t<Executor>`.
  ///
  /// @par Completion Signature
  /// @code void(std::exception_ptr, std::optional<child<T, Executor>>) @endcode
  /// The handle, which is done, whatever the child ended with; nothing if no child is left in the
  /// queue.
  ///
  /// @par Executor
  /// The handler runs on its associated executor, by default that of the scope; never from inside
  /// this function.
  ///
  /// @par Per-Operation Cancellation
  /// @li `terminal`, `partial`, `total`: the wait ends with `operation_aborted`. The children
  ///   go on, and none is lost: what ends meanwhile is given to the next wait.
  ///
  /// @par Object Lifetimes
  /// The queue may be destroyed while the wait goes on.
  template <typename CompletionToken = detail::default_token_t<Executor>>
  auto async_next(CompletionToken&& token = CompletionToken()) {
    return asio::async_initiate<CompletionToken,
                                void(std::exception_ptr, std::optional<value_type>)>(
        detail::initiate_next<Executor, T, value_type>(arrivals_), token);
  }

 private:
  using arrivals_type = detail::arrivals<Executor, T>;

  std::shared_ptr<arrivals_type> const arrivals_;
};

}  // namespace asio_cancel_scope::inline ASIO_CANCEL_SCOPE_BACKEND
