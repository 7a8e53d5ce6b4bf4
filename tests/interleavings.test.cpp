// SPDX-License-Identifier: MIT
//
// Where two threads meet inside the library: each order is laid down by an executor that lets the
// other thread go on in the middle of a call.

#include "support/asio.hpp"
#include "support/catch.hpp"
#include "support/event_log.hpp"
#include "support/logged.hpp"
#include "support/manual_event.hpp"
#include "support/meeting_executor.hpp"
#include "support/run.hpp"

#include <asio_cancel_scope.hpp>

#include <chrono>
#include <memory>
#include <new>
#include <optional>
#include <string>
#include <tuple>

using namespace asio_cancel_scope;
using namespace std::chrono_literals;

namespace {

struct place {
  asio::io_context ctx;
  meeting at;
  asio::any_io_executor executor = meeting_executor<>(at, ctx.get_executor());
};

// A block with a child on the executor of the meeting; `ask` is called off it, and everything is
// over before that returns.
template <typename Ask>
void ends_inside(Ask ask) {
  place p;
  cancel_scope<>* inside = nullptr;
  host h(p.ctx, [&]() -> awaitable<void> {
    co_await with_cancel_scope([&](auto& scope) -> awaitable<void> {
      inside = &scope;
      scope.spawn(p.executor, [] { return until_cancelled(); });
      scope.spawn(p.executor, [] { return until_cancelled(); });
      co_await until_cancelled();
    });
  });
  drain(p.ctx);
  REQUIRE(inside);
  p.at.arrange([&] { drain(p.ctx); });
  ask(*inside);
  CHECK(p.at.took_place());
  drain(p.ctx);
  CHECK(h.clean());
}

}  // namespace

TEST_CASE("rule 19: the block that a cancel ends is left before cancel returns",
          "[cancel_scope][interleaving]") {
  ends_inside([](cancel_scope<>& scope) { scope.cancel(); });
}

TEST_CASE("rule 19: the block that a shutdown ends is left before shutdown returns",
          "[cancel_scope][interleaving]") {
  ends_inside([](cancel_scope<>& scope) { scope.shutdown(0s); });
}

TEST_CASE("rule 19: the block that a past deadline ends is left before cancel_at returns",
          "[cancel_scope][interleaving]") {
  ends_inside([](cancel_scope<>& scope) { scope.cancel_at(std::chrono::steady_clock::now()); });
}

TEST_CASE("rule 5: a child that is let in while a cancel comes is destroyed on its executor",
          "[cancel_scope][interleaving][room]") {
  place p;
  asio::io_context ctx;
  asio::io_context others[2];
  asio::io_context own;
  manual_event events[2];
  cancel_scope<> scope(ctx, scope_options().max_children(2));
  for (int i = 0; i != 2; ++i) scope.spawn(others[i], events[i].wait());
  for (auto& other : others) drain(other);

  bool ended_there = false;
  auto const on_end = [&](void*) { ended_there = own.get_executor().running_in_this_thread(); };
  std::string ends;
  auto const note = [&](std::exception_ptr, child<void>) { ends += '.'; };
  scope.async_spawn(
      p.executor, [] { return until_cancelled(); }, note);
  std::optional last([held = std::shared_ptr<void>(&own, on_end)] { return until_cancelled(); });
  scope.async_spawn(own, *last, note);
  last.reset();

  // The first that ends lets one in, and is about to let in the other when the cancel comes.
  p.at.arrange([&] {
    events[1].set();
    drain(others[1]);
    scope.cancel();
  });
  events[0].set();
  drain(others[0]);
  CHECK(p.at.took_place());
  drain(own);
  CHECK(ended_there);
  drain(p.ctx);
  drain(ctx);
  CHECK(scope.size() == 0);
  CHECK(ends == "..");
}

TEST_CASE("rule 19: a scope object is joined and destroyed before cancel returns",
          "[cancel_scope][interleaving]") {
  place p;
  std::optional<cancel_scope<>> scope(p.ctx);
  scope->spawn(p.executor, [] { return until_cancelled(); });
  drain(p.ctx);
  scope->async_join([&](std::exception_ptr) { scope.reset(); });
  p.at.arrange([&] { drain(p.ctx); });
  scope->cancel();
  CHECK(p.at.took_place());
  CHECK_FALSE(scope);
}

TEST_CASE("rule 1: a child has started and ended before spawn returns",
          "[cancel_scope][interleaving]") {
  place p;
  cancel_scope<> scope(p.ctx);
  p.at.arrange([&] { drain(p.ctx); });
  auto const handle = scope.spawn(p.executor, []() -> awaitable<int> { co_return 7; });
  CHECK(p.at.took_place());
  CHECK(handle.done());
  CHECK(scope.size() == 0);
}

TEST_CASE("rule 5: a cancel that comes while a child is being posted keeps it from starting",
          "[cancel_scope][interleaving]") {
  place p;
  cancel_scope<> scope(p.ctx);
  bool started = false;
  auto const child = [&]() -> awaitable<void> {
    started = true;
    co_return;
  };
  SECTION("and the child is over before spawn returns") {
    p.at.arrange([&] {
      scope.cancel();
      drain(p.ctx);
    });
    auto const handle = scope.spawn(p.executor, child);
    CHECK(handle.done());
  }
  SECTION("and the child is over after it") {
    p.at.arrange([&] { scope.cancel(); });
    auto const handle = scope.spawn(p.executor, child);
    CHECK_FALSE(handle.done());
    drain(p.ctx);
    CHECK(handle.done());
  }
  CHECK(p.at.took_place());
  CHECK_FALSE(started);
  CHECK(scope.cancelled_caught());
}

TEST_CASE(
    "rule 21: a child whose executor keeps it but throws is not there, whatever becomes of it",
    "[cancel_scope][interleaving]") {
  auto p = std::make_optional<place>();
  asio::io_context ctx;
  cancel_scope<> scope(ctx);
  bool started = false;
  p->at.arrange([] { throw std::bad_alloc(); });
  auto const child = [&]() -> awaitable<void> {
    started = true;
    co_return;
  };
  CHECK_THROWS_AS(scope.spawn(p->executor, child), std::bad_alloc);
  CHECK(p->at.took_place());
  CHECK(scope.size() == 0);
  SECTION("run") {
    drain(p->ctx);
  }
  SECTION("destroyed") {
    p.reset();
  }
  CHECK_FALSE(started);
  CHECK(scope.size() == 0);
  bool joined = false;
  scope.async_join([&](std::exception_ptr e) { joined = !e; });
  drain(ctx);
  CHECK(joined);
}

TEST_CASE("rule 3: the scope is joined and closed while a child is being posted",
          "[cancel_scope][interleaving]") {
  place p;
  cancel_scope<> scope(p.ctx);
  bool joined = false;
  SECTION("the join waits for the child") {
    p.at.arrange([&] { scope.async_join([&](std::exception_ptr) { joined = true; }); });
    auto const handle = scope.spawn(p.executor, []() -> awaitable<void> { co_return; });
    CHECK_FALSE(joined);
    drain(p.ctx);
    CHECK(handle.done());
  }
  SECTION("the child has ended and the join closes the scope") {
    p.at.arrange([&] {
      drain(p.ctx);
      scope.async_join([&](std::exception_ptr) { joined = true; });
    });
    auto const handle = scope.spawn(p.executor, []() -> awaitable<void> { co_return; });
    drain(p.ctx);
    CHECK_THROWS_AS(scope.spawn([]() -> awaitable<void> { co_return; }), std::logic_error);
  }
  CHECK(joined);
}

TEST_CASE("rule 7: a child ends before the emission that is on its way to it",
          "[cancel_scope][interleaving]") {
  place p;
  event_log log;
  manual_event goes;
  cancel_scope<> scope(p.ctx);
  scope.spawn(p.executor, logged(log, "child", goes.wait()));
  drain(p.ctx);
  SECTION("its operation had completed when the request was made") {
    goes.set();
    scope.cancel();
    drain(p.ctx);
    CHECK(log.str() == "child");
  }
  SECTION("its operation completes when the emission has been posted") {
    p.at.arrange([&] { goes.set(); });
    scope.cancel();
    CHECK(p.at.took_place());
    drain(p.ctx);
    CHECK(scope.size() == 0);
  }
}

TEST_CASE("rule 8: a stronger request is made while a weaker is handed over is all that is sent",
          "[cancel_scope][interleaving]") {
  place p;
  cancel_scope<> scope(p.ctx);
  event_log log;
  auto const child = [&]() -> awaitable<void> {
    co_await async_until_cancelled(
        [&](asio::cancellation_type type) {
          log.add(type == asio::cancellation_type::terminal ? "terminal" : "other");
        },
        use_awaitable);
  };
  scope.spawn(child_options().on(p.executor).graceful(), child);
  drain(p.ctx);
  p.at.arrange([&] { scope.cancel(); });
  scope.cancel(asio::cancellation_type::total);
  CHECK(p.at.took_place());
  drain(p.ctx);
  CHECK(log.str() == "terminal");
  CHECK(scope.size() == 0);
}

TEST_CASE("rule 1: the join is delivered and the scope destroyed while its last child retires",
          "[cancel_scope][interleaving]") {
  place joins;
  asio::io_context children;
  auto scope = std::make_optional<cancel_scope<>>(children);
  auto handle = std::make_optional(scope->spawn([]() -> awaitable<int> { co_return 3; }));
  SECTION("of the scope") {
    scope->async_join(asio::bind_executor(joins.executor, [&](std::exception_ptr) {
      handle.reset();
      scope.reset();
    }));
  }
  SECTION("of the child") {
    std::move(*handle).async_join(
        asio::bind_executor(joins.executor, [&](std::exception_ptr, int value) {
          CHECK(value == 3);
          handle.reset();
          scope.reset();
        }));
  }
  joins.at.arrange([&] { drain(joins.ctx); });
  drain(children);
  drain(joins.ctx);
  CHECK_FALSE(scope);
}

TEST_CASE("rule 19: a child's handle is used while its own cancellation is handed over",
          "[cancel_scope][interleaving]") {
  place p;
  cancel_scope<> scope(p.ctx);
  auto handle = std::make_optional(scope.spawn(p.executor, [] { return until_cancelled(); }));
  drain(p.ctx);
  p.at.arrange([&] {
    drain(p.ctx);
    CHECK(handle->done());
  });
  handle->cancel();
  CHECK(p.at.took_place());
  CHECK(scope.size() == 0);
  CHECK_FALSE(scope.cancel_called());
}

TEST_CASE("rule 25: room becomes free while the one that waits for it is withdrawn",
          "[cancel_scope][interleaving]") {
  place p;
  cancel_scope<> scope(p.ctx, scope_options().max_children(1));
  manual_event first_ends;
  auto const first = scope.spawn([&] { return first_ends.wait(); });
  drain(p.ctx);
  asio::cancellation_signal waits;
  event_log log;
  scope.async_spawn(
      p.executor,
      [&]() -> awaitable<void> {
        log.add("second");
        co_return;
      },
      asio::bind_cancellation_slot(waits.slot(), [&](std::exception_ptr e, auto) {
        log.add(e ? "withdrawn" : "admitted");
      }));
  SECTION("the room comes first") {
    first_ends.set();
    p.at.arrange([&] { waits.emit(asio::cancellation_type::terminal); });
    drain(p.ctx);
    CHECK(p.at.took_place());
  }
  SECTION("the withdrawal comes first") {
    waits.emit(asio::cancellation_type::terminal);
    first_ends.set();
    drain(p.ctx);
    CHECK(log.str() == "withdrawn");
  }
  CHECK(scope.size() == 0);
}

TEST_CASE(
    "rule 25: the executor of one that waits for room is shut down before the scope cancels it",
    "[cancel_scope][interleaving]") {
  place p;
  asio::io_context ctx;
  cancel_scope<> scope(ctx, scope_options().max_children(1));
  scope.spawn([] { return until_cancelled(); });
  event_log log;
  std::optional<child<void>> second;
  scope.async_spawn(
      p.executor,
      [&]() -> awaitable<void> {
        log.add("started");
        co_return;
      },
      asio::bind_executor(ctx, [&](std::exception_ptr e, child<void> given) {
        log.add(e ? "nothing" : "given");
        second.emplace(std::move(given));
      }));
  drain(ctx);
  p.at.close();
  scope.cancel();
  drain(ctx);
  CHECK(log.str() == "given");
  REQUIRE(second);
  CHECK(second->done());
  CHECK_THROWS_AS(second->get(), system_error);
  CHECK(scope.size() == 0);
}

TEST_CASE("rule 19: the executor is shut down after a child has been spawned during a start",
          "[cancel_scope][interleaving]") {
  place p;
  cancel_scope<> scope(p.executor);
  std::string started;
  auto const first = scope.spawn([&]() -> awaitable<void> {
    started += "first";
    co_return;
  });
  std::optional<child<void>> second;
  p.at.arrange([&] {
    second.emplace(scope.spawn([&]() -> awaitable<void> {
      started += "second";
      co_return;
    }));
    p.at.close();
  });
  drain(p.ctx);
  CHECK(p.at.took_place());
  CHECK(started == "first");
  CHECK(first.done());
  REQUIRE(second);
  CHECK(second->done());
  CHECK_THROWS_AS(second->get(), system_error);
  CHECK(scope.size() == 0);
}
