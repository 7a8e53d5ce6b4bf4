// SPDX-License-Identifier: MIT

// The other hazards, H10 to H16: joining, shutdown, what can be awaited, exceptions, compilers.

#include "support/asio.hpp"
#include "support/catch.hpp"
#include "support/event_log.hpp"
#include "support/logged.hpp"
#include "support/manual_event.hpp"
#include "support/run.hpp"
#include "support/tracked.hpp"
#include "support/wait_for.hpp"

#include <asio_cancel_scope.hpp>

#include <atomic>
#include <chrono>
#include <exception>
#include <functional>
#include <memory>
#include <optional>
#include <stdexcept>
#include <string>
#include <type_traits>
#include <utility>
#include <variant>

using namespace asio_cancel_scope;

namespace {

awaitable<void> hop() {
  co_await asio::post(use_awaitable);
}

struct looks_when_destroyed {
  explicit looks_when_destroyed(int const& p) : parent(&p) {}
  looks_when_destroyed(looks_when_destroyed&& other) noexcept
      : parent(std::exchange(other.parent, nullptr)) {}
  looks_when_destroyed(looks_when_destroyed const&) = delete;
  looks_when_destroyed& operator=(looks_when_destroyed const&) = delete;
  ~looks_when_destroyed() {
    if (parent) {
      sum += *parent;
    }
  }

  int const* parent;
  static inline int sum = 0;
};

}  // namespace

TEST_CASE("H10: joins that find nothing to wait for do not nest on the stack",
          "[cancel_scope][hazard]") {
  asio::io_context ctx;
  cancel_scope<> scope(ctx);
  int joins = 0;
  run(ctx, [&]() -> awaitable<void> {
    for (; joins < 50000; ++joins) {
      co_await scope.async_join(use_awaitable);
    }
  });
  CHECK(joins == 50000);
}

TEST_CASE("H10: a join started by a callback keeps run from returning early",
          "[cancel_scope][hazard]") {
  asio::io_context ctx;
  asio::thread_pool pool(1);
  std::atomic<bool> go_on{false};
  cancel_scope<> scope(ctx);
  scope.spawn(pool, [&]() -> awaitable<void> {
    becomes_true([&] { return go_on.load(); });
    co_return;
  });
  bool joined = false;
  scope.async_join([&](std::exception_ptr) { joined = true; });
  asio::post(ctx, [&] { go_on = true; });
  ctx.run();
  CHECK(joined);
}

TEST_CASE("H10: a cancel that comes before the join is not lost on it", "[cancel_scope][hazard]") {
  asio::io_context ctx;
  cancel_scope<> scope(ctx);
  auto handle = scope.spawn(until_cancelled());
  drain(ctx);
  scope.cancel();
  run(ctx, [&]() -> awaitable<void> { co_await scope.async_join(use_awaitable); });
  CHECK(handle.done());
}

TEST_CASE("H10: a host that keeps its own scope and joins it in its frame is no cycle",
          "[cancel_scope][hazard]") {
  {
    manual_event never;
    asio::io_context ctx;
    host h(ctx, [&]() -> awaitable<void> {
      tracked const local;
      cancel_scope<> scope(ctx);
      auto handle = scope.spawn(never.wait());
      scope.spawn([&]() -> awaitable<void> { co_await handle.async_join(use_awaitable); });
      co_await scope.async_join(use_awaitable);
    });
    drain(ctx);
    CHECK(tracked::alive() == 1);
  }
  CHECK(tracked::alive() == 0);
}

TEST_CASE("H10: what a child captured is destroyed before its parent goes on",
          "[with_cancel_scope][hazard]") {
  run([](asio::io_context&) -> awaitable<void> {
    auto local = std::make_unique<int>(7);
    co_await with_cancel_scope([&](auto& scope) -> awaitable<void> {
      scope.spawn([guard = looks_when_destroyed(*local)]() -> awaitable<void> { co_await hop(); });
      co_return;
    });
    CHECK(looks_when_destroyed::sum == 7);
    local.reset();
  });
  CHECK(looks_when_destroyed::sum == 7);
}

TEST_CASE("H11: the context dies with a cancellation under way", "[cancel_scope][hazard]") {
  {
    manual_event never;
    asio::io_context ctx;
    host h(ctx, [&]() -> awaitable<void> {
      tracked const local;
      co_await with_cancel_scope([&](auto& scope) -> awaitable<void> {
        tracked const in_body;
        scope.spawn(never.wait());
        scope.spawn(asio::make_strand(ctx), never.wait());
        scope.spawn(until_cancelled([t = tracked()] {}));
        co_await never.wait();
      });
    });
    drain(ctx);
    // From outside: the emissions are posted, and never run.
    h.cancel();
  }
  CHECK(tracked::alive() == 0);
}

TEST_CASE("H12: leaving gives an awaitable that operators and co_spawn take",
          "[with_cancel_scope][hazard]") {
  using namespace asio::experimental::awaitable_operators;
  auto const body = [](auto&) -> awaitable<int> { co_return 3; };
  STATIC_REQUIRE(std::is_same_v<decltype(with_cancel_scope(body)), awaitable<scope_result<int>>>);
  int sum = 0;
  run([&](asio::io_context&) -> awaitable<void> {
    auto block = with_cancel_scope(body);
    auto first = co_await std::move(block);
    auto both = co_await (with_cancel_scope(body) && with_cancel_scope(body));
    sum = first.value() + std::get<0>(both).value() + std::get<1>(both).value();
  });
  CHECK(sum == 9);
}

TEST_CASE("H13: a child that throws before its first suspension is a child that fails",
          "[with_cancel_scope][hazard]") {
  auto const is_coroutine = GENERATE(true, false);
  asio::io_context ctx;
  event_log log;
  host h(ctx, [&]() -> awaitable<void> {
    co_await with_cancel_scope([&](auto& scope) -> awaitable<void> {
      if (is_coroutine) {
        scope.spawn([]() -> awaitable<void> {
          throw std::runtime_error("E1");
          co_return;
        });
      } else {
        scope.spawn([]() -> awaitable<void> { throw std::runtime_error("E1"); });
      }
      log.add("spawned");
      co_await logged(log, "body", until_cancelled());
    });
  });
  CHECK_NOTHROW(drain(ctx));
  CHECK(log.str() == "spawned body:aborted");
  CHECK(message_of(h.error()) == "E1");
}

TEST_CASE("H13: a token's handler that throws reaches run and the scope is left all the same",
          "[cancel_scope][hazard]") {
  auto const is_tracked = GENERATE(false, true);
  asio::io_context ctx;
  cancel_scope<> scope(ctx);
  auto const handler = [t = tracked()](auto const&...) { throw std::runtime_error("E1"); };
  if (is_tracked) {
    asio::post(scope.track(asio::bind_executor(ctx, handler)));
  } else {
    scope.spawn([]() -> awaitable<void> { co_return; }, handler);
  }
  bool joined = false;
  scope.async_join([&](std::exception_ptr error) { joined = !error; });
  CHECK_THROWS_AS(ctx.run(), std::runtime_error);
  CHECK_NOTHROW(ctx.run());
  CHECK(joined);
  CHECK(scope.size() == 0);
}

TEST_CASE("H13: results need neither a default constructor nor a copy",
          "[with_cancel_scope][hazard]") {
  run([](asio::io_context&) -> awaitable<void> {
    std::optional<child<not_default_constructible>> handle;
    auto result =
        co_await with_cancel_scope([&](auto& scope) -> awaitable<not_default_constructible> {
          handle = scope.spawn([]() -> awaitable<not_default_constructible> {
            co_await hop();
            co_return not_default_constructible(4);
          });
          co_return not_default_constructible(5);
        });
    CHECK(result.value().value == 5);
    CHECK(handle->get().value == 4);
    auto moved = co_await with_cancel_scope(
        [](auto&) -> awaitable<std::unique_ptr<int>> { co_return std::make_unique<int>(6); });
    CHECK(*std::move(moved).value() == 6);
  });
}

TEST_CASE("H14: what a named body and a spawned temporary capture is destroyed once",
          "[with_cancel_scope][hazard]") {
  {
    asio::io_context ctx;
    run(ctx, [&]() -> awaitable<void> {
      auto const body = [t = tracked(1),
                         text = std::string(100, 'x')](auto& scope) -> awaitable<void> {
        scope.spawn([t = tracked(2), text = std::string(100, 'y')]() -> awaitable<void> {
          co_await hop();
          CHECK(text.size() == 100);
        });
        co_await hop();
        CHECK(text.size() == 100);
      };
      co_await with_cancel_scope(body);
      co_await with_cancel_scope(body);
      CHECK(tracked::alive() == 1);
      auto movable = [owned = std::make_unique<int>(3)](auto&) -> awaitable<int> {
        co_return *owned;
      };
      auto result = co_await with_cancel_scope(std::ref(movable));
      CHECK(result.value() == 3);
    });
  }
  CHECK(tracked::alive() == 0);
}

TEST_CASE("H14: options and names may be written inside a co_await expression",
          "[with_cancel_scope][hazard]") {
  std::string seen;
  run([&](asio::io_context&) -> awaitable<void> {
    co_await with_cancel_scope(scope_options().name(std::string(100, 'n')),
                               [&](auto& scope) -> awaitable<void> {
                                 seen = scope.name();
                                 co_return;
                               });
  });
  CHECK(seen == std::string(100, 'n'));
  STATIC_REQUIRE_FALSE(std::is_aggregate_v<scope_options>);
  STATIC_REQUIRE_FALSE(std::is_aggregate_v<child_options>);
  STATIC_REQUIRE_FALSE(std::is_aggregate_v<scope_result<int>>);
}

TEST_CASE("H15: strands timers and a scope on a pool are clean under the thread sanitizer",
          "[cancel_scope][hazard]") {
  asio::thread_pool pool(3);
  cancel_scope<> scope(pool);
  int counted = 0;
  auto const strand = asio::make_strand(pool);
  for (int i = 0; i < 10; ++i) {
    scope.spawn(strand, [&]() -> awaitable<void> {
      for (int j = 0; j < 5; ++j) {
        ++counted;
        asio::steady_timer timer(co_await asio::this_coro::executor, std::chrono::microseconds(20));
        co_await timer.async_wait(use_awaitable);
      }
    });
  }
  wait_for(scope.async_join(asio::use_future));
  CHECK(counted == 50);
}

TEST_CASE("H16: the library speaks of the Asio that was chosen", "[with_cancel_scope][hazard]") {
  auto const body = [](auto&) -> awaitable<void> { co_return; };
  STATIC_REQUIRE(
      std::is_same_v<decltype(with_cancel_scope(body)), asio::awaitable<scope_result<void>>>);
  STATIC_REQUIRE(std::is_same_v<cancel_scope<>::executor_type, asio::any_io_executor>);
  asio::io_context ctx;
  cancel_scope<> scope(ctx);
  auto handle = scope.spawn(until_cancelled());
  drain(ctx);
  scope.cancel();
  drain(ctx);
  CHECK_THROWS_AS(handle.get(), system_error);
}

TEST_CASE("B188: an operation that completes inside its initiation is no different for a child",
          "[cancel_scope][hazard]") {
  asio::io_context ctx;
  event_log log;
  auto const at_once = [](auto handler) { std::move(handler)(); };
  cancel_scope<> scope(ctx);
  scope.spawn([&]() -> awaitable<void> {
    for (int i = 0; i < 10; ++i) {
      co_await asio::async_initiate<asio::use_awaitable_t<> const, void()>(at_once, use_awaitable);
    }
    log.add("done");
    scope.cancel();
    co_await logged(log, "not reached", hop());
  });
  drain(ctx);
  CHECK(log.str() == "done");
  CHECK(scope.size() == 0);
  CHECK(scope.cancelled_caught());
}

TEST_CASE("B188: an initiation that throws to a child is an error of the child",
          "[cancel_scope][hazard]") {
  asio::io_context ctx;
  cancel_scope<> scope(ctx);
  auto const throws = [](auto&&) { throw std::runtime_error("E1"); };
  scope.spawn([&]() -> awaitable<void> {
    auto const callback = [] {};
    asio::async_initiate<decltype(callback), void()>(throws, callback);
    co_return;
  });
  std::exception_ptr outcome;
  scope.async_join([&](std::exception_ptr error) { outcome = error; });
  drain(ctx);
  CHECK(message_of(outcome) == "E1");
}
