// SPDX-License-Identifier: MIT
#include <asio_cancel_scope.hpp>

#include "support/asio.hpp"
#include "support/catch.hpp"
#include "support/manual_event.hpp"
#include "support/run.hpp"
#include "support/tracked.hpp"

#include <algorithm>
#include <exception>
#include <memory>
#include <stdexcept>
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

scope_options supervisor() {
  return scope_options().policy(on_child_error::keep_running);
}

}  // namespace

TEST_CASE("rule 11: a supervisor without an observer keeps the first error only",
          "[cancel_scope][error]") {
  struct counted_failure : failure {
    counted_failure() : failure("counted") {}
    tracked counted;
  };
  auto const fails = []() -> awaitable<void> {
    throw counted_failure();
    co_return;
  };
  auto const outcome = error_of([&] {
    run([&]() -> awaitable<void> {
      co_await with_cancel_scope(supervisor(), [&](auto& scope) -> awaitable<void> {
        for (int i = 0; i < 20; ++i) {
          auto child = scope.spawn(fails);
          try {
            co_await child.async_join(use_awaitable);
            FAIL("it has not failed");
          } catch (counted_failure const&) {
          }
        }
        co_await asio::post(use_awaitable);  // lets go of what has told of the last
        CHECK(tracked::alive() == 1);
      });
    });
  });
  CHECK(message_of(outcome) == "counted");
}

TEST_CASE(
    "rule 11: under keep_running an error of a child goes to on_suppressed and cancels nothing",
    "[cancel_scope][error]") {
  asio::io_context ctx;
  manual_event first;
  manual_event second;
  manual_event last;
  auto const e1 = make_error("E1");
  auto const e2 = std::make_exception_ptr(system_error(asio::error::operation_aborted));
  std::vector<std::exception_ptr> suppressed;
  std::exception_ptr outcome = e1;
  cancel_scope<> scope(ctx, collect(suppressed).policy(on_child_error::keep_running));
  bool sibling_ended = false;
  scope.spawn(throw_at(first, e1));
  scope.spawn(throw_at(second, e2));
  scope.spawn([&]() -> awaitable<void> {
    co_await last.wait();
    sibling_ended = true;
  });
  scope.async_join([&](std::exception_ptr e) { outcome = e; });
  drain(ctx);
  first.set();
  drain(ctx);
  CHECK(suppressed == std::vector{e1});
  CHECK(!scope.cancel_called());
  second.set();
  drain(ctx);
  CHECK(suppressed == std::vector{e1, e2});
  CHECK(!scope.cancel_called());
  CHECK(scope.size() == 1);
  bool late_ran = false;
  scope.spawn([&]() -> awaitable<void> {
    late_ran = true;
    co_return;
  });
  drain(ctx);
  CHECK(late_ran);
  last.set();
  drain(ctx);
  CHECK(sibling_ended);
  CHECK(!outcome);
  CHECK(scope.cause() == cancel_cause::none);
  CHECK(!scope.get_stop_token().stop_requested());
  CHECK(suppressed.size() == 2);
}

TEST_CASE("rule 11: under keep_running without on_suppressed the first error is thrown in the end",
          "[cancel_scope][error]") {
  asio::io_context ctx;
  manual_event first;
  manual_event second;
  auto const e1 = make_error("E1");
  auto const e2 = make_error("E2");
  bool sibling_ended = false;
  host h(ctx, [&]() -> awaitable<void> {
    co_await with_cancel_scope(supervisor(), [&](auto& scope) -> awaitable<void> {
      scope.spawn(throw_at(second, e2));
      scope.spawn(throw_at(first, e1));
      scope.spawn([&]() -> awaitable<void> {
        co_await second.wait();
        sibling_ended = true;
      });
      co_await first.wait();
      co_await asio::post(use_awaitable);
      CHECK(!scope.cancel_called());
    });
  });
  drain(ctx);
  first.set();
  drain(ctx);
  CHECK(!h.done());
  second.set();
  drain(ctx);
  CHECK(sibling_ended);
  CHECK(h.error() == e1);
}

TEST_CASE("rule 11: an error of the body cancels also under keep_running",
          "[cancel_scope][error]") {
  asio::io_context ctx;
  manual_event event;
  manual_event late;
  auto const of_body = make_error("of the body");
  auto const of_child = make_error("of a child");
  auto const of_late_child = make_error("of a child that ends late");
  std::vector<std::exception_ptr> suppressed;
  bool const collects = GENERATE(true, false);
  int aborted = 0;
  cancel_cause cause = cancel_cause::none;
  host h(ctx, [&]() -> awaitable<void> {
    auto options = collects ? collect(suppressed) : scope_options();
    options.policy(on_child_error::keep_running);
    co_await with_cancel_scope(options, [&](auto& scope) -> awaitable<void> {
      scope.spawn([&]() -> awaitable<void> {
        co_await until_cancelled([&] {
          ++aborted;
          cause = scope.cause();
        });
      });
      if (collects) {
        scope.spawn([&]() -> awaitable<void> {
          std::rethrow_exception(of_child);
          co_return;
        });
      }
      scope.spawn(throw_late(late, of_late_child));
      co_await throw_at(event, of_body);
    });
  });
  drain(ctx);
  CHECK(aborted == 0);
  event.set();
  drain(ctx);
  CHECK(aborted == 1);
  CHECK(cause == cancel_cause::child_error);
  CHECK(!h.done());
  late.set();
  drain(ctx);
  CHECK(h.error() == of_body);
  if (collects) {
    CHECK(suppressed == std::vector{of_child, of_late_child});
  }
}

TEST_CASE("rule 11: under keep_running without on_suppressed a child that failed first is thrown",
          "[cancel_scope][error]") {
  asio::io_context ctx;
  manual_event event;
  auto const of_child = make_error("of a child");
  host h(ctx, [&]() -> awaitable<void> {
    co_await with_cancel_scope(supervisor(), [&](auto& scope) -> awaitable<void> {
      scope.spawn([&]() -> awaitable<void> {
        std::rethrow_exception(of_child);
        co_return;
      });
      co_await throw_at(event, make_error("of the body"));
    });
  });
  drain(ctx);
  CHECK(!h.done());
  event.set();
  drain(ctx);
  CHECK(h.error() == of_child);
}

TEST_CASE("rule 11: a supervisor keeps the first error only, also when handles give the others",
          "[cancel_scope][error]") {
  asio::io_context ctx;
  std::vector<std::weak_ptr<int>> thrown;
  auto const left = [&] {
    return std::count_if(thrown.begin(), thrown.end(), [](auto const& e) { return !e.expired(); });
  };
  auto supervise = [&](cancel_scope<>& scope) -> awaitable<void> {
    for (int round = 0; round < 10; ++round) {
      auto failing = scope.spawn([&]() -> awaitable<void> {
        auto const error = std::make_shared<int>(round);
        thrown.push_back(error);
        throw error;
        co_return;
      });
      try {
        co_await failing.async_join(asio::use_awaitable);
      } catch (std::shared_ptr<int> const&) {
      }
    }
    // What is being thrown last is still on its way.
    co_await asio::post(asio::use_awaitable);
    CHECK(left() <= 2);
  };
  bool failed = false;
  run(ctx, [&]() -> awaitable<void> {
    try {
      co_await with_cancel_scope(scope_options().policy(on_child_error::keep_running), supervise);
    } catch (std::shared_ptr<int> const& e) {
      failed = *e == 0;
    }
  });
  CHECK(failed);
}
