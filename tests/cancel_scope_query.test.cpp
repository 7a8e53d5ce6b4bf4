// SPDX-License-Identifier: MIT
#include <asio_cancel_scope.hpp>

#include "support/asio.hpp"
#include "support/catch.hpp"
#include "support/manual_event.hpp"
#include "support/run.hpp"

#include <chrono>
#include <cstddef>
#include <exception>
#include <memory>
#include <optional>
#include <stdexcept>
#include <stop_token>
#include <string>
#include <type_traits>
#include <utility>

using namespace asio_cancel_scope;

namespace {

struct failure : std::runtime_error {
  using std::runtime_error::runtime_error;
};

}  // namespace

TEST_CASE("B195: size counts the children that have not ended", "[cancel_scope][query]") {
  asio::io_context ctx;
  cancel_scope<> scope(ctx);
  manual_event events[3];
  CHECK(scope.size() == 0);
  scope.spawn(events[0].wait());
  CHECK(scope.size() == 1);
  auto handle = scope.spawn(events[1].wait());
  scope.spawn(events[2].wait(), [](std::exception_ptr) {});
  CHECK(scope.size() == 3);
  drain(ctx);
  CHECK(scope.size() == 3);
  scope.async_join([](std::exception_ptr) {});
  handle.async_join([](std::exception_ptr) {});
  drain(ctx);
  // Joins are not children.
  CHECK(scope.size() == 3);
  for (std::size_t i = 0; i < 3; ++i) {
    events[i].set();
    drain(ctx);
    CHECK(scope.size() == 2 - i);
  }
}

TEST_CASE("B195: size counts a child that is cancelled until it has ended",
          "[cancel_scope][query]") {
  asio::io_context ctx;
  asio::io_context other;
  cancel_scope<> scope(ctx);
  manual_event slow;
  scope.spawn(slow.wait_ignoring_cancellation());
  drain(ctx);
  scope.spawn(other, []() -> awaitable<void> { co_return; });
  scope.cancel();
  CHECK(scope.size() == 2);
  scope.spawn([]() -> awaitable<void> { co_return; });
  CHECK(scope.size() == 2);
  drain(ctx);
  CHECK(scope.size() == 2);
  drain(other);
  CHECK(scope.size() == 1);
  slow.set();
  drain(ctx);
  CHECK(scope.size() == 0);
}

TEST_CASE("B195: size does not count the body of a block", "[cancel_scope][query]") {
  run([]() -> awaitable<void> {
    co_await with_cancel_scope([](auto& scope) -> awaitable<void> {
      CHECK(scope.size() == 0);
      co_await asio::post(use_awaitable);
      CHECK(scope.size() == 0);
      scope.spawn([&]() -> awaitable<void> {
        CHECK(scope.size() == 1);
        co_return;
      });
      CHECK(scope.size() == 1);
      co_await asio::post(use_awaitable);
      co_await asio::post(use_awaitable);
      co_await asio::post(use_awaitable);
      CHECK(scope.size() == 0);
    });
  });
}

TEST_CASE("design 2: a scope that nobody cancelled says so", "[cancel_scope][query]") {
  asio::io_context ctx;
  cancel_scope<> scope(ctx);
  CHECK(!scope.cancel_called());
  CHECK(!scope.cancelled_caught());
  CHECK(scope.cause() == cancel_cause::none);
  CHECK(scope.get_stop_token().stop_possible());
  CHECK(!scope.get_stop_token().stop_requested());
  CHECK(scope.name().empty());
}

TEST_CASE("design 2: cancel_called and cause and the stop token tell of a cancellation at once",
          "[cancel_scope][query]") {
  asio::io_context ctx;
  manual_event event;
  auto const type = GENERATE(asio::cancellation_type::terminal, asio::cancellation_type::total);
  cancel_scope<> scope(ctx);
  scope.spawn(event.wait());
  drain(ctx);
  auto const token = scope.get_stop_token();
  bool called = false;
  std::stop_callback const callback(token, [&] { called = true; });
  scope.cancel(type);
  CHECK(scope.cancel_called());
  CHECK(scope.cause() == cancel_cause::requested);
  CHECK(token.stop_requested());
  CHECK(called);
  // Nothing has been cut short yet.
  CHECK(!scope.cancelled_caught());
  drain(ctx);
  CHECK(scope.cancelled_caught() == (type == asio::cancellation_type::terminal));
  event.set();
  drain(ctx);
}

TEST_CASE("design 2: the stop token outlives its scope", "[cancel_scope][query]") {
  asio::io_context ctx;
  auto scope = std::make_unique<cancel_scope<>>(ctx);
  auto const token = scope->get_stop_token();
  SECTION("left") {
    scope->async_join([](std::exception_ptr) {});
    drain(ctx);
    scope.reset();
    CHECK(!token.stop_requested());
  }
  SECTION("cancelled") {
    scope->cancel();
    scope.reset();
    CHECK(token.stop_requested());
  }
}

TEST_CASE("design 2: the cause of a cancellation is told", "[cancel_scope][query]") {
  asio::io_context ctx;
  manual_event event;
  manual_event slow;
  cancel_scope<>* inside = nullptr;
  host h(ctx, [&]() -> awaitable<void> {
    co_await with_cancel_scope([&](cancel_scope<>& scope) -> awaitable<void> {
      inside = &scope;
      scope.spawn(slow.wait_ignoring_cancellation());
      scope.spawn([&]() -> awaitable<void> {
        co_await event.wait();
        throw failure("E1");
      });
      co_await until_cancelled();
    });
  });
  drain(ctx);
  auto const token = inside->get_stop_token();
  CHECK(inside->cause() == cancel_cause::none);
  SECTION("outer") {
    h.cancel();
    drain(ctx);
    CHECK(inside->cause() == cancel_cause::outer);
  }
  SECTION("child_error") {
    event.set();
    drain(ctx);
    CHECK(inside->cause() == cancel_cause::child_error);
  }
  SECTION("requested") {
    inside->cancel();
    CHECK(inside->cause() == cancel_cause::requested);
  }
  CHECK(inside->cancel_called());
  CHECK(token.stop_requested());
  drain(ctx);
  CHECK(inside->cancelled_caught());
  slow.set();
  drain(ctx);
  CHECK(h.done());
}

TEST_CASE("design 2: a child that is cancelled alone does not change what its scope says",
          "[child][query]") {
  asio::io_context ctx;
  manual_event never;
  cancel_scope<> scope(ctx);
  auto handle = scope.spawn(never.wait());
  drain(ctx);
  handle.cancel();
  drain(ctx);
  CHECK(handle.done());
  CHECK(!scope.cancel_called());
  CHECK(!scope.cancelled_caught());
  CHECK(scope.cause() == cancel_cause::none);
  CHECK(!scope.get_stop_token().stop_requested());
  // Nor does a later cancellation of the scope find that it was cut short by it.
  scope.cancel();
  drain(ctx);
  CHECK(scope.cancel_called());
  CHECK(!scope.cancelled_caught());
}

TEST_CASE("design 2: the types that a scope names", "[cancel_scope][query]") {
  using executor = asio::io_context::executor_type;
  STATIC_REQUIRE(std::is_same_v<cancel_scope<>::executor_type, asio::any_io_executor>);
  STATIC_REQUIRE(std::is_same_v<cancel_scope<executor>::executor_type, executor>);
  STATIC_REQUIRE(std::is_same_v<cancel_scope<>::clock_type, std::chrono::steady_clock>);
  STATIC_REQUIRE(
      std::is_same_v<cancel_scope<>::rebind_executor<executor>::other, cancel_scope<executor>>);
  STATIC_REQUIRE(!std::is_convertible_v<executor, cancel_scope<executor>>);
  STATIC_REQUIRE(!std::is_convertible_v<asio::io_context&, cancel_scope<>>);
  using scope = cancel_scope<> const&;
  STATIC_REQUIRE(noexcept(std::declval<scope>().cancel_called()));
  STATIC_REQUIRE(noexcept(std::declval<scope>().cancelled_caught()));
  STATIC_REQUIRE(noexcept(std::declval<scope>().cause()));
  STATIC_REQUIRE(noexcept(std::declval<scope>().size()));
  STATIC_REQUIRE(noexcept(std::declval<scope>().name()));
  STATIC_REQUIRE(noexcept(std::declval<scope>().get_executor()));
  STATIC_REQUIRE(std::is_same_v<decltype(std::declval<scope>().name()), std::string const&>);
}

TEST_CASE("design 2: a scope is made from an executor or from a context", "[cancel_scope][query]") {
  using executor = asio::io_context::executor_type;
  asio::io_context ctx;
  auto const options = scope_options().name("n");
  cancel_scope<> const from_context(ctx);
  cancel_scope<> const from_context_with_options(ctx, options);
  cancel_scope<> const from_executor(ctx.get_executor());
  cancel_scope<> const from_executor_with_options(ctx.get_executor(), options);
  cancel_scope<executor> const concrete(ctx, options);
  cancel_scope<executor> const concrete_from_executor(ctx.get_executor());
  asio::any_io_executor const expected = ctx.get_executor();
  CHECK(from_context.get_executor() == expected);
  CHECK(from_context_with_options.get_executor() == expected);
  CHECK(from_executor.get_executor() == expected);
  CHECK(from_executor_with_options.get_executor() == expected);
  CHECK(concrete.get_executor() == ctx.get_executor());
  CHECK(concrete_from_executor.get_executor() == ctx.get_executor());
  CHECK(from_context.name() == "");
  CHECK(from_context_with_options.name() == "n");
  CHECK(from_executor_with_options.name() == "n");
  CHECK(concrete.name() == "n");
}

TEST_CASE("rule 10: who was cut by the scope counts also when its handle is asked afterwards",
          "[cancel_scope][query]") {
  manual_event never;
  asio::io_context ctx;
  std::optional<scope_result<void>> result;
  host h(ctx, [&]() -> awaitable<void> {
    result = co_await with_cancel_scope([&](cancel_scope<>& scope) -> awaitable<void> {
      auto handle = scope.spawn(child_options().graceful(), [&]() -> awaitable<void> {
        co_await never.wait(asio::cancellation_type::all);
      });
      co_await asio::post(use_awaitable);
      co_await asio::post(use_awaitable);
      scope.cancel(asio::cancellation_type::total);  // ends the wait,
      handle.cancel();                               // which has not been heard of yet
    });
  });
  drain(ctx);
  REQUIRE(result);
  CHECK(result->cancelled_caught());
}

TEST_CASE("rule 10: a service that was cut by the scope counts", "[cancel_scope][query]") {
  manual_event never;
  asio::io_context ctx;
  std::optional<scope_result<void>> result;
  host h(ctx, [&]() -> awaitable<void> {
    result = co_await with_cancel_scope([&](cancel_scope<>& scope) -> awaitable<void> {
      scope.spawn(child_options().graceful().service(),
                  [&]() -> awaitable<void> { co_await never.wait(asio::cancellation_type::all); });
      co_await asio::post(use_awaitable);
      co_await asio::post(use_awaitable);
      scope.cancel(asio::cancellation_type::total);
    });
  });
  drain(ctx);
  REQUIRE(result);
  CHECK(result->cancelled_caught());
}
