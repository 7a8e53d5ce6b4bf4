// SPDX-License-Identifier: MIT

#include <asio_cancel_scope.hpp>

#include "support/asio.hpp"

using namespace asio_cancel_scope;

void test(cancel_scope<>& scope, cancel_scope<>& other) {
#if defined(ACS_BAD)
  other = scope;
#endif
  other.cancel();
  scope.cancel();
}
