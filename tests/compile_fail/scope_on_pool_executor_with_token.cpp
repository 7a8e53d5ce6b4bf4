// SPDX-License-Identifier: MIT

#include <asio_cancel_scope.hpp>

#include "support/asio.hpp"

using namespace asio_cancel_scope;

void test(asio::thread_pool& pool) {
#if defined(ACS_BAD)
  using plain = asio::thread_pool::executor_type;
#else
  using plain = asio::strand<asio::thread_pool::executor_type>;
#endif
  using executor = asio::use_awaitable_t<plain>::executor_with_default<plain>;
  cancel_scope<executor> scope(executor(plain(pool.get_executor())));
  scope.cancel();
}
