// SPDX-License-Identifier: MIT
#pragma once

#include <asio_cancel_scope/detail/access.hpp>
#include <asio_cancel_scope/detail/asio.hpp>
#include <asio_cancel_scope/detail/awaitable_traits.hpp>
#include <asio_cancel_scope/detail/block.hpp>
#include <asio_cancel_scope/detail/settings.hpp>

#include <exception>
#include <memory>
#include <optional>
#include <type_traits>
#include <utility>

namespace asio_cancel_scope::inline ASIO_CANCEL_SCOPE_BACKEND::detail {

/// How a block is left, and what it tells: the types of one kind of block. `Scope` is the public
/// class template of the scope, `Body` the body as it is stored.
template <typename Executor, typename Body, template <typename> typename Scope>
struct block_kind {
  using body_type = Body;
  using executor_type = Executor;
  using scope_type = Scope<executor_type>;
  using state_type = block<executor_type, scope_type, body_type>;
  using value_type = typename body_traits<executor_type, Body, scope_type>::value_type;
  using leaving = typename state_type::leaving;

  static constexpr outer outer_requests = outer::forwarded;
};

/// A block that tells all it knows.
template <typename Executor, typename Body, template <typename> typename Scope,
          template <typename> typename Result>
struct telling_block : block_kind<Executor, Body, Scope> {
  using base = block_kind<Executor, Body, Scope>;
  using result_type = Result<typename base::value_type>;
  using awaitable_type = asio::awaitable<result_type, Executor>;

  static result_type leave(typename base::state_type& state, typename base::leaving const& left) {
    return access::make<result_type>(left, state.body().take_if_returned());
  }
};

/// A block that gives the body's value, or throws: what its deadline has cut short has timed out.
template <typename Executor, typename Body, template <typename> typename Scope, outer Outer>
struct value_block : block_kind<Executor, Body, Scope> {
  using base = block_kind<Executor, Body, Scope>;
  using result_type = typename base::value_type;
  using awaitable_type = asio::awaitable<result_type, Executor>;

  static constexpr outer outer_requests = Outer;

  static result_type leave(typename base::state_type& state, typename base::leaving const& left) {
    if (left.why == base::state_type::cause::deadline && left.cut_short)
      throw system_error(asio::error::timed_out);
    if constexpr (!std::is_void_v<result_type>) {
      auto value = state.body().take_if_returned();
      if (!value) throw system_error(asio::error::operation_aborted);
      return *std::move(value);
    }
  }
};

// A coroutine's frame holds the body, and GCC takes a lambda that was written inside another lambda
// for a type of an anonymous namespace.
#if defined(__GNUC__) && !defined(__clang__)
#  pragma GCC diagnostic push
#  pragma GCC diagnostic ignored "-Wsubobject-linkage"
#endif

/// The coroutine of a block. `body` is empty once the state has it: nothing of it stays here.
///
/// The parent's `throw_if_cancelled` is off while the block runs, because a coroutine that has been
/// cancelled cannot await anything otherwise, not even the end of its children. Its cancellation
/// state is only looked at: resetting it would forget an outer request.
template <typename Kind>
typename Kind::awaitable_type run_block(std::optional<scope_settings> settings,
                                        std::optional<typename Kind::body_type> body) {
  using executor_type = typename Kind::executor_type;
  using scope_type = typename Kind::scope_type;
  using state_type = typename Kind::state_type;
  constexpr bool is_forwarded = Kind::outer_requests == outer::forwarded;

  executor_type const ex = co_await asio::this_coro::executor;
  asio::cancellation_state const before = co_await asio::this_coro::cancellation_state;
  bool const throws = co_await asio::this_coro::throw_if_cancelled();

  auto const state =
      std::make_shared<state_type>(ex, settings ? *std::move(settings) : scope_settings());
  scope_type scope = access::make<scope_type>(state);
  state->prepare(scope, *std::move(body));
  body = std::nullopt;
  if constexpr (is_forwarded) state->request(before.cancelled(), state_type::cause::outer);
  state->start_deadline();

  co_await asio::this_coro::throw_if_cancelled(false);
  asio::use_awaitable_t<executor_type> token;
  co_await asio::async_initiate<asio::use_awaitable_t<executor_type>, void()>(
      initiate_block<state_type, Kind::outer_requests>(state), token);
  co_await asio::this_coro::throw_if_cancelled(throws);

  asio::cancellation_state const after = co_await asio::this_coro::cancellation_state;
  if constexpr (is_forwarded) state->request(after.cancelled(), state_type::cause::outer);
  auto const left = state->leave();
  if (left.error) std::rethrow_exception(left.error);
  co_return Kind::leave(*state, left);
}

#if defined(__GNUC__) && !defined(__clang__)
#  pragma GCC diagnostic pop
#endif

}  // namespace asio_cancel_scope::inline ASIO_CANCEL_SCOPE_BACKEND::detail
