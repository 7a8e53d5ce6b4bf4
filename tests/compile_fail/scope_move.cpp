// SPDX-License-Identifier: MIT

#include <asio_cancel_scope.hpp>

#include "support/asio.hpp"

#include <utility>

using namespace asio_cancel_scope;

void test(cancel_scope<>& scope) {
#if defined(ACS_BAD)
  cancel_scope<> other(std::move(scope));
#else
  cancel_scope<> other(scope.get_executor());
#endif
  other.cancel();
}
