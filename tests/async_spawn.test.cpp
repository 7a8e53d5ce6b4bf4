// SPDX-License-Identifier: MIT

// async_spawn: waits for room, in the order of the calls, and gives the handle.

#include "support/asio.hpp"
#include "support/catch.hpp"
#include "support/ended.hpp"
#include "support/event_log.hpp"
#include "support/logged.hpp"
#include "support/manual_event.hpp"
#include "support/run.hpp"
#include "support/tracked.hpp"

#include <asio_cancel_scope.hpp>

#include <chrono>
#include <cstddef>
#include <exception>
#include <optional>
#include <stdexcept>
#include <stop_token>
#include <string>
#include <utility>
#include <vector>

using namespace asio_cancel_scope;

namespace {

struct failure : std::runtime_error {
  using std::runtime_error::runtime_error;
};

awaitable<void> nothing() {
  co_return;
}

awaitable<void> hop() {
  co_await asio::post(use_awaitable);
}

awaitable<int> number(int n) {
  co_return n;
}

// A scope with room for one child, and one child in it.
struct full_scope {
  asio::io_context ctx;
  event_log log;
  manual_event first_ends;
  cancel_scope<> scope{ctx, scope_options().max_children(1)};

  full_scope() {
    scope.spawn(logged(log, "first", first_ends.wait()));
    drain(ctx);
  }
};

auto noted(event_log& log, std::string name) {
  return [&log, name](std::exception_ptr e, child<void> handle) {
    log.add(name + (e ? ":" + word_of(e) : handle.done() ? ":done" : ":in"));
  };
}

}  // namespace

TEST_CASE("rule 25: where there is room async_spawn gives the handle by posting and never inline",
          "[async_spawn]") {
  asio::io_context ctx;
  auto options = scope_options();
  if (GENERATE(false, true)) options.max_children(1);
  cancel_scope<> scope(ctx, options);
  event_log log;
  SECTION("to a callback") {
    asio::post(ctx, [&] {
      scope.async_spawn(logged(log, "child", hop()), noted(log, "handle"));
      CHECK(scope.size() == 1);
      log.add("spawned");
    });
    drain(ctx);
    CHECK(log.str().starts_with("spawned "));
    CHECK(log.count("handle:in") == 1);
    CHECK(log.count("child") == 1);
  }
  SECTION("to a coroutine") {
    host h(ctx, [&]() -> awaitable<void> {
      asio::post(ctx, [&] { log.add("others"); });
      auto handle = co_await scope.async_spawn(number(5));
      log.add("handle");
      auto const value = co_await handle.async_join();
      CHECK(value == 5);
    });
    drain(ctx);
    CHECK(log.str() == "others handle");
    CHECK(h.clean());
  }
  CHECK(scope.size() == 0);
}

TEST_CASE("rule 25: those that wait for room are let in first come first served", "[async_spawn]") {
  full_scope s;
  std::vector<std::optional<ready_signal<>>> said(6);
  std::vector<manual_event> ends(6);
  for (std::size_t i = 0; i < ends.size(); ++i) {
    auto const name = std::to_string(i);
    if (i % 2 == 0) {
      s.scope.async_spawn(logged(s.log, name, ends[i].wait()), noted(s.log, name));
    } else {
      auto const work = [&, i, name](ready_signal<> ready) -> awaitable<void> {
        ready();
        co_await logged(s.log, name, ends[i].wait());
      };
      s.scope.async_start(
          work, [&s, name](std::exception_ptr e) { s.log.add(name + (e ? ":error" : ":ready")); });
    }
  }
  drain(s.ctx);
  CHECK(s.log.str() == "");
  CHECK(s.scope.size() == 1);
  s.first_ends.set();
  std::string expected = "first";
  for (std::size_t i = 0; i < ends.size(); ++i) {
    drain(s.ctx);
    auto const name = std::to_string(i);
    expected += " " + name + (i % 2 == 0 ? ":in" : ":ready");
    CHECK(s.log.str() == expected);
    CHECK(s.scope.size() == 1);
    // Nobody overtakes those that wait.
    CHECK_FALSE(s.scope.try_spawn(nothing()));
    ends[i].set();
    expected += " " + name;
  }
  drain(s.ctx);
  CHECK(s.log.str() == expected);
  CHECK(s.scope.size() == 0);
}

TEST_CASE("rule 25: room that becomes free belongs to who waits and not to who comes then",
          "[async_spawn]") {
  full_scope s;
  s.scope.async_spawn(hop(), noted(s.log, "waiter"));
  s.first_ends.set();
  while (s.log.count("first") == 0) {
    s.ctx.restart();
    s.ctx.poll_one();
  }
  CHECK_FALSE(s.scope.try_spawn(nothing()));
  CHECK_THROWS_AS(s.scope.spawn(nothing()), std::length_error);
  drain(s.ctx);
  CHECK(s.log.str() == "first waiter:in");
}

TEST_CASE("rule 25: however a child ends its room goes to who waits", "[async_spawn]") {
  enum class ending { returns, fails, cancelled, never_starts, not_ready, told_token, lost };
  auto const how = GENERATE(ending::returns, ending::fails, ending::cancelled, ending::never_starts,
                            ending::not_ready, ending::told_token, ending::lost);
  asio::io_context ctx;
  manual_event go_on;
  event_log log;
  std::optional<asio::io_context> other(std::in_place);
  cancel_scope<> scope(ctx, scope_options().max_children(1).policy(on_child_error::keep_running));
  std::optional<child<void>> handle;
  switch (how) {
    case ending::returns:
    case ending::cancelled: handle = scope.spawn(go_on.wait()); break;
    case ending::never_starts: handle = scope.spawn(*other, go_on.wait()); break;
    case ending::lost: scope.spawn(*other, go_on.wait()); break;
    case ending::told_token: scope.spawn(go_on.wait(), [](std::exception_ptr) {}); break;
    case ending::not_ready:
      scope.async_start([&](ready_signal<>) { return go_on.wait(); }, [](std::exception_ptr) {});
      break;
    case ending::fails:
      scope.spawn([&]() -> awaitable<void> {
        co_await go_on.wait();
        throw failure("E1");
      });
      break;
  }
  scope.async_spawn(logged(log, "waiter", hop()), [](std::exception_ptr, child<void>) {});
  if (how == ending::never_starts) {
    handle->cancel();
    drain(*other);
  }
  drain(ctx);
  if (how != ending::never_starts) CHECK(log.str() == "");
  if (how == ending::cancelled) handle->cancel();
  if (how == ending::lost)
    other.reset();
  else
    go_on.set();
  drain(ctx);
  CHECK(log.str() == "waiter");
  CHECK(scope.size() == 0);
}

TEST_CASE("rule 25: a wait for room that is cancelled ends and leaves the scope alone",
          "[async_spawn][cancel]") {
  full_scope s;
  auto const type = GENERATE(asio::cancellation_type::terminal, asio::cancellation_type::partial,
                             asio::cancellation_type::total);
  asio::cancellation_signal signal;
  auto const callable = [t = tracked()] { return nothing(); };
  auto const starts = [t = tracked()](ready_signal<>) { return nothing(); };
  SECTION("of async_spawn") {
    s.scope.async_spawn(callable,
                        asio::bind_cancellation_slot(signal.slot(), noted(s.log, "waiter")));
  }
  SECTION("of async_start") {
    s.scope.async_start(starts,
                        asio::bind_cancellation_slot(signal.slot(), [&](std::exception_ptr e) {
                          s.log.add("waiter:" + word_of(e));
                        }));
  }
  drain(s.ctx);
  CHECK(tracked::alive() == 3);
  asio::post(s.ctx, [&] {
    signal.emit(type);
    // Nothing of it is left, and the handler does not run in there.
    CHECK(tracked::alive() == 2);
    CHECK(s.log.str() == "");
  });
  drain(s.ctx);
  CHECK(s.log.str() == "waiter:aborted");
  CHECK(s.scope.size() == 1);
  CHECK_FALSE(s.scope.cancel_called());
  CHECK_FALSE(s.scope.cancelled_caught());
  signal.emit(type);
  s.first_ends.set();
  drain(s.ctx);
  CHECK(s.log.str() == "waiter:aborted first");
  CHECK(s.scope.size() == 0);
  CHECK(s.scope.try_spawn(nothing()));
}

TEST_CASE("rule 25: when one of those that wait is cancelled the others keep their order",
          "[async_spawn][cancel]") {
  full_scope s;
  int const which = GENERATE(0, 1, 2, 3);
  std::vector<asio::cancellation_signal> signals(4);
  for (std::size_t i = 0; i < signals.size(); ++i)
    s.scope.async_spawn(
        hop(), asio::bind_cancellation_slot(signals[i].slot(), noted(s.log, std::to_string(i))));
  drain(s.ctx);
  signals[static_cast<std::size_t>(which)].emit(asio::cancellation_type::terminal);
  drain(s.ctx);
  std::string expected = std::to_string(which) + ":aborted first";
  for (int i = 0; i < 4; ++i)
    if (i != which) expected += " " + std::to_string(i) + ":in";
  s.first_ends.set();
  drain(s.ctx);
  CHECK(s.log.str() == expected);
}

TEST_CASE("rule 25: once a child has been let in the cancellation of the wait has no effect",
          "[async_spawn][cancel]") {
  full_scope s;
  asio::cancellation_signal signal;
  s.scope.async_spawn(logged(s.log, "child", hop()),
                      asio::bind_cancellation_slot(signal.slot(), noted(s.log, "handle")));
  bool const waits = GENERATE(true, false);
  if (!waits) drain(s.ctx);
  s.first_ends.set();
  while (s.log.count("first") == 0) {
    s.ctx.restart();
    s.ctx.poll_one();
  }
  CHECK(s.log.count("handle:in") == 0);
  signal.emit(asio::cancellation_type::terminal);
  drain(s.ctx);
  CHECK(s.log.count("handle:in") == 1);
  CHECK(s.log.count("child") == 1);
  CHECK_FALSE(s.scope.cancel_called());
}

TEST_CASE("rule 25: when the scope is cancelled who waits gets a child that never starts",
          "[async_spawn][cancel]") {
  full_scope s;
  manual_event stubborn;
  bool started = false;
  auto const callable = [&, t = tracked()]() -> awaitable<void> {
    started = true;
    co_return;
  };
  auto const starts = [&, t = tracked()](ready_signal<>) -> awaitable<void> {
    started = true;
    co_return;
  };
  std::optional<child<void>> handle;
  s.scope.async_spawn(callable, [&](std::exception_ptr e, child<void> c) {
    s.log.add(e ? "error" : "handle");
    handle = std::move(c);
  });
  s.scope.async_start(starts, [&](std::exception_ptr e) { s.log.add("start:" + word_of(e)); });
  s.scope.async_spawn(callable, noted(s.log, "last"));
  drain(s.ctx);
  SECTION("by cancel") {
    s.scope.cancel();
  }
  SECTION("by a weak cancel") {
    s.scope.cancel(asio::cancellation_type::total);
  }
  SECTION("by shutdown") {
    s.scope.shutdown(std::chrono::hours(1));
  }
  SECTION("by a deadline") {
    s.scope.cancel_at(cancel_scope<>::time_point::min());
  }
  drain(s.ctx);
  CHECK(s.log.count("handle") == 1);
  CHECK(s.log.count("start:aborted") == 1);
  CHECK(s.log.count("last:done") == 1);
  REQUIRE(handle);
  CHECK(handle->done());
  CHECK_THROWS_AS(handle->get(), system_error);
  CHECK_FALSE(started);
  CHECK(tracked::alive() == 2);
  CHECK(s.scope.cancelled_caught());
  s.first_ends.set();
  s.scope.cancel();
  drain(s.ctx);
  CHECK(s.scope.size() == 0);
}

TEST_CASE("rule 25: when a child fails or the host is cancelled nobody is let in any more",
          "[async_spawn][cancel]") {
  asio::io_context ctx;
  manual_event fail_now;
  event_log log;
  std::string word;
  host h(ctx, [&]() -> awaitable<void> {
    auto const options = scope_options().max_children(1);
    word = co_await ended(with_cancel_scope(options, [&](cancel_scope<>& scope) -> awaitable<void> {
      scope.spawn([&]() -> awaitable<void> {
        co_await fail_now.wait();
        throw failure("E1");
      });
      auto const handle = co_await scope.async_spawn(logged(log, "child", hop()));
      log.add(handle.done() ? "done" : "in");
      co_await hop();
      log.add("not reached");
    }));
  });
  drain(ctx);
  CHECK(log.str() == "");
  bool const fails = GENERATE(true, false);
  if (fails)
    fail_now.set();
  else
    h.cancel();
  drain(ctx);
  CHECK(log.str() == "done");
  CHECK(word == (fails ? "E1" : "aborted"));
}

TEST_CASE("rule 25: the callable of who waits is destroyed on its own executor",
          "[async_spawn][cancel][executor]") {
  full_scope s;
  asio::io_context other;
  auto const callable = [t = tracked()] { return nothing(); };
  s.scope.async_spawn(other, callable, noted(s.log, "handle"));
  drain(s.ctx);
  s.scope.cancel();
  drain(s.ctx);
  CHECK(tracked::alive() == 2);
  CHECK(s.log.str() == "first:aborted");
  drain(other);
  CHECK(tracked::alive() == 1);
  CHECK(s.log.str() == "first:aborted handle:done");
}

TEST_CASE("rule 25: a scope that is left waits for those that wait for room", "[async_spawn]") {
  asio::io_context ctx;
  manual_event first_ends;
  event_log log;
  bool const service = GENERATE(false, true);
  host h(ctx, [&]() -> awaitable<void> {
    auto const options = scope_options().max_children(1);
    co_await with_cancel_scope(options, [&](cancel_scope<>& scope) -> awaitable<void> {
      auto where = child_options();
      if (service) where.service();
      scope.spawn(where, logged(log, "first", first_ends.wait()));
      scope.async_spawn(logged(log, "second", hop()), [](std::exception_ptr, child<void>) {});
      scope.async_spawn(logged(log, "third", hop()), [](std::exception_ptr, child<void>) {});
      co_await hop();
      co_await hop();
      log.add("body");
    });
    log.add("left");
  });
  drain(ctx);
  if (!service) {
    CHECK(log.str() == "body");
    first_ends.set();
    drain(ctx);
  }
  CHECK(log.str() ==
        std::string("body first") + (service ? ":aborted" : "") + " second third left");
}

TEST_CASE("rule 19: a scope is destroyed while others wait for room in it",
          "[async_spawn][shutdown]") {
  asio::io_context ctx;
  event_log log;
  auto const callable = [t = tracked()] { return nothing(); };
  {
    cancel_scope<> scope(ctx, scope_options().max_children(1));
    scope.spawn(logged(log, "first", until_cancelled()));
    scope.async_spawn(callable, noted(log, "waiter"));
    if (GENERATE(true, false)) drain(ctx);
  }
  drain(ctx);
  CHECK(log.count("waiter:done") == 1);
  CHECK(tracked::alive() == 1);
}

TEST_CASE("rule 3: in a closed scope async_spawn fails with logic_error", "[async_spawn][closed]") {
  asio::io_context ctx;
  cancel_scope<> scope(ctx);
  scope.async_join([](std::exception_ptr) {});
  drain(ctx);
  auto const callable = [t = tracked()] { return nothing(); };
  std::exception_ptr heard;
  SECTION("told to a callback and not inside async_spawn") {
    scope.async_spawn(callable, [&](std::exception_ptr e, child<void>) { heard = e; });
    CHECK_FALSE(heard);
    CHECK(tracked::alive() == 1);
  }
  SECTION("told to a coroutine") {
    run(ctx, [&]() -> awaitable<void> {
      try {
        co_await scope.async_spawn(callable);
      } catch (...) {
        heard = std::current_exception();
      }
    });
  }
  drain(ctx);
  REQUIRE(heard);
  CHECK_THROWS_AS(std::rethrow_exception(heard), std::logic_error);
  CHECK(message_of(heard).find("closed") != std::string::npos);
  CHECK(tracked::alive() == 1);
}

TEST_CASE(
    "rule 5: a child that ends while the scope is being cancelled lets "
    "nobody in",
    "[async_spawn][cancel][executor]") {
  asio::io_context ctx;
  asio::io_context other;
  event_log log;
  cancel_scope<> scope(ctx, scope_options().max_children(1));
  auto handle = scope.spawn(until_cancelled());
  auto const callable = [t = tracked()] { return nothing(); };
  scope.async_spawn(other, callable,
                    [&](std::exception_ptr, child<void> c) { log.add(c.done() ? "done" : "in"); });
  drain(ctx);
  // It ends inside the cancel, before those that wait for room have been told.
  std::stop_callback const ends_it(scope.get_stop_token(), [&] { handle.cancel(); });
  asio::post(ctx, [&] { scope.cancel(); });
  drain(ctx);
  CHECK(tracked::alive() == 2);
  drain(other);
  CHECK(tracked::alive() == 1);
  CHECK(log.str() == "done");
}

TEST_CASE("rule 8: none cancels nothing, no wait for room and no wait for a child",
          "[async_spawn][child][cancel]") {
  asio::io_context ctx;
  cancel_scope<> scope(ctx, scope_options().max_children(1));
  auto handle = scope.spawn(until_cancelled());
  asio::cancellation_signal of_spawn;
  asio::cancellation_signal of_join;
  int ended_waits = 0;
  scope.async_spawn(
      hop(), asio::bind_cancellation_slot(of_spawn.slot(),
                                          [&](std::exception_ptr, child<void>) { ++ended_waits; }));
  handle.async_join(
      asio::bind_cancellation_slot(of_join.slot(), [&](std::exception_ptr) { ++ended_waits; }));
  drain(ctx);
  of_spawn.emit(asio::cancellation_type::none);
  of_join.emit(asio::cancellation_type::none);
  drain(ctx);
  CHECK(ended_waits == 0);
}
