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
#include <type_traits>

using namespace asio_cancel_scope;

namespace {

struct failure : std::runtime_error {
  using std::runtime_error::runtime_error;
};

awaitable<void> fail() {
  throw failure("E1");
  co_return;
}

}  // namespace

TEST_CASE("design 2: the options of a scope are set by chaining", "[scope_options]") {
  asio::io_context ctx;
  int suppressed = 0;
  SECTION("as a temporary") {
    cancel_scope<> scope(ctx, scope_options()
                                  .policy(on_child_error::keep_running)
                                  .name("chained")
                                  .on_suppressed([&](std::exception_ptr) { ++suppressed; }));
    scope.spawn(fail());
    drain(ctx);
    CHECK(scope.name() == "chained");
    CHECK(!scope.cancel_called());
    CHECK(suppressed == 1);
  }
  SECTION("one after the other and used twice") {
    scope_options options;
    options.name("first").on_suppressed([&](std::exception_ptr) { ++suppressed; });
    options.policy(on_child_error::keep_running);
    cancel_scope<> one(ctx, options);
    options.name("second");
    cancel_scope<> two(ctx, options);
    one.spawn(fail());
    two.spawn(fail());
    drain(ctx);
    CHECK(one.name() == "first");
    CHECK(two.name() == "second");
    CHECK(suppressed == 2);
  }
  SECTION("the last word counts") {
    auto const options = scope_options()
                             .policy(on_child_error::keep_running)
                             .policy(on_child_error::cancel_scope)
                             .name("a")
                             .name("b");
    cancel_scope<> scope(ctx, options);
    scope.spawn(fail());
    drain(ctx);
    CHECK(scope.name() == "b");
    CHECK(scope.cancel_called());
  }
}

TEST_CASE("design 2: a block takes the options of its scope",
          "[scope_options][with_cancel_scope]") {
  int suppressed = 0;
  std::string name;
  bool clean = false;
  run([&]() -> awaitable<void> {
    auto const options = scope_options()
                             .policy(on_child_error::keep_running)
                             .name("block")
                             .on_suppressed([&](std::exception_ptr) { ++suppressed; });
    for (int i = 0; i < 2; ++i) {
      auto const result = co_await with_cancel_scope(options, [&](auto& scope) -> awaitable<void> {
        name = scope.name();
        scope.spawn(fail());
        co_return;
      });
      clean = result.has_value() && result.cause() == cancel_cause::none;
    }
    co_await with_cancel_scope(scope_options().name("temporary"),
                               [&](auto& scope) -> awaitable<void> {
                                 name += "," + scope.name();
                                 co_return;
                               });
  });
  CHECK(name == "block,temporary");
  CHECK(clean);
  CHECK(suppressed == 2);
}

TEST_CASE("design 2: the default policy cancels the scope on an error", "[scope_options]") {
  asio::io_context ctx;
  cancel_scope<> scope(ctx, scope_options());
  bool told = false;
  scope.spawn([&] { return until_cancelled([&] { told = true; }); });
  drain(ctx);
  scope.spawn(fail());
  drain(ctx);
  CHECK(told);
  CHECK(scope.cause() == cancel_cause::child_error);
}

TEST_CASE("design 2: a long name is kept and belongs to its scope", "[scope_options]") {
  asio::io_context ctx;
  std::string const text(1000, 'n');
  auto options = std::make_unique<scope_options>();
  options->name(text);
  cancel_scope<> scope(ctx, *options);
  options.reset();
  CHECK(scope.name() == text);
  scope.async_join([](std::exception_ptr) {});
  drain(ctx);
  CHECK(scope.name() == text);
}

TEST_CASE("design 2: the callable of on_suppressed lives no longer than its scope needs it",
          "[scope_options][lifetime]") {
  asio::io_context ctx;
  auto const before = tracked::alive();
  {
    cancel_scope<> scope(
        ctx, scope_options().on_suppressed([captured = tracked()](std::exception_ptr) {}));
    CHECK(tracked::alive() == before + 1);
    scope.spawn(fail());
    drain(ctx);
  }
  drain(ctx);
  CHECK(tracked::alive() == before);
}

TEST_CASE("rule 24: no type that is written inside a co_await expression is an aggregate",
          "[scope_options]") {
  STATIC_REQUIRE(!std::is_aggregate_v<scope_options>);
  STATIC_REQUIRE(!std::is_aggregate_v<child_options>);
  STATIC_REQUIRE(!std::is_aggregate_v<child<int>>);
  STATIC_REQUIRE(!std::is_aggregate_v<scope_result<int>>);
  STATIC_REQUIRE(!std::is_aggregate_v<scope_result<void>>);
  STATIC_REQUIRE(!std::is_aggregate_v<cancel_scope<>>);
}
