// SPDX-License-Identifier: MIT

#include <asio_cancel_scope.hpp>

#if defined(ASIO_CANCEL_SCOPE_USE_BOOST_ASIO)
#  include <boost/asio.hpp>
namespace asio = boost::asio;
#else
#  include <asio.hpp>
#endif

#include <exception>

int PART();

// How many children ran, of two.
int PART() {
  asio::io_context ctx;
  int count = 0;
  auto host = [&]() -> asio::awaitable<void> {
    auto body = [&](auto& scope) -> asio::awaitable<void> {
      auto child = [&]() -> asio::awaitable<void> {
        ++count;
        co_return;
      };
      scope.spawn(child);
      scope.spawn(child);
      co_return;
    };
    co_await asio_cancel_scope::with_cancel_scope(body);
  };
  asio::co_spawn(ctx, host, [](std::exception_ptr error) {
    if (error) std::rethrow_exception(error);
  });
  ctx.run();
  return count;
}
