// SPDX-License-Identifier: MIT

// What Asio demands of every initiating function: never the handler from inside it, the handler's
// allocator, default tokens, and an executor for those who adapt the initiation.

#include "support/asio.hpp"
#include "support/catch.hpp"
#include "support/manual_event.hpp"
#include "support/run.hpp"

#include <asio_cancel_scope.hpp>

#include <cstddef>
#include <exception>
#include <memory>
#include <optional>
#include <stdexcept>
#include <string>
#include <type_traits>
#include <utility>

using namespace asio_cancel_scope;

namespace {

awaitable<void> nothing() {
  co_return;
}

// Calls `initiate(handler)` on the context and outside of it; false if the handler was called
// inside the call, or not at all afterwards.
template <typename Initiate>
bool handler_comes_later(asio::io_context& ctx, bool on_the_executor, Initiate initiate) {
  bool inside = false;
  bool called = false;
  bool called_inside = false;
  auto const call = [&] {
    inside = true;
    initiate([&](std::exception_ptr) {
      called = true;
      called_inside = inside;
    });
    inside = false;
  };
  if (on_the_executor) {
    asio::post(ctx, call);
  } else {
    call();
  }
  drain(ctx);
  return called && !called_inside;
}

struct counts {
  int allocations = 0;
  int deallocations = 0;
};

template <typename T>
struct counting_allocator {
  using value_type = T;

  explicit counting_allocator(counts& c) noexcept : counted(&c) {}
  template <typename U>
  counting_allocator(counting_allocator<U> const& other) noexcept : counted(other.counted) {}

  T* allocate(std::size_t n) {
    ++counted->allocations;
    return std::allocator<T>().allocate(n);
  }
  void deallocate(T* memory, std::size_t n) noexcept {
    ++counted->deallocations;
    std::allocator<T>().deallocate(memory, n);
  }

  friend bool operator==(counting_allocator const& a, counting_allocator const& b) noexcept {
    return a.counted == b.counted;
  }

  counts* counted;
};

// A token whose initiating function returns the executor of the initiation.
struct ask_for_executor {};

}  // namespace

#if defined(ASIO_CANCEL_SCOPE_USE_BOOST_ASIO)
namespace boost::asio {
#else
namespace asio {
#endif

template <typename Signature>
struct async_result<ask_for_executor, Signature> {
  template <typename Initiation, typename... Args>
  static auto initiate(Initiation&& initiation, ask_for_executor, Args&&...) {
    if constexpr (requires { typename std::decay_t<Initiation>::executor_type; }) {
      typename std::decay_t<Initiation>::executor_type ex = initiation.get_executor();
      return ex;
    }
  }
};

#if defined(ASIO_CANCEL_SCOPE_USE_BOOST_ASIO)
}  // namespace boost::asio
#else
}  // namespace asio
#endif

TEST_CASE("conventions: the handler of async_join is never called from inside it",
          "[cancel_scope][token]") {
  auto const inside = GENERATE(true, false);
  asio::io_context ctx;
  cancel_scope<> scope(ctx);
  auto const join = [&](auto handler) { scope.async_join(handler); };
  SECTION("of an empty scope, and again when it is closed") {
    CHECK(handler_comes_later(ctx, inside, join));
    CHECK(handler_comes_later(ctx, inside, join));
  }
  SECTION("of a scope whose children have ended") {
    scope.spawn(nothing());
    drain(ctx);
    CHECK(handler_comes_later(ctx, inside, join));
  }
  SECTION("of a scope that was cancelled before anything started") {
    scope.cancel();
    scope.spawn(nothing());
    CHECK(handler_comes_later(ctx, inside, join));
  }
}

TEST_CASE("conventions: the join of a block's scope fails later and not inside async_join",
          "[with_cancel_scope][token]") {
  asio::io_context ctx;
  bool inside = false;
  bool called_inside = false;
  std::exception_ptr error;
  run(ctx, [&]() -> awaitable<void> {
    co_await with_cancel_scope([&](auto& scope) -> awaitable<void> {
      inside = true;
      scope.async_join([&](std::exception_ptr e) {
        called_inside = inside;
        error = e;
      });
      inside = false;
      co_await asio::post(use_awaitable);
    });
  });
  drain(ctx);
  CHECK_FALSE(called_inside);
  REQUIRE(error);
  CHECK_THROWS_AS(std::rethrow_exception(error), std::logic_error);
}

TEST_CASE("conventions: the handler of a child's join is never called from inside it",
          "[child][token]") {
  auto const inside = GENERATE(true, false);
  asio::io_context ctx;
  cancel_scope<> scope(ctx);
  std::optional<child<void>> handle;
  SECTION("of a child that is done") {
    handle = scope.spawn(nothing());
    drain(ctx);
  }
  SECTION("of a child that never started") {
    scope.cancel();
    handle = scope.spawn(nothing());
    CHECK(handle->done());
  }
  CHECK(handler_comes_later(ctx, inside, [&](auto handler) { handle->async_join(handler); }));
}

TEST_CASE("conventions: the handler given to spawn is never called from inside it",
          "[cancel_scope][token]") {
  auto const inside = GENERATE(true, false);
  asio::io_context ctx;
  cancel_scope<> scope(ctx);
  auto const spawn = [&](auto handler) { scope.spawn(nothing(), handler); };
  SECTION("of a child that ends at once") {
    CHECK(handler_comes_later(ctx, inside, spawn));
  }
  SECTION("of a child that never starts") {
    scope.cancel();
    CHECK(handler_comes_later(ctx, inside, spawn));
  }
  SECTION("of a spawn that a lazy token makes into a closed scope") {
    CHECK(handler_comes_later(ctx, inside, [&](auto handler) { scope.async_join(handler); }));
    CHECK(handler_comes_later(ctx, inside, [&](auto handler) {
      auto operation = scope.spawn(nothing(), compat::deferred);
      std::move(operation)(handler);
    }));
  }
}

TEST_CASE("conventions: the handler of a token is not called inside cancel",
          "[cancel_scope][token]") {
  asio::io_context ctx;
  cancel_scope<> scope(ctx);
  bool inside = false;
  int called = 0;
  int called_inside = 0;
  auto const handler = [&](std::exception_ptr) {
    ++called;
    called_inside += inside;
  };
  scope.spawn(until_cancelled(), handler);
  auto handle = scope.spawn(until_cancelled());
  handle.async_join(handler);
  scope.async_join(handler);
  drain(ctx);
  asio::post(ctx, [&] {
    inside = true;
    scope.cancel();
    inside = false;
  });
  drain(ctx);
  CHECK(called == 3);
  CHECK(called_inside == 0);
}

TEST_CASE("B027: what a join allocates comes from the handler's allocator and is given back",
          "[cancel_scope][token]") {
  asio::io_context ctx;
  manual_event go_on;
  cancel_scope<> scope(ctx);
  auto handle = scope.spawn(go_on.wait());
  counts of_scope;
  counts of_child;
  int left_at_call = -1;
  scope.async_join(asio::bind_allocator(counting_allocator<int>(of_scope), [&](std::exception_ptr) {
    left_at_call = of_scope.allocations - of_scope.deallocations;
  }));
  handle.async_join(
      asio::bind_allocator(counting_allocator<int>(of_child), [](std::exception_ptr) {}));
  CHECK(of_scope.allocations > 0);
  CHECK(of_child.allocations > 0);
  go_on.set();
  drain(ctx);
  CHECK(left_at_call == 0);
  CHECK(of_scope.allocations == of_scope.deallocations);
  CHECK(of_child.allocations == of_child.deallocations);
}

TEST_CASE("conventions: an executor's default token is that of async_join",
          "[cancel_scope][token]") {
  asio::io_context ctx;
  using scope_type = asio::use_awaitable_t<>::as_default_on_t<cancel_scope<>>;
  using executor = scope_type::executor_type;
  STATIC_REQUIRE(
      std::is_same_v<executor,
                     asio::use_awaitable_t<>::executor_with_default<asio::any_io_executor>>);
  int ended = 0;
  run(ctx, [&]() -> awaitable<void> {
    scope_type scope{executor(ctx.get_executor())};
    STATIC_REQUIRE(std::is_same_v<decltype(scope.async_join()), awaitable<void>>);
    auto handle = scope.spawn([&]() -> awaitable<int, executor> {
      ++ended;
      co_return 3;
    });
    STATIC_REQUIRE(std::is_same_v<decltype(handle), child<int, executor>>);
    STATIC_REQUIRE(std::is_same_v<decltype(handle.async_join()), awaitable<int>>);
    int const value = co_await handle.async_join();
    CHECK(value == 3);
    scope.spawn([&]() -> awaitable<void, executor> {
      ++ended;
      co_return;
    });
    co_await scope.async_join();
  });
  CHECK(ended == 2);
}

TEST_CASE("conventions: a scope whose executor has a default token is made from a context too",
          "[cancel_scope][token]") {
  asio::io_context ctx;
  asio::use_awaitable_t<>::as_default_on_t<cancel_scope<>> scope(ctx);
  run(ctx, [&]() -> awaitable<void> { co_await scope.async_join(); });
}

TEST_CASE("conventions: child_options may name the executor under one with a default token",
          "[cancel_scope][token]") {
  using plain = asio::io_context::executor_type;
  using executor = asio::use_awaitable_t<plain>::executor_with_default<plain>;
  asio::io_context ctx;
  asio::io_context other;
  cancel_scope<executor> scope(ctx);
  auto handle =
      scope.spawn(child_options().on(other), []() -> awaitable<int, executor> { co_return 3; });
  CHECK(handle.get_executor() == other.get_executor());
  drain(ctx);
  CHECK(!handle.done());
  drain(other);
  CHECK(handle.get() == 3);
}

TEST_CASE("conventions: handlers get their arguments as rvalues", "[cancel_scope][token]") {
  asio::io_context ctx;
  int called = 0;
  auto const count = [&called](std::exception_ptr&&, auto&&...) { ++called; };
  auto start = [](ready_signal<int> ready) -> awaitable<void> {
    ready(1);
    co_return;
  };
  auto start_with_nothing = [](ready_signal<> ready) -> awaitable<void> {
    ready();
    co_return;
  };
  auto make_one = []() -> awaitable<int> { co_return 1; };
  auto make_nothing = []() -> awaitable<void> { co_return; };
  cancel_scope<> scope(ctx);
  scope.spawn(make_one, count);
  scope.spawn(make_nothing, count);
  scope.spawn(make_one).async_join(count);
  scope.spawn(make_nothing).async_join(count);
  scope.async_spawn(make_one, count);
  scope.async_start<int>(start, count);
  scope.async_start(start_with_nothing, count);
  scope.async_join(count);
  drain(ctx);
  CHECK(called == 8);
}

TEST_CASE("conventions: initiations tell their executor", "[cancel_scope][token]") {
  asio::io_context ctx;
  asio::any_io_executor const strand = asio::make_strand(ctx);
  cancel_scope<> scope(ctx);
  auto handle = scope.spawn(strand, nothing());
  CHECK(scope.async_join(ask_for_executor()) == scope.get_executor());
  CHECK(handle.async_join(ask_for_executor()) == strand);
  CHECK(scope.spawn(nothing(), ask_for_executor()) == scope.get_executor());
  CHECK(scope.spawn(strand, nothing(), ask_for_executor()) == strand);
  drain(ctx);
}

#if ACS_TEST_ASIO_VERSION >= 103100
TEST_CASE("conventions: async_join composes with cancel_after", "[cancel_scope][token]") {
  asio::io_context ctx;
  manual_event never;
  cancel_scope<> scope(ctx);
  scope.spawn(never.wait());
  host h(ctx, [&]() -> awaitable<void> {
    co_await scope.async_join(asio::cancel_after(std::chrono::milliseconds(1), use_awaitable));
  });
  ctx.run();
  CHECK(h.aborted());
  CHECK(scope.cause() == cancel_cause::outer);
}
#endif
