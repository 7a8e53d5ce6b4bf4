// SPDX-License-Identifier: MIT

#include <asio_cancel_scope.hpp>

#include "support/asio.hpp"

using namespace asio_cancel_scope;

awaitable<void> test() {
#if defined(ACS_BAD)
  co_await with_cancel_scope([]() -> awaitable<void> { co_return; });
#else
  co_await with_cancel_scope([](auto&) -> awaitable<void> { co_return; });
#endif
}
