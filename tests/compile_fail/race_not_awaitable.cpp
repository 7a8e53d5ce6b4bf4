// SPDX-License-Identifier: MIT

#include <asio_cancel_scope.hpp>

#include "support/asio.hpp"

#include <utility>

using namespace asio_cancel_scope;

awaitable<void> test(awaitable<int> one) {
#if defined(ACS_BAD)
  co_await race([](int n) -> awaitable<int> { co_return n; }, std::move(one));
#else
  co_await race([]() -> awaitable<int> { co_return 1; }, std::move(one));
#endif
}
