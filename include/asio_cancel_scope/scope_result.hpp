// SPDX-License-Identifier: MIT
#pragma once

#include <asio_cancel_scope/cancel_cause.hpp>
#include <asio_cancel_scope/detail/access.hpp>
#include <asio_cancel_scope/shutdown_report.hpp>

#include <optional>
#include <utility>

namespace asio_cancel_scope::inline ASIO_CANCEL_SCOPE_BACKEND {

/// What leaving a scope tells, when it throws nothing: whether the scope was cancelled, and what
/// its body returned.
///
/// The two are independent, as in Trio: a body may have returned its value although the scope was
/// cancelled after that, or although it caught the cancellation.
template <typename T>
class scope_result {
 public:
  /// What the body returns.
  using value_type = T;

  /// A result that tells nothing, as Asio makes one where a coroutine ends with an exception.
  scope_result() noexcept = default;

  /// Whether a cancellation of the scope cut something short, the body or a child.
  [[nodiscard]] bool cancelled_caught() const noexcept { return cancelled_caught_; }

  /// Why the scope was cancelled; `cancel_cause::none` if it was not.
  [[nodiscard]] cancel_cause cause() const noexcept { return cause_; }

  /// Of the children that a `shutdown` of the scope found running: how many ended by themselves and
  /// how many were forced.
  [[nodiscard]] shutdown_report const& shutdown_counts() const noexcept { return shutdown_; }

  /// Whether the body ran to its end.
  [[nodiscard]] bool has_value() const noexcept { return value_.has_value(); }

  /// @{
  /// What the body returned.
  ///
  /// @throws system_error with `asio::error::operation_aborted` if the body was cut short.
  [[nodiscard]] T& value() & { return checked(), *value_; }
  [[nodiscard]] T const& value() const& { return checked(), *value_; }
  [[nodiscard]] T&& value() && { return checked(), *std::move(value_); }
  /// @}

  /// @{
  /// What the body returned.
  ///
  /// @pre `has_value()`
  [[nodiscard]] T& operator*() & noexcept { return *value_; }
  [[nodiscard]] T const& operator*() const& noexcept { return *value_; }
  [[nodiscard]] T&& operator*() && noexcept { return *std::move(value_); }
  [[nodiscard]] T* operator->() noexcept { return &*value_; }
  [[nodiscard]] T const* operator->() const noexcept { return &*value_; }
  /// @}

 private:
  friend detail::access;

  template <typename Leaving>
  scope_result(Leaving const& left, std::optional<T>&& value)
      : cancelled_caught_(left.cut_short),
        cause_(static_cast<cancel_cause>(left.why)),
        shutdown_(detail::access::make<shutdown_report>(left.shutdown)),
        value_(std::move(value)) {}

  void checked() const {
    if (!value_) throw detail::system_error(asio::error::operation_aborted, "scope_result::value");
  }

  bool cancelled_caught_ = false;
  cancel_cause cause_ = cancel_cause::none;
  shutdown_report shutdown_;
  std::optional<T> value_;
};

/// For a body that returns nothing: `has_value()` still tells whether it ran to its end.
template <>
class scope_result<void> {
 public:
  /// What the body returns.
  using value_type = void;

  /// A result that tells nothing, as Asio makes one where a coroutine ends with an exception.
  scope_result() noexcept = default;

  /// Whether a cancellation of the scope cut something short, the body or a child.
  [[nodiscard]] bool cancelled_caught() const noexcept { return cancelled_caught_; }

  /// Why the scope was cancelled; `cancel_cause::none` if it was not.
  [[nodiscard]] cancel_cause cause() const noexcept { return cause_; }

  /// Of the children that a `shutdown` of the scope found running: how many ended by themselves and
  /// how many were forced.
  [[nodiscard]] shutdown_report const& shutdown_counts() const noexcept { return shutdown_; }

  /// Whether the body ran to its end.
  [[nodiscard]] bool has_value() const noexcept { return has_value_; }

 private:
  friend detail::access;

  template <typename Leaving>
  scope_result(Leaving const& left, bool has_value) noexcept
      : cancelled_caught_(left.cut_short),
        cause_(static_cast<cancel_cause>(left.why)),
        shutdown_(detail::access::make<shutdown_report>(left.shutdown)),
        has_value_(has_value) {}

  bool cancelled_caught_ = false;
  cancel_cause cause_ = cancel_cause::none;
  shutdown_report shutdown_;
  bool has_value_ = false;
};

}  // namespace asio_cancel_scope::inline ASIO_CANCEL_SCOPE_BACKEND
