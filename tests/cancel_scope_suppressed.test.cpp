// SPDX-License-Identifier: MIT
#include <asio_cancel_scope.hpp>

#include "support/asio.hpp"
#include "support/catch.hpp"
#include "support/manual_event.hpp"
#include "support/run.hpp"
#include "support/tracking_executor.hpp"

#include <exception>
#include <functional>
#include <optional>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

using namespace asio_cancel_scope;

namespace {

struct failure : std::runtime_error {
  using std::runtime_error::runtime_error;
};

std::exception_ptr make_error(char const* what) {
  return std::make_exception_ptr(failure(what));
}

awaitable<void> throw_at(manual_event& event, std::exception_ptr error) {
  co_await event.wait();
  std::rethrow_exception(error);
}

// Cannot be cancelled, so that it fails after others have failed.
awaitable<void> throw_late(manual_event& event, std::exception_ptr error) {
  co_await event.wait_ignoring_cancellation();
  std::rethrow_exception(error);
}

scope_options collect(std::vector<std::exception_ptr>& errors) {
  return scope_options().on_suppressed([&](std::exception_ptr e) { errors.push_back(e); });
}

void drain_all(asio::io_context& a, asio::io_context& b) {
  while (drain(a) + drain(b) != 0) {
  }
}

}  // namespace

TEST_CASE("rule 11 B072: later errors go to on_suppressed at once", "[cancel_scope][error]") {
  asio::io_context ctx;
  manual_event first;
  manual_event second;
  manual_event third;
  manual_event last;
  auto const e1 = make_error("E1");
  auto const e2 = make_error("E2");
  auto const e3 = make_error("E3");
  auto const e4 = make_error("E4");
  std::vector<std::exception_ptr> suppressed;
  std::exception_ptr outcome;
  cancel_scope<> scope(ctx, collect(suppressed));
  scope.spawn(throw_late(second, e2));
  scope.spawn(throw_at(first, e1));
  scope.spawn([&]() -> awaitable<int> {
    co_await throw_late(third, e3);
    co_return 1;
  });
  scope.spawn(last.wait_ignoring_cancellation());
  scope.async_join([&](std::exception_ptr e) { outcome = e; });
  drain(ctx);
  first.set();
  drain(ctx);
  CHECK(suppressed.empty());
  second.set();
  drain(ctx);
  CHECK(suppressed == std::vector{e2});
  third.set();
  drain(ctx);
  CHECK(suppressed == std::vector{e2, e3});
  CHECK(!outcome);
  last.set();
  drain(ctx);
  CHECK(outcome == e1);
  CHECK(suppressed == std::vector{e2, e3});
}

TEST_CASE("rule 11: an error of the body that comes later goes to on_suppressed",
          "[cancel_scope][error]") {
  asio::io_context ctx;
  manual_event first;
  manual_event second;
  manual_event last;
  auto const e1 = make_error("E1");
  auto const e2 = make_error("E2");
  std::vector<std::exception_ptr> suppressed;
  host h(ctx, [&]() -> awaitable<void> {
    co_await with_cancel_scope(collect(suppressed), [&](auto& scope) -> awaitable<void> {
      scope.spawn(throw_at(first, e1));
      scope.spawn(last.wait_ignoring_cancellation());
      co_await throw_late(second, e2);
    });
  });
  drain(ctx);
  first.set();
  drain(ctx);
  second.set();
  drain(ctx);
  CHECK(suppressed == std::vector{e2});
  CHECK(!h.done());
  last.set();
  drain(ctx);
  CHECK(h.error() == e1);
  CHECK(suppressed == std::vector{e2});
}

TEST_CASE("rule 11: cancellation errors of those that were told do not go to on_suppressed",
          "[cancel_scope][error]") {
  asio::io_context ctx;
  manual_event first;
  auto const e1 = make_error("E1");
  std::vector<std::exception_ptr> suppressed;
  bool const keep_running = GENERATE(false, true);
  host h(ctx, [&]() -> awaitable<void> {
    auto options = collect(suppressed);
    if (keep_running) {
      options.policy(on_child_error::keep_running);
    }
    co_await with_cancel_scope(options, [&](auto& scope) -> awaitable<void> {
      scope.spawn(until_cancelled());
      scope.spawn(until_cancelled());
      co_await throw_at(first, e1);
    });
  });
  drain(ctx);
  first.set();
  drain(ctx);
  CHECK(h.error() == e1);
  CHECK(suppressed.empty());
}

TEST_CASE("rule 11: on_suppressed runs on the executor of the child that failed",
          "[cancel_scope][error]") {
  asio::io_context ctx;
  asio::io_context other;
  tracking_executor const scopes(1, ctx.get_executor());
  tracking_executor const childs(2, other.get_executor());
  std::string seen;
  manual_event first;
  manual_event event;
  auto const options = scope_options().on_suppressed([&](std::exception_ptr) {
    seen += running_on(1) ? '1' : running_on(2) ? '2' : '-';
  });
  host h(scopes, [&]() -> awaitable<void> {
    co_await with_cancel_scope(options, [&](auto& scope) -> awaitable<void> {
      scope.spawn(throw_at(first, make_error("first")));
      scope.spawn(childs, throw_late(event, make_error("on its own executor")));
      scope.spawn(throw_late(event, make_error("on the executor of the scope")));
      co_await asio::this_coro::reset_cancellation_state(asio::disable_cancellation());
      co_await asio::post(use_awaitable);
      co_await throw_late(event, make_error("of the body"));
    });
  });
  drain_all(ctx, other);
  first.set();
  drain_all(ctx, other);
  CHECK(seen == "");
  event.set();
  drain(other);
  CHECK(seen.substr(0, 1) == "2");
  drain_all(ctx, other);
  CHECK(seen == "211");
  CHECK(message_of(h.error()) == "first");
}

TEST_CASE("rule 11: on_suppressed is called under no lock", "[cancel_scope][error]") {
  asio::io_context ctx;
  manual_event event;
  cancel_scope<>* inside = nullptr;
  std::optional<child<void>> handle;
  int called = 0;
  auto const options = scope_options().on_suppressed([&](std::exception_ptr) {
    ++called;
    CHECK(inside->size() > 0);
    inside->cancel();
    handle->cancel();
    inside->spawn([]() -> awaitable<void> { co_return; });
    CHECK(inside->get_stop_token().stop_requested());
    CHECK(inside->cause() == cancel_cause::child_error);
    inside->async_join([](std::exception_ptr) {});
  });
  cancel_scope<> scope(ctx, options);
  inside = &scope;
  handle = scope.spawn(event.wait_ignoring_cancellation());
  scope.spawn(throw_late(event, make_error("E2")));
  scope.spawn(throw_late(event, make_error("E3")));
  drain(ctx);
  scope.spawn([]() -> awaitable<void> {
    throw failure("E1");
    co_return;
  });
  drain(ctx);
  CHECK(called == 0);
  event.set();
  drain(ctx);
  CHECK(called == 2);
  CHECK(scope.size() == 0);
}

TEST_CASE("rule 11: the same object thrown on by the body is not reported again",
          "[cancel_scope][error]") {
  asio::io_context ctx;
  manual_event event;
  auto const error = make_error("E1");
  std::vector<std::exception_ptr> suppressed;
  bool caught = false;
  SECTION("an error of a child that the body joined") {
    host h(ctx, [&]() -> awaitable<void> {
      co_await with_cancel_scope(collect(suppressed), [&](auto& scope) -> awaitable<void> {
        // The failure of the child also cancels the body, which must not lose what it waits for.
        co_await asio::this_coro::reset_cancellation_state(asio::disable_cancellation());
        auto handle = scope.spawn(throw_at(event, error));
        try {
          co_await handle.async_join(use_awaitable);
        } catch (failure const&) {
          caught = true;
          throw;
        }
      });
    });
    drain(ctx);
    event.set();
    drain(ctx);
    CHECK(caught);
    CHECK(h.error() == error);
  }
  SECTION("an error of a child under keep_running that the body joined") {
    // Then it has gone to on_suppressed as the child's.
    host h(ctx, [&]() -> awaitable<void> {
      auto options = collect(suppressed);
      options.policy(on_child_error::keep_running);
      co_await with_cancel_scope(options, [&](auto& scope) -> awaitable<void> {
        auto handle = scope.spawn(throw_at(event, error));
        co_await handle.async_join(use_awaitable);
      });
    });
    drain(ctx);
    event.set();
    drain(ctx);
    CHECK(h.error() == error);
    CHECK(suppressed == std::vector{error});
    suppressed.clear();
  }
  SECTION("an error of a nested block") {
    host h(ctx, [&]() -> awaitable<void> {
      co_await with_cancel_scope(collect(suppressed), [&](auto&) -> awaitable<void> {
        co_await with_cancel_scope(collect(suppressed), [&](auto& inner) -> awaitable<void> {
          inner.spawn(throw_at(event, error));
          co_await until_cancelled();
        });
      });
    });
    drain(ctx);
    event.set();
    drain(ctx);
    CHECK(h.error() == error);
  }
  CHECK(suppressed.empty());
}

TEST_CASE("rule 11: of several errors that were reported the body may throw on any",
          "[cancel_scope][error]") {
  asio::io_context ctx;
  manual_event event;
  manual_event late;
  auto const first = make_error("first");
  auto const e1 = make_error("E1");
  auto const e2 = make_error("E2");
  std::vector<std::exception_ptr> suppressed;
  std::function<awaitable<void>(child<void>, child<void>)> throw_on;
  auto const error_of_join = [](child<void>& handle) -> awaitable<std::exception_ptr> {
    try {
      co_await handle.async_join(use_awaitable);
    } catch (failure const&) {
      co_return std::current_exception();
    }
    co_return nullptr;
  };
  SECTION("the last that it was given") {
    throw_on = [&](child<void> one, child<void> two) -> awaitable<void> {
      co_await error_of_join(one);
      std::rethrow_exception(co_await error_of_join(two));
    };
  }
  SECTION("one that it was given before another") {
    throw_on = [&](child<void> one, child<void> two) -> awaitable<void> {
      auto const error = co_await error_of_join(one);
      co_await error_of_join(two);
      std::rethrow_exception(error);
    };
  }
  SECTION("one that it got from the handle") {
    throw_on = [&](child<void> one, child<void> two) -> awaitable<void> {
      while (!one.done() || !two.done()) {
        co_await asio::post(use_awaitable);
      }
      one.get();
    };
  }
  host h(ctx, [&]() -> awaitable<void> {
    co_await with_cancel_scope(collect(suppressed), [&](auto& scope) -> awaitable<void> {
      co_await asio::this_coro::reset_cancellation_state(asio::disable_cancellation());
      scope.spawn(throw_at(event, first));
      auto one = scope.spawn(throw_late(late, e1));
      auto two = scope.spawn(throw_late(late, e2));
      co_await event.wait();
      co_await asio::post(use_awaitable);
      late.set();
      co_await throw_on(std::move(one), std::move(two));
    });
  });
  drain(ctx);
  event.set();
  drain(ctx);
  CHECK(h.error() == first);
  CHECK(suppressed == std::vector{e1, e2});
}

TEST_CASE("rule 11: without on_suppressed later errors change nothing", "[cancel_scope][error]") {
  asio::io_context ctx;
  manual_event event;
  auto const first = make_error("E1");
  cancel_scope<> scope(ctx);
  scope.spawn(throw_late(event, make_error("E2")));
  drain(ctx);
  scope.spawn([&]() -> awaitable<void> {
    std::rethrow_exception(first);
    co_return;
  });
  std::exception_ptr outcome;
  scope.async_join([&](std::exception_ptr e) { outcome = e; });
  drain(ctx);
  event.set();
  drain(ctx);
  CHECK(outcome == first);
}

TEST_CASE("rule 11: what a child has reported and the body throws on is reported once",
          "[cancel_scope][suppressed]") {
  asio::io_context ctx;
  manual_event first_fails, second_goes, body_goes;
  int reported = 0;
  auto const error = std::make_exception_ptr(std::runtime_error("shared"));
  host h(ctx, [&]() -> awaitable<void> {
    auto options =
        scope_options().on_suppressed([&](std::exception_ptr e) { reported += e == error; });
    co_await with_cancel_scope(options, [&](cancel_scope<>& scope) -> awaitable<void> {
      scope.spawn([&]() -> awaitable<void> {
        co_await first_fails.wait_ignoring_cancellation();
        throw std::logic_error("first");
      });
      scope.spawn([&]() -> awaitable<void> {
        co_await second_goes.wait_ignoring_cancellation();
        std::rethrow_exception(error);
      });
      co_await body_goes.wait_ignoring_cancellation();
      std::rethrow_exception(error);
    });
  });
  drain(ctx);
  first_fails.set();
  drain(ctx);
  second_goes.set();
  drain(ctx);
  body_goes.set();
  drain(ctx);
  CHECK(reported == 1);
}
