// SPDX-License-Identifier: MIT

// shutdown(grace): who is told what and when.

#include "support/asio.hpp"
#include "support/catch.hpp"
#include "support/ended.hpp"
#include "support/event_log.hpp"
#include "support/logged.hpp"
#include "support/manual_event.hpp"
#include "support/manual_timer.hpp"
#include "support/run.hpp"

#include <asio_cancel_scope.hpp>

#include <chrono>
#include <functional>
#include <optional>
#include <string>

using namespace asio_cancel_scope;
using namespace std::chrono_literals;

namespace {

constexpr auto total = asio::cancellation_type::total;
constexpr auto all = asio::cancellation_type::all;

awaitable<void> hop() {
  co_await asio::post(use_awaitable);
}

// A scope with a body that waits, a child that waits for total and more, graceful, and one that is
// not; the test holds the scope.
struct server {
  manual_clock time;
  manual_event never;
  manual_event request_done;
  asio::io_context ctx;
  event_log log;
  cancel_scope<>* scope = nullptr;
  std::optional<scope_result<void>> result;
  std::function<void(cancel_scope<>&)> add_children;

  explicit server(std::function<void(cancel_scope<>&)> add = {}) : add_children(std::move(add)) {}

  host h{ctx, [this]() -> awaitable<void> {
           result = co_await with_cancel_scope([this](cancel_scope<>& s) -> awaitable<void> {
             scope = &s;
             if (add_children) add_children(s);
             co_await logged(log, "body", never.wait());
           });
           scope = nullptr;
         }};

  void add_graceful(std::string name, awaitable<void> work) {
    scope->spawn(child_options().graceful(), logged(log, std::move(name), std::move(work)));
    drain(ctx);
  }

  void add(std::string name, awaitable<void> work) {
    scope->spawn(logged(log, std::move(name), std::move(work)));
    drain(ctx);
  }

  void advance(manual_clock::duration d) {
    time.advance(d);
    drain(ctx);
  }
};

}  // namespace

TEST_CASE("rule 18: a shutdown tells the body terminal at once and graceful children total",
          "[shutdown]") {
  server s;
  drain(s.ctx);
  s.add_graceful("idle", s.never.wait(all));
  s.add_graceful("only-total", s.never.wait(total));
  s.add_graceful("only-terminal", s.never.wait());
  s.add("plain", s.never.wait(all));
  s.scope->shutdown(10ms);
  CHECK(s.scope->cancel_called());
  CHECK(s.scope->cause() == cancel_cause::requested);
  drain(s.ctx);
  CHECK(s.log.count("body:aborted") == 1);
  CHECK(s.log.count("idle:aborted") == 1);
  CHECK(s.log.count("only-total:aborted") == 1);
  CHECK(s.log.size() == 3);
  s.advance(10ms - 1ns);
  CHECK(s.log.size() == 3);
  s.advance(1ns);
  CHECK(s.log.count("only-terminal:aborted") == 1);
  CHECK(s.log.count("plain:aborted") == 1);
  REQUIRE(s.result);
  CHECK(s.result->cause() == cancel_cause::requested);
  CHECK(s.result->cancelled_caught());
  CHECK(s.result->shutdown_counts().finished() == 2);
  CHECK(s.result->shutdown_counts().forced() == 2);
}

TEST_CASE("rule 18: idle connections end at once and busy ones finish their request",
          "[shutdown]") {
  server s;
  drain(s.ctx);
  // Waits for a request, then serves it in a block that total passes by.
  auto const session = [&s](manual_event& request, std::string name) -> awaitable<void> {
    for (;;) {
      co_await request.wait(all);
      co_await with_cancel_scope([&](cancel_scope<>&) -> awaitable<void> {
        co_await s.request_done.wait();
        s.log.add(name + "-answered");
      });
    }
  };
  manual_event request;
  s.add_graceful("idle", session(s.never, "idle"));
  s.add_graceful("busy", session(request, "busy"));
  request.set();
  drain(s.ctx);
  s.scope->shutdown(1h);
  drain(s.ctx);
  CHECK(s.log.count("idle:aborted") == 1);
  CHECK(s.log.count("busy:aborted") == 0);
  CHECK(s.scope->shutdown_counts().finished() == 1);
  s.request_done.set();
  drain(s.ctx);
  CHECK(s.log.str().ends_with("busy-answered busy:aborted"));
  REQUIRE(s.result);
  CHECK(s.result->shutdown_counts().finished() == 2);
  CHECK(s.result->shutdown_counts().forced() == 0);
  // Nobody waits for the end of the grace period.
  CHECK(s.time.waits() == 0);
}

TEST_CASE("rule 18: children that end by themselves within the grace period are not forced",
          "[shutdown]") {
  server s;
  drain(s.ctx);
  manual_event finish;
  s.add("plain", finish.wait());
  s.add("watches", [](auto& scope, auto& event) -> awaitable<void> {
    // What is no coroutine of Asio's looks at the stop token.
    auto const stop = scope.get_stop_token();
    while (!stop.stop_requested()) {
      co_await event.wait_ignoring_cancellation();
    }
  }(*s.scope, finish));
  s.scope->shutdown(10ms);
  drain(s.ctx);
  CHECK(s.log.str() == "body:aborted");
  finish.set();
  drain(s.ctx);
  REQUIRE(s.result);
  CHECK(s.log.str() == "body:aborted plain watches");
  CHECK(s.result->shutdown_counts().finished() == 2);
  CHECK(s.result->shutdown_counts().forced() == 0);
}

TEST_CASE("rule 5: a shutdown lets nothing new start", "[shutdown][start]") {
  server s([&s](cancel_scope<>&) { s.log.add("body"); });
  drain(s.ctx);
  auto const before = s.scope->spawn(child_options().graceful(), logged(s.log, "before", hop()));
  s.scope->shutdown(10ms);
  auto const after = s.scope->spawn(child_options().graceful(), logged(s.log, "after", hop()));
  auto const plain = s.scope->spawn(logged(s.log, "plain", hop()));
  CHECK(after.done());
  CHECK(plain.done());
  drain(s.ctx);
  CHECK(before.done());
  CHECK(s.log.str() == "body body:aborted");
  REQUIRE(s.result);
  // Those that never started were not found running.
  CHECK(s.result->shutdown_counts().finished() == 0);
  CHECK(s.result->shutdown_counts().forced() == 0);
  CHECK(s.result->cancelled_caught());
}

TEST_CASE("rule 18: a graceful child does not forget a request that came before it awaits",
          "[shutdown]") {
  // In the turn in which it starts, with nothing awaited between start and request.
  manual_clock time;
  manual_event never;
  asio::io_context ctx;
  event_log log;
  cancel_scope<> scope(ctx);
  scope.spawn(child_options().graceful(), [&]() -> awaitable<void> {
    log.add("started");
    scope.shutdown(1h);
    co_await logged(log, "await", never.wait(all));
  });
  scope.async_join([](std::exception_ptr) {});
  drain(ctx);
  // It never got to await anything.
  CHECK(log.str() == "started");
  CHECK(scope.size() == 0);
  CHECK(scope.shutdown_counts().finished() == 1);
  CHECK(never.waiters() == 0);
}

TEST_CASE("rule 18: a request of total that comes at any moment reaches a graceful child",
          "[shutdown]") {
  for (int turn = 0; turn < 6; ++turn) {
    manual_clock time;
    manual_event never;
    asio::io_context ctx;
    cancel_scope<> scope(ctx);
    bool joined = false;
    std::function<void(int)> later = [&](int left) {
      if (left == 0) return scope.shutdown(1h);
      asio::post(ctx, [&later, left] { later(left - 1); });
    };
    later(turn);
    scope.spawn(child_options().graceful(), [&]() -> awaitable<void> {
      co_await hop();
      co_await hop();
      co_await never.wait(all);
    });
    scope.async_join([&](std::exception_ptr e) {
      CHECK_FALSE(e);
      joined = true;
    });
    drain(ctx);
    CAPTURE(turn);
    CHECK(joined);
    CHECK(scope.shutdown_counts().forced() == 0);
  }
}

TEST_CASE("rule 18: children on executors of their own are asked and forced too",
          "[shutdown][executor]") {
  server s;
  drain(s.ctx);
  for (int i = 0; i < 2; ++i) {
    auto const strand = asio::make_strand(s.ctx);
    s.scope->spawn(child_options().on(strand).graceful(), logged(s.log, "g", s.never.wait(total)));
    s.scope->spawn(child_options().on(strand), logged(s.log, "p", s.never.wait(all)));
  }
  drain(s.ctx);
  s.scope->shutdown(10ms);
  drain(s.ctx);
  CHECK(s.log.count("g:aborted") == 2);
  CHECK(s.log.count("p:aborted") == 0);
  s.advance(10ms);
  CHECK(s.log.count("p:aborted") == 2);
  REQUIRE(s.result);
  CHECK(s.result->shutdown_counts().finished() == 2);
  CHECK(s.result->shutdown_counts().forced() == 2);
}

TEST_CASE("rule 18: an inner scope of a graceful child is asked with total too",
          "[shutdown][nested]") {
  server s;
  drain(s.ctx);
  auto const nested = [&s]() -> awaitable<void> {
    co_await with_cancel_scope([&](auto& inner) -> awaitable<void> {
      inner.spawn(child_options().graceful(), logged(s.log, "idle", s.never.wait(all)));
      inner.spawn(logged(s.log, "busy", s.request_done.wait()));
      co_await logged(s.log, "inner-body", s.request_done.wait());
    });
  };
  s.add_graceful("nested", nested());
  s.scope->shutdown(10ms);
  drain(s.ctx);
  CHECK(s.log.count("idle:aborted") == 1);
  CHECK(s.log.count("busy:aborted") == 0);
  CHECK(s.log.count("inner-body:aborted") == 0);
  SECTION("and finishes") {
    s.request_done.set();
    drain(s.ctx);
    CHECK(s.log.count("busy") == 1);
    CHECK(s.log.count("inner-body") == 1);
    // Its idle child was cut by the outer request.
    CHECK(s.log.str().ends_with("nested:aborted"));
    REQUIRE(s.result);
    CHECK(s.result->shutdown_counts().finished() == 1);
  }
  SECTION("and is forced") {
    s.advance(10ms);
    CHECK(s.log.count("busy:aborted") == 1);
    CHECK(s.log.count("inner-body:aborted") == 1);
    REQUIRE(s.result);
    CHECK(s.result->shutdown_counts().forced() == 1);
  }
}
