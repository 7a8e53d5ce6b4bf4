// SPDX-License-Identifier: MIT
#include <asio_cancel_scope/scope_result.hpp>
#include <asio_cancel_scope/with_cancel_scope.hpp>

#include "support/asio.hpp"
#include "support/catch.hpp"
#include "support/manual_event.hpp"
#include "support/run.hpp"
#include "support/tracked.hpp"

#include <exception>
#include <memory>
#include <optional>
#include <string>
#include <type_traits>
#include <utility>

using namespace asio_cancel_scope;

namespace {

template <typename T>
concept has_value_access = requires(T t) {
  t.value();
}
|| requires(T t) {
  *t;
};

}  // namespace

TEST_CASE("B168: leaving gives what the body returned after the join", "[scope_result]") {
  asio::io_context ctx;
  manual_event event;
  std::optional<scope_result<std::string>> result;
  host h(ctx, [&]() -> awaitable<void> {
    result = co_await with_cancel_scope([&](auto& scope) -> awaitable<std::string> {
      scope.spawn(event.wait());
      co_return "value";
    });
  });
  drain(ctx);
  CHECK(!result);
  event.set();
  drain(ctx);
  CHECK(h.clean());
  REQUIRE(result);
  CHECK(result->has_value());
  CHECK(result->value() == "value");
  CHECK(**result == "value");
  CHECK((*result)->size() == 5);
  CHECK(!result->cancelled_caught());
  CHECK(result->cause() == cancel_cause::none);
  result->value() += "s";
  CHECK(std::move(*result).value() == "values");
}

TEST_CASE("B168: the value may be move-only", "[scope_result]") {
  run([]() -> awaitable<void> {
    auto result = co_await with_cancel_scope([](auto&) -> awaitable<std::unique_ptr<int>> {
      co_await asio::post(use_awaitable);
      co_return std::make_unique<int>(5);
    });
    std::unique_ptr<int> const taken = std::move(result).value();
    CHECK(*taken == 5);
    // At once, from the temporary.
    auto const second = (co_await with_cancel_scope([](auto&) -> awaitable<move_only> {
                          co_return move_only(6);
                        })).value();
    CHECK(second.value == 6);
  });
}

TEST_CASE("B168: the value need not have a default constructor", "[scope_result]") {
  run([]() -> awaitable<void> {
    auto result =
        co_await with_cancel_scope([](auto& scope) -> awaitable<not_default_constructible> {
          scope.spawn([]() -> awaitable<void> { co_return; });
          co_await asio::post(use_awaitable);
          co_return not_default_constructible(9);
        });
    CHECK(result->value == 9);
    auto const cut =
        co_await with_cancel_scope([](auto& scope) -> awaitable<not_default_constructible> {
          scope.cancel();
          co_await asio::post(use_awaitable);
          co_return not_default_constructible(9);
        });
    CHECK(!cut.has_value());
  });
}

TEST_CASE("B176: a body that was cut short leaves a result without a value", "[scope_result]") {
  asio::io_context ctx;
  manual_event never;
  cancel_scope<>* inside = nullptr;
  std::optional<scope_result<int>> result;
  host h(ctx, [&]() -> awaitable<void> {
    result = co_await with_cancel_scope([&](cancel_scope<>& scope) -> awaitable<int> {
      inside = &scope;
      co_await never.wait();
      co_return 1;
    });
  });
  drain(ctx);
  inside->cancel();
  drain(ctx);
  CHECK(h.clean());
  REQUIRE(result);
  CHECK(!result->has_value());
  CHECK(result->cancelled_caught());
  CHECK(result->cause() == cancel_cause::requested);
  CHECK(is_aborted(error_of([&] { static_cast<void>(result->value()); })));
  CHECK(is_aborted(error_of([&] { static_cast<void>(std::move(*result).value()); })));
}

TEST_CASE("rule 9 B176: a value and a cancellation are told independently", "[scope_result]") {
  asio::io_context ctx;
  manual_event never;
  run(ctx, [&]() -> awaitable<void> {
    auto const result = co_await with_cancel_scope([&](auto& scope) -> awaitable<int> {
      scope.spawn(never.wait());
      co_await asio::post(use_awaitable);
      scope.cancel();
      co_return 1;
    });
    CHECK(result.has_value());
    CHECK(*result == 1);
    CHECK(result.cancelled_caught());
    CHECK(result.cause() == cancel_cause::requested);
  });
}

TEST_CASE("B176: the result of a body without a value tells whether it ran to its end",
          "[scope_result]") {
  STATIC_REQUIRE(!has_value_access<scope_result<void>>);
  STATIC_REQUIRE(has_value_access<scope_result<int>>);
  run([]() -> awaitable<void> {
    auto const whole = co_await with_cancel_scope([](auto&) -> awaitable<void> { co_return; });
    CHECK(whole.has_value());
    auto const cut = co_await with_cancel_scope([](auto& scope) -> awaitable<void> {
      scope.cancel();
      co_await asio::post(use_awaitable);
    });
    CHECK(!cut.has_value());
    CHECK(cut.cancelled_caught());
  });
}

TEST_CASE("B175: a value whose move throws becomes an error of the body", "[scope_result]") {
  int const allowed = GENERATE(0, 1, 2, 3, 4, 5, 6, 50);
  asio::io_context ctx;
  manual_event event;
  bool child_ended = false;
  std::exception_ptr error;
  bool left = false;
  host h(ctx, [&]() -> awaitable<void> {
    try {
      auto const result = co_await with_cancel_scope([&](auto& scope) -> awaitable<throws_on_move> {
        throws_on_move value(allowed);
        scope.spawn([&]() -> awaitable<void> {
          try {
            co_await event.wait();
          } catch (...) {
          }
          child_ended = true;
        });
        co_await asio::post(use_awaitable);
        co_return value;
      });
      CHECK(result.has_value());
    } catch (...) {
      error = std::current_exception();
    }
    left = true;
    CHECK(child_ended);
  });
  drain(ctx);
  event.set();
  drain(ctx);
  CHECK(left);
  CHECK(h.clean());
  if (allowed == 0) {
    CHECK(error);
  }
  if (allowed == 50) {
    CHECK(!error);
  }
  if (error) {
    CHECK(message_of(error) == "throws_on_move");
  }
}

TEST_CASE("design 2: the members of a result", "[scope_result]") {
  using result = scope_result<int>;
  STATIC_REQUIRE(std::is_same_v<decltype(std::declval<result&>().value()), int&>);
  STATIC_REQUIRE(std::is_same_v<decltype(std::declval<result&&>().value()), int&&>);
  STATIC_REQUIRE(std::is_same_v<decltype(*std::declval<result&>()), int&>);
  STATIC_REQUIRE(std::is_same_v<decltype(std::declval<result&>().operator->()), int*>);
  STATIC_REQUIRE(noexcept(std::declval<result const&>().cancelled_caught()));
  STATIC_REQUIRE(noexcept(std::declval<result const&>().cause()));
  STATIC_REQUIRE(noexcept(std::declval<result const&>().has_value()));
  STATIC_REQUIRE(noexcept(std::declval<scope_result<void> const&>().has_value()));
  STATIC_REQUIRE(std::is_move_constructible_v<scope_result<move_only>>);
}
