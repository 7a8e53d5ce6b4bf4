// SPDX-License-Identifier: MIT

#include <asio_cancel_scope.hpp>

#include "support/asio.hpp"

using namespace asio_cancel_scope;

using other = asio::strand<asio::io_context::executor_type>;

awaitable<void> test() {
#if defined(ACS_BAD)
  co_await with_cancel_scope([](cancel_scope<>&) -> awaitable<void, other> { co_return; });
#else
  co_await with_cancel_scope([](cancel_scope<>&) -> awaitable<void> { co_return; });
#endif
}
