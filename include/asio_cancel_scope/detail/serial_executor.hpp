// SPDX-License-Identifier: MIT
#pragma once

#include <asio_cancel_scope/detail/asio.hpp>

#include <concepts>
#include <optional>
#include <type_traits>
#include <typeinfo>

namespace asio_cancel_scope::inline ASIO_CANCEL_SCOPE_BACKEND::detail {

/// Whether `T` is something that `asio::post` takes first.
template <typename T>
concept executor = asio::is_executor<T>::value || asio::execution::is_executor<T>::value;

template <typename T>
concept execution_context = std::convertible_to<T&, asio::execution_context&>;

/// An executor type whose handlers run in parallel with each other, also with a default token:
/// nothing of one coroutine may run on it without a strand.
template <typename T>
concept parallel_executor = std::derived_from<T, asio::thread_pool::executor_type> ||
    std::derived_from<T, asio::system_executor>;

template <typename T>
concept erased_executor = requires(T const& ex) {
  { ex.target_type() } -> std::convertible_to<std::type_info const&>;
  ex.template target<asio::thread_pool::executor_type>();
};

/// A strand on the parallel executor that `ex` wraps; nothing if it wraps another.
template <typename Executor>
[[nodiscard]] std::optional<Executor> own_strand(Executor const& ex) {
  if constexpr (erased_executor<Executor>) {
    auto const strand_on = [&]<typename Target>(std::type_identity<Target>) {
      // target() does not check the type on every version of Asio.
      return ex.target_type() == typeid(Target)
                 ? std::optional<Executor>(asio::make_strand(*ex.template target<Target>()))
                 : std::nullopt;
    };
    auto strand = strand_on(std::type_identity<asio::thread_pool::executor_type>{});
    return strand ? strand : strand_on(std::type_identity<asio::system_executor>{});
  } else {
    return std::nullopt;
  }
}

/// An executor on which handlers do not run in parallel: `E`, or a strand on it.
template <typename E>
struct serial {
  using type = E;
  [[nodiscard]] static type on(E const& ex) { return own_strand(ex).value_or(ex); }
};

template <parallel_executor E>
struct serial<E> {
  using type = asio::strand<E>;
  [[nodiscard]] static type on(E const& ex) { return asio::make_strand(ex); }
};

template <typename E>
inline constexpr bool is_strand = false;
template <typename E>
inline constexpr bool is_strand<asio::strand<E>> = true;

/// Whether `its` is the system's: asked only of what does not say it by its type, for to look
/// starts the system's threads.
template <typename Context>
[[nodiscard]] bool is_system(Context& its) {
  if constexpr (std::same_as<Context, asio::execution_context>) {
    asio::execution_context& of_system =
        asio::query(asio::system_executor(), asio::execution::context);
    return &its == &of_system;
  } else {
    return std::same_as<Context, asio::system_context>;
  }
}

/// Whether an executor that is not the system's runs things on the system's threads, or wherever
/// they are, as that of use_future's handlers: it could not keep a cancellation out of a
/// completion, nor what is left to do afterwards from running beside the end of the context.
template <typename E>
[[nodiscard]] bool is_nowhere(E const& ex) {
  if constexpr (parallel_executor<E> || is_strand<E> || erased_executor<E>)
    return false;
  else if constexpr (asio::can_query<E const&, asio::execution::context_t>::value)
    return is_system(asio::query(ex, asio::execution::context));
  else if constexpr (requires { is_system(ex.context()); })
    return is_system(ex.context());
  else
    return false;
}

}  // namespace asio_cancel_scope::inline ASIO_CANCEL_SCOPE_BACKEND::detail
