// SPDX-License-Identifier: MIT

#include <asio_cancel_scope.hpp>

#include "support/asio.hpp"

#include <cstdio>

// The other unit has the same text in it: linking fails when a definition is not inline, and the
// sums differ when the two units do not agree on one.
int sum_of_other_unit();

namespace {

int sum_of_this_unit() {
  asio::io_context ctx;
  int sum = 0;
  auto body = [&](auto& scope) -> awaitable<void> {
    for (int i = 1; i <= 3; ++i) {
      scope.spawn([&sum, i]() -> awaitable<void> {
        sum += i;
        co_return;
      });
    }
    co_return;
  };
  auto host = [&]() -> awaitable<void> { co_await asio_cancel_scope::with_cancel_scope(body); };
  asio::co_spawn(ctx, host, asio::detached);
  ctx.run();
  return sum;
}

}  // namespace

int main() {
  int const here = sum_of_this_unit();
  int const there = sum_of_other_unit();
  std::printf("%d %d\n", here, there);
  return here == 6 && there == 6 ? 0 : 1;
}
