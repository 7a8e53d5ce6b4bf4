// SPDX-License-Identifier: MIT

#include <asio_cancel_scope.hpp>

#include "support/asio.hpp"

#include <utility>

using namespace asio_cancel_scope;

void test(cancel_scope<>& scope, cancel_scope<>& other) {
#if defined(ACS_BAD)
  other = std::move(scope);
#endif
  other.cancel();
  scope.cancel();
}
