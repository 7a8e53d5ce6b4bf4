// SPDX-License-Identifier: MIT

#include <asio_cancel_scope.hpp>

#include "support/asio.hpp"

#include <memory>
#include <utility>

using namespace asio_cancel_scope;

awaitable<void> test(std::shared_ptr<int> value, awaitable<int> other) {
#if defined(ACS_BAD)
  co_await gather(std::move(other), [value]() -> awaitable<int> { co_return *value; });
#else
  co_await gather(std::move(other), [&value]() -> awaitable<int> { co_return *value; });
#endif
}
