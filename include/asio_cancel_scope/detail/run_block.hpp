// SPDX-License-Identifier: MIT
#pragma once

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

/// The types of a block, from what its public function was given. `Scope` and `Result` are the public
/// class templates.
template <typename Executor, typename Body, template <typename> typename Scope,
          template <typename> typename Result>
struct block_types {
  using body_type = std::decay_t<Body>;
  using executor_type = typename body_executor<Executor, Body>::type;
  using scope_type = Scope<executor_type>;
  using value_type = typename body_traits<executor_type, Body, scope_type>::value_type;
  using result_type = Result<value_type>;
  using awaitable_type = asio::awaitable<result_type, executor_type>;
};

/// The coroutine of a block. `body` is empty once the state has it: nothing of it stays here.
///
/// The parent's `throw_if_cancelled` is off while the block runs, because a coroutine that has been
/// cancelled cannot await anything otherwise, not even the end of its children. Its cancellation
/// state is only looked at: resetting it would forget an outer request.
template <typename Types>
typename Types::awaitable_type run_block(scope_settings settings,
                                         std::optional<typename Types::body_type> body)
{
  using executor_type = typename Types::executor_type;
  using scope_type = typename Types::scope_type;
  using result_type = typename Types::result_type;
  using state_type = block<executor_type, scope_type, typename Types::body_type>;

  executor_type const ex = co_await asio::this_coro::executor;
  asio::cancellation_state const before = co_await asio::this_coro::cancellation_state;
  bool const throws = co_await asio::this_coro::throw_if_cancelled();

  auto const state = std::make_shared<state_type>(ex, std::move(settings));
  scope_type scope = access::make<scope_type>(state);
  state->set_body(scope, *std::move(body));
  body.reset();
  state->request(before.cancelled(), state_type::cause::outer);

  co_await asio::this_coro::throw_if_cancelled(false);
  asio::use_awaitable_t<executor_type> token;
  co_await asio::async_initiate<asio::use_awaitable_t<executor_type>, void()>(
      initiate_block<state_type>(state), token);
  co_await asio::this_coro::throw_if_cancelled(throws);

  asio::cancellation_state const after = co_await asio::this_coro::cancellation_state;
  state->request(after.cancelled(), state_type::cause::outer);
  if (auto const e = state->outcome()) std::rethrow_exception(e);
  co_return access::make<result_type>(state->cancelled_caught(), scope.cause(),
                                      state->body().take_if_returned());
}

}  // namespace asio_cancel_scope::inline ASIO_CANCEL_SCOPE_BACKEND::detail
