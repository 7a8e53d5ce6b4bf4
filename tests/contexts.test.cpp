// SPDX-License-Identifier: MIT

// A scope's context may be destroyed when the scope has been left, whatever its children's contexts
// are still at.

#include "support/asio.hpp"
#include "support/catch.hpp"
#include "support/manual_event.hpp"
#include "support/run.hpp"

#include <asio_cancel_scope.hpp>

#include <exception>
#include <functional>
#include <memory>
#include <optional>
#include <utility>

using namespace asio_cancel_scope;

namespace {

awaitable<void> nothing() {
  co_return;
}

// Many times over: a block on a strand of a context of its own, which `fill` gives children that
// run on a pool; the context is destroyed as soon as it has nothing to do. Answers how many blocks
// have been left.
int outlived_by_pool(std::function<void(cancel_scope<>&, asio::thread_pool&)> const& fill) {
  constexpr int rounds = 300;
  asio::thread_pool pool(2);
  int left = 0;
  for (int i = 0; i != rounds; ++i) {
    asio::io_context ctx(1);
    asio::co_spawn(
        asio::make_strand(ctx),
        [&]() -> awaitable<void> {
          auto const body = [&](cancel_scope<>& scope) -> awaitable<void> {
            fill(scope, pool);
            co_return;
          };
          co_await with_cancel_scope(body);
          ++left;
        },
        [](std::exception_ptr) {});
    ctx.run();
  }
  pool.join();
  return left - rounds;
}

}  // namespace

TEST_CASE("rule 19: a context is destroyed when its block with children on a pool has been left",
          "[cancel_scope][lifetime][threads]") {
  CHECK(outlived_by_pool([](cancel_scope<>& scope, asio::thread_pool& pool) {
          for (int i = 0; i != 2; ++i) scope.spawn(pool, nothing);
        }) == 0);
}

TEST_CASE("rule 19: a context is destroyed when its block with tokens on a pool has been left",
          "[cancel_scope][lifetime][threads]") {
  CHECK(outlived_by_pool([](cancel_scope<>& scope, asio::thread_pool& pool) {
          scope.spawn(pool, nothing, [](std::exception_ptr) {});
        }) == 0);
}

TEST_CASE("rule 19: a context is destroyed when its block with operations on a pool has been left",
          "[cancel_scope][lifetime][threads]") {
  CHECK(outlived_by_pool([](cancel_scope<>& scope, asio::thread_pool& pool) {
          auto const strand = asio::make_strand(pool);
          asio::post(strand, scope.track(asio::bind_executor(strand, [] {})));
        }) == 0);
}

TEST_CASE("rule 19: a context is destroyed when its block, cancelled, has been left",
          "[cancel_scope][lifetime][threads]") {
  CHECK(outlived_by_pool([](cancel_scope<>& scope, asio::thread_pool& pool) {
          for (int i = 0; i != 2; ++i) scope.spawn(pool, nothing);
          scope.cancel();
        }) == 0);
}

TEST_CASE("rule 19: a context is destroyed when a scope object has been joined",
          "[cancel_scope][lifetime][threads]") {
  asio::thread_pool pool(2);
  int joined = 0;
  for (int i = 0; i != 300; ++i) {
    asio::io_context ctx(1);
    {
      cancel_scope<> scope(asio::make_strand(ctx));
      auto handle = scope.spawn(pool, nothing);
      handle.async_join(asio::bind_executor(ctx, [&](std::exception_ptr) { ++joined; }));
      scope.spawn(pool, nothing, asio::bind_executor(ctx, [&](std::exception_ptr) { ++joined; }));
      scope.async_join([&](std::exception_ptr) { ++joined; });
      ctx.run();
    }
  }
  pool.join();
  CHECK(joined == 900);
}

TEST_CASE("rule 19: an emission that is queued elsewhere is over before the scope is left",
          "[cancel_scope][lifetime]") {
  asio::io_context elsewhere;
  {
    asio::io_context ctx;
    bool joined = false;
    cancel_scope<> scope(asio::make_strand(ctx));
    scope.spawn(elsewhere, []() -> awaitable<void> { co_await asio::post(use_awaitable); });
    elsewhere.run_one();  // the child is about to end
    scope.cancel();       // and is to be told after that
    while (scope.size() != 0) elsewhere.run_one();
    scope.async_join([&](std::exception_ptr e) { joined = !e; });
    drain(ctx);
    CHECK_FALSE(joined);
    drain(elsewhere);
    drain(ctx);
    CHECK(joined);
  }
  drain(elsewhere);
}

TEST_CASE("rule 21: a cancel or a child that ends elsewhere does not stop an idle context",
          "[cancel_scope][lifetime]") {
  asio::io_context ctx;
  asio::io_context elsewhere;
  bool joined = false;
  cancel_scope<> scope(ctx);
  scope.spawn(elsewhere, [] { return until_cancelled(); });
  scope.spawn(elsewhere, nothing);
  drain(elsewhere);
  scope.cancel();
  drain(elsewhere);
  CHECK_FALSE(ctx.stopped());
  scope.async_join([&](std::exception_ptr e) { joined = !e; });
  ctx.poll();
  CHECK(joined);
}

TEST_CASE("rule 19: what observes errors is destroyed by who leaves the block",
          "[cancel_scope][lifetime]") {
  asio::io_context ctx;
  bool left = false;
  bool gone = false;
  {
    std::optional<child<void>> kept;
    auto const on_end = [&](void*) { gone = true; };
    auto options = scope_options().on_suppressed(
        [held = std::shared_ptr<void>(&gone, on_end)](std::exception_ptr) {});
    host h(ctx, [&]() -> awaitable<void> {
      co_await with_cancel_scope(std::move(options), [&](cancel_scope<>& scope) -> awaitable<void> {
        kept.emplace(scope.spawn(nothing));
        co_return;
      });
      left = true;
      CHECK(gone);
    });
    drain(ctx);
    CHECK(h.clean());
    CHECK(kept->done());
  }
  CHECK(left);
}

TEST_CASE("rule 12: the handler of a token may cancel when its child's context has run dry",
          "[cancel_scope][token][cancel]") {
  asio::io_context ctx;
  asio::io_context elsewhere;
  bool joined = false;
  cancel_scope<> scope(ctx);
  auto const cancel = [&](std::exception_ptr) { scope.cancel(); };
  scope.spawn(elsewhere, nothing, asio::bind_executor(ctx, cancel));
  scope.async_join([&](std::exception_ptr e) { joined = !e; });
  elsewhere.run();
  ctx.run();
  CHECK(joined);
  CHECK(scope.cancel_called());
}
