// SPDX-License-Identifier: MIT

#include <asio_cancel_scope.hpp>

#include "support/asio.hpp"

#include <memory>
#include <utility>

using namespace asio_cancel_scope;

awaitable<void> test(std::shared_ptr<int> value, awaitable<int> other) {
  auto racer = [value]() -> awaitable<int> { co_return *value; };
#if defined(ACS_BAD)
  co_await race(std::move(racer), std::move(other));
#else
  co_await race(racer, std::move(other));
#endif
}
