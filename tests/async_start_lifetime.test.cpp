// SPDX-License-Identifier: MIT

// async_start destroyed at every step, and on threads. Worth running under the sanitizers.

#include "support/asio.hpp"
#include "support/catch.hpp"
#include "support/destroyed_at_every_step.hpp"
#include "support/ended.hpp"
#include "support/manual_event.hpp"
#include "support/run.hpp"
#include "support/tracked.hpp"
#include "support/wait_for.hpp"

#include <asio_cancel_scope.hpp>

#include <atomic>
#include <exception>
#include <stdexcept>
#include <utility>

using namespace asio_cancel_scope;

namespace {

struct failure : std::runtime_error {
  using std::runtime_error::runtime_error;
};

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

}  // namespace

TEST_CASE("rule 19: starts destroyed at every step", "[async_start][shutdown]") {
  struct scenario {
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
             co_await with_cancel_scope([&](auto& scope) -> awaitable<void> {
               tracked const in_body;
               auto const becomes_ready =
                   [this, t = tracked()](ready_signal<tracked> ready) mutable -> awaitable<void> {
                 co_await hops(2);
                 ready(tracked());
                 co_await waits(never);
               };
               auto const fails = [t = tracked()](ready_signal<>) -> awaitable<void> {
                 co_await hops(1);
                 throw failure("E1");
               };
               auto const waits_on = [this, t = tracked()](ready_signal<>) -> awaitable<void> {
                 co_await waits(never);
               };
               auto const note = [this, t = tracked()](std::exception_ptr) { ++heard; };
               co_await scope.template async_start<tracked>(becomes_ready);
               co_await scope.template async_start<tracked>(other, becomes_ready);
               static_cast<void>(co_await ended(scope.async_start(fails)));
               scope.async_start(waits_on, asio::bind_cancellation_slot(signal.slot(), note));
               scope.async_start(waits_on, asio::bind_executor(of_handlers, note));
               co_await hops(2);
               signal.emit(asio::cancellation_type::terminal);
               co_await hops(3);
               scope.cancel();
             });
             done = true;
           }};
    bool step() { return step_one(ctx, other, of_handlers); }
    bool finished() const { return done && heard == 2; }
  };
  CHECK(destroyed_at_every_step<scenario>() > 20);
}

TEST_CASE("rule 20: on a pool readiness and what happens before it cross threads",
          "[async_start][threads]") {
  asio::thread_pool pool(4);
  cancel_scope<> scope(pool);
  constexpr int servers = 200;
  std::atomic<int> right{0};
  int plain[servers] = {};
  run_elsewhere(asio::make_strand(pool), [&]() -> awaitable<void> {
    for (int i = 0; i < servers; ++i) {
      auto const f = [&plain, i](ready_signal<int> ready) -> awaitable<void> {
        plain[i] = i;
        ready(i);
        // The waiter may be at work already.
        try {
          ready(-1);
        } catch (std::logic_error const&) {
        }
        co_await until_cancelled();
      };
      auto const said = co_await scope.async_start<int>(f);
      if (said == i && plain[i] == i) ++right;
    }
    scope.cancel();
    co_await scope.async_join(use_awaitable);
  });
  CHECK(right == servers);
  CHECK(scope.size() == 0);
}

TEST_CASE("B164: on a pool waiters are cancelled while their children become ready",
          "[async_start][threads]") {
  asio::thread_pool pool(4);
  for (int round = 0; round < 200; ++round) {
    cancel_scope<> scope(pool);
    auto const strand = asio::make_strand(pool);
    asio::cancellation_signal signal;
    std::atomic<int> heard{0};
    std::atomic<bool> emitted{false};
    asio::post(strand, [&] {
      scope.async_start<int>(
          [&](ready_signal<int> ready) -> awaitable<void> {
            co_await hop();
            ready(1);
            co_await until_cancelled();
          },
          asio::bind_executor(strand,
                              asio::bind_cancellation_slot(
                                  signal.slot(), [&heard](std::exception_ptr, int) { ++heard; })));
    });
    asio::post(strand, [&] {
      signal.emit(asio::cancellation_type::terminal);
      emitted = true;
    });
    if (!becomes_true([&] { return heard == 1 && emitted; })) FAIL("the waiter was not told");
    scope.cancel();
    auto joined = scope.async_join(asio::use_future);
    wait_for(std::move(joined));
    if (heard != 1) FAIL("the waiter was told more than once");
    if (scope.size() != 0) FAIL("a child is left");
  }
  pool.join();
}
