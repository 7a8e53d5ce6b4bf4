// SPDX-License-Identifier: MIT

#include <asio_cancel_scope.hpp>

#include "support/asio.hpp"

#include <memory>

using namespace asio_cancel_scope;

awaitable<void> test(cancel_scope<>& scope, std::shared_ptr<int> value) {
#if defined(ACS_BAD)
  co_await scope.async_start([value](ready_signal<> ready) -> awaitable<void> {
#else
  co_await scope.async_start([&value](ready_signal<> ready) -> awaitable<void> {
#endif
    static_cast<void>(*value);
    ready();
    co_return;
  });
}
