// SPDX-License-Identifier: MIT
#include <asio_cancel_scope.hpp>

#include "support/asio.hpp"
#include "support/catch.hpp"
#include "support/manual_event.hpp"
#include "support/run.hpp"
#include "support/tracked.hpp"

#include <exception>
#include <memory>
#include <stdexcept>
#include <string>
#include <utility>

using namespace asio_cancel_scope;

namespace {

struct failure : std::runtime_error {
  using std::runtime_error::runtime_error;
};

awaitable<void> hold(tracked) {
  co_return;
}

awaitable<void> throw_it(std::exception_ptr error) {
  std::rethrow_exception(error);
  co_return;
}

void close(asio::io_context& ctx, cancel_scope<>& scope) {
  bool joined = false;
  scope.async_join([&](std::exception_ptr) { joined = true; });
  drain(ctx);
  REQUIRE(joined);
}

template <typename F>
std::string logic_error_of(F f) {
  try {
    f();
  } catch (std::logic_error const& e) {
    return e.what();
  }
  return "";
}

bool says_closed(std::string const& message) {
  return message.find("closed") != std::string::npos;
}

bool is_logic_error_that_says_closed(std::exception_ptr const& error) {
  return error && says_closed(logic_error_of([&] { std::rethrow_exception(error); }));
}

bool is_closed(cancel_scope<>& scope) {
  return says_closed(logic_error_of([&] { scope.spawn([]() -> awaitable<void> { co_return; }); }));
}

}  // namespace

TEST_CASE("rule 3 B063: spawn into a closed scope throws and destroys what it was given",
          "[cancel_scope][lifetime]") {
  asio::io_context ctx;
  cancel_scope<> scope(ctx);
  close(ctx, scope);
  auto const before = tracked::alive();
  bool ran = false;
  auto const make_child = [&] {
    return [&ran, captured = tracked()]() -> awaitable<void> {
      ran = true;
      co_return;
    };
  };
  auto const check_refused = [&](auto spawn) {
    CHECK(says_closed(logic_error_of(spawn)));
    CHECK(tracked::alive() == before);
  };
  check_refused([&] { scope.spawn(make_child()); });
  check_refused([&] { scope.spawn(hold(tracked())); });
  check_refused([&] { scope.spawn(ctx.get_executor(), make_child()); });
  check_refused([&] { scope.spawn(ctx, make_child()); });
  check_refused([&] { scope.spawn(asio::make_strand(ctx), hold(tracked())); });
  check_refused([&] { scope.spawn(child_options().name("late"), make_child()); });
  CHECK(scope.size() == 0);
  drain(ctx);
  CHECK(!ran);
  CHECK(scope.size() == 0);
}

TEST_CASE("rule 3 B063: spawn with a token into a closed scope throws and drops the handler",
          "[cancel_scope][token]") {
  asio::io_context ctx;
  cancel_scope<> scope(ctx);
  close(ctx, scope);
  auto const before = tracked::alive();
  bool called = false;
  auto const callback = logic_error_of([&] {
    scope.spawn([captured = tracked()]() -> awaitable<void> { co_return; },
                [&called, captured = tracked()](std::exception_ptr) { called = true; });
  });
  CHECK(says_closed(callback));
  CHECK(tracked::alive() == before);
  drain(ctx);
  CHECK(!called);
}

TEST_CASE("rule 3 B063: with a lazy token the token gets the logic_error of a closed scope",
          "[cancel_scope][token]") {
  asio::io_context ctx;
  cancel_scope<> scope(ctx);
  close(ctx, scope);
  auto const before = tracked::alive();
  bool ran = false;
  auto const make_child = [&] {
    return [&ran, captured = tracked()]() -> awaitable<void> {
      ran = true;
      co_return;
    };
  };
  std::exception_ptr by_awaitable;
  std::exception_ptr by_deferred;
  bool made = false;
  run(ctx, [&]() -> awaitable<void> {
    auto pending = scope.spawn(make_child(), use_awaitable);
    made = true;
    try {
      co_await std::move(pending);
    } catch (...) {
      by_awaitable = std::current_exception();
    }
    auto deferred = scope.spawn(make_child(), compat::deferred);
    std::move(deferred)([&](std::exception_ptr e) { by_deferred = e; });
    CHECK(!by_deferred);
  });
  drain(ctx);
  CHECK(made);
  CHECK(is_logic_error_that_says_closed(by_awaitable));
  CHECK(is_logic_error_that_says_closed(by_deferred));
  CHECK(!ran);
  CHECK(tracked::alive() == before);
}

TEST_CASE("rule 3 B063: a spawn that was prepared before the scope was left is refused afterwards",
          "[cancel_scope][token]") {
  asio::io_context ctx;
  auto const before = tracked::alive();
  bool ran = false;
  bool const destroyed = GENERATE(false, true);
  auto scope = std::make_unique<cancel_scope<>>(ctx);
  std::exception_ptr error;
  {
    auto child = [&ran, captured = tracked()]() -> awaitable<void> {
      ran = true;
      co_return;
    };
    auto prepared = scope->spawn(std::move(child), use_awaitable);
    close(ctx, *scope);
    if (destroyed) {
      scope.reset();
    }
    run(ctx, [&]() -> awaitable<void> {
      try {
        co_await std::move(prepared);
      } catch (...) {
        error = std::current_exception();
      }
    });
  }
  CHECK(is_logic_error_that_says_closed(error));
  CHECK(!ran);
  CHECK(tracked::alive() == before);
}

TEST_CASE("rule 3 B033: cancel does nothing to a closed scope", "[cancel_scope][cancel]") {
  asio::io_context ctx;
  cancel_scope<> scope(ctx);
  close(ctx, scope);
  scope.cancel();
  scope.cancel(asio::cancellation_type::total);
  drain(ctx);
  CHECK(!scope.cancel_called());
  CHECK(!scope.cancelled_caught());
  CHECK(scope.cause() == cancel_cause::none);
  CHECK(!scope.get_stop_token().stop_requested());
  std::exception_ptr outcome = std::make_exception_ptr(1);
  scope.async_join([&](std::exception_ptr e) { outcome = e; });
  drain(ctx);
  CHECK(!outcome);
}

TEST_CASE("rule 3: the queries of a closed scope keep what they said", "[cancel_scope][query]") {
  asio::io_context ctx;
  manual_event event;
  SECTION("cancelled") {
    cancel_scope<> scope(ctx, scope_options().name("kept"));
    scope.spawn(event.wait());
    drain(ctx);
    scope.cancel();
    close(ctx, scope);
    CHECK(scope.cancel_called());
    CHECK(scope.cancelled_caught());
    CHECK(scope.cause() == cancel_cause::requested);
    CHECK(scope.get_stop_token().stop_requested());
    CHECK(scope.size() == 0);
    CHECK(scope.name() == "kept");
    CHECK(scope.get_executor() == asio::any_io_executor(ctx.get_executor()));
  }
  SECTION("failed") {
    cancel_scope<> scope(ctx);
    scope.spawn(event.wait());
    drain(ctx);
    scope.spawn(throw_it(std::make_exception_ptr(failure("E1"))));
    close(ctx, scope);
    scope.cancel();
    CHECK(scope.cancel_called());
    CHECK(scope.cancelled_caught());
    CHECK(scope.cause() == cancel_cause::child_error);
  }
}

TEST_CASE("rule 3: a scope without a pending join stays open when its last child ends",
          "[cancel_scope][lifetime]") {
  asio::io_context ctx;
  cancel_scope<> scope(ctx);
  int ran = 0;
  auto const child = [&]() -> awaitable<void> {
    ++ran;
    co_return;
  };
  for (int i = 1; i <= 3; ++i) {
    scope.spawn(child);
    drain(ctx);
    CHECK(ran == i);
    CHECK(scope.size() == 0);
  }
  CHECK(!is_closed(scope));
}

TEST_CASE("rule 3: the scope closes when its last child ends with a join pending",
          "[cancel_scope][lifetime]") {
  asio::io_context ctx;
  asio::io_context elsewhere;
  cancel_scope<> scope(ctx);
  manual_event event;
  bool joined = false;
  scope.spawn(event.wait());
  drain(ctx);
  scope.async_join(
      asio::bind_executor(elsewhere.get_executor(), [&](std::exception_ptr) { joined = true; }));
  drain(ctx);
  drain(elsewhere);
  CHECK(!is_closed(scope));
  drain(ctx);
  event.set();
  drain(ctx);
  // Closed by the end of the child, not by the delivery of the join.
  CHECK(!joined);
  CHECK(is_closed(scope));
  drain(elsewhere);
  CHECK(joined);
}

TEST_CASE("rule 3: the scope closes at once when a join comes with no child left",
          "[cancel_scope][lifetime]") {
  asio::io_context ctx;
  cancel_scope<> scope(ctx);
  bool joined = false;
  scope.async_join([&](std::exception_ptr) { joined = true; });
  CHECK(!joined);
  CHECK(is_closed(scope));
  scope.cancel();
  CHECK(!scope.cancel_called());
  drain(ctx);
  CHECK(joined);
}

TEST_CASE("rule 3: a closed scope is not opened again", "[cancel_scope][lifetime]") {
  asio::io_context ctx;
  cancel_scope<> scope(ctx);
  scope.spawn([]() -> awaitable<void> { co_return; });
  close(ctx, scope);
  CHECK(is_closed(scope));
  close(ctx, scope);
  CHECK(is_closed(scope));
  scope.cancel();
  CHECK(is_closed(scope));
}
