// SPDX-License-Identifier: MIT

#include <asio_cancel_scope.hpp>

#include "support/asio.hpp"

#include <cstdio>
#include <cstring>

// The other unit has the same text in it: linking fails when a definition is not inline, and the
// sums differ when the two units do not agree on one.
int sum_of_other_unit();
char const* backend_of_other_unit();

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

#define ACS_TEXT_OF(name) #name
#define ACS_TEXT(macro) ACS_TEXT_OF(macro)

// odr same|different: whether both units are to have the same Asio.
int main(int count, char** arguments) {
  int const here = sum_of_this_unit();
  int const there = sum_of_other_unit();
  char const* const backend = ACS_TEXT(ASIO_CANCEL_SCOPE_BACKEND);
  std::printf("%s %d, %s %d\n", backend, here, backend_of_other_unit(), there);
  bool const same = std::strcmp(backend, backend_of_other_unit()) == 0;
  bool const as_wanted = count == 2 && same == (std::strcmp(arguments[1], "same") == 0);
  return here == 6 && there == 6 && as_wanted ? 0 : 1;
}
