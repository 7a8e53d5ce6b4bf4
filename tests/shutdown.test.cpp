// SPDX-License-Identifier: MIT

// The context destroyed at every step of a scope's life: nothing leaks, nothing dangles.
// Worth running under AddressSanitizer, with leaks.

#include "support/asio.hpp"
#include "support/catch.hpp"
#include "support/destroyed_at_every_step.hpp"
#include "support/every_turn.hpp"
#include "support/manual_event.hpp"
#include "support/run.hpp"
#include "support/tracked.hpp"

#include <asio_cancel_scope.hpp>

#include <exception>
#include <memory>
#include <optional>
#include <stdexcept>
#include <utility>
#include <vector>

using namespace asio_cancel_scope;

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

awaitable<void> told_inline() {
  tracked const local;
  auto on_cancel = [t = tracked()] {};
  co_await until_cancelled(std::move(on_cancel));
}

awaitable<void> stubborn(int n) {
  tracked const local;
  co_await asio::this_coro::reset_cancellation_state(asio::disable_cancellation());
  co_await hops(n);
}

awaitable<int> value_after(int n) {
  co_await hops(n);
  co_return n;
}

awaitable<void> fails_after(int n) {
  co_await hops(n);
  throw std::runtime_error("E1");
}

auto callable(awaitable<void> (*start)(int), int n) {
  return [start, n, t = tracked()] { return start(n); };
}

// The parts that every scenario of one context shares.
struct on_one_context {
  manual_event never;
  manual_event later;
  bool done = false;
  asio::io_context ctx;

  bool step() { return step_one(ctx); }
  bool finished() const { return done; }
};

}  // namespace

TEST_CASE("rule 19: a block with children in every state destroyed at every step",
          "[with_cancel_scope][shutdown]") {
  struct scenario : on_one_context {
    host h{ctx, [this]() -> awaitable<void> {
             tracked const local;
             co_await with_cancel_scope([&](auto& scope) -> awaitable<void> {
               tracked const in_body;
               scope.spawn(callable(hops, 0));
               scope.spawn(callable(hops, 3));
               scope.spawn(callable(stubborn, 5));
               scope.spawn(waits(never));
               scope.spawn(told_inline());
               auto const handle = scope.spawn(value_after(2));
               co_await hops(2);
               scope.spawn(callable(hops, 1));
               co_await hops(1);
               scope.cancel();
               scope.spawn(callable(hops, 1));
               co_await hops(1);
             });
             done = true;
           }};
  };
  auto const steps = destroyed_at_every_step<scenario>();
  CHECK(steps > 8);
}

TEST_CASE("rule 19: a block that is cancelled from outside destroyed at every step",
          "[with_cancel_scope][shutdown]") {
  struct scenario : on_one_context {
    host h{ctx, [this]() -> awaitable<void> {
             try {
               co_await with_cancel_scope([&](auto& scope) -> awaitable<void> {
                 tracked const in_body;
                 scope.spawn(waits(never));
                 scope.spawn(told_inline());
                 scope.spawn(callable(stubborn, 6));
                 scope.spawn(asio::make_strand(ctx), told_inline());
                 co_await told_inline();
               });
             } catch (system_error const&) {
               done = true;
             }
           }};
    int turns = 0;

    scenario() {
      every_turn(ctx, [this] {
        if (++turns < 4) {
          return true;
        }
        h.cancel();
        return false;
      });
    }
  };
  auto const steps = destroyed_at_every_step<scenario>();
  CHECK(steps > 8);
}

TEST_CASE("rule 19: a block that fails destroyed at every step", "[with_cancel_scope][shutdown]") {
  struct scenario : on_one_context {
    host h{ctx, [this]() -> awaitable<void> {
             try {
               co_await with_cancel_scope([&](auto& scope) -> awaitable<void> {
                 tracked const in_body;
                 scope.spawn(waits(never));
                 scope.spawn(callable(fails_after, 2));
                 scope.spawn(callable(fails_after, 3));
                 scope.spawn(callable(stubborn, 5));
                 co_await waits(never);
               });
             } catch (std::runtime_error const&) {
               done = true;
             }
           }};
  };
  auto const steps = destroyed_at_every_step<scenario>();
  CHECK(steps > 6);
}

TEST_CASE("rule 19: nested blocks destroyed at every step", "[with_cancel_scope][shutdown]") {
  struct scenario : on_one_context {
    awaitable<void> nest(int depth) {
      tracked const local;
      co_await with_cancel_scope([&](auto& scope) -> awaitable<void> {
        tracked const in_body;
        scope.spawn(callable(hops, 2));
        if (depth > 0) {
          scope.spawn(nest(depth - 1));
          co_await nest(depth - 1);
        } else {
          scope.spawn(waits(never));
          co_await hops(2);
          scope.cancel();
        }
      });
    }

    host h{ctx, [this]() -> awaitable<void> {
             co_await nest(2);
             done = true;
           }};
  };
  auto const steps = destroyed_at_every_step<scenario>();
  CHECK(steps > 8);
}

TEST_CASE("rule 19: children with tokens destroyed at every step", "[cancel_scope][shutdown]") {
  struct scenario : on_one_context {
    cancel_scope<> scope{ctx};
    int outcomes = 0;

    scenario() {
      auto const handler = [this, t = tracked()](std::exception_ptr, auto&&...) { ++outcomes; };
      scope.spawn(callable(hops, 2), handler);
      scope.spawn(value_after(1), handler);
      scope.spawn(callable(fails_after, 2), handler);
      scope.spawn(told_inline(), handler);
      scope.spawn(asio::make_strand(ctx), callable(hops, 3), handler);
      scope.spawn(callable(hops, 1), asio::bind_executor(asio::make_strand(ctx), handler));
      asio::co_spawn(
          ctx,
          [this]() -> awaitable<void> {
            tracked const local;
            auto const value = co_await scope.spawn(value_after(2), use_awaitable);
            CHECK(value == 2);
            co_await hops(3);
            scope.cancel();
            co_await scope.async_join(use_awaitable);
            done = outcomes == 6;
          },
          asio::detached);
    }
  };
  auto const steps = destroyed_at_every_step<scenario>();
  CHECK(steps > 8);
}

TEST_CASE("rule 19: pending joins of a scope and of children destroyed at every step",
          "[cancel_scope][shutdown]") {
  struct scenario : on_one_context {
    int outcomes = 0;
    cancel_scope<> scope{ctx};
    std::vector<host> hosts;
    std::vector<child<void>> handles;

    scenario() {
      handles.push_back(scope.spawn(callable(hops, 2)));
      handles.push_back(scope.spawn(waits(never)));
      handles.push_back(scope.spawn(asio::make_strand(ctx), callable(stubborn, 4)));
      auto const handler = [this, t = tracked()](std::exception_ptr) { ++outcomes; };
      scope.async_join(handler);
      scope.async_join(asio::bind_executor(asio::make_strand(ctx), handler));
      for (auto& handle : handles) {
        handle.async_join(handler);
        hosts.emplace_back(ctx, [this, &handle]() -> awaitable<void> {
          tracked const local;
          try {
            co_await handle.async_join(use_awaitable);
          } catch (system_error const&) {
          }
          ++outcomes;
        });
      }
      hosts.emplace_back(ctx, [this]() -> awaitable<void> {
        tracked const local;
        co_await hops(2);
        scope.cancel();
        co_await scope.async_join(use_awaitable);
        ++outcomes;
      });
    }

    bool finished() const { return outcomes == 9; }
  };
  auto const steps = destroyed_at_every_step<scenario>();
  CHECK(steps > 12);
}

TEST_CASE("rule 19: handles and scopes that are kept until the context dies hold nothing else",
          "[cancel_scope][shutdown]") {
  struct scenario : on_one_context {
    std::vector<child<move_only>> values;
    std::vector<child<void>> handles;
    host h{ctx, [this]() -> awaitable<void> {
             tracked const local;
             co_await with_cancel_scope([&](auto& scope) -> awaitable<void> {
               handles.push_back(scope.spawn(callable(hops, 1)));
               handles.push_back(scope.spawn(told_inline()));
               values.push_back(scope.spawn([t = tracked()]() -> awaitable<move_only> {
                 co_await asio::post(use_awaitable);
                 co_return move_only(3);
               }));
               handles.push_back(scope.spawn(waits(later)));
               co_await hops(2);
               handles[1].cancel();
               handles.push_back(scope.spawn(callable(hops, 1)));
               handles.back().cancel();
               co_await hops(1);
               later.set();
             });
             done = values[0].get().value == 3 && handles[1].done() && handles[2].done();
           }};
  };
  auto const steps = destroyed_at_every_step<scenario>();
  CHECK(steps > 5);
}

TEST_CASE("rule 19: a scope on two contexts destroyed at every step", "[cancel_scope][shutdown]") {
  // The children refer to the host's frame: their context dies first.
  struct scenario {
    manual_event never;
    bool done = false;
    asio::io_context ctx;
    host h{ctx, [this]() -> awaitable<void> {
             tracked const local;
             co_await with_cancel_scope([&](auto& scope) -> awaitable<void> {
               tracked const in_body;
               scope.spawn(*other, callable(hops, 3));
               scope.spawn(*other, waits(never));
               scope.spawn(*other, told_inline());
               scope.spawn(*other, callable(stubborn, 4));
               scope.spawn(callable(hops, 2));
               scope.spawn(*other, callable(hops, 2), [t = tracked()](std::exception_ptr) {});
               scope.spawn(*other, callable(hops, 2),
                           asio::bind_executor(ctx, [t = tracked()](std::exception_ptr) {}));
               co_await hops(3);
               scope.cancel();
               co_await hops(1);
             });
             done = true;
           }};
    std::unique_ptr<asio::io_context> other = std::make_unique<asio::io_context>();

    bool step() { return step_one(ctx, *other); }
    bool finished() const { return done; }
  };
  auto const steps = destroyed_at_every_step<scenario>();
  CHECK(steps > 12);
}

TEST_CASE("rule 19: the context of some children dies while the host goes on",
          "[with_cancel_scope][shutdown]") {
  for (std::size_t stop = 0; stop < 16; ++stop) {
    {
      manual_event never;
      asio::io_context ctx;
      std::optional<asio::io_context> other(std::in_place);
      host h(ctx, [&]() -> awaitable<void> {
        tracked const local;
        co_await with_cancel_scope([&](auto& scope) -> awaitable<void> {
          scope.spawn(*other, callable(hops, 3));
          scope.spawn(*other, told_inline());
          scope.spawn(*other, waits(never));
          scope.spawn(callable(hops, 2));
          co_return;
        });
      });
      for (std::size_t step = 0; step < stop; ++step) {
        step_one(ctx, *other);
      }
      drain(ctx);
      other.reset();
      drain(ctx);
      // What was lost with its context has ended: the host is not left waiting.
      INFO("the other context died after " << stop << " steps");
      CHECK(h.done());
    }
    CHECK(tracked::alive() == 0);
  }
}

TEST_CASE("rule 19: a context that never runs gives everything back", "[cancel_scope][shutdown]") {
  {
    manual_event never;
    asio::io_context ctx;
    cancel_scope<> scope(ctx);
    auto const handle = scope.spawn(callable(hops, 1));
    scope.spawn(asio::make_strand(ctx), callable(hops, 1));
    scope.spawn(callable(hops, 1), [t = tracked()](std::exception_ptr) {});
    scope.async_join([t = tracked()](std::exception_ptr) {});
    host h(ctx, [&]() -> awaitable<void> {
      co_await with_cancel_scope([&](auto&) -> awaitable<void> { co_await never.wait(); });
    });
    scope.cancel();
  }
  CHECK(tracked::alive() == 0);
}
