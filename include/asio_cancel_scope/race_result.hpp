// SPDX-License-Identifier: MIT
#pragma once

#include <asio_cancel_scope/detail/access.hpp>
#include <asio_cancel_scope/detail/asio.hpp>

#include <cstddef>
#include <optional>
#include <stdexcept>
#include <type_traits>
#include <utility>
#include <variant>

namespace asio_cancel_scope::inline ASIO_CANCEL_SCOPE_BACKEND {

/// What a race of the elements of a range tells: who was first, and with what. Nobody, if the range
/// was empty.
template <typename T>
class race_result {
 public:
  /// What the elements return.
  using value_type = T;
  /// `T&`, or void.
  using reference = std::add_lvalue_reference_t<T>;
  /// `T const&`, or void.
  using const_reference = std::add_lvalue_reference_t<T const>;

  /// A result without a winner.
  race_result() = default;

  /// @{
  /// Whether there was somebody to win.
  [[nodiscard]] bool has_value() const noexcept { return value_.has_value(); }
  [[nodiscard]] explicit operator bool() const noexcept { return has_value(); }
  /// @}

  /// The winner's place in the range.
  ///
  /// @throws std::logic_error if there is none.
  [[nodiscard]] std::size_t index() const { return expect_winner(), index_; }

  /// @{
  /// The winner's value. Not for void.
  ///
  /// @throws std::logic_error if there is none.
  [[nodiscard]] reference value() & { return expect_winner(), *value_; }
  [[nodiscard]] const_reference value() const& { return expect_winner(), *value_; }
  [[nodiscard]] std::add_rvalue_reference_t<T> value() && {
    return expect_winner(), *std::move(value_);
  }
  /// @}

  /// @{
  /// The winner's value. Not for void.
  ///
  /// @pre `has_value()`
  [[nodiscard]] reference operator*() & noexcept { return *value_; }
  [[nodiscard]] const_reference operator*() const& noexcept { return *value_; }
  [[nodiscard]] std::add_rvalue_reference_t<T> operator*() && noexcept {
    return *std::move(value_);
  }
  [[nodiscard]] std::add_pointer_t<T> operator->() noexcept { return &*value_; }
  [[nodiscard]] std::add_pointer_t<T const> operator->() const noexcept { return &*value_; }
  /// @}

 private:
  friend detail::access;

  template <typename U>
  race_result(std::size_t index, U&& value) : index_(index) {
    value_.emplace(std::forward<U>(value));
  }

  void expect_winner() const {
    if (!has_value()) throw std::logic_error("asio_cancel_scope: a race of nobody has no winner");
  }

  std::size_t index_ = 0;
  std::optional<std::conditional_t<std::is_void_v<T>, std::monostate, T>> value_;
};

}  // namespace asio_cancel_scope::inline ASIO_CANCEL_SCOPE_BACKEND
