// SPDX-License-Identifier: MIT

#include <asio_cancel_scope.hpp>

#include "support/asio.hpp"

#include <utility>

using namespace asio_cancel_scope;

awaitable<void> test(awaitable<int> one, awaitable<int> other) {
#if defined(ACS_BAD)
  co_await gather(one, std::move(other));
#else
  co_await gather(std::move(one), std::move(other));
#endif
}
