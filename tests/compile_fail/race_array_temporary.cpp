// SPDX-License-Identifier: MIT

#include <asio_cancel_scope.hpp>

#include "support/asio.hpp"

#include <array>
#include <utility>
#include <vector>

using namespace asio_cancel_scope;

awaitable<void> test(awaitable<int> (*one)(), awaitable<int> (*other)()) {
#if defined(ACS_BAD)
  co_await race(std::array<awaitable<int>, 2>{one(), other()});
#else
  std::vector<awaitable<int>> both;
  both.push_back(one());
  both.push_back(other());
  co_await race(std::move(both));
  co_await race(std::array{one, other});
#endif
}
