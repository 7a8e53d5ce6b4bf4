// SPDX-License-Identifier: MIT

#include <asio_cancel_scope.hpp>

#include "support/asio.hpp"

using namespace asio_cancel_scope;

void test() {
#if defined(ACS_BAD)
  using executor = asio::system_executor;
#else
  using executor = asio::strand<asio::system_executor>;
#endif
  cancel_scope<executor> scope(executor{asio::system_executor()});
  scope.cancel();
}
