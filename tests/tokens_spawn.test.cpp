// SPDX-License-Identifier: MIT

// Every completion token on spawn and on async_join of a child.

#include "support/asio.hpp"
#include "support/catch.hpp"
#include "support/event_log.hpp"
#include "support/manual_event.hpp"
#include "support/run.hpp"
#include "support/tracked.hpp"
#include "support/tracking_executor.hpp"

#include <asio_cancel_scope.hpp>

#include <exception>
#include <future>
#include <memory>
#include <optional>
#include <stdexcept>
#include <string>
#include <type_traits>
#include <utility>

using namespace asio_cancel_scope;

namespace {

awaitable<int> number_after(manual_event& event, int n) {
  co_await event.wait();
  co_return n;
}

awaitable<int> failing_number(char const* message) {
  throw std::runtime_error(message);
  co_return 0;
}

}  // namespace

TEST_CASE("conventions: spawn gives value or error to a callback", "[cancel_scope][token]") {
  asio::io_context ctx;
  manual_event go_on;
  cancel_scope<> scope(ctx);
  event_log log;
  auto const handler = [&](std::exception_ptr error, int n) {
    log.add(error ? message_of(error) : std::to_string(n));
  };
  scope.spawn(number_after(go_on, 4), handler);
  scope.spawn(failing_number("E1"), handler);
  scope.spawn(asio::post(use_awaitable),
              [&](std::exception_ptr error) { log.add(error ? "error" : "void"); });
  drain(ctx);
  CHECK(log.str() == "E1 void");
  go_on.set();
  drain(ctx);
  CHECK(log.str() == "E1 void 4");
  CHECK(scope.cause() == cancel_cause::none);
}

TEST_CASE("conventions: spawn takes use_future", "[cancel_scope][token]") {
  asio::io_context ctx;
  manual_event go_on;
  cancel_scope<> scope(ctx);
  auto value = scope.spawn(number_after(go_on, 4), asio::use_future);
  auto error = scope.spawn(failing_number("E1"), asio::use_future);
  STATIC_REQUIRE(std::is_same_v<decltype(value), std::future<int>>);
  go_on.set();
  drain(ctx);
  CHECK(value.get() == 4);
  CHECK_THROWS_AS(error.get(), std::runtime_error);
}

TEST_CASE("conventions: spawn takes use_awaitable and starts when that is awaited",
          "[cancel_scope][token]") {
  asio::io_context ctx;
  cancel_scope<> scope(ctx);
  bool started = false;
  run(ctx, [&]() -> awaitable<void> {
    auto operation = scope.spawn(
        [&]() -> awaitable<move_only> {
          started = true;
          co_await asio::post(use_awaitable);
          co_return move_only(6);
        },
        use_awaitable);
    co_await asio::post(use_awaitable);
    CHECK_FALSE(started);
    CHECK(scope.size() == 0);
    auto const value = co_await std::move(operation);
    CHECK(value.value == 6);
  });
}

TEST_CASE("B011: a spawn that was prepared and dropped holds nothing", "[cancel_scope][token]") {
  asio::io_context ctx;
  {
    cancel_scope<> scope(ctx);
    auto const child = [t = tracked()]() -> awaitable<void> { co_return; };
    { [[maybe_unused]] auto const operation = scope.spawn(child, compat::deferred); }
    { [[maybe_unused]] auto const operation = scope.spawn(child, use_awaitable); }
    CHECK(tracked::alive() == 1);
    CHECK(scope.size() == 0);
  }
  CHECK(tracked::alive() == 0);
}

TEST_CASE("B011: a block that is never awaited holds nothing and runs nothing",
          "[with_cancel_scope][token]") {
  bool ran = false;
  {
    auto const body = [&ran, t = tracked()](auto&) -> awaitable<void> {
      ran = true;
      co_return;
    };
    { [[maybe_unused]] auto const block = with_cancel_scope(body); }
    CHECK(tracked::alive() == 1);
  }
  CHECK(tracked::alive() == 0);
  CHECK_FALSE(ran);
}

TEST_CASE("conventions: spawn and child join take as_tuple and deferred", "[cancel_scope][token]") {
  asio::io_context ctx;
  run(ctx, [&]() -> awaitable<void> {
    co_await with_cancel_scope([&](auto& scope) -> awaitable<void> {
      auto [error, value] =
          co_await scope.spawn(failing_number("E1"), compat::as_tuple(use_awaitable));
      CHECK(message_of(error) == "E1");
      CHECK(value == 0);
      auto handle = scope.spawn([]() -> awaitable<int> { co_return 8; });
      auto [no_error, eight] = co_await handle.async_join(compat::as_tuple(use_awaitable));
      CHECK_FALSE(no_error);
      CHECK(eight == 8);
    });
  });
  cancel_scope<> scope(ctx);
  manual_event go_on;
  int seen = 0;
  auto operation = scope.spawn(number_after(go_on, 5), compat::deferred);
  drain(ctx);
  CHECK(scope.size() == 0);
  std::move(operation)([&](std::exception_ptr, int n) { seen = n; });
  CHECK(scope.size() == 1);
  go_on.set();
  drain(ctx);
  CHECK(seen == 5);
}

TEST_CASE("conventions: the join of a child takes every token", "[child][token]") {
  asio::io_context ctx;
  manual_event go_on;
  cancel_scope<> scope(ctx);
  auto a = scope.spawn(number_after(go_on, 1));
  auto b = scope.spawn(number_after(go_on, 2));
  auto c = scope.spawn(number_after(go_on, 3));
  auto d = scope.spawn(number_after(go_on, 4));
  int by_callback = 0;
  a.async_join([&](std::exception_ptr, int n) { by_callback = n; });
  auto by_future = b.async_join(asio::use_future);
  int by_awaitable = 0;
  int by_default = 0;
  host h(ctx, [&]() -> awaitable<void> {
    by_awaitable = co_await c.async_join(use_awaitable);
    by_default = co_await d.async_join();
  });
  drain(ctx);
  CHECK(by_callback == 0);
  go_on.set();
  drain(ctx);
  CHECK(by_callback == 1);
  CHECK(by_future.get() == 2);
  CHECK(by_awaitable == 3);
  CHECK(by_default == 4);
  CHECK(h.clean());
}

TEST_CASE("conventions: handlers of spawn and child run on the executor bound to them",
          "[cancel_scope][token]") {
  asio::io_context ctx;
  manual_event go_on;
  cancel_scope<> scope(tracking_executor<>(1, ctx.get_executor()));
  auto const elsewhere = tracking_executor<>(2, ctx.get_executor());
  auto const bound = tracking_executor<>(3, ctx.get_executor());
  event_log log;
  auto const where = [&](std::string name) {
    return [&log, name = std::move(name)](std::exception_ptr) {
      log.add(name + (running_on(1) ? "1" : "") + (running_on(2) ? "2" : "") +
              (running_on(3) ? "3" : ""));
    };
  };
  scope.spawn(go_on.wait(), where("a"));
  scope.spawn(elsewhere, go_on.wait(), where("b"));
  scope.spawn(elsewhere, go_on.wait(), asio::bind_executor(bound, where("c")));
  auto here = scope.spawn(go_on.wait());
  auto there = scope.spawn(elsewhere, go_on.wait());
  here.async_join(where("d"));
  there.async_join(where("e"));
  there.async_join(asio::bind_executor(bound, where("f")));
  drain(ctx);
  go_on.set();
  drain(ctx);
  for (auto const* const expected : {"a1", "b2", "c3", "d1", "e2", "f3"}) {
    INFO(expected << " in " << log.str());
    CHECK(log.count(expected) == 1);
  }
}

TEST_CASE("rule 21: handlers of spawn and child keep their contexts running",
          "[cancel_scope][token]") {
  asio::io_context ctx;
  asio::io_context for_spawn;
  asio::io_context for_child;
  manual_event go_on;
  cancel_scope<> scope(ctx);
  int calls = 0;
  auto const handler = [&](std::exception_ptr) { ++calls; };
  scope.spawn(go_on.wait(), asio::bind_executor(for_spawn, handler));
  auto handle = scope.spawn(go_on.wait());
  handle.async_join(asio::bind_executor(for_child, handler));
  drain(ctx);
  for (auto* const each : {&for_spawn, &for_child}) {
    each->poll();
    CHECK_FALSE(each->stopped());
  }
  go_on.set();
  drain(ctx);
  drain(for_spawn);
  drain(for_child);
  CHECK(calls == 2);
  for (auto* const each : {&for_spawn, &for_child}) {
    each->restart();
    each->poll();
    CHECK(each->stopped());
  }
}

TEST_CASE("conventions: the slot of the token of spawn cancels that child alone",
          "[cancel_scope][token]") {
  asio::io_context ctx;
  manual_event go_on;
  event_log log;
  asio::cancellation_signal signal;
  cancel_scope<> scope(ctx);
  scope.spawn(go_on.wait(),
              asio::bind_cancellation_slot(signal.slot(), [&](std::exception_ptr error) {
                log.add(is_aborted(error) ? "a:aborted" : "a");
              }));
  scope.spawn(go_on.wait(),
              [&](std::exception_ptr error) { log.add(is_aborted(error) ? "b:aborted" : "b"); });
  drain(ctx);
  signal.emit(asio::cancellation_type::terminal);
  drain(ctx);
  CHECK(log.str() == "a:aborted");
  CHECK_FALSE(scope.cancel_called());
  go_on.set();
  drain(ctx);
  CHECK(log.str() == "a:aborted b");
  signal.emit(asio::cancellation_type::terminal);
}

TEST_CASE("conventions: a coroutine cancelled while it awaits a spawned child cancels the child",
          "[cancel_scope][token]") {
  asio::io_context ctx;
  manual_event never;
  cancel_scope<> scope(ctx);
  host h(ctx, [&]() -> awaitable<void> { co_await scope.spawn(never.wait(), use_awaitable); });
  drain(ctx);
  CHECK(scope.size() == 1);
  h.cancel();
  drain(ctx);
  CHECK(h.aborted());
  CHECK(scope.size() == 0);
  CHECK_FALSE(scope.cancel_called());
}

TEST_CASE("conventions: a coroutine cancelled while it joins a child leaves the child running",
          "[child][token]") {
  asio::io_context ctx;
  manual_event go_on;
  cancel_scope<> scope(ctx);
  auto handle = scope.spawn(number_after(go_on, 3));
  host h(ctx, [&]() -> awaitable<void> {
    static_cast<void>(co_await handle.async_join(use_awaitable));
  });
  drain(ctx);
  h.cancel();
  drain(ctx);
  CHECK(h.aborted());
  CHECK_FALSE(handle.done());
  CHECK(scope.size() == 1);
  go_on.set();
  drain(ctx);
  CHECK(handle.get() == 3);
}

TEST_CASE("rule 3: a lazy token gets the error of a spawn into a closed scope",
          "[cancel_scope][token]") {
  asio::io_context ctx;
  {
    cancel_scope<> scope(ctx);
    run(ctx, [&]() -> awaitable<void> { co_await scope.async_join(use_awaitable); });
    auto const child = [t = tracked()]() -> awaitable<void> { co_return; };
    auto const alive = tracked::alive();
    CHECK_THROWS_AS(scope.spawn(child, [](std::exception_ptr) {}), std::logic_error);
    CHECK(tracked::alive() == alive);
    bool refused = false;
    run(ctx, [&]() -> awaitable<void> {
      try {
        co_await scope.spawn(child, use_awaitable);
      } catch (std::logic_error const&) {
        refused = true;
      }
    });
    CHECK(refused);
    std::exception_ptr error;
    auto operation = scope.spawn(child, compat::deferred);
    std::move(operation)([&](std::exception_ptr e) { error = e; });
    CHECK_FALSE(error);
    drain(ctx);
    CHECK(error);
    CHECK_FALSE(is_aborted(error));
  }
  CHECK(tracked::alive() == 0);
}
