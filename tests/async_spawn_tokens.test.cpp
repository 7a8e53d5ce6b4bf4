// SPDX-License-Identifier: MIT

// async_spawn with all kinds of tokens; many that wait; destroyed; on threads.

#include "support/asio.hpp"
#include "support/catch.hpp"
#include "support/destroyed_at_every_step.hpp"
#include "support/every_turn.hpp"
#include "support/manual_event.hpp"
#include "support/run.hpp"
#include "support/tracked.hpp"
#include "support/tracking_executor.hpp"
#include "support/wait_for.hpp"

#include <asio_cancel_scope.hpp>

#include <algorithm>
#include <atomic>
#include <cstddef>
#include <exception>
#include <optional>
#include <stop_token>
#include <type_traits>
#include <utility>
#include <vector>

using namespace asio_cancel_scope;

namespace {

awaitable<void> nothing() {
  co_return;
}

awaitable<void> hop() {
  co_await asio::post(use_awaitable);
}

awaitable<void> hops(int n) {
  tracked const local;
  for (int i = 0; i < n; ++i) co_await asio::post(use_awaitable);
}

awaitable<void> waits(manual_event& event) {
  tracked const local;
  co_await event.wait();
}

awaitable<int> number(int n) {
  co_return n;
}

// How many are at work at once, and how many were at most.
class gauge {
 public:
  void enter() {
    int const now = ++now_;
    int before = most_.load();
    while (before < now && !most_.compare_exchange_weak(before, now)) {
    }
    ++all_;
  }
  void leave() { --now_; }

  int most() const { return most_; }
  int all() const { return all_; }

 private:
  std::atomic<int> now_{0};
  std::atomic<int> most_{0};
  std::atomic<int> all_{0};
};

awaitable<void> measured(gauge& g) {
  g.enter();
  co_await hop();
  co_await hop();
  g.leave();
}

}  // namespace

TEST_CASE("conventions: async_spawn takes use_future and as_tuple", "[async_spawn][token]") {
  asio::io_context ctx;
  cancel_scope<> scope(ctx, scope_options().max_children(1));
  auto future = scope.async_spawn(number(5), asio::use_future);
  host h(ctx, [&]() -> awaitable<void> {
    auto [e, handle] = co_await scope.async_spawn(number(6), compat::as_tuple(use_awaitable));
    CHECK_FALSE(e);
    STATIC_REQUIRE(std::is_same_v<decltype(handle), child<int>>);
    auto const value = co_await handle.async_join();
    CHECK(value == 6);
  });
  drain(ctx);
  CHECK(wait_for(std::move(future)).get() == 5);
  CHECK(h.clean());
}

TEST_CASE("conventions: an async_spawn that is never awaited does nothing",
          "[async_spawn][token]") {
  asio::io_context ctx;
  cancel_scope<> scope(ctx, scope_options().max_children(1));
  if (GENERATE(false, true)) scope.spawn(hop());
  auto const before = scope.size();
  bool started = false;
  auto const callable = [&, t = tracked()]() -> awaitable<void> {
    started = true;
    co_return;
  };
  {
    auto const dropped = scope.async_spawn(callable);
    auto const deferred = scope.async_spawn(callable, compat::deferred);
    CHECK(scope.size() == before);
  }
  CHECK(tracked::alive() == 1);
  drain(ctx);
  CHECK_FALSE(started);
  CHECK(scope.try_spawn(hop()));
}

TEST_CASE("conventions: the handler of async_spawn runs on its own executor",
          "[async_spawn][token]") {
  asio::io_context ctx;
  asio::io_context elsewhere;
  cancel_scope<> scope(ctx, scope_options().max_children(1));
  bool const waits = GENERATE(false, true);
  if (waits) scope.spawn(hop());
  int heard = 0;
  scope.async_spawn(
      number(1), asio::bind_executor(elsewhere, [&](std::exception_ptr, child<int>) { ++heard; }));
  if (waits) {
    // It is kept running for who waits.
    elsewhere.restart();
    elsewhere.poll();
    CHECK_FALSE(elsewhere.stopped());
  }
  drain(ctx);
  CHECK(heard == 0);
  drain(elsewhere);
  CHECK(heard == 1);
}

TEST_CASE("B169: who waited for room has the only handle", "[async_spawn][token]") {
  asio::io_context ctx;
  asio::io_context other;
  cancel_scope<> scope(ctx);
  bool told = false;
  scope.async_spawn([]() -> awaitable<tracked> { co_return tracked(); },
                    asio::bind_executor(other, [&](std::exception_ptr, child<tracked> handle) {
                      CHECK(handle.done());
                      CHECK(tracked::alive() == 1);
                      { auto const dropped = std::move(handle); }
                      CHECK(tracked::alive() == 0);
                      told = true;
                    }));
  drain(ctx);
  drain(other);
  CHECK(told);
}

TEST_CASE("B179: a child that has waited for room runs where it was to run",
          "[async_spawn][executor]") {
  asio::io_context ctx;
  asio::io_context other;
  tracking_executor<> const tracking(1, other.get_executor());
  cancel_scope<> scope(ctx, scope_options().max_children(1));
  scope.spawn(hop());
  bool on_it = false;
  bool told_on_it = false;
  scope.async_spawn(
      child_options().on(tracking),
      [&]() -> awaitable<void> {
        on_it = running_on(1);
        co_return;
      },
      [&](std::exception_ptr, child<void>) { told_on_it = running_on(1); });
  drain(ctx);
  CHECK_FALSE(on_it);
  drain(other);
  CHECK(on_it);
  CHECK(told_on_it);
  CHECK(scope.size() == 0);
}

TEST_CASE("rule 25: never more than the limit run at once however many wait", "[async_spawn]") {
  asio::io_context ctx;
  gauge g;
  int const limit = GENERATE(1, 2, 7);
  constexpr int work = 300;
  host h(ctx, [&]() -> awaitable<void> {
    auto const options = scope_options().max_children(static_cast<std::size_t>(limit));
    co_await with_cancel_scope(options, [&](cancel_scope<>& scope) -> awaitable<void> {
      for (int i = 0; i < work / 3; ++i) co_await scope.async_spawn(measured(g));
      for (int i = 0; i < work / 3; ++i) {
        scope.async_spawn(measured(g), [](std::exception_ptr, child<void>) {});
        scope.async_start(
            [&](ready_signal<> ready) {
              ready();
              return measured(g);
            },
            [](std::exception_ptr) {});
      }
    });
  });
  drain(ctx);
  CHECK(h.clean());
  CHECK(g.most() == limit);
  CHECK(g.all() == work);
}

TEST_CASE("rule 4: children that have waited for room start in the order of the calls",
          "[async_spawn]") {
  asio::io_context ctx;
  cancel_scope<> scope(ctx, scope_options().max_children(4));
  std::vector<int> order;
  for (int i = 0; i < 100; ++i) {
    auto const work = [&order, i]() -> awaitable<void> {
      order.push_back(i);
      co_await hop();
    };
    scope.async_spawn(work, [](std::exception_ptr, child<void>) {});
  }
  drain(ctx);
  CHECK(order.size() == 100);
  CHECK(std::is_sorted(order.begin(), order.end()));
}

TEST_CASE("rule 25: a great many that wait are let in one after the other", "[async_spawn][cost]") {
  asio::io_context ctx;
  constexpr int many = 20000;
  cancel_scope<> scope(ctx, scope_options().max_children(1));
  int heard = 0;
  int started = 0;
  bool const cancelled = GENERATE(false, true);
  for (int i = 0; i < many; ++i)
    scope.async_spawn(
        [&]() -> awaitable<void> {
          ++started;
          co_return;
        },
        [&](std::exception_ptr e, child<void>) { heard += e ? many : 1; });
  if (cancelled) scope.cancel();
  drain(ctx);
  CHECK(heard == many);
  CHECK(started == (cancelled ? 0 : many));
  CHECK(scope.size() == 0);
}

TEST_CASE("rule 25: a wait for room cancelled at every turn ends once and loses no room",
          "[async_spawn][cancel][sweep]") {
  int aborted = 0;
  int let_in = 0;
  for (int at = 0; at < 16; ++at) {
    asio::io_context ctx;
    cancel_scope<> scope(ctx, scope_options().max_children(1));
    scope.spawn(hops(3));
    asio::cancellation_signal signal;
    int heard = 0;
    bool done = false;
    std::optional<child<void>> handle;
    auto const callable = [&, t = tracked()]() -> awaitable<void> {
      co_await hops(1);
      done = true;
    };
    scope.async_spawn(callable, asio::bind_cancellation_slot(
                                    signal.slot(), [&](std::exception_ptr e, child<void> c) {
                                      ++heard;
                                      if (!e) handle = std::move(c);
                                    }));
    int turn = 0;
    every_turn(ctx, [&] {
      if (turn == at && heard == 0) signal.emit(asio::cancellation_type::terminal);
      return ++turn < 16;
    });
    drain(ctx);
    CHECK(heard == 1);
    CHECK(done == handle.has_value());
    (handle ? let_in : aborted) += 1;
    CHECK(tracked::alive() == 1);
    CHECK(scope.size() == 0);
    CHECK(scope.try_spawn(hop()));
  }
  CHECK(aborted > 2);
  CHECK(let_in > 2);
}

TEST_CASE("rule 19: waits for room destroyed at every step", "[async_spawn][shutdown]") {
  struct scenario {
    manual_event first_ends;
    manual_event never;
    asio::cancellation_signal signal;
    bool done = false;
    int heard = 0;
    // What waits runs on a context that dies no earlier than that of what it waits for.
    asio::io_context of_handlers;
    asio::io_context ctx;
    asio::io_context other;
    host h{ctx, [this]() -> awaitable<void> {
             tracked const local;
             auto const options = scope_options().max_children(1);
             co_await with_cancel_scope(options, [&](cancel_scope<>& scope) -> awaitable<void> {
               auto const work = [t = tracked()] { return hops(1); };
               auto const starts = [t = tracked()](ready_signal<> ready) {
                 ready();
                 return hops(1);
               };
               auto const note = [this, t = tracked()](std::exception_ptr, child<void>) {
                 ++heard;
               };
               scope.spawn(other, waits(first_ends));
               scope.async_spawn(work, asio::bind_executor(of_handlers, note));
               scope.async_spawn(asio::make_strand(ctx), work, note);
               scope.async_spawn(work, asio::bind_cancellation_slot(signal.slot(), note));
               scope.async_start(starts, [this, t = tracked()](std::exception_ptr) { ++heard; });
               co_await hops(2);
               signal.emit(asio::cancellation_type::terminal);
               first_ends.set();
               co_await scope.async_spawn(work);
               scope.async_spawn(waits(never), note);
               scope.async_spawn(work, note);
               co_await hops(3);
               scope.cancel();
             });
             done = true;
           }};
    bool step() { return step_one(ctx, other, of_handlers); }
    bool finished() const { return done && heard == 6; }
  };
  CHECK(destroyed_at_every_step<scenario>() > 20);
}

TEST_CASE("rule 25: on a pool never more than the limit run at once", "[async_spawn][threads]") {
  asio::thread_pool pool(4);
  constexpr int limit = 3;
  constexpr int producers = 4;
  constexpr int each = 100;
  gauge g;
  cancel_scope<> scope(pool, scope_options().max_children(limit));
  std::atomic<int> refused{0};
  run_elsewhere(asio::make_strand(pool), [&]() -> awaitable<void> {
    co_await with_cancel_scope([&](cancel_scope<>& all) -> awaitable<void> {
      for (int i = 0; i < producers; ++i)
        all.spawn(asio::make_strand(pool), [&]() -> awaitable<void> {
          for (int n = 0; n < each; ++n) {
            co_await scope.async_spawn(measured(g));
            if (!scope.try_spawn(measured(g))) ++refused;
          }
        });
      co_return;
    });
    co_await scope.async_join(use_awaitable);
  });
  CHECK(g.most() <= limit);
  CHECK(g.all() + refused == 2 * producers * each);
  CHECK(scope.size() == 0);
}

TEST_CASE("rule 25: on a pool waits are cancelled while room becomes free",
          "[async_spawn][threads]") {
  asio::thread_pool pool(4);
  for (int round = 0; round < 200; ++round) {
    cancel_scope<> scope(pool, scope_options().max_children(1));
    auto const strand = asio::make_strand(pool);
    asio::cancellation_signal signal;
    std::atomic<int> heard{0};
    std::atomic<int> let_in{0};
    std::atomic<int> started{0};
    asio::post(strand, [&] {
      scope.spawn(hop());
      auto const work = [&]() -> awaitable<void> {
        ++started;
        co_return;
      };
      auto const note = [&](std::exception_ptr e, child<void>) {
        if (!e) ++let_in;
        ++heard;
      };
      scope.async_spawn(
          work, asio::bind_executor(strand, asio::bind_cancellation_slot(signal.slot(), note)));
      scope.async_spawn(work, asio::bind_executor(strand, note));
    });
    asio::post(strand, [&] {
      signal.emit(asio::cancellation_type::terminal);
      ++heard;
    });
    if (round % 4 == 0) scope.cancel();
    if (!becomes_true([&] { return heard == 3; })) FAIL("who waited was not told");
    wait_for(scope.async_join(asio::use_future));
    if (round % 4 != 0 && started != let_in) FAIL("let in and not started");
    if (scope.size() != 0) FAIL("a child is left");
  }
  pool.join();
}

TEST_CASE("rule 25: a great many that wait do not eat the stack when all end at once",
          "[async_spawn][cost]") {
  asio::io_context ctx;
  constexpr int many = 200000;
  cancel_scope<> scope(ctx, scope_options().max_children(1));
  auto handle = scope.spawn(until_cancelled());
  int told = 0;
  for (int i = 0; i < many; ++i)
    scope.async_spawn(nothing(), [&](std::exception_ptr, child<void> c) { told += c.done(); });
  drain(ctx);
  std::stop_callback const ends_it(scope.get_stop_token(), [&] { handle.cancel(); });
  asio::post(ctx, [&] { scope.cancel(); });
  drain(ctx);
  CHECK(told == many);
}

TEST_CASE(
    "rule 19: a great many that wait do not eat the stack when their "
    "context is destroyed",
    "[async_spawn][cost][shutdown]") {
  bool const of_each = GENERATE(false, true);
  {
    asio::io_context ctx;
    auto const strand = asio::make_strand(ctx);
    auto const work = [t = tracked()] { return nothing(); };
    auto const body = [&](cancel_scope<>& scope) -> awaitable<void> {
      auto const ignore = [](std::exception_ptr, child<void>) {};
      scope.spawn(until_cancelled());
      for (int i = 0; i < 100000; ++i) {
        if (of_each) {
          scope.async_spawn(strand, work, ignore);
        } else {
          scope.async_spawn(work, ignore);
        }
      }
      co_return;
    };
    auto const block = [&]() -> awaitable<void> {
      co_await with_cancel_scope(scope_options().max_children(1), body);
    };
    if (of_each) {
      asio::co_spawn(ctx, block, asio::detached);
    } else {
      asio::co_spawn(strand, block, asio::detached);
    }
    drain(ctx);
    CHECK(tracked::alive() == 100001);
  }
  CHECK(tracked::alive() == 0);
}
