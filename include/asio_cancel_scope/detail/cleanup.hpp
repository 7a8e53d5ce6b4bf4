// SPDX-License-Identifier: MIT
#pragma once

#include <asio_cancel_scope/detail/asio.hpp>
#include <asio_cancel_scope/detail/cancellation_error.hpp>
#include <asio_cancel_scope/detail/co_await_temporaries.hpp>
#include <asio_cancel_scope/detail/errors.hpp>
#include <asio_cancel_scope/detail/operand.hpp>
#include <asio_cancel_scope/detail/record.hpp>
#include <asio_cancel_scope/detail/run_block.hpp>
#include <asio_cancel_scope/detail/settings.hpp>

#include <concepts>
#include <exception>
#include <functional>
#include <optional>
#include <type_traits>
#include <utility>

namespace asio_cancel_scope::inline ASIO_CANCEL_SCOPE_BACKEND::detail {

/// A cleanup as a body: it may want to see what the work has ended with.
template <typename Cleanup>
class cleanup_body {
  static constexpr bool is_told = std::invocable<Cleanup&, std::exception_ptr>;
  using awaitable_type =
      typename std::conditional_t<is_told, std::invoke_result<Cleanup&, std::exception_ptr>,
                                  std::invoke_result<Cleanup&>>::type;

 public:
  cleanup_body(Cleanup cleanup, std::exception_ptr failure)
      : cleanup_(std::move(cleanup)), failure_(std::move(failure)) {}

  template <typename Scope>
  awaitable_type operator()(Scope&) {
    if constexpr (is_told)
      return cleanup_(std::move(failure_));
    else
      return cleanup_();
  }

 private:
  Cleanup cleanup_;
  std::exception_ptr failure_;  // here, because the cleanup may take it by reference
};

/// A block that gives the body's value, if there is one: without an error it is missing if the body
/// was cut short by a cancellation of its own scope.
template <typename Executor, typename Body, template <typename> typename Scope>
struct work_block : block_kind<Executor, Body, Scope> {
  using base = block_kind<Executor, Body, Scope>;
  using result_type =
      decltype(std::declval<typename base::state_type&>().body().take_if_returned());
  using awaitable_type = asio::awaitable<result_type, Executor>;

  static result_type leave(typename base::state_type& state, typename base::leaving const&) {
    return state.body().take_if_returned();
  }
};

template <typename X, typename Cleanup, template <typename> typename Scope>
struct cleanup_types {
  static_assert(std::invocable<Cleanup&> || std::invocable<Cleanup&, std::exception_ptr>,
                "asio_cancel_scope: a cleanup is a callable without parameters, or with one "
                "std::exception_ptr, that returns an awaitable");
  using executor_type = typename operand<X>::executor_type;
  using work_body = typename operand<X>::body_type;
  using work_kind = work_block<executor_type, work_body, Scope>;
  using value_type = typename work_kind::value_type;
  using cleanup_type = Cleanup;
  using cleanup_kind = value_block<executor_type, cleanup_body<Cleanup>, Scope, outer::ignored>;
  using awaitable_type = asio::awaitable<value_type, executor_type>;
};

// A coroutine's frame holds the body, and GCC takes a lambda that was written inside another lambda
// for a type of an anonymous namespace.
#if defined(__GNUC__) && !defined(__clang__)
#  pragma GCC diagnostic push
#  pragma GCC diagnostic ignored "-Wsubobject-linkage"
#endif

/// The coroutine of with_cleanup. The work runs in a block, so what it does to its cancellation
/// state does not stay here; the cleanup in a shielded one, started although this coroutine may
/// have been cancelled.
template <typename Types>
typename Types::awaitable_type run_with_cleanup(
    std::optional<typename Types::work_body> work,
    std::optional<typename Types::cleanup_type> cleanup, scope_settings cleanup_settings,
    std::function<void(std::exception_ptr)> on_suppressed) {
  using value_type = typename Types::value_type;
  using result_type = typename Types::work_kind::result_type;

  bool const throws = co_await asio::this_coro::throw_if_cancelled();
  co_await asio::this_coro::throw_if_cancelled(false);

  std::optional<std::conditional_t<std::is_void_v<value_type>, bool, value_type>> value;
  std::exception_ptr failure;
  bool failed = false;
  try {
    [[maybe_unused]] result_type result =
        co_await run_block<typename Types::work_kind>(std::nullopt, std::move(work));
    if constexpr (!std::is_void_v<value_type>) {
      if (result)
        value.emplace(*std::move(result));
      else
        failure = aborted();
    }
  } catch (...) {
    failure = std::current_exception();
    failed = true;
  }
  work = std::nullopt;
  asio::cancellation_state const after_work = co_await asio::this_coro::cancellation_state;
  bool const cancelled = after_work.cancelled() != asio::cancellation_type::none;
  if (failed && cancelled && is_cancellation()(failure)) failed = false;

  std::exception_ptr cleanup_failure;
  try {
    std::optional<cleanup_body<typename Types::cleanup_type>> body(std::in_place,
                                                                   *std::move(cleanup), failure);
    cleanup = std::nullopt;
    co_await run_block<typename Types::cleanup_kind>(std::move(cleanup_settings), std::move(body));
  } catch (...) {
    cleanup_failure = std::current_exception();
  }
  co_await asio::this_coro::throw_if_cancelled(throws);

  if (cleanup_failure && failed && on_suppressed) on_suppressed(cleanup_failure);
  if (cleanup_failure && !failed) std::rethrow_exception(cleanup_failure);
  if (failure) std::rethrow_exception(failure);
  if constexpr (!std::is_void_v<value_type>) co_return *std::move(value);
}

#if defined(__GNUC__) && !defined(__clang__)
#  pragma GCC diagnostic pop
#endif

template <template <typename> typename Scope, typename X, typename Cleanup, typename OnSuppressed>
[[nodiscard]] auto start_with_cleanup(scope_settings cleanup_settings, X&& x, Cleanup&& cleanup,
                                      OnSuppressed&& on_suppressed) {
  static_assert(safe_in_co_await<X> && safe_in_co_await<Cleanup> && safe_in_co_await<OnSuppressed>,
                ASIO_CANCEL_SCOPE_NAME_IT_FIRST);
  using types = cleanup_types<X, std::decay_t<Cleanup>, Scope>;
  return run_with_cleanup<types>(
      std::optional<typename types::work_body>(std::in_place, std::forward<X>(x)),
      std::optional<typename types::cleanup_type>(std::forward<Cleanup>(cleanup)),
      std::move(cleanup_settings),
      std::function<void(std::exception_ptr)>(std::forward<OnSuppressed>(on_suppressed)));
}

}  // namespace asio_cancel_scope::inline ASIO_CANCEL_SCOPE_BACKEND::detail
