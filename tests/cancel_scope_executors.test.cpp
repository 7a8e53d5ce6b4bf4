// SPDX-License-Identifier: MIT

// Which executor runs what.

#include "support/asio.hpp"
#include "support/catch.hpp"
#include "support/event_log.hpp"
#include "support/logged.hpp"
#include "support/manual_event.hpp"
#include "support/run.hpp"
#include "support/tracking_executor.hpp"

#include <asio_cancel_scope.hpp>

#include <exception>
#include <stdexcept>
#include <type_traits>

using namespace asio_cancel_scope;

namespace {

asio::any_io_executor tracking(int id, asio::io_context& ctx) {
  return tracking_executor<>(id, ctx.get_executor());
}

// Tells on which of the executors 1 to 3 it runs: as a number whose digits are their ids.
int here() {
  return (running_on(1) ? 1 : 0) + (running_on(2) ? 20 : 0) + (running_on(3) ? 300 : 0);
}

}  // namespace

TEST_CASE("B179: a child runs on the executor that spawn was given and others on the scope's",
          "[cancel_scope][executor]") {
  asio::io_context ctx;
  asio::io_context other;
  cancel_scope<> scope(tracking(1, ctx));
  int plain = 0;
  int on_executor = 0;
  int on_options = 0;
  int after_hop = 0;
  auto p = scope.spawn([&]() -> awaitable<void> {
    plain = here();
    co_return;
  });
  auto e = scope.spawn(tracking(2, ctx), [&]() -> awaitable<void> {
    on_executor = here();
    co_await asio::post(use_awaitable);
    after_hop = here();
  });
  auto o = scope.spawn(child_options().on(tracking(3, ctx)), [&]() -> awaitable<void> {
    on_options = here();
    co_return;
  });
  bool on_context = false;
  auto c = scope.spawn(other, [&]() -> awaitable<void> {
    on_context = true;
    co_return;
  });
  CHECK(p.get_executor() == scope.get_executor());
  CHECK(e.get_executor() == tracking(2, ctx));
  CHECK(o.get_executor() == tracking(3, ctx));
  CHECK(c.get_executor() == asio::any_io_executor(other.get_executor()));
  drain(ctx);
  CHECK(plain == 1);
  CHECK(on_executor == 20);
  CHECK(after_hop == 20);
  CHECK(on_options == 300);
  CHECK_FALSE(on_context);
  drain(other);
  CHECK(on_context);
  run(ctx, [&]() -> awaitable<void> { co_await scope.async_join(use_awaitable); });
}

TEST_CASE("B179: child_options may name a context", "[cancel_scope][executor]") {
  asio::io_context ctx;
  asio::io_context other;
  cancel_scope<> scope(ctx);
  bool ran = false;
  scope.spawn(child_options().on(other).name("elsewhere"), [&]() -> awaitable<void> {
    ran = true;
    co_return;
  });
  drain(ctx);
  CHECK_FALSE(ran);
  drain(other);
  CHECK(ran);
  CHECK(scope.size() == 0);
}

TEST_CASE("B179: a child on another executor knows that as its own", "[cancel_scope][executor]") {
  asio::io_context ctx;
  cancel_scope<> scope(tracking(1, ctx));
  asio::any_io_executor seen;
  scope.spawn(tracking(2, ctx),
              [&]() -> awaitable<void> { seen = co_await asio::this_coro::executor; });
  drain(ctx);
  CHECK(seen == tracking(2, ctx));
}

TEST_CASE("rule 1: the host resumes on its own executor although its last child ran on another",
          "[with_cancel_scope][executor]") {
  asio::io_context ctx;
  asio::io_context other;
  manual_event go_on;
  int at_entry = 0;
  int in_body = 0;
  int in_child = 0;
  int at_exit = 0;
  host h(tracking(1, ctx), [&]() -> awaitable<void> {
    at_entry = here();
    co_await with_cancel_scope([&](auto& scope) -> awaitable<void> {
      CHECK(scope.get_executor() == tracking(1, ctx));
      in_body = here();
      scope.spawn(tracking(2, other), [&]() -> awaitable<void> {
        co_await go_on.wait();
        in_child = here();
      });
      co_return;
    });
    at_exit = here();
  });
  drain(ctx);
  drain(other);
  go_on.set();
  drain(ctx);
  CHECK_FALSE(h.done());
  drain(other);
  CHECK(in_child == 20);
  CHECK_FALSE(h.done());
  drain(ctx);
  CHECK(h.clean());
  CHECK(at_entry == 1);
  CHECK(in_body == 1);
  CHECK(at_exit == 1);
}

TEST_CASE("B182: each child is told on its own executor and never by the caller of cancel",
          "[cancel_scope][executor]") {
  asio::io_context ctx;
  asio::io_context other;
  cancel_scope<> scope(tracking(1, ctx));
  int first = 0;
  int second = 0;
  int third = 0;
  scope.spawn(until_cancelled([&] { first = here(); }));
  scope.spawn(tracking(2, ctx), until_cancelled([&] { second = here(); }));
  scope.spawn(tracking(3, other), until_cancelled([&] { third = here(); }));
  drain(ctx);
  drain(other);
  scope.cancel();
  CHECK(first + second + third == 0);
  drain(ctx);
  CHECK(first == 1);
  CHECK(second == 20);
  CHECK(third == 0);
  drain(other);
  CHECK(third == 300);
  CHECK(scope.size() == 0);
}

TEST_CASE("rule 7: on the child's executor it is told inside cancel and elsewhere it is not",
          "[cancel_scope][executor]") {
  asio::io_context ctx;
  asio::io_context other;
  cancel_scope<> scope(ctx);
  bool here_told = false;
  bool there_told = false;
  bool here_in_time = false;
  bool there_too_early = false;
  scope.spawn(until_cancelled([&] { here_told = true; }));
  scope.spawn(other, until_cancelled([&] { there_told = true; }));
  drain(ctx);
  drain(other);
  asio::post(ctx, [&] {
    scope.cancel();
    here_in_time = here_told;
    there_too_early = there_told;
  });
  drain(ctx);
  CHECK(here_in_time);
  CHECK_FALSE(there_too_early);
  drain(other);
  CHECK(there_told);
}

TEST_CASE("rule 4: the scope's own executor given to spawn keeps the order of spawning",
          "[cancel_scope][executor]") {
  asio::io_context ctx;
  event_log log;
  cancel_scope<> scope(ctx);
  auto const child = [&](char const* name) {
    return [&log, name]() -> awaitable<void> {
      log.add(name);
      co_return;
    };
  };
  scope.spawn(child("a"));
  scope.spawn(ctx, child("b"));
  scope.spawn(child_options().name("c"), child("c"));
  scope.spawn(ctx.get_executor(), child("d"));
  scope.spawn(child_options().on(ctx), child("e"));
  scope.spawn(child("f"), [&](std::exception_ptr) {});
  scope.spawn(scope.get_executor(), child("g"));
  drain(ctx);
  CHECK(log.str() == "a b c d e f g");
}

TEST_CASE("rule 4: children of one other executor start in the order of spawning",
          "[cancel_scope][executor]") {
  asio::io_context ctx;
  event_log log;
  cancel_scope<> scope(ctx);
  auto const strand = asio::make_strand(ctx);
  auto const child = [&](char const* name) {
    return [&log, name]() -> awaitable<void> {
      log.add(name);
      co_return;
    };
  };
  scope.spawn(strand, child("a"));
  scope.spawn(child_options().on(strand), child("b"));
  scope.spawn(strand, child("c"), [&](std::exception_ptr) {});
  scope.spawn(strand, child("d"));
  drain(ctx);
  CHECK(log.str() == "a b c d");
}

TEST_CASE("rule 20: a scope of a concrete executor type runs its children there",
          "[cancel_scope][executor]") {
  using executor = asio::io_context::executor_type;
  asio::io_context ctx;
  manual_event go_on;
  event_log log;
  cancel_scope<executor> scope(ctx);
  STATIC_REQUIRE(std::is_same_v<cancel_scope<executor>::executor_type, executor>);
  auto handle = scope.spawn([&]() -> awaitable<int, executor> {
    executor const mine = co_await asio::this_coro::executor;
    log.add(mine == ctx.get_executor() ? "same" : "other");
    co_await go_on.wait<executor>();
    co_return 3;
  });
  STATIC_REQUIRE(std::is_same_v<decltype(handle), child<int, executor>>);
  scope.spawn([&]() -> awaitable<void, executor> {
    co_await logged(log, "told", until_cancelled<executor>());
  });
  drain(ctx);
  go_on.set();
  drain(ctx);
  CHECK(handle.get() == 3);
  scope.cancel();
  run(ctx, [&]() -> awaitable<void, executor> {
    co_await scope.async_join(asio::use_awaitable_t<executor>());
  });
  CHECK(log.str() == "same told:aborted");
}

TEST_CASE("rule 20: a child that has gone to another executor ends on its own",
          "[cancel_scope][executor]") {
  asio::io_context ctx;
  asio::io_context other;
  cancel_scope<> scope(ctx);
  auto const handle = scope.spawn([&]() -> awaitable<void> {
    co_await asio::post(other, asio::bind_executor(other.get_executor(), use_awaitable));
  });
  drain(ctx);
  drain(other);
  CHECK_FALSE(handle.done());
  drain(ctx);
  CHECK(handle.done());
}

TEST_CASE("rule 20: the executor of a block is the one that its body names",
          "[with_cancel_scope][executor]") {
  using strand = asio::strand<asio::io_context::executor_type>;
  asio::io_context ctx;
  event_log log;
  auto const mine = asio::make_strand(ctx);
  auto const body = [&](cancel_scope<strand>& scope) -> awaitable<int, strand> {
    CHECK(scope.get_executor() == mine);
    scope.spawn(logged(log, "child", until_cancelled<strand>()));
    co_await asio::post(asio::use_awaitable_t<strand>());
    CHECK(mine.running_in_this_thread());
    scope.cancel();
    co_return 4;
  };
  int const value = run_on(ctx, mine, [&]() -> awaitable<int, strand> {
    auto result = co_await with_cancel_scope(body);
    co_return result.value();
  });
  CHECK(value == 4);
  CHECK(log.str() == "child:aborted");
}

TEST_CASE("rule 20: the executor of a block may be written for a generic body",
          "[with_cancel_scope][executor]") {
  using executor = asio::io_context::executor_type;
  asio::io_context ctx;
  auto const body = [&](auto& scope) -> awaitable<int, executor> {
    STATIC_REQUIRE(std::is_same_v<decltype(scope), cancel_scope<executor>&>);
    co_return 5;
  };
  int const value = run_on(ctx, ctx.get_executor(), [&]() -> awaitable<int, executor> {
    auto result = co_await with_cancel_scope<executor>(body);
    auto again = co_await with_cancel_scope<executor>(scope_options().name("x"), body);
    co_return result.value() + again.value();
  });
  CHECK(value == 10);
}

TEST_CASE("rule 20: a child may be an awaitable of any_io_executor in a scope of a concrete one",
          "[cancel_scope][executor]") {
  using executor = asio::io_context::executor_type;
  asio::io_context ctx;
  event_log log;
  cancel_scope<executor> scope(ctx);
  scope.spawn(logged(log, "child", until_cancelled()));
  drain(ctx);
  scope.cancel();
  drain(ctx);
  CHECK(log.str() == "child:aborted");
  CHECK(scope.size() == 0);
}

TEST_CASE("rule 20: an executor in child_options that the scope cannot use is refused",
          "[cancel_scope][executor]") {
  using executor = asio::io_context::executor_type;
  asio::io_context ctx;
  asio::io_context other;
  cancel_scope<executor> scope(ctx);
  bool ran = false;
  auto const child = [&]() -> awaitable<void, executor> {
    ran = true;
    co_return;
  };
  CHECK_THROWS_AS(scope.spawn(child_options().on(asio::make_strand(ctx)), child),
                  std::invalid_argument);
  CHECK(scope.size() == 0);
  scope.spawn(child_options().on(other), child);
  drain(other);
  CHECK(ran);
}

TEST_CASE("conventions: a scope knows its executor however it was made",
          "[cancel_scope][executor]") {
  asio::io_context ctx;
  cancel_scope<> from_context(ctx);
  cancel_scope<> from_executor(ctx.get_executor(), scope_options().name("named"));
  cancel_scope deduced(ctx);
  CHECK(from_context.get_executor() == asio::any_io_executor(ctx.get_executor()));
  CHECK(from_executor.get_executor() == from_context.get_executor());
  CHECK(from_executor.name() == "named");
  CHECK(from_context.name().empty());
  STATIC_REQUIRE(std::is_same_v<decltype(deduced), cancel_scope<>>);
  STATIC_REQUIRE(
      std::is_same_v<cancel_scope<>::rebind_executor<asio::io_context::executor_type>::other,
                     cancel_scope<asio::io_context::executor_type>>);
}
