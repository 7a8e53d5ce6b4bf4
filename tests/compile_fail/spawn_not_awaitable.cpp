// SPDX-License-Identifier: MIT

#include <asio_cancel_scope.hpp>

#include "support/asio.hpp"

using namespace asio_cancel_scope;

void test(cancel_scope<>& scope) {
#if defined(ACS_BAD)
  scope.spawn([] { return 1; });
#else
  scope.spawn([]() -> awaitable<int> { co_return 1; });
#endif
}
