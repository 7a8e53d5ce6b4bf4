// SPDX-License-Identifier: MIT
#pragma once

#include <asio_cancel_scope/detail/access.hpp>
#include <asio_cancel_scope/detail/deadline.hpp>
#include <asio_cancel_scope/detail/settings.hpp>
#include <asio_cancel_scope/on_child_error.hpp>

#include <chrono>
#include <cstddef>
#include <exception>
#include <functional>
#include <stdexcept>
#include <string>
#include <utility>

namespace asio_cancel_scope::inline ASIO_CANCEL_SCOPE_BACKEND {

/// Options of a scope, set by chaining: `scope_options().name("sessions").max_children(100)`.
///
/// A class and not an aggregate, because GCC up to 12 destroys a braced aggregate twice that is
/// written inside a `co_await` expression.
class scope_options {
 public:
  /// The defaults.
  scope_options() noexcept {}

  /// What an error of a child does to its siblings. Default: `on_child_error::cancel_scope`.
  scope_options& policy(on_child_error policy) & noexcept {
    settings_.cancel_on_child_error = policy == on_child_error::cancel_scope;
    return *this;
  }

  /// Gets the errors that leaving the scope does not throw: those after the first, under
  /// `on_child_error::keep_running` every error of a child, and in the object form one that no join
  /// takes.
  ///
  /// Called at once when such an error comes, on the failing child's executor, so perhaps from
  /// several threads at a time, and under no lock. Must not throw: that ends the program. Default:
  /// they are dropped.
  scope_options& on_suppressed(std::function<void(std::exception_ptr)> observer) & {
    settings_.on_suppressed = std::move(observer);
    return *this;
  }

  /// How many children may be in the scope at a time: all that have been spawned and have not
  /// ended, started or not, those with tokens, services and tracked operations included, not the
  /// body. On a full scope `spawn`, unless the scope has been cancelled, and `track` throw
  /// `std::length_error`, `try_spawn` says no, `async_spawn` and `async_start` wait in the order in
  /// which they came. Default: no limit.
  ///
  /// @throws std::invalid_argument if @p limit is 0.
  scope_options& max_children(std::size_t limit) & {
    if (limit == 0) throw std::invalid_argument("asio_cancel_scope: max_children(0)");
    settings_.max_children = limit;
    return *this;
  }

  /// A name for diagnostics, as `cancel_scope::name()` tells it. Default: empty.
  scope_options& name(std::string name) & {
    settings_.name = std::move(name);
    return *this;
  }

  /// Sets a deadline, as `cancel_scope::cancel_at`. Default: none.
  scope_options& deadline_at(std::chrono::steady_clock::time_point at) & noexcept {
    settings_.deadline_at = at;
    settings_.deadline_after.reset();
    return *this;
  }

  /// Sets a deadline, as `cancel_scope::cancel_after`, that counts from when the scope is entered:
  /// a block when it is awaited, an object when it is constructed.
  template <typename Rep, typename Period>
  scope_options& deadline_after(std::chrono::duration<Rep, Period> d) & {
    settings_.deadline_after = detail::saturated(d);
    settings_.deadline_at.reset();
    return *this;
  }

  /// @{
  /// The same on a temporary, so that options can be written where they are passed.
  scope_options&& policy(on_child_error p) && noexcept { return std::move(policy(p)); }
  scope_options&& on_suppressed(std::function<void(std::exception_ptr)> observer) && {
    return std::move(on_suppressed(std::move(observer)));
  }
  scope_options&& max_children(std::size_t limit) && { return std::move(max_children(limit)); }
  scope_options&& name(std::string n) && { return std::move(name(std::move(n))); }
  scope_options&& deadline_at(std::chrono::steady_clock::time_point at) && noexcept {
    return std::move(deadline_at(at));
  }
  template <typename Rep, typename Period>
  scope_options&& deadline_after(std::chrono::duration<Rep, Period> d) && {
    return std::move(deadline_after(d));
  }
  /// @}

 private:
  friend detail::access;

  detail::scope_settings settings_;
};

}  // namespace asio_cancel_scope::inline ASIO_CANCEL_SCOPE_BACKEND
