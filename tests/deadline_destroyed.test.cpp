// SPDX-License-Identifier: MIT

// The context destroyed at every step of what has to do with time, shields, cleanups and services.
// Worth running under AddressSanitizer, with leaks.

#include "support/asio.hpp"
#include "support/catch.hpp"
#include "support/destroyed_at_every_step.hpp"
#include "support/ended.hpp"
#include "support/every_turn.hpp"
#include "support/manual_event.hpp"
#include "support/manual_timer.hpp"
#include "support/run.hpp"
#include "support/tracked.hpp"

#include <asio_cancel_scope.hpp>

#include <chrono>
#include <csignal>
#include <stop_token>

using namespace asio_cancel_scope;
using namespace std::chrono_literals;

namespace {

awaitable<void> hops(int n) {
  tracked const local;
  for (int i = 0; i < n; ++i) {
    co_await asio::post(use_awaitable);
  }
}

awaitable<void> waits(manual_event& event) {
  tracked const local;
  co_await event.wait();
}

// Runs `body` in a host. Time goes on by a millisecond in every turn of the context.
struct scenario_base {
  manual_clock time;
  manual_event never;
  std::stop_source source;
  bool done = false;
  asio::io_context ctx;
  int turns = 0;

  bool step() { return step_one(ctx); }
  bool finished() const { return done; }

  void let_time_pass() {
    every_turn(ctx, [this] {
      time.advance(1ms);
      return ++turns < 30;
    });
  }
};

}  // namespace

TEST_CASE("rule 19: deadlines that are set and moved and come destroyed at every step",
          "[deadline][shutdown]") {
  struct scenario : scenario_base {
    host h{ctx, [this]() -> awaitable<void> {
             tracked const local;
             co_await with_cancel_scope([&](auto& scope) -> awaitable<void> {
               scope.cancel_after(1h);
               scope.spawn(waits(never));
               scope.spawn(hops(3));
               co_await hops(1);
               scope.cancel_after(3ms);
               co_await hops(1);
               scope.cancel_after(6ms);
               co_await waits(never);
             });
             done = true;
           }};
    scenario() { let_time_pass(); }
  };
  CHECK(destroyed_at_every_step<scenario>() > 10);
}

TEST_CASE("rule 19: limits in limits destroyed at every step", "[timeouts][shutdown]") {
  struct scenario : scenario_base {
    host h{ctx, [this]() -> awaitable<void> {
             tracked const local;
             auto const work = [this, t = tracked()](auto& scope) -> awaitable<void> {
               scope.spawn(waits(never));
               co_await move_on_after(2ms, waits(never));
               co_await hops(2);
               co_await waits(never);
             };
             auto const word = co_await ended(fail_after(8ms, work));
             done = word == "timed_out";
           }};
    scenario() { let_time_pass(); }
  };
  CHECK(destroyed_at_every_step<scenario>() > 10);
}

TEST_CASE("rule 19: shields and cleanups under a cancelled host destroyed at every step",
          "[shielded][with_cleanup][shutdown]") {
  struct scenario : scenario_base {
    host h{ctx, [this]() -> awaitable<void> {
             tracked const local;
             auto const work = [this, t = tracked()](auto& scope) -> awaitable<void> {
               scope.spawn(waits(never));
               co_await shielded([] { return hops(4); });
               co_await waits(never);
             };
             auto const cleanup = [this, t = tracked()]() -> awaitable<void> {
               tracked const in_cleanup;
               co_await hops(2);
               co_await move_on_after(2ms, waits(never));
             };
             try {
               co_await with_cleanup(20ms, work, cleanup);
             } catch (system_error const&) {
               done = true;
             }
           }};
    scenario() {
      let_time_pass();
      every_turn(ctx, [this] {
        if (turns < 3) return true;
        h.cancel();
        return false;
      });
    }
  };
  CHECK(destroyed_at_every_step<scenario>() > 10);
}

TEST_CASE("rule 19: a shutdown with services and graceful children destroyed at every step",
          "[shutdown][service]") {
  struct scenario : scenario_base {
    host h{ctx, [this]() -> awaitable<void> {
             tracked const local;
             auto const result = co_await with_cancel_scope([&](auto& scope) -> awaitable<void> {
               cancel_on_stop(scope, source.get_token());
               cancel_on_signal(scope, {SIGTERM});
               scope.spawn(child_options().service(), waits(never));
               scope.spawn(child_options().graceful(), [this]() -> awaitable<void> {
                 tracked const in_child;
                 co_await never.wait(asio::cancellation_type::all);
               });
               scope.spawn(waits(never));
               co_await hops(2);
               scope.shutdown(4ms);
               co_await hops(1);
             });
             done =
                 result.shutdown_counts().finished() == 1 && result.shutdown_counts().forced() == 1;
           }};
    scenario() { let_time_pass(); }
  };
  CHECK(destroyed_at_every_step<scenario>() > 10);
}

TEST_CASE("rule 19: an object with a deadline and a join destroyed at every step",
          "[deadline][shutdown]") {
  struct scenario : scenario_base {
    cancel_scope<> scope{ctx, scope_options().deadline_after(3ms)};
    scenario() {
      scope.spawn(child_options().service(), waits(never));
      scope.spawn(waits(never));
      scope.spawn(asio::make_strand(ctx), waits(never));
      scope.async_join([this, t = tracked()](std::exception_ptr e) { done = !e; });
      let_time_pass();
    }
  };
  CHECK(destroyed_at_every_step<scenario>() > 5);
}

TEST_CASE("rule 19: the real timer destroyed with its context while a deadline is pending",
          "[deadline][shutdown]") {
  manual_clock time;
  {
    asio::io_context ctx;
    cancel_scope<> scope(ctx, scope_options().deadline_after(1h));
    scope.spawn(hops(1));
    scope.async_join([t = tracked()](std::exception_ptr) {});
  }
  {
    asio::io_context ctx;
    auto const out =
        support::start(ctx.get_executor(), [&] { return fail_after(1h, [] { return hops(5); }); });
    ctx.poll_one();
    ctx.poll_one();
  }
  CHECK(tracked::alive() == 0);
  CHECK(time.timers() == 0);
}
