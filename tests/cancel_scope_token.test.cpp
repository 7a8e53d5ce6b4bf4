// SPDX-License-Identifier: MIT
#include <asio_cancel_scope.hpp>

#include "support/asio.hpp"
#include "support/catch.hpp"
#include "support/event_log.hpp"
#include "support/manual_event.hpp"
#include "support/run.hpp"
#include "support/tracked.hpp"
#include "support/tracking_executor.hpp"

#include <chrono>
#include <exception>
#include <future>
#include <memory>
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

awaitable<int> give_at(manual_event& event, int value) {
  co_await event.wait();
  co_return value;
}

awaitable<void> throw_at(manual_event& event, std::exception_ptr error) {
  co_await event.wait();
  std::rethrow_exception(error);
}

}  // namespace

TEST_CASE("rule 12: the outcome of a child goes to its token", "[cancel_scope][token]") {
  asio::io_context ctx;
  cancel_scope<> scope(ctx);
  manual_event event;
  SECTION("nothing") {
    int called = 0;
    scope.spawn([&]() -> awaitable<void> { co_await event.wait(); },
                [&](std::exception_ptr e) { called += e ? 100 : 1; });
    drain(ctx);
    CHECK(called == 0);
    event.set();
    drain(ctx);
    CHECK(called == 1);
  }
  SECTION("a value") {
    std::optional<int> value;
    scope.spawn(give_at(event, 7), [&](std::exception_ptr e, int v) {
      CHECK(!e);
      value = v;
    });
    event.set();
    drain(ctx);
    CHECK(value == 7);
  }
  SECTION("a move-only value") {
    std::unique_ptr<int> value;
    scope.spawn([]() -> awaitable<std::unique_ptr<int>> { co_return std::make_unique<int>(4); },
                [&](std::exception_ptr, std::unique_ptr<int> v) { value = std::move(v); });
    drain(ctx);
    REQUIRE(value);
    CHECK(*value == 4);
  }
  SECTION("an error") {
    auto const error = make_error("E1");
    std::exception_ptr by_token;
    scope.spawn(throw_at(event, error), [&](std::exception_ptr e) { by_token = e; });
    event.set();
    drain(ctx);
    CHECK(by_token == error);
  }
  SECTION("an error instead of a value") {
    auto const error = make_error("E1");
    std::exception_ptr by_token;
    scope.spawn(
        [&]() -> awaitable<std::string> {
          std::rethrow_exception(error);
          co_return "";
        },
        [&](std::exception_ptr e, std::string) { by_token = e; });
    drain(ctx);
    CHECK(by_token == error);
  }
}

TEST_CASE("rule 12: an error of a token child never fails the scope", "[cancel_scope][token]") {
  asio::io_context ctx;
  manual_event event;
  manual_event last;
  std::vector<std::exception_ptr> suppressed;
  auto const error = GENERATE_COPY(
      make_error("E1"), std::make_exception_ptr(system_error(asio::error::operation_aborted)));
  bool sibling_ended = false;
  bool body_ended = false;
  std::exception_ptr by_token;
  auto const options =
      scope_options().on_suppressed([&](std::exception_ptr e) { suppressed.push_back(e); });
  host h(ctx, [&]() -> awaitable<void> {
    auto const result =
        co_await with_cancel_scope(options, [&](cancel_scope<>& scope) -> awaitable<void> {
          scope.spawn([&]() -> awaitable<void> {
            co_await last.wait();
            sibling_ended = true;
          });
          scope.spawn(throw_at(event, error), [&](std::exception_ptr e) {
            by_token = e;
            CHECK(!scope.cancel_called());
          });
          scope.spawn(throw_at(event, error), asio::detached);
          co_await last.wait();
          CHECK(!scope.cancel_called());
          body_ended = true;
        });
    CHECK(result.cause() == cancel_cause::none);
    CHECK(!result.cancelled_caught());
  });
  drain(ctx);
  event.set();
  drain(ctx);
  CHECK(by_token == error);
  CHECK(!h.done());
  last.set();
  drain(ctx);
  CHECK(sibling_ended);
  CHECK(body_ended);
  CHECK(h.clean());
  CHECK(suppressed.empty());
}

TEST_CASE("rule 12: the scope cancels a token child", "[cancel_scope][token]") {
  asio::io_context ctx;
  cancel_scope<> scope(ctx);
  manual_event never;
  std::exception_ptr of_void;
  std::exception_ptr of_value;
  scope.spawn(never.wait(), [&](std::exception_ptr e) { of_void = e; });
  scope.spawn(give_at(never, 1), [&](std::exception_ptr e, int) { of_value = e; });
  drain(ctx);
  SECTION("by a request") {
    scope.cancel();
  }
  SECTION("by the error of another child") {
    scope.spawn([]() -> awaitable<void> {
      throw failure("E1");
      co_return;
    });
  }
  drain(ctx);
  CHECK(is_aborted(of_void));
  CHECK(is_aborted(of_value));
  CHECK(scope.size() == 0);
  CHECK(scope.cancelled_caught());
}

TEST_CASE("rule 12: the scope waits for a token child until the handler has returned",
          "[cancel_scope][token]") {
  asio::io_context ctx;
  asio::io_context elsewhere;
  event_log log;
  manual_event event;
  auto const before = tracked::alive();
  cancel_scope<>* inside = nullptr;
  host h(ctx, [&]() -> awaitable<void> {
    co_await with_cancel_scope([&](cancel_scope<>& scope) -> awaitable<void> {
      inside = &scope;
      scope.spawn(give_at(event, 1), asio::bind_executor(elsewhere, [&, captured = tracked()](
                                                                        std::exception_ptr, int) {
                    log.add("handler:" + std::to_string(scope.size()));
                  }));
      co_return;
    });
    log.add(tracked::alive() == before ? "left" : "wrong");
  });
  drain(ctx);
  event.set();
  drain(ctx);
  CHECK(log.str() == "");
  CHECK(inside->size() == 1);
  drain(elsewhere);
  drain(ctx);
  CHECK(log.str() == "handler:1 left");
  CHECK(h.clean());
}

TEST_CASE("rule 12: what a token child was given is destroyed before its handler runs",
          "[cancel_scope][token]") {
  asio::io_context ctx;
  cancel_scope<> scope(ctx);
  auto const before = tracked::alive();
  int alive_in_handler = -1;
  scope.spawn(
      [captured = tracked()]() -> awaitable<void> {
        tracked const local;
        co_await asio::post(use_awaitable);
      },
      [&](std::exception_ptr) { alive_in_handler = tracked::alive() - before; });
  drain(ctx);
  CHECK(alive_in_handler == 0);
}

TEST_CASE("rule 12: the handler runs on its executor and never inside spawn",
          "[cancel_scope][token]") {
  asio::io_context ctx;
  tracking_executor const scopes(1, ctx.get_executor());
  tracking_executor const childs(2, asio::make_strand(ctx));
  tracking_executor const handlers(3, asio::make_strand(ctx));
  cancel_scope<> scope(scopes);
  std::string seen;
  bool inside = true;
  bool called_inside = false;
  auto const note = [&](std::exception_ptr) {
    called_inside = called_inside || inside;
    for (int id = 1; id <= 3; ++id) {
      if (running_on(id)) {
        seen += std::to_string(id);
        return;
      }
    }
    seen += '-';
  };
  auto const child = []() -> awaitable<void> { co_return; };
  SECTION("of a running child") {
    asio::post(scopes, [&] {
      inside = true;
      scope.spawn(child, note);
      inside = false;
    });
    drain(ctx);
    CHECK(seen == "1");
    scope.spawn(child, asio::bind_executor(handlers, note));
    drain(ctx);
    CHECK(seen.find('3') != std::string::npos);
  }
  SECTION("of a child that never starts") {
    scope.cancel();
    asio::post(scopes, [&] {
      inside = true;
      scope.spawn(child, note);
      inside = false;
    });
    drain(ctx);
    CHECK(seen == "1");
    scope.spawn(childs, child, asio::bind_executor(handlers, note));
    drain(ctx);
    CHECK(seen == "13");
  }
  CHECK(!called_inside);
}

TEST_CASE("rule 12: a child may be awaited with its token", "[cancel_scope][token]") {
  asio::io_context ctx;
  manual_event event;
  auto const error = make_error("E1");
  std::string seen;
  host h(ctx, [&]() -> awaitable<void> {
    auto const result = co_await with_cancel_scope([&](auto& scope) -> awaitable<void> {
      int const value = co_await scope.spawn(give_at(event, 5), use_awaitable);
      seen += std::to_string(value);
      try {
        co_await scope.spawn(throw_at(event, error), use_awaitable);
      } catch (failure const& e) {
        seen += e.what();
      }
      auto const [e, v] =
          co_await scope.spawn(ctx, give_at(event, 6), compat::as_tuple(use_awaitable));
      seen += e ? "wrong" : std::to_string(v);
    });
    CHECK(result.has_value());
    CHECK(result.cause() == cancel_cause::none);
  });
  drain(ctx);
  CHECK(seen == "");
  event.set();
  drain(ctx);
  CHECK(seen == "5E16");
  CHECK(h.clean());
}

TEST_CASE("rule 12: an error that the body awaits and does not catch is the body's",
          "[cancel_scope][token]") {
  auto const error = make_error("E1");
  std::exception_ptr thrown;
  bool sibling_told = false;
  run([&]() -> awaitable<void> {
    try {
      co_await with_cancel_scope([&](auto& scope) -> awaitable<void> {
        scope.spawn(
            [&]() -> awaitable<void> { co_await until_cancelled([&] { sibling_told = true; }); });
        co_await scope.spawn(
            [&]() -> awaitable<void> {
              std::rethrow_exception(error);
              co_return;
            },
            use_awaitable);
      });
    } catch (...) {
      thrown = std::current_exception();
    }
  });
  CHECK(thrown == error);
  CHECK(sibling_told);
}

TEST_CASE("rule 12: a child may be given a future and a deferred operation",
          "[cancel_scope][token]") {
  asio::io_context ctx;
  cancel_scope<> scope(ctx);
  manual_event event;
  event.set();
  auto future = scope.spawn(give_at(event, 5), asio::use_future);
  auto failed = scope.spawn(throw_at(event, make_error("E1")), asio::use_future);
  auto deferred = scope.spawn(give_at(event, 6), compat::deferred);
  drain(ctx);
  std::optional<int> value;
  std::move(deferred)([&](std::exception_ptr, int v) { value = v; });
  drain(ctx);
  CHECK(value == 6);
  // The handler of a future runs in a thread of the system's.
  REQUIRE(future.wait_for(std::chrono::seconds(40)) == std::future_status::ready);
  CHECK(future.get() == 5);
  std::string what;
  try {
    failed.get();
  } catch (failure const& e) {
    what = e.what();
  }
  CHECK(what == "E1");
}

TEST_CASE("rule 12: the cancellation slot of a token cancels that child alone",
          "[cancel_scope][token]") {
  asio::io_context ctx;
  cancel_scope<> scope(ctx);
  manual_event never;
  asio::cancellation_signal signal;
  std::exception_ptr by_token;
  auto sibling = scope.spawn(never.wait());
  scope.spawn(never.wait(), asio::bind_cancellation_slot(
                                signal.slot(), [&](std::exception_ptr e) { by_token = e; }));
  drain(ctx);
  CHECK(never.waiters() == 2);
  signal.emit(asio::cancellation_type::terminal);
  drain(ctx);
  CHECK(is_aborted(by_token));
  CHECK(!sibling.done());
  CHECK(scope.size() == 1);
  CHECK(!scope.cancel_called());
  CHECK(!scope.cancelled_caught());
}

TEST_CASE("rule 12: a body that is cancelled while it awaits a child cancels that child",
          "[cancel_scope][token]") {
  asio::io_context ctx;
  manual_event never;
  host h(ctx, [&]() -> awaitable<void> {
    co_await with_cancel_scope(
        [&](auto& scope) -> awaitable<void> { co_await scope.spawn(never.wait(), use_awaitable); });
  });
  drain(ctx);
  CHECK(never.waiters() == 1);
  h.cancel();
  drain(ctx);
  CHECK(never.waiters() == 0);
  CHECK(h.aborted());
}
