// SPDX-License-Identifier: MIT

#include <asio_cancel_scope.hpp>

#include "support/asio.hpp"

using namespace asio_cancel_scope;

using other = asio::strand<asio::io_context::executor_type>;

awaitable<void> fits();
awaitable<void, other> does_not_fit();

void test(cancel_scope<>& scope) {
#if defined(ACS_BAD)
  scope.spawn(does_not_fit());
#else
  scope.spawn(fits());
#endif
}
