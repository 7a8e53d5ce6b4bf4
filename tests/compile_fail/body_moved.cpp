// SPDX-License-Identifier: MIT

#include <asio_cancel_scope.hpp>

#include "support/asio.hpp"

#include <memory>
#include <utility>

using namespace asio_cancel_scope;

awaitable<void> test(std::shared_ptr<int> value) {
  auto body = [value](auto&) -> awaitable<void> {
    *value = 1;
    co_return;
  };
#if defined(ACS_BAD)
  co_await with_cancel_scope(std::move(body));
#else
  co_await with_cancel_scope(body);
#endif
}
