// SPDX-License-Identifier: MIT

// Outer cancellation of async_join, the object form.

#include "support/asio.hpp"
#include "support/catch.hpp"
#include "support/event_log.hpp"
#include "support/logged.hpp"
#include "support/manual_event.hpp"
#include "support/run.hpp"

#include <asio_cancel_scope.hpp>

#include <chrono>
#include <exception>

using namespace asio_cancel_scope;
using asio::cancellation_type;

namespace {

awaitable<void> hop() {
  co_await asio::post(use_awaitable);
}

}  // namespace

TEST_CASE("rule 15: a request made while async_join runs reaches the children and is waited out",
          "[cancel_scope][outer]") {
  asio::io_context ctx;
  manual_event never;
  manual_event stubborn;
  event_log log;
  cancel_scope<> scope(ctx);
  scope.spawn(logged(log, "a", never.wait()));
  scope.spawn(logged(log, "b", stubborn.wait_ignoring_cancellation()));
  host h(ctx, [&]() -> awaitable<void> {
    co_await logged(log, "join", scope.async_join(use_awaitable));
  });
  drain(ctx);
  h.cancel();
  drain(ctx);
  CHECK(log.str() == "a:aborted");
  CHECK_FALSE(h.done());
  CHECK(scope.cause() == cancel_cause::outer);
  CHECK(scope.size() == 1);
  stubborn.set();
  drain(ctx);
  CHECK(log.str() == "a:aborted b join:aborted");
  CHECK(h.aborted());
  CHECK(scope.cancel_called());
  CHECK(scope.cancelled_caught());
  CHECK(scope.size() == 0);
}

TEST_CASE("rule 14: async_join returns when the request cut nothing and the next co_await throws",
          "[cancel_scope][outer]") {
  asio::io_context ctx;
  manual_event stubborn;
  event_log log;
  cancel_scope<> scope(ctx);
  scope.spawn(logged(log, "b", stubborn.wait_ignoring_cancellation()));
  host h(ctx, [&]() -> awaitable<void> {
    co_await logged(log, "join", scope.async_join(use_awaitable));
    log.add("after");
    co_await hop();
    log.add("not reached");
  });
  drain(ctx);
  h.cancel();
  drain(ctx);
  CHECK_FALSE(h.done());
  stubborn.set();
  drain(ctx);
  CHECK(log.str() == "b join after");
  CHECK(h.aborted());
  CHECK(scope.cancel_called());
  CHECK_FALSE(scope.cancelled_caught());
}

TEST_CASE("rule 14: async_join forwards the type of the request", "[cancel_scope][outer]") {
  auto const type =
      GENERATE(cancellation_type::terminal, cancellation_type::partial, cancellation_type::total);
  asio::io_context ctx;
  auto seen = cancellation_type::none;
  cancel_scope<> scope(ctx);
  scope.spawn([&]() -> awaitable<void> {
    co_await asio::this_coro::reset_cancellation_state(asio::enable_total_cancellation());
    co_await until_cancelled([&](cancellation_type t) { seen = t; });
  });
  host h(ctx, [&]() -> awaitable<void> {
    co_await asio::this_coro::reset_cancellation_state(asio::enable_total_cancellation());
    co_await scope.async_join(use_awaitable);
  });
  drain(ctx);
  h.cancel(type);
  drain(ctx);
  CHECK(seen == type);
  CHECK(h.aborted());
}

TEST_CASE("rule 15: a cancelled coroutine cannot start async_join and the scope stays as it is",
          "[cancel_scope][outer]") {
  asio::io_context ctx;
  manual_event go_on;
  event_log log;
  cancel_scope<> scope(ctx);
  scope.spawn(logged(log, "child", go_on.wait()));
  host* self = nullptr;
  host h(ctx, [&]() -> awaitable<void> {
    co_await hop();
    self->cancel();
    co_await scope.async_join(use_awaitable);
  });
  self = &h;
  drain(ctx);
  CHECK(h.aborted());
  CHECK_FALSE(scope.cancel_called());
  CHECK(scope.size() == 1);
  go_on.set();
  run(ctx, [&]() -> awaitable<void> { co_await scope.async_join(use_awaitable); });
  CHECK(log.str() == "child");
  CHECK_FALSE(scope.cancel_called());
}

TEST_CASE("rule 15: a request made before async_join is started is not seen by it",
          "[cancel_scope][outer]") {
  asio::io_context ctx;
  manual_event go_on;
  event_log log;
  cancel_scope<> scope(ctx);
  scope.spawn(logged(log, "child", go_on.wait()));
  host* self = nullptr;
  host h(ctx, [&]() -> awaitable<void> {
    co_await asio::this_coro::throw_if_cancelled(false);
    self->cancel();
    co_await logged(log, "join", scope.async_join(use_awaitable));
  });
  self = &h;
  drain(ctx);
  CHECK(log.str() == "");
  CHECK_FALSE(scope.cancel_called());
  go_on.set();
  drain(ctx);
  CHECK(log.str() == "child join");
  CHECK(h.clean());
}

TEST_CASE("rule 15: async_join sees several requests", "[cancel_scope][outer]") {
  asio::io_context ctx;
  manual_event never;
  manual_event stubborn;
  event_log log;
  cancel_scope<> scope(ctx);
  scope.spawn(logged(log, "a", never.wait()));
  scope.spawn(logged(log, "b", stubborn.wait_ignoring_cancellation()));
  host h(ctx, [&]() -> awaitable<void> {
    co_await asio::this_coro::reset_cancellation_state(asio::enable_total_cancellation());
    co_await logged(log, "join", scope.async_join(use_awaitable));
  });
  drain(ctx);
  h.cancel(cancellation_type::total);
  drain(ctx);
  CHECK(log.str() == "");
  h.cancel(cancellation_type::terminal);
  h.cancel(cancellation_type::total);
  drain(ctx);
  CHECK(log.str() == "a:aborted");
  stubborn.set();
  drain(ctx);
  CHECK(log.str() == "a:aborted b join:aborted");
}

TEST_CASE("rule 14: the outer request wins in async_join too after an own cancel",
          "[cancel_scope][outer]") {
  asio::io_context ctx;
  manual_event never;
  manual_event stubborn;
  event_log log;
  cancel_scope<> scope(ctx);
  scope.spawn(logged(log, "a", never.wait()));
  scope.spawn(logged(log, "b", stubborn.wait_ignoring_cancellation()));
  host h(ctx, [&]() -> awaitable<void> {
    co_await logged(log, "join", scope.async_join(use_awaitable));
  });
  drain(ctx);
  scope.cancel();
  drain(ctx);
  CHECK(log.str() == "a:aborted");
  h.cancel();
  stubborn.set();
  drain(ctx);
  CHECK(log.str() == "a:aborted b join:aborted");
  CHECK(scope.cause() == cancel_cause::requested);
}

TEST_CASE("B104: the slot bound to the token of async_join cancels as a coroutine's does",
          "[cancel_scope][outer]") {
  asio::io_context ctx;
  manual_event never;
  event_log log;
  asio::cancellation_signal signal;
  cancel_scope<> scope(ctx);
  scope.spawn(logged(log, "a", never.wait()));
  std::exception_ptr outcome;
  bool called = false;
  scope.async_join(asio::bind_cancellation_slot(signal.slot(), [&](std::exception_ptr error) {
    outcome = error;
    called = true;
  }));
  drain(ctx);
  signal.emit(cancellation_type::terminal);
  drain(ctx);
  CHECK(called);
  CHECK(is_aborted(outcome));
  CHECK(log.str() == "a:aborted");
  CHECK(scope.cause() == cancel_cause::outer);
  // The slot was cleared: the scope is not told of what comes after the handler.
  signal.emit(cancellation_type::terminal);
  drain(ctx);
}

TEST_CASE("B104: with_cancel_scope behaves alike however the request arrives",
          "[with_cancel_scope][outer]") {
  using namespace asio::experimental::awaitable_operators;
  asio::io_context ctx;
  manual_event never;
  manual_event trigger;
  event_log log;
  auto const body = [&](auto& scope) -> awaitable<void> {
    scope.spawn(logged(log, "child", never.wait()));
    co_await never.wait();
  };
  auto const block = [&]() -> awaitable<void> {
    co_await logged(log, "scope", with_cancel_scope(body));
  };
  asio::cancellation_signal signal;

  SECTION("a slot bound to co_spawn in a coroutine") {
    host h(ctx, [&]() -> awaitable<void> {
      co_await asio::co_spawn(ctx, block,
                              asio::bind_cancellation_slot(signal.slot(), use_awaitable));
    });
    drain(ctx);
    asio::post(ctx, [&] { signal.emit(cancellation_type::terminal); });
    drain(ctx);
    CHECK(h.aborted());
  }
  SECTION("the other side of an operator") {
    host h(ctx, [&]() -> awaitable<void> {
      auto const which = co_await (block() || trigger.wait());
      CHECK(which.index() == 1);
    });
    drain(ctx);
    trigger.set();
    drain(ctx);
    CHECK(h.clean());
  }
  SECTION("the handler of a timer") {
    host h(ctx, block);
    asio::steady_timer timer(ctx, std::chrono::steady_clock::now());
    drain(ctx);
    timer.async_wait([&](error_code) { h.cancel(); });
    ctx.restart();
    ctx.run();
    CHECK(h.aborted());
  }
  CHECK(log.str() == "child:aborted scope:aborted");
}

TEST_CASE("B104: with_cancel_scope itself can be given to co_spawn with a slot",
          "[with_cancel_scope][outer]") {
  asio::io_context ctx;
  manual_event never;
  event_log log;
  asio::cancellation_signal signal;
  auto const body = [&](auto& scope) -> awaitable<void> {
    scope.spawn(logged(log, "child", never.wait()));
    co_await never.wait();
  };
  auto const handler = [&](std::exception_ptr error, auto&&) {
    log.add(is_aborted(error) ? "scope:aborted" : "scope");
  };
  asio::co_spawn(ctx, with_cancel_scope(body),
                 asio::bind_cancellation_slot(signal.slot(), handler));
  drain(ctx);
  asio::post(ctx, [&] { signal.emit(cancellation_type::terminal); });
  drain(ctx);
  CHECK(log.str() == "child:aborted scope:aborted");
}
