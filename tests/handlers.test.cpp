// SPDX-License-Identifier: MIT

// Completion handlers as Asio's own operations take them: lvalues, and unusual executors.

#include "support/asio.hpp"
#include "support/catch.hpp"
#include "support/manual_event.hpp"
#include "support/run.hpp"

#include <asio_cancel_scope.hpp>

#include <exception>
#include <functional>
#include <optional>

using namespace asio_cancel_scope;

namespace {

awaitable<int> seven() {
  co_return 7;
}

using strand_of_any = asio::strand<asio::any_io_executor>;

awaitable<int, strand_of_any> seven_on_a_strand() {
  co_await checkpoint<strand_of_any>();
  co_return 7;
}

}  // namespace

TEST_CASE("conventions: a handler that is an lvalue is copied", "[cancel_scope][token]") {
  asio::io_context ctx;
  cancel_scope<> scope(ctx);
  int sum = 0;
  std::function<void(std::exception_ptr, int)> value = [&](std::exception_ptr, int v) { sum += v; };
  auto const constant = value;
  std::function<void(std::exception_ptr, child<int>)> handle = [&](std::exception_ptr, child<int>) {
    sum += 100;
  };
  std::function<void(std::exception_ptr)> end = [&](std::exception_ptr) { sum += 1000; };
  auto const ready = [](ready_signal<int> say) -> awaitable<void> {
    say(7);
    co_return;
  };
  for (int i = 0; i != 2; ++i) {
    scope.spawn(seven, value);
    scope.spawn(ctx, seven, value);
    scope.spawn(seven, constant);
    scope.async_spawn(seven, handle);
    scope.async_spawn(ctx, seven, handle);
    scope.async_start<int>(ready, value);
    scope.async_start<int>(ctx, ready, value);
    scope.spawn(seven).async_join(value);
    asio::post(ctx, scope.track(std::function<void()>([&] { sum += 7; })));
    scope.async_join(end);
  }
  drain(ctx);
  CHECK(sum == 2 * (7 * 7 + 2 * 100 + 1000));
  CHECK(value);
  CHECK(handle);
  CHECK(end);
}

TEST_CASE("conventions: a handler may be bound to a strand of an executor that hides its type",
          "[cancel_scope][token][executor]") {
  asio::io_context ctx;
  strand_of_any const strand = asio::make_strand(asio::any_io_executor(ctx.get_executor()));
  cancel_scope<> scope(ctx);
  int sum = 0;
  bool elsewhere = false;
  auto const add = [&](int n) {
    elsewhere = elsewhere || !strand.running_in_this_thread();
    sum += n;
  };
  scope.spawn(seven,
              asio::bind_executor(strand, [&](std::exception_ptr, int value) { add(value); }));
  scope.spawn(seven).async_join(
      asio::bind_executor(strand, [&](std::exception_ptr, int value) { add(value); }));
  scope.async_spawn(seven,
                    asio::bind_executor(strand, [&](std::exception_ptr, child<int>) { add(100); }));
  asio::post(ctx, scope.track(asio::bind_executor(strand, [&] { add(7); })));
  scope.async_join(asio::bind_executor(strand, [&](std::exception_ptr) { add(1000); }));
  drain(ctx);
  CHECK(sum == 1121);
  CHECK_FALSE(elsewhere);
}

TEST_CASE("conventions: a scope may be on a strand of an executor that hides its type",
          "[cancel_scope][executor]") {
  asio::io_context ctx;
  strand_of_any const strand = asio::make_strand(asio::any_io_executor(ctx.get_executor()));
  int const sum = run_on(ctx, strand, [&]() -> awaitable<int, strand_of_any> {
    auto const body = [&](cancel_scope<strand_of_any>& scope) -> awaitable<int, strand_of_any> {
      auto joined = scope.spawn(seven_on_a_strand);
      int total = co_await joined.async_join();
      total += co_await scope.spawn(seven_on_a_strand, asio::use_awaitable_t<strand_of_any>());
      auto admitted = co_await scope.async_spawn(seven_on_a_strand);
      total += co_await admitted.async_join();
      co_return total;
    };
    auto result = co_await with_cancel_scope(body);
    co_return result.value();
  });
  CHECK(sum == 21);
}

#if ACS_TEST_ASIO_VERSION >= 102800
TEST_CASE("conventions: a handler may hide its type", "[cancel_scope][token]") {
  using value_handler = asio::any_completion_handler<void(std::exception_ptr, int)>;
  using end_handler = asio::any_completion_handler<void(std::exception_ptr)>;
  asio::io_context ctx;
  cancel_scope<> scope(ctx);
  int sum = 0;
  scope.spawn(seven, value_handler([&](std::exception_ptr, int value) { sum += value; }));
  scope.spawn(seven).async_join(
      value_handler([&](std::exception_ptr, int value) { sum += value; }));
  scope.async_join(end_handler([&](std::exception_ptr) { sum += 100; }));
  drain(ctx);
  CHECK(sum == 114);
}
#endif
