// SPDX-License-Identifier: MIT
#include <asio_cancel_scope.hpp>

#include "support/asio.hpp"
#include "support/catch.hpp"
#include "support/event_log.hpp"
#include "support/manual_event.hpp"
#include "support/run.hpp"

#include <chrono>
#include <csignal>
#include <exception>
#include <memory>
#include <optional>
#include <stdexcept>
#include <stop_token>
#include <string>
#include <thread>

using namespace asio_cancel_scope;

namespace {

struct cancels_in_destructor {
  cancel_scope<>& scope;
  ~cancels_in_destructor() { scope.cancel(); }
};

// A child that notes how it ended and throws on what it caught.
awaitable<void> wait_and_note(manual_event& event, event_log& log, std::string name) {
  try {
    co_await event.wait();
    log.add(name + ":end");
  } catch (...) {
    log.add(name + (is_aborted(std::current_exception()) ? ":aborted" : ":error"));
    throw;
  }
}

// A block of two children and a body that all wait, and that is cancelled from outside.
struct waiting_block {
  asio::io_context ctx;
  manual_event never;
  event_log log;
  cancel_scope<>* scope = nullptr;
  std::optional<scope_result<void>> result;
  std::optional<host> h;

  waiting_block() {
    h.emplace(ctx, [this]() -> awaitable<void> {
      result = co_await with_cancel_scope([this](cancel_scope<>& s) -> awaitable<void> {
        scope = &s;
        s.spawn(wait_and_note(never, log, "a"));
        s.spawn(wait_and_note(never, log, "b"));
        co_await wait_and_note(never, log, "body");
        log.add("wrong");
      });
      co_await asio::post(use_awaitable);
      log.add("left");
    });
    drain(ctx);
  }

  void check_left_clean() {
    drain(ctx);
    CHECK(log.count("a:aborted") == 1);
    CHECK(log.count("b:aborted") == 1);
    CHECK(log.count("body:aborted") == 1);
    CHECK(log.size() == 4);
    CHECK(log.count("left") == 1);
    CHECK(h->clean());
    REQUIRE(result);
    CHECK(!result->has_value());
    CHECK(result->cancelled_caught());
    CHECK(result->cause() == cancel_cause::requested);
  }
};

}  // namespace

TEST_CASE("rule 6 B031: cancel reaches every running child and the body",
          "[cancel_scope][cancel]") {
  waiting_block block;
  block.scope->cancel();
  block.check_left_clean();
}

TEST_CASE("rule 6 B032: cancel is idempotent", "[cancel_scope][cancel]") {
  SECTION("called again from outside") {
    waiting_block block;
    block.scope->cancel();
    block.scope->cancel();
    block.ctx.poll_one();
    if (!block.h->done()) {
      block.scope->cancel();
    }
    block.check_left_clean();
  }
  SECTION("called by several children") {
    event_log log;
    run([&](asio::io_context&) -> awaitable<void> {
      manual_event never;
      auto const result = co_await with_cancel_scope([&](auto& scope) -> awaitable<void> {
        for (int i = 0; i < 3; ++i) {
          scope.spawn([&, i]() -> awaitable<void> {
            try {
              co_await never.wait();
            } catch (system_error const&) {
              scope.cancel();
              log.add(std::to_string(i));
              throw;
            }
          });
        }
        co_await asio::post(use_awaitable);
        scope.cancel();
        scope.cancel();
      });
      CHECK(result.cancelled_caught());
    });
    CHECK(log.str() == "0 1 2");
  }
}

TEST_CASE("rule 6 B040: cancel may be called from any place", "[cancel_scope][cancel]") {
  waiting_block block;
  SECTION("a completion handler") {
    asio::post(block.ctx, [&] { block.scope->cancel(); });
  }
  SECTION("a timer handler") {
    auto timer = std::make_shared<asio::steady_timer>(block.ctx,
                                                      std::chrono::steady_clock::duration::zero());
    timer->async_wait([&, timer](error_code) { block.scope->cancel(); });
  }
  SECTION("a signal handler") {
    asio::signal_set signals(block.ctx, SIGUSR1);
    bool called = false;
    signals.async_wait([&](error_code, int) {
      block.scope->cancel();
      called = true;
    });
    std::raise(SIGUSR1);
    block.ctx.restart();
    while (!called) {
      block.ctx.run_one();
    }
  }
  SECTION("another thread") {
    std::thread([&] { block.scope->cancel(); }).join();
    CHECK(block.log.size() == 0);
  }
  SECTION("a child") {
    block.scope->spawn([&]() -> awaitable<void> {
      block.scope->cancel();
      co_return;
    });
  }
  SECTION("the handler of a token") {
    block.scope->spawn([]() -> awaitable<void> { co_return; },
                       [&](std::exception_ptr) { block.scope->cancel(); });
  }
  SECTION("a destructor") {
    block.scope->spawn([&]() -> awaitable<void> {
      cancels_in_destructor const last{*block.scope};
      co_await asio::post(use_awaitable);
    });
  }
  SECTION("a stop callback") {
    // The token of another scope: one scope's cancellation cancels the other.
    cancel_scope<> other(block.ctx);
    std::stop_callback const link(other.get_stop_token(), [&] { block.scope->cancel(); });
    other.cancel();
  }
  block.check_left_clean();
}

TEST_CASE("rule 6 B055: the body may cancel its own scope", "[cancel_scope][cancel]") {
  asio::io_context ctx;
  event_log log;
  manual_event never;
  host h(ctx, [&]() -> awaitable<void> {
    auto const result = co_await with_cancel_scope([&](auto& scope) -> awaitable<void> {
      scope.spawn(wait_and_note(never, log, "child"));
      co_await asio::post(use_awaitable);
      scope.cancel();
      log.add("synchronous");
      co_await asio::post(use_awaitable);
      log.add("wrong");
    });
    CHECK(!result.has_value());
    CHECK(result.cancelled_caught());
    log.add("left");
  });
  drain(ctx);
  CHECK(log.str() == "synchronous child:aborted left");
  CHECK(h.clean());
}

TEST_CASE("rule 6 B035: a child that cancels its own scope is aborted at its next await",
          "[cancel_scope][cancel]") {
  asio::io_context ctx;
  event_log log;
  manual_event never;
  host h(ctx, [&]() -> awaitable<void> {
    co_await with_cancel_scope([&](auto& scope) -> awaitable<void> {
      scope.spawn([&]() -> awaitable<void> {
        co_await asio::post(use_awaitable);
        scope.cancel();
        scope.cancel();
        log.add("synchronous");
        co_await asio::post(use_awaitable);
        log.add("wrong");
      });
      scope.spawn(wait_and_note(never, log, "other"));
      co_await wait_and_note(never, log, "body");
    });
    log.add("left");
  });
  drain(ctx);
  CHECK(log.count("synchronous") == 1);
  CHECK(log.count("other:aborted") == 1);
  CHECK(log.count("body:aborted") == 1);
  CHECK(log.size() == 4);
  CHECK(h.clean());
}

TEST_CASE("rule 6 B051: cancel reaches the children after the body has returned",
          "[cancel_scope][cancel]") {
  asio::io_context ctx;
  event_log log;
  manual_event never;
  cancel_scope<>* inside = nullptr;
  host h(ctx, [&]() -> awaitable<void> {
    auto const result = co_await with_cancel_scope([&](cancel_scope<>& scope) -> awaitable<int> {
      inside = &scope;
      scope.spawn(wait_and_note(never, log, "a"));
      scope.spawn(wait_and_note(never, log, "b"));
      co_return 3;
    });
    CHECK(result.cancelled_caught());
    REQUIRE(result.has_value());
    CHECK(*result == 3);
  });
  drain(ctx);
  inside->cancel();
  drain(ctx);
  CHECK(log.str() == "a:aborted b:aborted");
  CHECK(h.clean());
}

TEST_CASE("B036: no code of a child that waits in an ordinary operation runs inside cancel",
          "[cancel_scope][cancel]") {
  asio::io_context ctx;
  event_log log;
  manual_event never;
  cancel_scope<> scope(ctx);
  scope.spawn(wait_and_note(never, log, "event"));
  scope.spawn([&]() -> awaitable<void> {
    asio::steady_timer timer(ctx, std::chrono::hours(1));
    error_code ec;
    co_await timer.async_wait(asio::redirect_error(use_awaitable, ec));
    log.add("timer");
  });
  drain(ctx);
  asio::post(ctx, [&] {
    scope.cancel();
    log.add("after");
  });
  drain(ctx);
  CHECK(log.str().substr(0, 6) == "after ");
  CHECK(log.size() == 3);
}

TEST_CASE("B038: nothing is delivered to a child that finished before", "[cancel_scope][cancel]") {
  run([](asio::io_context&) -> awaitable<void> {
    event_log log;
    manual_event early;
    manual_event never;
    early.set();
    auto const result = co_await with_cancel_scope([&](auto& scope) -> awaitable<void> {
      auto finished = scope.spawn(wait_and_note(early, log, "finished"));
      while (!finished.done()) {
        co_await asio::post(use_awaitable);
      }
      scope.cancel();
      finished.cancel();
      finished.get();
      co_return;
    });
    CHECK(log.str() == "finished:end");
    CHECK(!result.cancelled_caught());
    CHECK(result.has_value());
  });
}

TEST_CASE("B041: of three racers the first wins and one whose wait is over does not overwrite it",
          "[cancel_scope][cancel]") {
  asio::io_context ctx;
  std::optional<int> winner;
  int resumed = 0;
  manual_event events[3];
  host h(ctx, [&]() -> awaitable<void> {
    co_await with_cancel_scope([&](auto& scope) -> awaitable<void> {
      for (int i = 0; i < 3; ++i) {
        scope.spawn([&, i]() -> awaitable<void> {
          co_await events[i].wait();
          ++resumed;
          // The documented pattern: who finds the scope cancelled has lost.
          if (!scope.cancel_called()) {
            winner = i;
            scope.cancel();
          }
        });
      }
      co_return;
    });
  });
  drain(ctx);
  events[1].set();
  events[0].set();
  drain(ctx);
  CHECK(h.clean());
  CHECK(winner == 1);
  // The wait of racer 0 was over: its result is not dropped, but it comes too late.
  CHECK(resumed == 2);
}

TEST_CASE("B053: the first cause of a cancellation stays", "[cancel_scope][cancel]") {
  asio::io_context ctx;
  cancel_scope<> scope(ctx);
  manual_event event;
  SECTION("a request before an error") {
    scope.spawn([&]() -> awaitable<void> {
      co_await event.wait_ignoring_cancellation();
      throw std::runtime_error("late");
    });
    drain(ctx);
    scope.cancel();
    event.set();
    drain(ctx);
    CHECK(scope.cause() == cancel_cause::requested);
  }
  SECTION("an error before a request") {
    scope.spawn(event.wait_ignoring_cancellation());
    drain(ctx);
    scope.spawn([]() -> awaitable<void> {
      throw std::runtime_error("early");
      co_return;
    });
    drain(ctx);
    CHECK(scope.cause() == cancel_cause::child_error);
    scope.cancel();
    CHECK(scope.cause() == cancel_cause::child_error);
    event.set();
    drain(ctx);
  }
}

TEST_CASE("B059: what the body sets about cancellation stays in the body",
          "[cancel_scope][cancel]") {
  asio::io_context ctx;
  event_log log;
  host h(ctx, [&]() -> awaitable<void> {
    co_await with_cancel_scope([&](auto& scope) -> awaitable<void> {
      co_await asio::this_coro::throw_if_cancelled(false);
      scope.cancel();
      co_await asio::post(use_awaitable);
      log.add("no-exception-by-itself");
    });
    log.add(co_await asio::this_coro::throw_if_cancelled() ? "host-throws" : "wrong");
  });
  drain(ctx);
  CHECK(log.str() == "no-exception-by-itself host-throws");
  CHECK(h.clean());
}

TEST_CASE("B059: an operation still gets the signal when the body does not throw if cancelled",
          "[cancel_scope][cancel]") {
  asio::io_context ctx;
  event_log log;
  manual_event never;
  cancel_scope<>* inside = nullptr;
  host h(ctx, [&]() -> awaitable<void> {
    co_await with_cancel_scope([&](cancel_scope<>& scope) -> awaitable<void> {
      inside = &scope;
      co_await asio::this_coro::throw_if_cancelled(false);
      scope.spawn([&]() -> awaitable<void> {
        log.add(co_await asio::this_coro::throw_if_cancelled() ? "child-throws" : "wrong");
        co_await wait_and_note(never, log, "child");
      });
      try {
        co_await wait_and_note(never, log, "body");
      } catch (system_error const&) {
      }
      co_await asio::post(use_awaitable);
      log.add("goes-on");
    });
  });
  drain(ctx);
  inside->cancel();
  drain(ctx);
  CHECK(log.count("child-throws") == 1);
  CHECK(log.count("child:aborted") == 1);
  CHECK(log.count("body:aborted") == 1);
  CHECK(log.count("goes-on") == 1);
  CHECK(h.clean());
}
