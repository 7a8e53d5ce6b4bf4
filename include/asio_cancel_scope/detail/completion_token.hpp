// SPDX-License-Identifier: MIT
#pragma once

#include <asio_cancel_scope/detail/asio.hpp>

#include <exception>
#include <type_traits>

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

}  // namespace asio_cancel_scope::inline ASIO_CANCEL_SCOPE_BACKEND::detail
