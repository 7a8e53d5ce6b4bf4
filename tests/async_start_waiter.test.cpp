// SPDX-License-Identifier: MIT

// async_start: who waits for the child to be ready is cancelled, or the scope is.

#include "support/asio.hpp"
#include "support/catch.hpp"
#include "support/ended.hpp"
#include "support/event_log.hpp"
#include "support/every_turn.hpp"
#include "support/logged.hpp"
#include "support/manual_event.hpp"
#include "support/run.hpp"
#include "support/tracked.hpp"

#include <asio_cancel_scope.hpp>

#include <exception>
#include <optional>
#include <stdexcept>
#include <string>

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

// An object's scope with a sibling that must not be disturbed.
struct with_sibling {
  asio::io_context ctx;
  event_log log;
  cancel_scope<> scope{ctx};
  manual_event sibling_ends;

  with_sibling() { scope.spawn(logged(log, "sibling", sibling_ends.wait())); }

  void scope_is_left_alone() {
    drain(ctx);
    CHECK_FALSE(scope.cancel_called());
    CHECK_FALSE(scope.cancelled_caught());
    CHECK(scope.size() == 1);
    std::optional<std::string> left;
    scope.async_join([&](std::exception_ptr e) { left = word_of(e); });
    log.clear();
    sibling_ends.set();
    drain(ctx);
    CHECK(log.str() == "sibling");
    CHECK(left);
  }

  static std::string word_of(std::exception_ptr const& e) { return e ? ::word_of(e) : "value"; }
};

}  // namespace

TEST_CASE("B164: a waiter that is cancelled ends its child and not the scope",
          "[async_start][cancel]") {
  with_sibling s;
  auto const f = [&, t = tracked()](ready_signal<int> ready) -> awaitable<void> {
    s.log.add("started");
    co_await logged(s.log, "child", until_cancelled());
    ready(1);
  };
  host h(s.ctx, [&]() -> awaitable<void> { co_await s.scope.async_start<int>(f); });
  drain(s.ctx);
  CHECK(s.log.str() == "started");
  h.cancel();
  drain(s.ctx);
  CHECK(h.aborted());
  CHECK(s.log.str() == "started child:aborted");
  CHECK(tracked::alive() == 1);
  s.scope_is_left_alone();
}

TEST_CASE("B164: the slot of a callback ends the child with the type that is sent",
          "[async_start][cancel]") {
  with_sibling s;
  asio::cancellation_signal signal;
  auto const type = GENERATE(asio::cancellation_type::terminal, asio::cancellation_type::partial,
                             asio::cancellation_type::total);
  auto told = asio::cancellation_type::none;
  std::string heard;
  s.scope.async_start<int>(
      [&](ready_signal<int>) -> awaitable<void> {
        co_await asio::this_coro::reset_cancellation_state(asio::enable_total_cancellation());
        co_await until_cancelled([&](asio::cancellation_type t) { told = t; });
      },
      asio::bind_cancellation_slot(signal.slot(),
                                   [&](std::exception_ptr e, int) { heard = word_of(e); }));
  drain(s.ctx);
  signal.emit(type);
  CHECK(heard.empty());
  drain(s.ctx);
  CHECK(told == type);
  CHECK(heard == "aborted");
  s.scope_is_left_alone();
}

TEST_CASE("B164: a waiter cancelled before the child has started keeps it from starting",
          "[async_start][cancel]") {
  with_sibling s;
  asio::io_context other;
  bool started = false;
  auto const f = [&, t = tracked()](ready_signal<> ready) -> awaitable<void> {
    started = true;
    ready();
    co_return;
  };
  host h(s.ctx, [&]() -> awaitable<void> { co_await s.scope.async_start(other, f); });
  drain(s.ctx);
  CHECK(s.scope.size() == 2);
  h.cancel();
  drain(s.ctx);
  CHECK_FALSE(h.done());
  drain(other);
  drain(s.ctx);
  CHECK(h.aborted());
  CHECK_FALSE(started);
  CHECK(tracked::alive() == 1);
  s.scope_is_left_alone();
}

TEST_CASE("B164: readiness while the child is to end is told when it has ended and once",
          "[async_start][cancel]") {
  with_sibling s;
  manual_event goes_on;
  manual_event stop;
  int heard = 0;
  std::string how;
  asio::cancellation_signal signal;
  enum class ending { returns, aborted, fails };
  auto const ends = GENERATE(ending::returns, ending::aborted, ending::fails);
  s.scope.async_start<int>(
      [&](ready_signal<int> ready) -> awaitable<void> {
        co_await goes_on.wait_ignoring_cancellation();
        co_await asio::this_coro::throw_if_cancelled(false);
        ready(4);
        co_await stop.wait_ignoring_cancellation();
        if (ends == ending::aborted) throw system_error(asio::error::operation_aborted);
        if (ends == ending::fails) throw failure("E1");
      },
      asio::bind_cancellation_slot(signal.slot(), [&](std::exception_ptr e, int v) {
        ++heard;
        how = e ? word_of(e) : std::to_string(v);
      }));
  drain(s.ctx);
  signal.emit(asio::cancellation_type::terminal);
  drain(s.ctx);
  goes_on.set();
  drain(s.ctx);
  // It is ready, but it may be ending: it is not handed over.
  CHECK(heard == 0);
  stop.set();
  drain(s.ctx);
  CHECK(heard == 1);
  CHECK(how == (ends == ending::returns ? "4" : ends == ending::aborted ? "aborted" : "E1"));
  s.scope_is_left_alone();
}

TEST_CASE("B164: a real error of a child whose waiter is cancelled goes to the waiter",
          "[async_start][cancel][error]") {
  with_sibling s;
  std::string word;
  host h(s.ctx, [&]() -> awaitable<void> {
    word = co_await ended(s.scope.async_start([&](ready_signal<>) -> awaitable<void> {
      static_cast<void>(co_await ended(until_cancelled()));
      throw failure("E1");
    }));
  });
  drain(s.ctx);
  h.cancel();
  drain(s.ctx);
  CHECK(word == "E1");
  s.scope_is_left_alone();
}

TEST_CASE("B164: once the waiter has heard its cancellation does not reach the child",
          "[async_start][cancel]") {
  with_sibling s;
  manual_event stop;
  asio::cancellation_signal signal;
  int heard = 0;
  s.scope.async_start(
      [&](ready_signal<> ready) -> awaitable<void> {
        ready();
        co_await logged(s.log, "child", stop.wait());
      },
      asio::bind_cancellation_slot(signal.slot(), [&](std::exception_ptr) { ++heard; }));
  drain(s.ctx);
  CHECK(heard == 1);
  signal.emit(asio::cancellation_type::terminal);
  drain(s.ctx);
  CHECK(s.log.str().empty());
  stop.set();
  drain(s.ctx);
  CHECK(s.log.str() == "child");
  CHECK(heard == 1);
  s.scope_is_left_alone();
}

TEST_CASE("B162: the scope stays open until a pending start is settled", "[async_start]") {
  asio::io_context ctx;
  manual_event go_on;
  manual_event stop;
  event_log log;
  bool const becomes_ready = GENERATE(true, false);
  host h(ctx, [&]() -> awaitable<void> {
    log.add(co_await ended(with_cancel_scope([&](auto& scope) -> awaitable<void> {
      scope.async_start(
          [&](ready_signal<> ready) -> awaitable<void> {
            co_await go_on.wait();
            if (!becomes_ready) throw failure("E1");
            ready();
            co_await stop.wait();
          },
          [&](std::exception_ptr e) { log.add(e ? word_of(e) : "ready"); });
      co_return;
    })));
  });
  drain(ctx);
  CHECK(log.str() == "");
  go_on.set();
  drain(ctx);
  CHECK(log.count(becomes_ready ? "ready" : "E1") == 1);
  CHECK(h.done() == !becomes_ready);
  stop.set();
  drain(ctx);
  CHECK(log.count("value") == 1);
  CHECK(h.clean());
}

TEST_CASE("B165: a scope cancelled before the child is ready cuts the start short",
          "[async_start][cancel]") {
  asio::io_context ctx;
  cancel_scope<> scope(ctx);
  event_log log;
  bool const stubborn = GENERATE(false, true);
  manual_event go_on;
  manual_event stop;
  int value = 0;
  std::string word;
  host h(ctx, [&]() -> awaitable<void> {
    word = co_await ended([&]() -> awaitable<void> {
      value = co_await scope.async_start<int>([&](ready_signal<int> ready) -> awaitable<void> {
        if (stubborn) {
          co_await asio::this_coro::throw_if_cancelled(false);
          co_await go_on.wait_ignoring_cancellation();
          ready(2);
          co_await stop.wait_ignoring_cancellation();
        } else {
          co_await until_cancelled();
        }
      });
    }());
  });
  drain(ctx);
  scope.cancel();
  drain(ctx);
  CHECK(word == (stubborn ? "" : "aborted"));
  CHECK(scope.cancelled_caught() == !stubborn);
  go_on.set();
  drain(ctx);
  // The waiter has not been cancelled, so it hears of it at once.
  CHECK(value == (stubborn ? 2 : 0));
  CHECK(scope.size() == (stubborn ? 1 : 0));
  stop.set();
  drain(ctx);
  CHECK(scope.size() == 0);
  CHECK(h.clean());
}

TEST_CASE("B165: a scope cancelled after the child is ready reaches all that the child waits for",
          "[async_start][cancel][nested]") {
  asio::io_context ctx;
  cancel_scope<> scope(ctx);
  event_log log;
  bool said = false;
  scope.async_start(
      [&](ready_signal<> ready) -> awaitable<void> {
        co_await with_cancel_scope([&](auto& inner) -> awaitable<void> {
          inner.spawn(logged(log, "grandchild", until_cancelled()));
          co_await hop();
          co_await hop();
          ready();
          said = true;
          co_await logged(log, "child", until_cancelled());
        });
      },
      [&](std::exception_ptr e) { log.add(e ? word_of(e) : "ready"); });
  bool const heard = GENERATE(true, false);
  while (!said) {
    ctx.restart();
    ctx.poll_one();
  }
  if (heard) drain(ctx);
  scope.cancel();
  drain(ctx);
  CHECK(log.count("ready") == 1);
  CHECK(log.count("child:aborted") == 1);
  CHECK(log.count("grandchild:aborted") == 1);
  CHECK(log.size() == 3);
  CHECK(scope.size() == 0);
  CHECK(scope.cancelled_caught());
}

TEST_CASE("rule 14: the host of a block cancelled while its body waits for a start",
          "[async_start][outer]") {
  asio::io_context ctx;
  event_log log;
  host h(ctx, [&]() -> awaitable<void> {
    co_await logged(log, "block", with_cancel_scope([&](auto& scope) -> awaitable<void> {
                      co_await logged(log, "body", scope.async_start([&](ready_signal<>) {
                        return logged(log, "child", until_cancelled());
                      }));
                    }));
  });
  drain(ctx);
  CHECK(log.str() == "");
  h.cancel();
  drain(ctx);
  CHECK(log.str() == "child:aborted body:aborted block:aborted");
  CHECK(h.aborted());
}

TEST_CASE("B164: a waiter cancelled at every turn gets one outcome and no child is lost",
          "[async_start][cancel][sweep]") {
  int told = 0;
  int ready_all = 0;
  for (int at = 0; at < 20; ++at) {
    asio::io_context ctx;
    cancel_scope<> scope(ctx);
    asio::cancellation_signal signal;
    int heard = 0;
    bool ready = false;
    auto const f = [&, t = tracked()](ready_signal<int> say) -> awaitable<void> {
      co_await hops(4);
      say(1);
      co_await until_cancelled();
    };
    scope.async_start<int>(
        f, asio::bind_cancellation_slot(signal.slot(), [&](std::exception_ptr e, int v) {
          ++heard;
          ready = v == 1;
          CHECK(ready == !e);
        }));
    int turn = 0;
    every_turn(ctx, [&] {
      if (turn == at && heard == 0) signal.emit(asio::cancellation_type::terminal);
      return ++turn < 20;
    });
    drain(ctx);
    CHECK(heard == 1);
    if (!ready) CHECK(scope.size() == 0);
    (ready ? ready_all : told) += 1;
    CHECK_FALSE(scope.cancel_called());
    scope.cancel();
    drain(ctx);
    CHECK(scope.size() == 0);
    CHECK(tracked::alive() == 1);
  }
  CHECK(told > 3);
  CHECK(ready_all > 3);
}

TEST_CASE(
    "B164: a waiter cancelled after readiness and before it has heard "
    "leaves the child alone",
    "[async_start][cancel]") {
  asio::io_context ctx;
  cancel_scope<> scope(ctx);
  manual_event stop;
  event_log log;
  asio::cancellation_signal signal;
  bool said = false;
  scope.async_start<int>(
      [&](ready_signal<int> ready) -> awaitable<void> {
        ready(5);
        said = true;
        co_await logged(log, "child", stop.wait());
      },
      asio::bind_cancellation_slot(
          signal.slot(), [&](std::exception_ptr e, int) { log.add(e ? word_of(e) : "ready"); }));
  while (!said) {
    ctx.restart();
    ctx.poll_one();
  }
  CHECK(log.str() == "");
  signal.emit(asio::cancellation_type::terminal);
  drain(ctx);
  CHECK(log.str() == "ready");
  CHECK(scope.size() == 1);
  stop.set();
  drain(ctx);
  CHECK(log.str() == "ready child");
}
