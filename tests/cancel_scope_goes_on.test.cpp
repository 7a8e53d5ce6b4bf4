// SPDX-License-Identifier: MIT
#include <asio_cancel_scope.hpp>

#include "support/asio.hpp"
#include "support/catch.hpp"
#include "support/event_log.hpp"
#include "support/manual_event.hpp"
#include "support/run.hpp"

#include <exception>
#include <optional>
#include <string>

using namespace asio_cancel_scope;

// Children that do not end when they are told to.

TEST_CASE("rule 9 B043: a child that catches the cancellation and returns ends in the ordinary way",
          "[cancel_scope][cancel]") {
  asio::io_context ctx;
  manual_event never;
  std::optional<child<int>> handle;
  cancel_scope<>* inside = nullptr;
  host h(ctx, [&]() -> awaitable<void> {
    auto const result = co_await with_cancel_scope([&](cancel_scope<>& scope) -> awaitable<void> {
      inside = &scope;
      handle = scope.spawn([&]() -> awaitable<int> {
        try {
          co_await never.wait();
        } catch (system_error const&) {
        }
        co_return 5;
      });
      co_return;
    });
    CHECK(!result.cancelled_caught());
    CHECK(result.cause() == cancel_cause::requested);
  });
  drain(ctx);
  inside->cancel();
  drain(ctx);
  CHECK(h.clean());
  CHECK(handle->get() == 5);
}

TEST_CASE("rule 9 B044: a child whose operation ignores cancellation is waited for",
          "[cancel_scope][cancel]") {
  asio::io_context ctx;
  manual_event slow;
  manual_event never;
  event_log log;
  std::optional<child<std::string>> handle;
  host h(ctx, [&]() -> awaitable<void> {
    auto const result = co_await with_cancel_scope([&](auto& scope) -> awaitable<void> {
      handle = scope.spawn([&]() -> awaitable<std::string> {
        co_await slow.wait_ignoring_cancellation();
        log.add("slow");
        co_return "late value";
      });
      scope.spawn([&]() -> awaitable<void> {
        try {
          co_await never.wait();
        } catch (system_error const&) {
          log.add("sibling");
          throw;
        }
      });
      co_await asio::post(use_awaitable);
      scope.cancel();
    });
    CHECK(result.cancelled_caught());
    log.add("left");
  });
  drain(ctx);
  CHECK(log.str() == "sibling");
  CHECK(!handle->done());
  slow.set();
  drain(ctx);
  CHECK(log.str() == "sibling slow left");
  CHECK(h.clean());
  CHECK(handle->get() == "late value");
}

TEST_CASE("rule 9: a child that shields its work is waited for", "[cancel_scope][cancel]") {
  asio::io_context ctx;
  manual_event slow;
  event_log log;
  cancel_scope<>* inside = nullptr;
  std::optional<child<int>> disabled;
  std::optional<child<int>> detached;
  host h(ctx, [&]() -> awaitable<void> {
    co_await with_cancel_scope([&](cancel_scope<>& scope) -> awaitable<void> {
      inside = &scope;
      disabled = scope.spawn([&]() -> awaitable<int> {
        co_await asio::this_coro::reset_cancellation_state(asio::disable_cancellation());
        co_await slow.wait();
        co_await asio::post(use_awaitable);
        co_return 1;
      });
      detached = scope.spawn([&]() -> awaitable<int> {
        co_await asio::this_coro::throw_if_cancelled(false);
        co_await asio::co_spawn(
            co_await asio::this_coro::executor, slow.wait(),
            asio::bind_cancellation_slot(asio::cancellation_slot(), use_awaitable));
        co_return 2;
      });
      co_return;
    });
    log.add("left");
  });
  drain(ctx);
  REQUIRE(slow.waiters() == 2);
  inside->cancel();
  drain(ctx);
  CHECK(slow.waiters() == 2);
  CHECK(log.str() == "");
  slow.set();
  drain(ctx);
  CHECK(log.str() == "left");
  CHECK(h.clean());
  CHECK(disabled->get() == 1);
  CHECK(detached->get() == 2);
}

TEST_CASE("rule 9: a value that the body returns late is not lost", "[scope_result][cancel]") {
  asio::io_context ctx;
  manual_event slow;
  cancel_scope<>* inside = nullptr;
  std::optional<scope_result<int>> result;
  host h(ctx, [&]() -> awaitable<void> {
    result = co_await with_cancel_scope([&](cancel_scope<>& scope) -> awaitable<int> {
      inside = &scope;
      try {
        co_await slow.wait();
      } catch (system_error const&) {
      }
      co_await asio::this_coro::reset_cancellation_state(asio::disable_cancellation());
      co_await slow.wait();
      co_return 8;
    });
  });
  drain(ctx);
  inside->cancel();
  drain(ctx);
  CHECK(!h.done());
  slow.set();
  drain(ctx);
  CHECK(h.clean());
  REQUIRE(result);
  CHECK(result->value() == 8);
  CHECK(!result->cancelled_caught());
  CHECK(result->cause() == cancel_cause::requested);
}

TEST_CASE("rule 9: a late value goes to the token of its child", "[cancel_scope][token]") {
  asio::io_context ctx;
  manual_event slow;
  cancel_scope<> scope(ctx);
  std::optional<int> value;
  std::exception_ptr error;
  scope.spawn(
      [&]() -> awaitable<int> {
        co_await slow.wait_ignoring_cancellation();
        co_return 3;
      },
      [&](std::exception_ptr e, int v) {
        error = e;
        value = v;
      });
  drain(ctx);
  scope.cancel();
  drain(ctx);
  CHECK(!value);
  CHECK(scope.size() == 1);
  slow.set();
  drain(ctx);
  CHECK(!error);
  CHECK(value == 3);
  CHECK(!scope.cancelled_caught());
}

TEST_CASE("B177: the handle of a stubborn child resolves only when the child has ended",
          "[child][cancel]") {
  asio::io_context ctx;
  manual_event slow;
  cancel_scope<> scope(ctx);
  std::string seen;
  auto handle = scope.spawn([&]() -> awaitable<void> {
    co_await slow.wait_ignoring_cancellation();
    seen += "ended ";
  });
  handle.async_join([&](std::exception_ptr e) { seen += e ? "error " : "joined "; });
  drain(ctx);
  scope.cancel();
  handle.cancel();
  drain(ctx);
  CHECK(seen == "");
  CHECK(!handle.done());
  slow.set();
  drain(ctx);
  CHECK(seen == "ended joined ");
  CHECK(handle.done());
}
