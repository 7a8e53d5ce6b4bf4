// SPDX-License-Identifier: MIT

#include <asio_cancel_scope.hpp>

#include "support/asio.hpp"

using namespace asio_cancel_scope;

void test(asio::thread_pool& pool) {
#if defined(ACS_BAD)
  using executor = asio::thread_pool::executor_type;
#else
  using executor = asio::strand<asio::thread_pool::executor_type>;
#endif
  cancel_scope<executor> scope(executor(pool.get_executor()));
  scope.cancel();
}
