// SPDX-License-Identifier: MIT
#pragma once

#include <asio_cancel_scope/detail/asio.hpp>

#include <concepts>
#include <functional>
#include <type_traits>

namespace asio_cancel_scope::inline ASIO_CANCEL_SCOPE_BACKEND::detail {

template <typename T>
struct awaitable_traits : std::false_type {};

template <typename T, typename Executor>
struct awaitable_traits<asio::awaitable<T, Executor>> : std::true_type {
  using value_type = T;
  using executor_type = Executor;
};

template <typename T>
concept awaitable = awaitable_traits<std::remove_cvref_t<T>>::value;

// By specialisation and not by constraints, of which GCC 12 finds some to depend on themselves when
// lambdas are involved.
template <typename Enable, typename C, typename... Args>
struct called {
  using type = void;
};

template <typename C, typename... Args>
struct called<std::void_t<std::invoke_result_t<C&, Args...>>, C, Args...> {
  using type = std::invoke_result_t<C&, Args...>;
};

/// The awaitable that `C` is, or that it returns when called with `Args`. If neither, what it
/// returns, or void.
template <typename C, typename... Args>
struct awaitable_of : std::conditional_t<awaitable_traits<C>::value, std::type_identity<C>,
                                         called<void, C, Args...>> {};

/// What `spawn` needs to know of what it is given.
template <typename C, typename Executor>
struct child_traits {
  using awaitable_type = typename awaitable_of<C>::type;
  static_assert(
      awaitable<awaitable_type>,
      "asio_cancel_scope: spawn takes an awaitable, or a callable without parameters that "
      "returns an awaitable");
  using value_type = typename awaitable_traits<awaitable_type>::value_type;
  static_assert(
      std::is_convertible_v<Executor, typename awaitable_traits<awaitable_type>::executor_type>,
      "asio_cancel_scope: the scope's executor does not fit the executor of this awaitable");
};

/// What a child of `C` returns. Void for what cannot be spawned: overload resolution may ask for it
/// before it finds out that it does not want it.
template <typename Awaitable>
struct awaited_value {
  using type = void;
};

template <typename T, typename Executor>
struct awaited_value<asio::awaitable<T, Executor>> {
  using type = T;
};

template <typename C>
using child_value_t = typename awaited_value<typename awaitable_of<C>::type>::type;

// The executor that a body names in its parameter, `cancel_scope<Executor>&`; void for a generic
// lambda and everything else that does not name one.
template <typename Parameter>
struct named_executor {
  using type = void;
};

template <template <typename> typename Scope, typename Executor>
struct named_executor<Scope<Executor>&> {
  using type = Executor;
};

template <typename Callable>
struct first_parameter {
  using type = void;
};

template <typename R, typename P>
struct first_parameter<R (*)(P)> {
  using type = P;
};

template <typename R, typename P>
struct first_parameter<R (*)(P) noexcept> {
  using type = P;
};

template <typename R, typename F, typename P>
struct first_parameter<R (F::*)(P)> {
  using type = P;
};

template <typename R, typename F, typename P>
struct first_parameter<R (F::*)(P) const> {
  using type = P;
};

template <typename R, typename F, typename P>
struct first_parameter<R (F::*)(P) noexcept> {
  using type = P;
};

template <typename R, typename F, typename P>
struct first_parameter<R (F::*)(P) const noexcept> {
  using type = P;
};

template <typename R, typename F, typename P>
struct first_parameter<R (F::*)(P)&> {
  using type = P;
};

template <typename R, typename F, typename P>
struct first_parameter<R (F::*)(P) const&> {
  using type = P;
};

template <typename R, typename F, typename P>
struct first_parameter<R (F::*)(P)& noexcept> {
  using type = P;
};

template <typename R, typename F, typename P>
struct first_parameter<R (F::*)(P) const& noexcept> {
  using type = P;
};

template <typename Body>
struct body_parameter : first_parameter<Body> {};

template <typename Body>
  requires requires {
    &Body::operator();
  }
struct body_parameter<Body> : first_parameter<decltype(&Body::operator())> {};

template <typename Body>
struct body_parameter<std::reference_wrapper<Body>> : body_parameter<std::remove_const_t<Body>> {};

/// Stands for "not given" where an executor is an explicit template argument.
struct deduced;

/// The executor of the scope that a body gets: as given, else as the body names it, else
/// any_io_executor.
template <typename Executor, typename Body>
struct body_executor {
  using type = Executor;
};

template <typename Body>
struct body_executor<deduced, Body> {
  using named = typename named_executor<typename body_parameter<std::decay_t<Body>>::type>::type;
  using type = std::conditional_t<std::is_void_v<named>, asio::any_io_executor, named>;
};

/// What a public function needs to know of the body that it is given.
template <typename Executor, typename Body, typename Scope>
struct body_traits {
  static_assert(
      std::invocable<std::decay_t<Body>&, Scope&>,
      "asio_cancel_scope: the body must be callable with a cancel_scope of this executor, "
      "taken by reference");
  using awaitable_type = typename awaitable_of<std::decay_t<Body>, Scope&>::type;
  static_assert(awaitable<awaitable_type>,
                "asio_cancel_scope: the body must return an awaitable: write its return type");
  using value_type = typename awaitable_traits<awaitable_type>::value_type;
  static_assert(
      std::is_convertible_v<Executor, typename awaitable_traits<awaitable_type>::executor_type>,
      "asio_cancel_scope: the scope's executor does not fit the executor of the awaitable that the "
      "body returns");
};

}  // namespace asio_cancel_scope::inline ASIO_CANCEL_SCOPE_BACKEND::detail
