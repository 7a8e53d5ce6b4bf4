// SPDX-License-Identifier: MIT
#pragma once

#include <asio_cancel_scope/detail/access.hpp>
#include <asio_cancel_scope/detail/asio.hpp>
#include <asio_cancel_scope/detail/awaitable_traits.hpp>
#include <asio_cancel_scope/detail/serial_executor.hpp>
#include <asio_cancel_scope/detail/settings.hpp>

#include <concepts>
#include <optional>
#include <stdexcept>
#include <type_traits>
#include <typeinfo>

namespace asio_cancel_scope::inline ASIO_CANCEL_SCOPE_BACKEND::detail {

/// Options of a child, seen from inside.
template <typename T>
concept child_settings_holder = requires(T& options) {
  { access::settings(options) } -> std::convertible_to<child_settings const&>;
};

/// What may stand first in a call of spawn to say where the child runs.
template <typename T>
concept placement =
    executor<std::remove_cvref_t<T>> || execution_context<std::remove_reference_t<T>> ||
    child_settings_holder<std::remove_reference_t<T>>;

/// What an executor is that only adds a default token to another, as `as_default_on` makes it: that
/// other.
template <typename Executor>
struct without_default_token {
  using type = Executor;
};

template <template <typename> typename WithDefault, typename Inner>
  requires std::derived_from<WithDefault<Inner>, Inner>
struct without_default_token<WithDefault<Inner>> {
  using type = Inner;
};

/// The executor that `ex` holds, if it is a `Target`.
template <typename Target>
[[nodiscard]] Target const* held_by(asio::any_io_executor const& ex) noexcept {
  // target() does not check the type on every version of Asio.
  return ex.target_type() == typeid(Target) ? ex.template target<Target>() : nullptr;
}

template <typename Executor, typename From>
[[nodiscard]] Executor executor_from(From const& ex) {
  static_assert(
      std::is_convertible_v<From, Executor>,
      "asio_cancel_scope: the child's executor does not fit the executor type of the scope");
  return Executor(ex);
}

/// The executor that `where` stands for, as the scope's executor type; nothing if it names none.
template <typename Executor, typename Where>
[[nodiscard]] std::optional<Executor> executor_of(Where& where) {
  if constexpr (executor<std::remove_const_t<Where>>) {
    return executor_from<Executor>(where);
  } else if constexpr (execution_context<Where>) {
    return executor_from<Executor>(where.get_executor());
  } else {
    auto const& ex = access::settings(where).executor;
    if (!ex) return std::nullopt;
    if constexpr (std::is_convertible_v<asio::any_io_executor, Executor>) {
      return Executor(*ex);
    } else {
      using plain = typename without_default_token<Executor>::type;
      if (auto const* const held = held_by<Executor>(*ex)) return *held;
      if (auto const* const held = held_by<plain>(*ex)) return Executor(*held);
      throw std::invalid_argument(
          "asio_cancel_scope: the executor in child_options is not of the scope's executor type");
    }
  }
}

/// What `where` says of the child, besides its executor.
template <typename Where>
[[nodiscard]] child_settings settings_of(Where& where) {
  if constexpr (child_settings_holder<Where>)
    return access::settings(where);
  else
    return {};
}

}  // namespace asio_cancel_scope::inline ASIO_CANCEL_SCOPE_BACKEND::detail
