// SPDX-License-Identifier: MIT

#include <asio_cancel_scope.hpp>

#if defined(ASIO_CANCEL_SCOPE_USE_BOOST_ASIO)
#  include <boost/asio.hpp>
namespace asio = boost::asio;
#else
#  include <asio.hpp>
#endif

#include <chrono>
#include <cstdio>
#include <exception>

int main() {
  asio::io_context ctx;
  int started = 0;
  int left = 0;

  auto host = [&]() -> asio::awaitable<void> {
    auto body = [&](auto& scope) -> asio::awaitable<void> {
      auto sleep = [&]() -> asio::awaitable<void> {
        ++started;
        asio::steady_timer timer(scope.get_executor(), std::chrono::hours(1));
        co_await timer.async_wait(asio::use_awaitable);
      };
      scope.spawn(sleep);
      scope.spawn(sleep);
      asio::steady_timer timer(scope.get_executor(), std::chrono::milliseconds(1));
      co_await timer.async_wait(asio::use_awaitable);
      scope.cancel();
    };
    auto const result = co_await asio_cancel_scope::with_cancel_scope(body);
    left = result.cancelled_caught() ? 1 : 0;
  };

  asio::co_spawn(ctx, host, [](std::exception_ptr error) {
    if (error) {
      std::rethrow_exception(error);
    }
  });
  ctx.run();

  std::printf("%s %d %d\n", ASIO_CANCEL_SCOPE_VERSION_STRING, started, left);
  return started == 2 && left == 1 ? 0 : 1;
}
