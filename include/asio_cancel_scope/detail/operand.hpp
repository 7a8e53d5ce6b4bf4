// SPDX-License-Identifier: MIT
#pragma once

#include <asio_cancel_scope/detail/asio.hpp>
#include <asio_cancel_scope/detail/awaitable_traits.hpp>

#include <concepts>
#include <type_traits>
#include <utility>

namespace asio_cancel_scope::inline ASIO_CANCEL_SCOPE_BACKEND::detail {

// What `fail_after` and the like run may be given as an awaitable, as a callable without parameters
// that returns one, or as a body that takes the scope. Each becomes a body.

/// An awaitable as a body.
template <typename Awaitable>
class awaitable_body {
 public:
  explicit awaitable_body(Awaitable a) : awaitable_(std::move(a)) {}

  template <typename Scope>
  Awaitable operator()(Scope&) {
    return std::move(awaitable_);
  }

 private:
  Awaitable awaitable_;
};

/// A callable without parameters as a body.
template <typename F>
class plain_body {
 public:
  template <typename G>
    requires(!std::same_as<std::remove_cvref_t<G>, plain_body>)
  explicit plain_body(G&& f) : f_(std::forward<G>(f)) {}

  template <typename Scope>
  std::invoke_result_t<F&> operator()(Scope&) {
    return f_();
  }

 private:
  F f_;
};

template <typename X>
struct operand {
  using body_type = std::decay_t<X>;
  using executor_type = typename body_executor<deduced, X>::type;
};

template <awaitable X>
struct operand<X> {
  static_assert(!std::is_lvalue_reference_v<X>,
                "asio_cancel_scope: an awaitable is awaited once: move it in");
  using body_type = awaitable_body<std::remove_cvref_t<X>>;
  using executor_type = typename awaitable_traits<std::remove_cvref_t<X>>::executor_type;
};

template <typename X>
  requires(!awaitable<X>)
&&std::invocable<std::decay_t<X>&> struct operand<X> {
  using awaitable_type = std::invoke_result_t<std::decay_t<X>&>;
  static_assert(
      awaitable<awaitable_type>,
      "asio_cancel_scope: what is run must be an awaitable, or a callable that returns one");
  using body_type = plain_body<std::decay_t<X>>;
  using executor_type = typename awaitable_traits<awaitable_type>::executor_type;
};

}  // namespace asio_cancel_scope::inline ASIO_CANCEL_SCOPE_BACKEND::detail
