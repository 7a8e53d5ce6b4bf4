// SPDX-License-Identifier: MIT

#include <asio_cancel_scope.hpp>

#include "support/asio.hpp"

int sum_of_other_unit();
char const* backend_of_other_unit();

#define ACS_TEXT_OF(name) #name
#define ACS_TEXT(macro) ACS_TEXT_OF(macro)

char const* backend_of_other_unit() {
  return ACS_TEXT(ASIO_CANCEL_SCOPE_BACKEND);
}

int sum_of_other_unit() {
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
