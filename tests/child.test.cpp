// SPDX-License-Identifier: MIT
#include <asio_cancel_scope/child.hpp>
#include <asio_cancel_scope/with_cancel_scope.hpp>

#include "support/asio.hpp"
#include "support/catch.hpp"
#include "support/manual_event.hpp"
#include "support/run.hpp"
#include "support/tracked.hpp"

#include <atomic>
#include <exception>
#include <memory>
#include <optional>
#include <stdexcept>
#include <string>
#include <thread>
#include <type_traits>
#include <utility>

using namespace asio_cancel_scope;

namespace {

struct failure : std::runtime_error {
  using std::runtime_error::runtime_error;
};

bool is_logic_error(std::exception_ptr const& error) {
  try {
    if (error) {
      std::rethrow_exception(error);
    }
  } catch (std::logic_error const&) {
    return true;
  } catch (...) {
  }
  return false;
}

}  // namespace

TEST_CASE("B169: a value is available when the child has finished and after its scope is gone",
          "[child]") {
  asio::io_context ctx;
  std::optional<child<std::string>> handle;
  run(ctx, [&]() -> awaitable<void> {
    co_await with_cancel_scope([&](auto& scope) -> awaitable<void> {
      handle = scope.spawn([]() -> awaitable<std::string> { co_return "value"; });
      CHECK(!handle->done());
      co_return;
    });
    CHECK(handle->done());
  });
  CHECK(handle->done());
  CHECK(handle->get() == "value");
  CHECK(is_logic_error(error_of([&] { handle->get(); })));
  handle->cancel();
  drain(ctx);
  CHECK(handle->done());
}

TEST_CASE("B170: not ready and value and failed and cancelled are told apart", "[child]") {
  asio::io_context ctx;
  cancel_scope<> scope(ctx, scope_options().policy(on_child_error::keep_running));
  manual_event event;
  auto const error = std::make_exception_ptr(failure("E1"));
  auto value = scope.spawn([&]() -> awaitable<int> {
    co_await event.wait();
    co_return 1;
  });
  auto failed = scope.spawn([&]() -> awaitable<int> {
    co_await event.wait();
    std::rethrow_exception(error);
    co_return 1;
  });
  auto cancelled = scope.spawn([&]() -> awaitable<int> {
    co_await event.wait();
    co_return 1;
  });
  drain(ctx);
  CHECK(!value.done());
  CHECK(!failed.done());
  CHECK(!cancelled.done());
  CHECK(is_logic_error(error_of([&] { value.get(); })));
  cancelled.cancel();
  drain(ctx);
  event.set();
  drain(ctx);
  CHECK(value.done());
  CHECK(failed.done());
  CHECK(cancelled.done());
  CHECK(value.get() == 1);
  CHECK(error_of([&] { failed.get(); }) == error);
  CHECK(is_aborted(error_of([&] { cancelled.get(); })));
}

TEST_CASE("design 2: get moves the value out and throws logic_error when it was taken", "[child]") {
  asio::io_context ctx;
  cancel_scope<> scope(ctx);
  auto const make = []() -> awaitable<std::unique_ptr<int>> { co_return std::make_unique<int>(3); };
  SECTION("by get") {
    auto handle = scope.spawn(make);
    drain(ctx);
    CHECK(*handle.get() == 3);
    CHECK(is_logic_error(error_of([&] { handle.get(); })));
    std::exception_ptr by_join;
    handle.async_join([&](std::exception_ptr e, std::unique_ptr<int>) { by_join = e; });
    drain(ctx);
    CHECK(is_logic_error(by_join));
  }
  SECTION("by async_join") {
    auto handle = scope.spawn(make);
    int value = 0;
    handle.async_join([&](std::exception_ptr, std::unique_ptr<int> v) { value = *v; });
    drain(ctx);
    CHECK(value == 3);
    CHECK(is_logic_error(error_of([&] { handle.get(); })));
  }
  CHECK(!scope.cancel_called());
}

TEST_CASE("design 2: the cancellation of a handle never fails the scope", "[child][cancel]") {
  asio::io_context ctx;
  manual_event never;
  manual_event event;
  std::exception_ptr by_join;
  host h(ctx, [&]() -> awaitable<void> {
    auto const result = co_await with_cancel_scope([&](auto& scope) -> awaitable<void> {
      auto handle = scope.spawn(never.wait());
      auto sibling = scope.spawn(event.wait());
      handle.async_join([&](std::exception_ptr e) { by_join = e; });
      co_await asio::post(use_awaitable);
      handle.cancel();
      handle.cancel();
      co_await event.wait();
      CHECK(handle.done());
      handle.cancel();
    });
    CHECK(result.has_value());
    CHECK(!result.cancelled_caught());
    CHECK(result.cause() == cancel_cause::none);
  });
  drain(ctx);
  CHECK(is_aborted(by_join));
  CHECK(never.waiters() == 0);
  CHECK(event.waiters() == 2);
  event.set();
  drain(ctx);
  CHECK(h.clean());
}

TEST_CASE("rule 1: a value that nobody can ask for is destroyed while the scope is open",
          "[child][lifetime]") {
  struct spawns_at_its_end {
    spawns_at_its_end(cancel_scope<>& at, int& count) : scope(&at), ended(&count) {}
    spawns_at_its_end(spawns_at_its_end&& other) noexcept
        : scope(std::exchange(other.scope, nullptr)), ended(other.ended) {}
    spawns_at_its_end& operator=(spawns_at_its_end&&) = delete;
    ~spawns_at_its_end() {
      if (!scope) return;
      scope->spawn([count = ended]() -> awaitable<void> {
        ++*count;
        co_return;
      });
    }

    cancel_scope<>* scope;
    int* ended;
  };
  int ended = 0;
  run([&]() -> awaitable<void> {
    co_await with_cancel_scope([&](cancel_scope<>& scope) -> awaitable<void> {
      scope.spawn(
          [&]() -> awaitable<spawns_at_its_end> { co_return spawns_at_its_end(scope, ended); });
      co_return;
    });
  });
  CHECK(ended == 1);
}

TEST_CASE("B172: when a handle is dropped the child goes on and is joined", "[child]") {
  asio::io_context ctx;
  manual_event event;
  bool ended = false;
  host h(ctx, [&]() -> awaitable<void> {
    co_await with_cancel_scope([&](auto& scope) -> awaitable<void> {
      {
        auto const dropped = scope.spawn([&]() -> awaitable<void> {
          co_await event.wait();
          ended = true;
        });
      }
      CHECK(!scope.cancel_called());
      co_return;
    });
  });
  drain(ctx);
  CHECK(!ended);
  CHECK(!h.done());
  event.set();
  drain(ctx);
  CHECK(ended);
  CHECK(h.clean());
}

TEST_CASE("B174: a child ends on one thread while its handle is dropped on another",
          "[child][threads]") {
  auto const before = tracked::alive();
  for (int round = 0; round < 300; ++round) {
    asio::io_context ctx;
    cancel_scope<> scope(ctx);
    std::optional<child<tracked>> handle;
    handle = scope.spawn([captured = tracked()]() -> awaitable<tracked> {
      co_await asio::post(use_awaitable);
      co_return tracked();
    });
    bool joined = false;
    scope.async_join([&](std::exception_ptr e) { joined = !e; });
    std::atomic<bool> go{false};
    std::thread dropper([&] {
      while (!go) {
      }
      handle.reset();
    });
    go = true;
    ctx.run();
    dropper.join();
    if (!joined || scope.size() != 0) {
      FAIL("the child was not joined");
    }
  }
  CHECK(tracked::alive() == before);
}

TEST_CASE("design 2: results may be move-only or without a default constructor", "[child]") {
  asio::io_context ctx;
  cancel_scope<> scope(ctx);
  auto only_movable = scope.spawn([]() -> awaitable<move_only> { co_return move_only(3); });
  auto no_default = scope.spawn([]() -> awaitable<not_default_constructible> {
    co_await asio::post(use_awaitable);
    co_return not_default_constructible(4);
  });
  auto awaited = scope.spawn([]() -> awaitable<move_only> { co_return move_only(5); });
  int value = 0;
  awaited.async_join([&](std::exception_ptr, move_only v) { value = v.value; });
  drain(ctx);
  CHECK(only_movable.get().value == 3);
  CHECK(no_default.get().value == 4);
  CHECK(value == 5);
  CHECK(is_logic_error(error_of([&] { no_default.get(); })));
  auto failed = scope.spawn([]() -> awaitable<not_default_constructible> {
    throw failure("E1");
    co_return not_default_constructible(1);
  });
  drain(ctx);
  CHECK(message_of(error_of([&] { failed.get(); })) == "E1");
}

TEST_CASE("B175: a result whose move throws becomes an error and the scope is joined", "[child]") {
  asio::io_context ctx;
  int const allowed = GENERATE(0, 1, 2, 3, 4);
  cancel_scope<> scope(ctx, scope_options().policy(on_child_error::keep_running));
  auto handle = scope.spawn([&]() -> awaitable<throws_on_move> {
    throws_on_move result(allowed);
    co_await asio::post(use_awaitable);
    co_return result;
  });
  bool joined = false;
  scope.async_join([&](std::exception_ptr) { joined = true; });
  drain(ctx);
  CHECK(joined);
  REQUIRE(handle.done());
  CHECK(scope.size() == 0);
  auto const error = error_of([&] { handle.get(); });
  if (allowed == 0) {
    CHECK(message_of(error) == "throws_on_move");
  }
  if (error) {
    CHECK(message_of(error) == "throws_on_move");
  }
}

TEST_CASE("design 2: a child knows the executor that it runs on", "[child]") {
  asio::io_context ctx;
  asio::io_context other;
  cancel_scope<> scope(ctx);
  auto own = scope.spawn([]() -> awaitable<void> { co_return; });
  auto elsewhere = scope.spawn(other, []() -> awaitable<void> { co_return; });
  CHECK(own.get_executor() == asio::any_io_executor(ctx.get_executor()));
  CHECK(elsewhere.get_executor() == asio::any_io_executor(other.get_executor()));
}

TEST_CASE("design 2: a handle is movable and not copyable", "[child]") {
  STATIC_REQUIRE(std::is_nothrow_move_constructible_v<child<int>>);
  STATIC_REQUIRE(std::is_nothrow_move_assignable_v<child<int>>);
  STATIC_REQUIRE(!std::is_copy_constructible_v<child<int>>);
  STATIC_REQUIRE(!std::is_copy_assignable_v<child<int>>);
  STATIC_REQUIRE(std::is_same_v<child<int>::executor_type, asio::any_io_executor>);
  STATIC_REQUIRE(noexcept(std::declval<child<int> const&>().done()));
  asio::io_context ctx;
  cancel_scope<> scope(ctx);
  auto one = scope.spawn([]() -> awaitable<int> { co_return 1; });
  auto two = scope.spawn([]() -> awaitable<int> { co_return 2; });
  drain(ctx);
  auto moved = std::move(one);
  CHECK(moved.get() == 1);
  moved = std::move(two);
  CHECK(moved.get() == 2);
}
