// SPDX-License-Identifier: MIT

#include <asio_cancel_scope.hpp>

#include "support/asio.hpp"

#include <memory>

using namespace asio_cancel_scope;

awaitable<void> test(std::shared_ptr<int> value) {
#if defined(ACS_BAD)
  co_await with_cancel_scope([value](auto&) -> awaitable<void> {
    *value = 1;
    co_return;
  });
#else
  co_await with_cancel_scope([&value](auto&) -> awaitable<void> {
    *value = 1;
    co_return;
  });
#endif
}
