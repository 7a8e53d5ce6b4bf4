// SPDX-License-Identifier: MIT
#include <asio_cancel_scope/with_cancel_scope.hpp>

#include "support/asio.hpp"
#include "support/catch.hpp"
#include "support/event_log.hpp"
#include "support/manual_event.hpp"
#include "support/run.hpp"
#include "support/tracked.hpp"

#include <exception>
#include <functional>
#include <memory>
#include <stdexcept>
#include <type_traits>
#include <utility>

using namespace asio_cancel_scope;

namespace {

struct failure : std::runtime_error {
  using std::runtime_error::runtime_error;
};

awaitable<void> nest(int levels, int& entered) {
  ++entered;
  co_await with_cancel_scope([&](cancel_scope<>&) -> awaitable<void> {
    if (levels > 1) {
      co_await nest(levels - 1, entered);
    }
  });
}

awaitable<void> nest_and_wait(int levels, manual_event& bottom) {
  co_await with_cancel_scope([&](cancel_scope<>&) -> awaitable<void> {
    if (levels > 1) {
      co_await nest_and_wait(levels - 1, bottom);
    } else {
      co_await bottom.wait();
    }
  });
}

}  // namespace

TEST_CASE("rule 2 B001: a block with no children completes", "[with_cancel_scope][lifetime]") {
  asio::io_context ctx;
  bool left = false;
  run(ctx, [&]() -> awaitable<void> {
    auto const result = co_await with_cancel_scope([](auto&) -> awaitable<void> { co_return; });
    left = true;
    CHECK(result.has_value());
    CHECK(!result.cancelled_caught());
    CHECK(result.cause() == cancel_cause::none);
  });
  CHECK(left);
  CHECK(drain(ctx) == 0);
}

TEST_CASE("B002: a cancellation that nothing observes is not an error",
          "[with_cancel_scope][cancel]") {
  SECTION("the body cancels and ends without awaiting") {
    run([]() -> awaitable<void> {
      auto const result = co_await with_cancel_scope([](auto& scope) -> awaitable<void> {
        scope.cancel();
        CHECK(scope.cancel_called());
        co_return;
      });
      CHECK(result.has_value());
      CHECK(!result.cancelled_caught());
      CHECK(result.cause() == cancel_cause::requested);
    });
  }
  SECTION("a child cancels and ends without awaiting") {
    run([]() -> awaitable<void> {
      bool cancelled = false;
      auto const result = co_await with_cancel_scope([&](auto& scope) -> awaitable<void> {
        scope.spawn([&]() -> awaitable<void> {
          scope.cancel();
          cancelled = true;
          co_return;
        });
        co_return;
      });
      CHECK(cancelled);
      CHECK(result.has_value());
      CHECK(!result.cancelled_caught());
      CHECK(result.cause() == cancel_cause::requested);
    });
  }
}

TEST_CASE("rule 4: the body starts at once like a called function", "[with_cancel_scope][spawn]") {
  event_log log;
  run([&](asio::io_context& ctx) -> awaitable<void> {
    asio::post(ctx, [&] { log.add("posted"); });
    log.add("before");
    co_await with_cancel_scope([&](auto&) -> awaitable<void> {
      log.add("body");
      co_await asio::post(use_awaitable);
      log.add("resumed");
    });
    log.add("after");
  });
  CHECK(log.str() == "before body posted resumed after");
}

TEST_CASE("rule 5: the body never starts when the caller is cancelled on entry",
          "[with_cancel_scope][spawn]") {
  auto const type = GENERATE(asio::cancellation_type::terminal, asio::cancellation_type::partial,
                             asio::cancellation_type::total);
  asio::io_context ctx;
  manual_event gate;
  bool started = false;
  bool returned = false;
  std::exception_ptr thrown;
  {
    tracked const captured;
    host h(ctx, [&]() -> awaitable<void> {
      co_await asio::this_coro::reset_cancellation_state(asio::enable_total_cancellation());
      co_await asio::this_coro::throw_if_cancelled(false);
      co_await gate.wait_ignoring_cancellation();
      auto body = [&started, captured](auto& scope) -> awaitable<void> {
        started = true;
        scope.spawn([]() -> awaitable<void> { co_return; });
        co_return;
      };
      try {
        co_await with_cancel_scope(body);
        returned = true;
      } catch (...) {
        thrown = std::current_exception();
      }
    });
    drain(ctx);
    h.cancel(type);
    gate.set();
    drain(ctx);
    CHECK(h.done());
  }
  CHECK(!started);
  CHECK(!returned);
  CHECK(is_aborted(thrown));
  CHECK(tracked::alive() == 0);
}

TEST_CASE("B011: a block that is never awaited does nothing", "[with_cancel_scope][lifetime]") {
  asio::io_context ctx;
  bool started = false;
  auto const before = tracked::alive();
  {
    auto body = [&started, captured = tracked()](auto&) -> awaitable<void> {
      started = true;
      co_return;
    };
    auto const never_awaited = with_cancel_scope(body);
    CHECK(tracked::alive() == before + 2);
    CHECK(drain(ctx) == 0);
  }
  CHECK(tracked::alive() == before);
  CHECK(drain(ctx) == 0);
  CHECK(!started);
}

TEST_CASE("B012 B013: a scope can be neither copied nor moved nor assigned",
          "[with_cancel_scope][lifetime]") {
  using scope = cancel_scope<>;
  STATIC_REQUIRE(!std::is_copy_constructible_v<scope>);
  STATIC_REQUIRE(!std::is_move_constructible_v<scope>);
  STATIC_REQUIRE(!std::is_copy_assignable_v<scope>);
  STATIC_REQUIRE(!std::is_move_assignable_v<scope>);
  STATIC_REQUIRE(!std::is_default_constructible_v<scope>);
}

TEST_CASE("design 2: a body that is an lvalue is copied", "[with_cancel_scope][lifetime]") {
  run([]() -> awaitable<void> {
    auto const before = tracked::alive();
    int seen = 0;
    int value = 0;
    auto const body = [&seen, &value, captured = tracked(7)](auto&) -> awaitable<void> {
      seen = tracked::alive();
      co_await asio::post(use_awaitable);
      value = captured.value;
    };
    co_await with_cancel_scope(body);
    CHECK(seen == before + 2);
    CHECK(value == 7);
    CHECK(tracked::alive() == before + 1);
    co_await with_cancel_scope(body);
    CHECK(tracked::alive() == before + 1);
  });
}

TEST_CASE("design 2: a move-only body is passed by std::ref", "[with_cancel_scope][lifetime]") {
  run([]() -> awaitable<void> {
    int value = 0;
    auto body = [&value, captured = std::make_unique<int>(5)](cancel_scope<>&) -> awaitable<void> {
      co_await asio::post(use_awaitable);
      value = *captured;
    };
    co_await with_cancel_scope(std::ref(body));
    CHECK(value == 5);
  });
}

TEST_CASE("design 2: a body may be a plain function that returns an awaitable",
          "[with_cancel_scope][spawn]") {
  asio::io_context ctx;
  manual_event event;
  host h(ctx, [&]() -> awaitable<void> {
    co_await with_cancel_scope([&](cancel_scope<>&) { return event.wait(); });
  });
  drain(ctx);
  CHECK(!h.done());
  event.set();
  drain(ctx);
  CHECK(h.clean());
}

TEST_CASE("design 2: a body is a function object whose call operator has any qualifiers",
          "[with_cancel_scope][executor]") {
  using executor = asio::io_context::executor_type;
  struct lvalue {
    awaitable<int, executor> operator()(cancel_scope<executor>&) & { co_return 1; }
  };
  struct constant {
    awaitable<int, executor> operator()(cancel_scope<executor>&) const& noexcept { co_return 2; }
  };
  asio::io_context ctx;
  int const sum = run_on(ctx, ctx.get_executor(), []() -> awaitable<int, executor> {
    auto first = co_await with_cancel_scope(lvalue());
    auto second = co_await with_cancel_scope(constant());
    co_return first.value() + second.value();
  });
  CHECK(sum == 3);
}

TEST_CASE("rule 11: a body that throws before it returns its awaitable fails the block",
          "[with_cancel_scope][error]") {
  auto const error = std::make_exception_ptr(failure("no awaitable"));
  std::exception_ptr thrown;
  bool prepared = false;
  run([&]() -> awaitable<void> {
    auto block = with_cancel_scope([&](cancel_scope<>&) -> awaitable<void> {
      if (error) {
        std::rethrow_exception(error);
      }
      return awaitable<void>();
    });
    prepared = true;
    try {
      co_await std::move(block);
    } catch (...) {
      thrown = std::current_exception();
    }
  });
  CHECK(prepared);
  CHECK(thrown == error);
}

TEST_CASE("design 2: the executor is the one written in the body's parameter",
          "[with_cancel_scope][executor]") {
  using executor = asio::io_context::executor_type;
  asio::io_context ctx;
  auto const body = [&](cancel_scope<executor>& scope) -> awaitable<int, executor> {
    CHECK(scope.get_executor() == ctx.get_executor());
    scope.spawn([]() -> awaitable<void, executor> { co_return; });
    co_return 3;
  };
  STATIC_REQUIRE(
      std::is_same_v<decltype(with_cancel_scope(body)), awaitable<scope_result<int>, executor>>);
  int value = 0;
  run(ctx, [&]() -> awaitable<void, executor> { value = *(co_await with_cancel_scope(body)); });
  CHECK(value == 3);
}

TEST_CASE("design 2: the executor of a generic body is any_io_executor unless it is named",
          "[with_cancel_scope][executor]") {
  using strand = asio::strand<asio::io_context::executor_type>;
  auto const generic = [](auto&) -> awaitable<void> { co_return; };
  STATIC_REQUIRE(std::is_same_v<decltype(with_cancel_scope(generic)),
                                awaitable<scope_result<void>, asio::any_io_executor>>);
  auto const on_strand = [](auto& scope) -> awaitable<void, strand> {
    STATIC_REQUIRE(std::is_same_v<decltype(scope), cancel_scope<strand>&>);
    scope.spawn([]() -> awaitable<void, strand> { co_return; });
    co_return;
  };
  STATIC_REQUIRE(std::is_same_v<decltype(with_cancel_scope<strand>(on_strand)),
                                awaitable<scope_result<void>, strand>>);
  asio::io_context ctx;
  bool left = false;
  run_on(ctx, asio::make_strand(ctx), [&]() -> awaitable<void, strand> {
    co_await with_cancel_scope<strand>(on_strand);
    left = true;
  });
  CHECK(left);
}

TEST_CASE("design 2: the block's scope has the executor of the coroutine that awaits it",
          "[with_cancel_scope][executor]") {
  asio::io_context ctx;
  asio::any_io_executor const strand = asio::make_strand(ctx);
  bool same = false;
  run_on(ctx, strand, [&]() -> awaitable<void> {
    co_await with_cancel_scope([&](auto& scope) -> awaitable<void> {
      same = scope.get_executor() == strand;
      co_return;
    });
  });
  CHECK(same);
}
