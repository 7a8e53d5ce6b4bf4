// SPDX-License-Identifier: MIT

// What of a child_queue outlives what, and children that end on other threads.

#include "support/asio.hpp"
#include "support/catch.hpp"
#include "support/destroyed_at_every_step.hpp"
#include "support/ended.hpp"
#include "support/event_log.hpp"
#include "support/manual_event.hpp"
#include "support/run.hpp"
#include "support/tracked.hpp"
#include "support/wait_for.hpp"

#include <asio_cancel_scope.hpp>

#include <atomic>
#include <exception>
#include <memory>
#include <optional>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

using namespace asio_cancel_scope;

namespace {

awaitable<tracked> after(manual_event& event, int value) {
  tracked const local;
  co_await event.wait();
  co_return tracked(value);
}

awaitable<tracked> hops(int n) {
  tracked const local;
  for (int i = 0; i < n; ++i) {
    co_await asio::post(use_awaitable);
  }
  co_return tracked(n);
}

}  // namespace

TEST_CASE("child_queue: it and the handles that it gives outlive the scope",
          "[child_queue][lifetime]") {
  asio::io_context ctx;
  manual_event go_on;
  std::optional<child<tracked>> handle;
  {
    std::optional<child_queue<tracked>> queue;
    {
      cancel_scope<> scope(ctx);
      queue.emplace(scope);
      queue->add(scope.spawn(after(go_on, 3)));
      queue->add(scope.spawn([&]() -> awaitable<tracked> {
        co_await go_on.wait_ignoring_cancellation();
        co_return tracked(4);
      }));
      drain(ctx);
    }
    // The children have been told to end.
    drain(ctx);
    CHECK(queue->size() == 2);
    go_on.set();
    run(ctx, [&]() -> awaitable<void> {
      auto first = co_await queue->async_next(use_awaitable);
      CHECK_THROWS_AS(first->get(), system_error);
      handle = co_await queue->async_next(use_awaitable);
      auto const last = co_await queue->async_next(use_awaitable);
      CHECK_FALSE(last);
    });
  }
  CHECK(handle->get().value == 4);
  handle.reset();
  CHECK(tracked::alive() == 0);
}

TEST_CASE("child_queue: children go on when it is destroyed", "[child_queue][lifetime]") {
  asio::io_context ctx;
  manual_event events[2];
  cancel_scope<> scope(ctx);
  {
    child_queue<tracked> queue(scope);
    queue.add(scope.spawn(after(events[0], 0)));
    queue.add(scope.spawn(after(events[1], 1)));
    drain(ctx);
    events[0].set();
    drain(ctx);
    CHECK(queue.size() == 2);
  }
  CHECK(scope.size() == 1);
  CHECK(events[1].waiters() == 1);
  CHECK_FALSE(scope.cancel_called());
  events[1].set();
  drain(ctx);
  CHECK(scope.size() == 0);
  CHECK(tracked::alive() == 0);
}

TEST_CASE("child_queue: a wait goes on when it is destroyed", "[child_queue][lifetime]") {
  asio::io_context ctx;
  manual_event go_on;
  cancel_scope<> scope(ctx);
  std::optional<int> value;
  {
    child_queue<tracked> queue(scope);
    queue.add(scope.spawn(after(go_on, 5)));
    queue.async_next(
        [&value, t = tracked()](std::exception_ptr, std::optional<child<tracked>> next) {
          value = next->get().value;
        });
  }
  drain(ctx);
  CHECK_FALSE(value);
  go_on.set();
  drain(ctx);
  CHECK(value == 5);
  CHECK(tracked::alive() == 0);
}

TEST_CASE("child_queue: a wait keeps its context running", "[child_queue][lifetime]") {
  asio::io_context ctx;
  asio::io_context other;
  manual_event go_on;
  cancel_scope<> scope(other);
  child_queue<tracked> queue(scope);
  queue.add(scope.spawn(after(go_on, 5)));
  bool called = false;
  queue.async_next(asio::bind_executor(
      ctx, [&](std::exception_ptr, std::optional<child<tracked>>) { called = true; }));
  ctx.poll();
  CHECK_FALSE(ctx.stopped());
  drain(other);
  go_on.set();
  drain(other);
  ctx.run();
  CHECK(called);
}

TEST_CASE("rule 19: children of a queue and who waits for them destroyed at every step",
          "[child_queue][shutdown]") {
  struct scenario {
    bool done = false;
    manual_event never;
    asio::io_context ctx;
    std::vector<child<tracked>> kept;
    host h{ctx, [this]() -> awaitable<void> {
             tracked const local;
             co_await with_cancel_scope([&](auto& scope) -> awaitable<void> {
               tracked const in_body;
               child_queue<tracked> queue(scope);
               for (int i = 0; i < 3; ++i) {
                 queue.add(scope.spawn(hops(2 * i)));
               }
               while (auto next = co_await queue.async_next(use_awaitable)) {
                 kept.push_back(*std::move(next));
                 if (kept.size() == 2) queue.add(scope.spawn(hops(1)));
               }
               queue.add(scope.spawn(after(never, 1)));
               scope.cancel();
             });
             done = kept.size() == 4;
           }};

    bool step() { return step_one(ctx); }
    bool finished() const { return done; }
  };
  CHECK(destroyed_at_every_step<scenario>() > 10);
}

TEST_CASE("rule 19: a queue of a scope object destroyed at every step", "[child_queue][shutdown]") {
  struct scenario {
    int come = 0;
    asio::io_context ctx;
    asio::io_context other;
    cancel_scope<> scope{ctx};
    child_queue<tracked> queue{scope};

    scenario() {
      queue.add(scope.spawn(hops(1)));
      queue.add(scope.spawn(other, hops(3)));
      queue.add(scope.spawn(hops(5)));
      wait();
    }

    void wait() {
      queue.async_next(
          [this, t = tracked()](std::exception_ptr, std::optional<child<tracked>> next) {
            if (!next) return;
            ++come;
            wait();
          });
    }

    bool step() { return step_one(ctx, other); }
    bool finished() const { return come == 3; }
  };
  CHECK(destroyed_at_every_step<scenario>() > 8);
}

TEST_CASE("child_queue: children end on the threads of a pool while one thread consumes",
          "[child_queue][threads]") {
  constexpr int children = 60;
  for (int round = 0; round < 10; ++round) {
    asio::io_context ctx;
    asio::thread_pool pool(3);
    std::atomic<int> started{0};
    int come = 0;
    long sum = 0;
    run_blocking(ctx, [&]() -> awaitable<void> {
      co_await with_cancel_scope([&](auto& scope) -> awaitable<void> {
        child_queue<int> queue(scope);
        auto const spawn_one = [&](int i) {
          queue.add(scope.spawn(pool, [&started, i]() -> awaitable<int> {
            ++started;
            for (int n = 0; n < i % 3; ++n) {
              co_await asio::post(use_awaitable);
            }
            co_return i;
          }));
        };
        for (int i = 0; i < children / 2; ++i) {
          spawn_one(i);
        }
        int next_child = children / 2;
        while (auto next = co_await queue.async_next(use_awaitable)) {
          ++come;
          sum += next->get();
          if (next_child < children) spawn_one(next_child++);
        }
      });
    });
    CHECK(come == children);
    CHECK(started == children);
    CHECK(sum == children * (children - 1) / 2);
  }
}

TEST_CASE("child_queue: waits that are cancelled while children end on a pool lose none",
          "[child_queue][threads]") {
  constexpr int children = 40;
  for (int round = 0; round < 10; ++round) {
    asio::io_context ctx;
    asio::thread_pool pool(3);
    std::atomic<bool> go{false};
    int come = 0;
    int aborted = 0;
    run_blocking(ctx, [&]() -> awaitable<void> {
      co_await with_cancel_scope([&](auto& scope) -> awaitable<void> {
        child_queue<int> queue(scope);
        for (int i = 0; i < children; ++i) {
          queue.add(scope.spawn(pool, [&]() -> awaitable<int> {
            while (!go) {
              co_await asio::post(use_awaitable);
            }
            co_return 1;
          }));
        }
        while (queue.size() != 0) {
          asio::cancellation_signal signal;
          bool told = false;
          queue.async_next(asio::bind_cancellation_slot(
              signal.slot(), [&](std::exception_ptr error, std::optional<child<int>> next) {
                told = true;
                come += next ? next->get() : 0;
                aborted += is_aborted(error);
              }));
          co_await asio::post(use_awaitable);
          if (!told) signal.emit(asio::cancellation_type::terminal);
          go = true;
          while (!told) {
            co_await asio::post(use_awaitable);
          }
        }
      });
    });
    CHECK(come == children);
    CHECK(aborted > 0);
  }
}

TEST_CASE("child_queue: many threads add while one consumes", "[child_queue][threads]") {
  constexpr int each = 40;
  asio::io_context ctx;
  asio::thread_pool pool(2);  // goes first: a thread of it may still be inside the last post to ctx
  std::atomic<int> come{0};
  run_blocking(ctx, [&]() -> awaitable<void> {
    co_await with_cancel_scope([&](cancel_scope<>& scope) -> awaitable<void> {
      child_queue<int> queue(scope);
      child_queue<void> adders(scope);
      for (int i = 0; i < 2; ++i) {
        adders.add(scope.spawn(asio::make_strand(pool), [&]() -> awaitable<void> {
          for (int n = 0; n < each; ++n) {
            queue.add(scope.spawn(pool, []() -> awaitable<int> { co_return 1; }));
            co_await asio::post(use_awaitable);
          }
        }));
      }
      while (auto adder = co_await adders.async_next(use_awaitable)) {
        while (queue.size() != 0) {
          auto next = co_await queue.async_next(use_awaitable);
          come += next->get();
        }
      }
      while (auto next = co_await queue.async_next(use_awaitable)) {
        come += next->get();
      }
    });
  });
  CHECK(come == 2 * each);
}

TEST_CASE("child_queue: a wait that dies with its context after a child has come loses no child",
          "[child_queue][lifetime]") {
  asio::io_context ctx;
  manual_event go_on;
  cancel_scope<> scope(ctx);
  child_queue<void> queue(scope);
  queue.add(scope.spawn(go_on.wait()));
  {
    asio::io_context other;
    queue.async_next(
        asio::bind_executor(other, [](std::exception_ptr, std::optional<child<void>>) {}));
    drain(ctx);
    go_on.set();
    drain(ctx);
  }
  bool came = false;
  queue.async_next([&](std::exception_ptr e, std::optional<child<void>> next) {
    CHECK(!e);
    came = next.has_value();
  });
  drain(ctx);
  CHECK(came);
}
