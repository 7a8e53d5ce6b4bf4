// SPDX-License-Identifier: MIT

#include <asio_cancel_scope.hpp>

#include "support/asio.hpp"

#include <memory>

using namespace asio_cancel_scope;

awaitable<void> test(cancel_scope<>& scope, std::shared_ptr<int> value) {
  auto const named = [value]() -> awaitable<int> { co_return *value; };
#if defined(ACS_BAD)
  co_await scope.async_spawn([value]() -> awaitable<int> { co_return *value; });
#else
  co_await scope.async_spawn([&value]() -> awaitable<int> { co_return *value; });
#endif
  co_await scope.async_spawn(named);
}
