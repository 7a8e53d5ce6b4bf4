// SPDX-License-Identifier: MIT

#include <asio_cancel_scope.hpp>

#include "support/asio.hpp"

#include <utility>

using namespace asio_cancel_scope;

#if defined(ACS_BAD)
using executor = asio::thread_pool::executor_type;
#else
using executor = asio::strand<asio::thread_pool::executor_type>;
#endif

awaitable<void, executor> test(awaitable<int, executor> one, awaitable<int, executor> other) {
  co_await race(std::move(one), std::move(other));
}
