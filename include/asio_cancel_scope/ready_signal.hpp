// SPDX-License-Identifier: MIT
#pragma once

#include <asio_cancel_scope/detail/access.hpp>
#include <asio_cancel_scope/detail/start_record.hpp>

#include <memory>
#include <utility>

namespace asio_cancel_scope::inline ASIO_CANCEL_SCOPE_BACKEND {

/// What a child that was started with `cancel_scope::async_start` calls, with a `V`, when it is
/// ready: who waits for it goes on, and the child goes on in the scope. As Trio's `task_status`.
///
/// Copies stand for the same child. To be called by the child, at any point, the first included.
///
/// @par Object Lifetimes
/// May outlive the child, its scope and its context, and then throws when it is called.
///
/// @par Thread Safety
/// @e Distinct @e objects: Safe, unless they stand for the same child.@n
/// @e Shared @e objects: Unsafe. To be called by the child only.
///
/// @par Example
/// @snippet examples/15_ready_server.cpp server
template <typename V = void>
class ready_signal {
 public:
  /// Tells the waiter that the child is ready.
  ///
  /// @throws std::logic_error if the child has said so before, or has ended.
  void operator()(V value) const { detail::say_ready(start_.lock(), std::move(value)); }

 private:
  friend detail::access;

  explicit ready_signal(std::weak_ptr<detail::readiness<V>> start) noexcept
      : start_(std::move(start)) {}

  std::weak_ptr<detail::readiness<V>> start_;
};

/// For a child that is ready with nothing.
template <>
class ready_signal<void> {
 public:
  /// Tells the waiter that the child is ready.
  ///
  /// @throws std::logic_error if the child has said so before, or has ended.
  void operator()() const { detail::say_ready(start_.lock(), detail::nothing_said()); }

 private:
  friend detail::access;

  explicit ready_signal(std::weak_ptr<detail::readiness<void>> start) noexcept
      : start_(std::move(start)) {}

  std::weak_ptr<detail::readiness<void>> start_;
};

}  // namespace asio_cancel_scope::inline ASIO_CANCEL_SCOPE_BACKEND
