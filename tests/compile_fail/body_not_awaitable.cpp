// SPDX-License-Identifier: MIT

#include <asio_cancel_scope.hpp>

#include "support/asio.hpp"

using namespace asio_cancel_scope;

awaitable<void> test() {
#if defined(ACS_BAD)
  co_await with_cancel_scope([](cancel_scope<>& scope) { scope.cancel(); });
#else
  co_await with_cancel_scope([](cancel_scope<>& scope) -> awaitable<void> {
    scope.cancel();
    co_return;
  });
#endif
}
