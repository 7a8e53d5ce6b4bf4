// SPDX-License-Identifier: MIT

#include <asio_cancel_scope.hpp>

#include "support/asio.hpp"

using namespace asio_cancel_scope;

void test(cancel_scope<>& scope) {
#if defined(ACS_BAD)
  cancel_scope<> other(scope);
#else
  cancel_scope<> other(scope.get_executor());
#endif
  other.cancel();
}
