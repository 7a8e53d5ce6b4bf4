// SPDX-License-Identifier: MIT

// Every completion token on async_join of a scope.

#include "support/asio.hpp"
#include "support/catch.hpp"
#include "support/event_log.hpp"
#include "support/logged.hpp"
#include "support/manual_event.hpp"
#include "support/run.hpp"
#include "support/tracked.hpp"
#include "support/tracking_executor.hpp"

#include <asio_cancel_scope.hpp>

#include <chrono>
#include <exception>
#include <future>
#include <memory>
#include <stdexcept>
#include <type_traits>
#include <utility>

using namespace asio_cancel_scope;

namespace {

struct outcome {
  int calls = 0;
  std::exception_ptr error;

  auto handler() {
    return [this](std::exception_ptr e) {
      ++calls;
      error = std::move(e);
    };
  }
};

// The handler of use_future runs on the system_executor.
bool becomes_ready(std::future<void> const& future, std::chrono::seconds limit) {
  return future.wait_for(limit) == std::future_status::ready;
}

constexpr std::chrono::seconds soon(30);

awaitable<void> fail(char const* message) {
  throw std::runtime_error(message);
  co_return;
}

}  // namespace

TEST_CASE("conventions: async_join takes a callback", "[cancel_scope][token]") {
  asio::io_context ctx;
  manual_event go_on;
  cancel_scope<> scope(ctx);
  scope.spawn(go_on.wait());
  outcome joined;
  scope.async_join(joined.handler());
  drain(ctx);
  CHECK(joined.calls == 0);
  go_on.set();
  drain(ctx);
  CHECK(joined.calls == 1);
  CHECK_FALSE(joined.error);
}

TEST_CASE("conventions: async_join gives a callback the very exception of a child",
          "[cancel_scope][token]") {
  asio::io_context ctx;
  cancel_scope<> scope(ctx);
  auto const e1 = std::make_exception_ptr(std::runtime_error("E1"));
  scope.spawn([&]() -> awaitable<void> {
    std::rethrow_exception(e1);
    co_return;
  });
  outcome joined;
  scope.async_join(joined.handler());
  drain(ctx);
  CHECK(joined.error == e1);
}

TEST_CASE("conventions: async_join takes use_future", "[cancel_scope][token]") {
  asio::io_context ctx;
  manual_event go_on;
  cancel_scope<> scope(ctx);
  scope.spawn(go_on.wait());
  auto joined = scope.async_join(asio::use_future);
  drain(ctx);
  CHECK_FALSE(becomes_ready(joined, std::chrono::seconds(0)));
  go_on.set();
  drain(ctx);
  REQUIRE(becomes_ready(joined, soon));
  CHECK_NOTHROW(joined.get());

  cancel_scope<> failing(ctx);
  failing.spawn(fail("E1"));
  auto failed = failing.async_join(asio::use_future);
  drain(ctx);
  REQUIRE(becomes_ready(failed, soon));
  CHECK_THROWS_AS(failed.get(), std::runtime_error);
}

TEST_CASE("conventions: async_join takes use_awaitable and has it as its default",
          "[cancel_scope][token]") {
  asio::io_context ctx;
  manual_event go_on;
  event_log log;
  cancel_scope<> scope(ctx);
  scope.spawn(go_on.wait());
  STATIC_REQUIRE(std::is_same_v<decltype(scope.async_join(use_awaitable)), awaitable<void>>);
  STATIC_REQUIRE(std::is_same_v<decltype(scope.async_join()), awaitable<void>>);
  host explicitly(ctx, [&]() -> awaitable<void> {
    co_await logged(log, "a", scope.async_join(use_awaitable));
  });
  host by_default(ctx, [&]() -> awaitable<void> { co_await logged(log, "b", scope.async_join()); });
  drain(ctx);
  CHECK(log.str() == "");
  go_on.set();
  drain(ctx);
  CHECK(log.str() == "a b");
}

TEST_CASE("conventions: async_join takes as_tuple", "[cancel_scope][token]") {
  asio::io_context ctx;
  run(ctx, [&]() -> awaitable<void> {
    cancel_scope<> scope(ctx);
    scope.spawn(fail("E1"));
    auto [error] = co_await scope.async_join(compat::as_tuple(use_awaitable));
    CHECK(message_of(error) == "E1");
    auto [again] = co_await scope.async_join(compat::as_tuple(use_awaitable));
    CHECK(again == error);
  });
}

TEST_CASE("B010: a deferred join that has not been started leaves the scope open",
          "[cancel_scope][token]") {
  asio::io_context ctx;
  event_log log;
  cancel_scope<> scope(ctx);
  outcome joined;
  {
    auto operation = scope.async_join(compat::deferred);
    drain(ctx);
    CHECK_NOTHROW(scope.spawn(logged(log, "child", asio::post(use_awaitable))));
    drain(ctx);
    CHECK(log.str() == "child");
    CHECK_NOTHROW(scope.spawn(logged(log, "late", asio::post(use_awaitable))));
    std::move(operation)(joined.handler());
  }
  drain(ctx);
  CHECK(log.str() == "child late");
  CHECK(joined.calls == 1);
  CHECK_THROWS_AS(scope.spawn(asio::post(use_awaitable)), std::logic_error);
}

TEST_CASE("B011: a join that was prepared and dropped has no effect", "[cancel_scope][token]") {
  asio::io_context ctx;
  cancel_scope<> scope(ctx);
  { [[maybe_unused]] auto const operation = scope.async_join(compat::deferred); }
  { [[maybe_unused]] auto const operation = scope.async_join(use_awaitable); }
  drain(ctx);
  CHECK_NOTHROW(scope.spawn(asio::post(use_awaitable)));
  drain(ctx);
  CHECK(scope.size() == 0);
}

TEST_CASE("conventions: async_join takes a handler that can only be moved",
          "[cancel_scope][token]") {
  struct handler {
    std::unique_ptr<int> owned;
    int& seen;

    void operator()(std::exception_ptr) { seen = *owned; }
  };
  asio::io_context ctx;
  manual_event go_on;
  cancel_scope<> scope(ctx);
  scope.spawn(go_on.wait());
  int seen = 0;
  scope.async_join(handler{std::make_unique<int>(7), seen});
  go_on.set();
  drain(ctx);
  CHECK(seen == 7);
}

TEST_CASE("conventions: the handler is destroyed once it has run", "[cancel_scope][token]") {
  asio::io_context ctx;
  manual_event go_on;
  {
    cancel_scope<> scope(ctx);
    scope.spawn(go_on.wait());
    bool called = false;
    scope.async_join([&called, t = tracked()](std::exception_ptr) { called = true; });
    CHECK(tracked::alive() == 1);
    go_on.set();
    drain(ctx);
    CHECK(called);
    CHECK(tracked::alive() == 0);
  }
}

TEST_CASE("conventions: the handler runs on the executor that is bound to it",
          "[cancel_scope][token]") {
  asio::io_context ctx;
  asio::io_context other;
  manual_event go_on;
  cancel_scope<> scope(tracking_executor<>(1, ctx.get_executor()));
  scope.spawn(go_on.wait());
  bool default_on_scope = false;
  bool bound_on_own = false;
  bool bound_on_scope = true;
  bool on_other_context = false;
  scope.async_join([&](std::exception_ptr) { default_on_scope = running_on(1); });
  scope.async_join(
      asio::bind_executor(tracking_executor<>(2, ctx.get_executor()), [&](std::exception_ptr) {
        bound_on_own = running_on(2);
        bound_on_scope = running_on(1);
      }));
  scope.async_join(
      asio::bind_executor(other, [&](std::exception_ptr) { on_other_context = true; }));
  drain(ctx);
  go_on.set();
  drain(ctx);
  CHECK(default_on_scope);
  CHECK(bound_on_own);
  CHECK_FALSE(bound_on_scope);
  CHECK_FALSE(on_other_context);
  drain(other);
  CHECK(on_other_context);
}

TEST_CASE("conventions: a coroutine that joins resumes on its own executor",
          "[cancel_scope][token]") {
  asio::io_context ctx;
  asio::io_context other;
  cancel_scope<> scope(tracking_executor<>(1, other.get_executor()));
  manual_event go_on;
  scope.spawn(go_on.wait());
  bool mine = false;
  bool the_scope_s = true;
  host h(tracking_executor<>(2, ctx.get_executor()), [&]() -> awaitable<void> {
    co_await scope.async_join(use_awaitable);
    mine = running_on(2);
    the_scope_s = running_on(1);
  });
  drain(ctx);
  drain(other);
  go_on.set();
  drain(other);
  CHECK_FALSE(h.done());
  drain(ctx);
  CHECK(h.clean());
  CHECK(mine);
  CHECK_FALSE(the_scope_s);
}

TEST_CASE("rule 21: a pending join keeps the contexts of scope and handler running",
          "[cancel_scope][token]") {
  asio::io_context elsewhere;
  asio::io_context scope_ctx;
  asio::io_context handler_ctx;
  manual_event go_on;
  cancel_scope<> scope(scope_ctx);
  scope.spawn(elsewhere, go_on.wait());
  outcome by_default;
  outcome bound;
  drain(scope_ctx);
  drain(elsewhere);
  scope.async_join(by_default.handler());
  scope.async_join(asio::bind_executor(handler_ctx, bound.handler()));
  for (auto* const ctx : {&elsewhere, &scope_ctx, &handler_ctx}) {
    ctx->restart();
    ctx->poll();
    CHECK_FALSE(ctx->stopped());
  }
  go_on.set();
  drain(elsewhere);
  drain(scope_ctx);
  drain(handler_ctx);
  CHECK(by_default.calls == 1);
  CHECK(bound.calls == 1);
  for (auto* const ctx : {&elsewhere, &scope_ctx, &handler_ctx}) {
    ctx->restart();
    ctx->poll();
    CHECK(ctx->stopped());
  }
}

TEST_CASE("rule 21: children that are pending keep the context running", "[cancel_scope][token]") {
  asio::io_context ctx;
  asio::io_context other;
  manual_event go_on;
  cancel_scope<> scope(ctx);
  scope.spawn(go_on.wait());
  scope.spawn(other, go_on.wait());
  for (auto* const each : {&ctx, &other}) {
    each->poll();
    CHECK_FALSE(each->stopped());
  }
  go_on.set();
  for (auto* const each : {&ctx, &other}) {
    each->poll();
    CHECK(each->stopped());
  }
}

TEST_CASE("rule 21: run returns only when scopes that wait for another context are left",
          "[with_cancel_scope][token]") {
  asio::io_context ctx;
  asio::io_context other;
  manual_event go_on;
  host h(ctx, [&]() -> awaitable<void> {
    co_await with_cancel_scope([&](auto& scope) -> awaitable<void> {
      scope.spawn(other, go_on.wait());
      co_return;
    });
  });
  ctx.poll();
  CHECK_FALSE(ctx.stopped());
  go_on.set();
  drain(other);
  ctx.run();
  CHECK(h.clean());
}

TEST_CASE("B009: any number of joins of all kinds complete and each gets the outcome",
          "[cancel_scope][token]") {
  asio::io_context ctx;
  manual_event go_on;
  cancel_scope<> scope(ctx);
  auto const e1 = std::make_exception_ptr(std::runtime_error("E1"));
  scope.spawn([&]() -> awaitable<void> {
    co_await go_on.wait();
    std::rethrow_exception(e1);
  });
  outcome first;
  outcome second;
  scope.async_join(first.handler());
  host third(ctx, [&]() -> awaitable<void> { co_await scope.async_join(use_awaitable); });
  scope.async_join(second.handler());
  auto fourth = scope.async_join(asio::use_future);
  drain(ctx);
  go_on.set();
  drain(ctx);
  outcome late;
  scope.async_join(late.handler());
  drain(ctx);
  CHECK(first.calls == 1);
  CHECK(second.calls == 1);
  CHECK(late.calls == 1);
  CHECK(first.error == e1);
  CHECK(second.error == e1);
  CHECK(third.error() == e1);
  CHECK(late.error == e1);
  REQUIRE(becomes_ready(fourth, soon));
  CHECK_THROWS_AS(fourth.get(), std::runtime_error);
}

TEST_CASE("B009: a join may be started by the handler of another", "[cancel_scope][token]") {
  asio::io_context ctx;
  cancel_scope<> scope(ctx);
  outcome inner;
  scope.async_join([&](std::exception_ptr) { scope.async_join(inner.handler()); });
  drain(ctx);
  CHECK(inner.calls == 1);
}

TEST_CASE("conventions: a join may outlive the scope object", "[cancel_scope][token]") {
  asio::io_context ctx;
  manual_event never;
  outcome joined;
  {
    cancel_scope<> scope(ctx);
    scope.spawn(never.wait());
    drain(ctx);
    scope.async_join(joined.handler());
  }
  drain(ctx);
  CHECK(joined.calls == 1);
}
