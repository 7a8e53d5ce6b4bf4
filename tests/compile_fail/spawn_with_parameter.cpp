// SPDX-License-Identifier: MIT

#include <asio_cancel_scope.hpp>

#include "support/asio.hpp"

using namespace asio_cancel_scope;

void test(cancel_scope<>& scope) {
#if defined(ACS_BAD)
  scope.spawn([](int n) -> awaitable<int> { co_return n; });
#else
  scope.spawn([n = 1]() -> awaitable<int> { co_return n; });
#endif
}
