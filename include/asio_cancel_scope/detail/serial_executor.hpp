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

/// An executor type whose handlers run in parallel with each other: nothing of one coroutine may
/// run on it without a strand.
template <typename T>
concept parallel_executor =
    std::same_as<T, asio::thread_pool::executor_type> || std::same_as<T, asio::system_executor>;

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

}  // namespace asio_cancel_scope::inline ASIO_CANCEL_SCOPE_BACKEND::detail
