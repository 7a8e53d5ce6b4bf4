// SPDX-License-Identifier: MIT

// max_children: what takes room, what gives it back, and what spawn and try_spawn do without.

#include "support/asio.hpp"
#include "support/catch.hpp"
#include "support/ended.hpp"
#include "support/event_log.hpp"
#include "support/logged.hpp"
#include "support/manual_event.hpp"
#include "support/run.hpp"
#include "support/tracked.hpp"

#include <asio_cancel_scope.hpp>

#include <chrono>
#include <exception>
#include <limits>
#include <memory>
#include <optional>
#include <stdexcept>
#include <string>
#include <type_traits>
#include <utility>

using namespace asio_cancel_scope;
using namespace std::chrono_literals;

namespace {

struct failure : std::runtime_error {
  using std::runtime_error::runtime_error;
};

awaitable<void> nothing() {
  co_return;
}

awaitable<void> hold(tracked) {
  co_return;
}

awaitable<void> not_reached(event_log& log) {
  log.add("started");
  co_return;
}

template <typename F>
bool throws_length_error(F f) {
  try {
    f();
  } catch (std::length_error const&) {
    return true;
  }
  return false;
}

template <typename Executor>
bool is_full(cancel_scope<Executor>& scope) {
  bool const full = throws_length_error([&] { scope.spawn(nothing()); });
  return full && !scope.try_spawn(nothing());
}

}  // namespace

TEST_CASE("rule 25: a limit of 0 is refused", "[room][options]") {
  CHECK_THROWS_AS(scope_options().max_children(0), std::invalid_argument);
  scope_options options;
  CHECK_THROWS_AS(options.max_children(0), std::invalid_argument);
  // What was refused has not been set.
  asio::io_context ctx;
  cancel_scope<> scope(ctx, options);
  scope.spawn(nothing());
  scope.spawn(nothing());
  CHECK(scope.size() == 2);
}

TEST_CASE("rule 25: without a limit or with the greatest there is always room", "[room]") {
  asio::io_context ctx;
  auto options = scope_options();
  if (GENERATE(false, true)) options.max_children(std::numeric_limits<std::size_t>::max());
  cancel_scope<> scope(ctx, options);
  for (int i = 0; i < 1000; ++i) scope.spawn(nothing());
  CHECK(scope.try_spawn(nothing()));
  CHECK(scope.size() == 1001);
}

TEST_CASE("rule 25: spawn on a full scope throws length_error and leaves the scope as it was",
          "[room][spawn]") {
  asio::io_context ctx;
  manual_event go_on;
  event_log log;
  cancel_scope<> scope(ctx, scope_options().max_children(2));
  scope.spawn(logged(log, "a", go_on.wait()));
  scope.spawn(logged(log, "b", go_on.wait()));
  if (GENERATE(true, false)) drain(ctx);
  std::string message;
  auto const callable = [&, t = tracked()] { return not_reached(log); };
  CHECK(tracked::alive() == 1);
  SECTION("an awaitable") {
    CHECK_THROWS_AS(scope.spawn(hold(tracked())), std::length_error);
  }
  SECTION("a callable") {
    CHECK_THROWS_AS(scope.spawn(callable), std::length_error);
  }
  SECTION("on an executor of its own") {
    CHECK_THROWS_AS(scope.spawn(asio::make_strand(ctx), callable), std::length_error);
  }
  SECTION("a service") {
    CHECK_THROWS_AS(scope.spawn(child_options().service(), callable), std::length_error);
  }
  SECTION("with a token whose handler is destroyed") {
    auto const handler = [&, t = tracked()](std::exception_ptr) { log.add("told"); };
    CHECK_THROWS_AS(scope.spawn(callable, handler), std::length_error);
    CHECK(tracked::alive() == 2);
  }
  SECTION("with a lazy token that gets it") {
    host h(ctx, [&]() -> awaitable<void> { co_await scope.spawn(callable, use_awaitable); });
    drain(ctx);
    CHECK(throws_length_error([&] { std::rethrow_exception(h.error()); }));
  }
  SECTION("through try_spawn which says no") {
    CHECK_FALSE(scope.try_spawn(callable));
    CHECK_FALSE(scope.try_spawn(asio::make_strand(ctx), callable));
    CHECK_FALSE(scope.try_spawn(child_options().service(), hold(tracked())));
  }
  CHECK(tracked::alive() == 1);
  CHECK(scope.size() == 2);
  CHECK_FALSE(scope.cancel_called());
  go_on.set();
  drain(ctx);
  CHECK(log.str() == "a b");
  CHECK(scope.size() == 0);
}

TEST_CASE("rule 25: try_spawn starts a child where there is room", "[room][try_spawn]") {
  asio::io_context ctx;
  asio::io_context other;
  cancel_scope<> scope(ctx, scope_options().max_children(2));
  auto here = scope.try_spawn([]() -> awaitable<std::string> { co_return "here"; });
  auto there = scope.try_spawn(child_options().on(other),
                               []() -> awaitable<std::string> { co_return "there"; });
  STATIC_REQUIRE(std::is_same_v<decltype(here), std::optional<child<std::string>>>);
  REQUIRE(here);
  REQUIRE(there);
  CHECK_FALSE(here->done());
  drain(ctx);
  CHECK(here->get() == "here");
  CHECK_FALSE(there->done());
  drain(other);
  CHECK(there->get() == "there");
}

TEST_CASE("rule 25: try_spawn says no in a cancelled scope and throws in a closed one",
          "[room][try_spawn]") {
  asio::io_context ctx;
  event_log log;
  auto const callable = [&, t = tracked()] { return not_reached(log); };
  cancel_scope<> scope(ctx);
  SECTION("cancelled") {
    scope.cancel(GENERATE(asio::cancellation_type::terminal, asio::cancellation_type::total));
    CHECK_FALSE(scope.try_spawn(callable));
    CHECK_FALSE(scope.try_spawn(hold(tracked())));
    CHECK_FALSE(scope.cancelled_caught());
  }
  SECTION("shutting down") {
    scope.shutdown(1h);
    CHECK_FALSE(scope.try_spawn(callable));
  }
  SECTION("closed") {
    scope.async_join([](std::exception_ptr) {});
    drain(ctx);
    CHECK_THROWS_AS(scope.try_spawn(callable), std::logic_error);
    CHECK_THROWS_AS(scope.try_spawn(hold(tracked())), std::logic_error);
  }
  CHECK(tracked::alive() == 1);
  CHECK(scope.size() == 0);
  drain(ctx);
  CHECK(log.str().empty());
}

TEST_CASE("rule 5: spawn in a scope that is full and cancelled gives a child that never starts",
          "[room][cancel]") {
  asio::io_context ctx;
  manual_event stubborn;
  event_log log;
  cancel_scope<> scope(ctx, scope_options().max_children(1));
  scope.spawn(stubborn.wait_ignoring_cancellation());
  drain(ctx);
  scope.cancel();
  auto handle = scope.spawn(not_reached(log));
  CHECK(handle.done());
  CHECK_THROWS_AS(handle.get(), system_error);
  CHECK(scope.size() == 1);
  stubborn.set();
  drain(ctx);
  CHECK(log.str().empty());
}

TEST_CASE("rule 25: every child that has not ended takes room and the body does not", "[room]") {
  asio::io_context ctx;
  asio::io_context other;
  manual_event never;
  run(ctx, [&]() -> awaitable<void> {
    auto const options = scope_options().max_children(1);
    co_await with_cancel_scope(options, [&](cancel_scope<>& scope) -> awaitable<void> {
      CHECK(scope.size() == 0);
      scope.spawn(nothing());
      CHECK(is_full(scope));
      scope.cancel();
      co_return;
    });
  });
  cancel_scope<> scope(ctx, scope_options().max_children(1));
  SECTION("one that has not started") {
    scope.spawn(never.wait());
  }
  SECTION("one that runs") {
    scope.spawn(never.wait());
    drain(ctx);
  }
  SECTION("one on an executor of its own") {
    scope.spawn(other, never.wait());
  }
  SECTION("one with a token") {
    scope.spawn(never.wait(), [](std::exception_ptr) {});
  }
  SECTION("a service") {
    scope.spawn(child_options().service(), never.wait());
    drain(ctx);
  }
  SECTION("one that was let in by async_spawn") {
    scope.async_spawn(never.wait(), [](std::exception_ptr, child<void>) {});
  }
  SECTION("a start that is pending") {
    scope.async_start([&](ready_signal<>) { return never.wait(); }, [](std::exception_ptr) {});
    drain(ctx);
  }
  SECTION("one that was started and is ready") {
    scope.async_start(
        [&](ready_signal<> ready) {
          ready();
          return never.wait();
        },
        [](std::exception_ptr) {});
    drain(ctx);
  }
  SECTION("one that is cancelled and goes on") {
    auto handle = scope.spawn(never.wait_ignoring_cancellation());
    drain(ctx);
    handle.cancel();
    drain(ctx);
  }
  CHECK(scope.size() == 1);
  CHECK(is_full(scope));
}

TEST_CASE("rule 25: a child with a token takes room until its handler has returned",
          "[room][token]") {
  asio::io_context ctx;
  asio::io_context elsewhere;
  cancel_scope<> scope(ctx, scope_options().max_children(1));
  bool full_inside = false;
  scope.spawn(nothing(), asio::bind_executor(
                             elsewhere, [&](std::exception_ptr) { full_inside = is_full(scope); }));
  drain(ctx);
  CHECK(is_full(scope));
  drain(elsewhere);
  CHECK(full_inside);
  CHECK_FALSE(is_full(scope));
}

TEST_CASE("rule 25: a child that ends gives its room back", "[room]") {
  asio::io_context ctx;
  manual_event go_on;
  std::optional<cancel_scope<>> scope;
  scope.emplace(ctx, scope_options().max_children(1).policy(on_child_error::keep_running));
  SECTION("by returning") {
    scope->spawn(go_on.wait());
    drain(ctx);
    CHECK(is_full(*scope));
    go_on.set();
  }
  SECTION("by an error") {
    scope->spawn([&]() -> awaitable<void> {
      co_await go_on.wait();
      throw failure("E1");
    });
    drain(ctx);
    CHECK(is_full(*scope));
    go_on.set();
  }
  SECTION("by its handle") {
    auto handle = scope->spawn(go_on.wait());
    drain(ctx);
    CHECK(is_full(*scope));
    handle.cancel();
  }
  SECTION("by its handle before it starts") {
    auto handle = scope->spawn(go_on.wait());
    CHECK(is_full(*scope));
    handle.cancel();
  }
  SECTION("by failing before it is ready") {
    scope->async_start([](ready_signal<>) { return nothing(); }, [](std::exception_ptr) {});
    CHECK(is_full(*scope));
  }
  SECTION("by being lost with what it waits for") {
    std::shared_ptr<void> kept;
    auto const takes_handler = [&](auto&& handler) {
      kept = std::make_shared<std::decay_t<decltype(handler)>>(
          std::forward<decltype(handler)>(handler));
    };
    scope->spawn([&]() -> awaitable<void> {
      co_await asio::async_initiate<asio::use_awaitable_t<> const, void()>(takes_handler,
                                                                           use_awaitable);
    });
    drain(ctx);
    CHECK(is_full(*scope));
    kept.reset();
  }
  SECTION("by being lost with its context") {
    {
      asio::io_context other;
      scope->spawn(other, go_on.wait());
      drain(other);
      CHECK(is_full(*scope));
    }
  }
  drain(ctx);
  CHECK(scope->size() == 0);
  CHECK_FALSE(is_full(*scope));
}

TEST_CASE("rule 25: the last child is let in as often as another has ended", "[room]") {
  asio::io_context ctx;
  cancel_scope<> scope(ctx, scope_options().max_children(3));
  int ended = 0;
  for (int i = 0; i < 100; ++i) {
    while (auto const handle = scope.try_spawn([&]() -> awaitable<void> {
      ++ended;
      co_return;
    })) {
    }
    CHECK(scope.size() == 3);
    drain(ctx);
    CHECK(ended == 3 * (i + 1));
  }
}

TEST_CASE("rule 25: each of nested scopes has its own limit", "[room][nested]") {
  asio::io_context ctx;
  run(ctx, [&]() -> awaitable<void> {
    co_await with_cancel_scope(
        scope_options().max_children(1), [&](cancel_scope<>& outer) -> awaitable<void> {
          outer.spawn(nothing());
          co_await with_cancel_scope(scope_options().max_children(2),
                                     [&](cancel_scope<>& inner) -> awaitable<void> {
                                       inner.spawn(nothing());
                                       CHECK(is_full(outer));
                                       inner.spawn(nothing());
                                       CHECK(is_full(inner));
                                       co_return;
                                     });
        });
  });
}
