// SPDX-License-Identifier: MIT

// Children in the order in which they end.

#include "support/asio.hpp"
#include "support/catch.hpp"
#include "support/ended.hpp"
#include "support/event_log.hpp"
#include "support/every_turn.hpp"
#include "support/logged.hpp"
#include "support/manual_event.hpp"
#include "support/run.hpp"
#include "support/tracked.hpp"
#include "support/tracking_executor.hpp"

#include <asio_cancel_scope.hpp>

#include <exception>
#include <future>
#include <memory>
#include <optional>
#include <stdexcept>
#include <string>
#include <type_traits>
#include <utility>
#include <vector>

using namespace asio_cancel_scope;

namespace {

template <typename T>
awaitable<T> after(manual_event& event, T value) {
  tracked const local;
  co_await event.wait();
  co_return value;
}

awaitable<int> throws_after(manual_event& event) {
  co_await event.wait();
  throw std::runtime_error("E1");
}

template <typename T>
std::string taken(child<T>& handle) {
  try {
    return std::to_string(handle.get());
  } catch (...) {
    return word_of(std::current_exception());
  }
}

// Awaits the children of a queue one by one and logs what each has ended with.
awaitable<void> consume(child_queue<int>& queue, event_log& log) {
  while (auto next = co_await queue.async_next(use_awaitable)) {
    CHECK(next->done());
    log.add(taken(*next));
  }
  log.add("end");
}

bool is_logic_error(std::exception_ptr const& error) {
  try {
    if (error) std::rethrow_exception(error);
  } catch (std::logic_error const&) {
    return true;
  } catch (...) {
  }
  return false;
}

}  // namespace

TEST_CASE("child_queue: children come in the order in which they end", "[child_queue]") {
  std::string const order = GENERATE("0123", "3210", "2031");
  asio::io_context ctx;
  manual_event events[4];
  event_log log;
  host h(ctx, [&]() -> awaitable<void> {
    co_await with_cancel_scope([&](auto& scope) -> awaitable<void> {
      child_queue<int> queue(scope);
      for (int i = 0; i < 4; ++i) {
        queue.add(scope.spawn(after(events[i], i)));
      }
      CHECK(queue.size() == 4);
      co_await consume(queue, log);
      CHECK(queue.size() == 0);
    });
  });
  drain(ctx);
  std::string expected;
  for (char const which : order) {
    events[which - '0'].set();
    drain(ctx);
    expected += which;
    expected += which == order.back() ? " end" : " ";
    CHECK(log.str() + (which == order.back() ? "" : " ") == expected);
  }
  CHECK(h.clean());
}

TEST_CASE("child_queue: those that end together are not lost and keep their order",
          "[child_queue]") {
  asio::io_context ctx;
  manual_event events[3];
  event_log log;
  cancel_scope<> scope(ctx);
  child_queue<int> queue(scope);
  for (int i = 0; i < 3; ++i) {
    queue.add(scope.spawn(after(events[i], i)));
  }
  drain(ctx);
  for (int const i : {2, 0, 1}) {
    events[i].set();
  }
  bool const done_before = GENERATE(true, false);
  if (done_before) drain(ctx);
  CHECK(queue.size() == 3);
  run(ctx, [&] { return consume(queue, log); });
  CHECK(log.str() == "2 0 1 end");
}

TEST_CASE("child_queue: children are added while one waits and by whom it waits for",
          "[child_queue]") {
  asio::io_context ctx;
  manual_event first;
  manual_event second;
  event_log log;
  cancel_scope<> scope(ctx);
  child_queue<int> queue(scope);
  queue.add(scope.spawn(after(first, 1)));
  int more = 3;
  host h(ctx, [&]() -> awaitable<void> {
    while (auto next = co_await queue.async_next(use_awaitable)) {
      log.add(taken(*next));
      if (more != 0) {
        queue.add(scope.spawn(after(second, 10 * more)));
        --more;
      }
    }
    log.add("end");
  });
  drain(ctx);
  queue.add(scope.spawn(after(second, 2)));
  CHECK(queue.size() == 2);
  second.set();
  drain(ctx);
  CHECK(log.str() == "2 30 20 10");
  first.set();
  drain(ctx);
  CHECK(log.str() == "2 30 20 10 1 end");
  CHECK(h.clean());
}

TEST_CASE("child_queue: a child that is done already may be added", "[child_queue]") {
  asio::io_context ctx;
  manual_event never;
  manual_event go_on;
  go_on.set();
  event_log log;
  cancel_scope<> scope(ctx);
  auto finished = scope.spawn(after(go_on, 4));
  drain(ctx);
  REQUIRE(finished.done());
  child_queue<int> queue(scope);
  SECTION("before the wait") {
    queue.add(std::move(finished));
    CHECK(queue.size() == 1);
    run(ctx, [&] { return consume(queue, log); });
    CHECK(log.str() == "4 end");
  }
  SECTION("while it waits") {
    queue.add(scope.spawn(after(never, 5)));
    host h(ctx, [&] { return consume(queue, log); });
    drain(ctx);
    queue.add(std::move(finished));
    CHECK(log.str().empty());
    drain(ctx);
    CHECK(log.str() == "4");
    never.set();
    drain(ctx);
    CHECK(h.clean());
  }
}

TEST_CASE("child_queue: when no child is left there is none to wait for", "[child_queue]") {
  asio::io_context ctx;
  manual_event go_on;
  go_on.set();
  event_log log;
  cancel_scope<> scope(ctx);
  child_queue<int> queue(scope);
  for (int round = 0; round < 2; ++round) {
    run(ctx, [&] { return consume(queue, log); });
    queue.add(scope.spawn(after(go_on, round)));
    run(ctx, [&] { return consume(queue, log); });
  }
  CHECK(log.str() == "end 0 end end 1 end");
  CHECK(queue.get_executor() == scope.get_executor());
}

TEST_CASE("child_queue: a wait that is cancelled is aborted and nothing is lost",
          "[child_queue][cancel]") {
  asio::io_context ctx;
  manual_event events[2];
  event_log log;
  cancel_scope<> scope(ctx);
  child_queue<int> queue(scope);
  queue.add(scope.spawn(after(events[0], 0)));
  queue.add(scope.spawn(after(events[1], 1)));
  host h(ctx, [&] { return consume(queue, log); });
  drain(ctx);
  h.cancel();
  SECTION("and they go on") {
    drain(ctx);
    CHECK(h.aborted());
    CHECK(events[0].waiters() == 1);
    events[1].set();
    drain(ctx);
  }
  SECTION("and one ends before the abort is delivered") {
    events[1].set();
    drain(ctx);
    CHECK(h.aborted());
  }
  CHECK_FALSE(scope.cancel_called());
  CHECK(queue.size() == 2);
  host again(ctx, [&] { return consume(queue, log); });
  drain(ctx);
  CHECK(log.str() == "1");
  events[0].set();
  drain(ctx);
  CHECK(log.str() == "1 0 end");
}

TEST_CASE("child_queue: a wait takes cancellation of any type", "[child_queue][cancel]") {
  auto const type = GENERATE(asio::cancellation_type::terminal, asio::cancellation_type::partial,
                             asio::cancellation_type::total);
  asio::io_context ctx;
  manual_event never;
  cancel_scope<> scope(ctx);
  child_queue<int> queue(scope);
  queue.add(scope.spawn(after(never, 0)));
  std::exception_ptr error;
  asio::cancellation_signal signal;
  queue.async_next(asio::bind_cancellation_slot(
      signal.slot(), [&](std::exception_ptr e, std::optional<child<int>> next) {
        error = e;
        CHECK_FALSE(next);
      }));
  signal.emit(type);
  CHECK_FALSE(error);
  drain(ctx);
  CHECK(is_aborted(error));
}

TEST_CASE("child_queue: whenever a wait is cancelled each child comes once",
          "[child_queue][cancel]") {
  for (int when = 0; when < 16; ++when) {
    asio::io_context ctx;
    manual_event events[2];
    event_log log;
    cancel_scope<> scope(ctx);
    child_queue<int> queue(scope);
    for (int i = 0; i < 2; ++i) {
      queue.add(scope.spawn(after(events[i], i)));
    }
    host h(ctx, [&] { return consume(queue, log); });
    int turn = 0;
    every_turn(ctx, [&] {
      if (turn == 3) events[0].set();
      if (turn == 7) events[1].set();
      if (turn == when) h.cancel();
      return ++turn < 16;
    });
    drain(ctx);
    INFO("cancelled in turn " << when);
    CHECK(h.done());
    if (h.aborted()) run(ctx, [&] { return consume(queue, log); });
    CHECK(log.str() == "0 1 end");
  }
}

TEST_CASE("child_queue: one wait at a time", "[child_queue]") {
  asio::io_context ctx;
  manual_event go_on;
  cancel_scope<> scope(ctx);
  child_queue<int> queue(scope);
  queue.add(scope.spawn(after(go_on, 3)));
  std::optional<child<int>> first;
  std::exception_ptr second_error;
  queue.async_next([&](std::exception_ptr e, std::optional<child<int>> next) {
    CHECK_FALSE(e);
    first = std::move(next);
  });
  bool const completed = GENERATE(false, true);
  if (completed) {
    // Done, and the first wait has not been told yet.
    go_on.set();
    ctx.restart();
    while (scope.size() != 0) {
      ctx.poll_one();
    }
  }
  queue.async_next([&](std::exception_ptr e, std::optional<child<int>> next) {
    second_error = e;
    CHECK_FALSE(next);
  });
  CHECK_FALSE(second_error);
  go_on.set();
  drain(ctx);
  // One that comes when the first has been completed is a wait of its own: nobody is left for it.
  CHECK(is_logic_error(second_error) == !completed);
  REQUIRE(first);
  CHECK(first->get() == 3);
  event_log log;
  run(ctx, [&] { return consume(queue, log); });
  CHECK(log.str() == "end");
}

TEST_CASE("child_queue: when the consumer stops early the scope waits for the children",
          "[child_queue]") {
  asio::io_context ctx;
  manual_event events[3];
  event_log log;
  bool const fails = GENERATE(false, true);
  host h(ctx, [&]() -> awaitable<void> {
    auto const word = co_await ended(with_cancel_scope([&](auto& scope) -> awaitable<void> {
      child_queue<int> queue(scope);
      queue.add(scope.spawn(after(events[0], 0)));
      queue.add(scope.spawn(after(events[1], 1)));
      queue.add(scope.spawn(fails ? throws_after(events[2]) : after(events[2], 2)));
      auto first = co_await queue.async_next(use_awaitable);
      log.add(taken(*first));
    }));
    log.add(word);
  });
  drain(ctx);
  events[1].set();
  drain(ctx);
  events[0].set();
  drain(ctx);
  CHECK(log.str() == "1");
  events[2].set();
  drain(ctx);
  CHECK(log.str() == (fails ? "1 E1" : "1 value"));
  CHECK(h.clean());
}

TEST_CASE("child_queue: a child that fails comes out and fails its scope", "[child_queue][error]") {
  asio::io_context ctx;
  manual_event never;
  manual_event fails;
  event_log log;
  host h(ctx, [&]() -> awaitable<void> {
    auto const word = co_await ended(with_cancel_scope([&](auto& scope) -> awaitable<void> {
      child_queue<int> queue(scope);
      queue.add(scope.spawn(after(never, 0)));
      queue.add(scope.spawn(throws_after(fails)));
      co_await logged(log, "consumer", consume(queue, log));
    }));
    log.add(word);
  });
  drain(ctx);
  fails.set();
  drain(ctx);
  // The body is cancelled with the others: its wait is aborted.
  CHECK(log.str() == "consumer:aborted E1");
  CHECK(h.clean());
}

TEST_CASE("child_queue: in a scope that keeps running the loop goes on after an error",
          "[child_queue][error]") {
  asio::io_context ctx;
  manual_event events[3];
  event_log log;
  auto const options =
      scope_options().policy(on_child_error::keep_running).on_suppressed([&](std::exception_ptr e) {
        log.add("suppressed:" + word_of(e));
      });
  host h(ctx, [&]() -> awaitable<void> {
    auto const word =
        co_await ended(with_cancel_scope(options, [&](auto& scope) -> awaitable<void> {
          child_queue<int> queue(scope);
          queue.add(scope.spawn(after(events[0], 0)));
          queue.add(scope.spawn(throws_after(events[1])));
          queue.add(scope.spawn(after(events[2], 2)));
          co_await consume(queue, log);
        }));
    log.add(word);
  });
  drain(ctx);
  for (auto& event : events) {
    event.set();
    drain(ctx);
  }
  CHECK(log.str() == "0 suppressed:E1 E1 2 end value");
  CHECK(h.clean());
}

TEST_CASE("child_queue: children that never start come too", "[child_queue][cancel]") {
  asio::io_context ctx;
  manual_event never;
  event_log log;
  cancel_scope<> scope(ctx);
  child_queue<int> queue(scope);
  queue.add(scope.spawn(after(never, 0)));
  drain(ctx);
  queue.add(scope.spawn([&]() -> awaitable<int> {
    log.add("started");
    co_return 1;
  }));
  scope.cancel();
  queue.add(scope.spawn(after(never, 2)));
  CHECK(queue.size() == 3);
  run(ctx, [&] { return consume(queue, log); });
  CHECK(log.str() == "aborted aborted aborted end");
}

TEST_CASE("child_queue: handles that it gives are handles like others", "[child_queue]") {
  asio::io_context ctx;
  manual_event go_on;
  go_on.set();
  std::vector<child<std::unique_ptr<int>>> kept;
  run(ctx, [&]() -> awaitable<void> {
    co_await with_cancel_scope([&](auto& scope) -> awaitable<void> {
      child_queue<std::unique_ptr<int>> queue(scope);
      queue.add(scope.spawn(after(go_on, std::make_unique<int>(5))));
      while (auto next = co_await queue.async_next(use_awaitable)) {
        kept.push_back(*std::move(next));
      }
    });
  });
  REQUIRE(kept.size() == 1);
  CHECK(*kept[0].get() == 5);
  CHECK_THROWS_AS(kept[0].get(), std::logic_error);
}

TEST_CASE("child_queue: children without values and on executors of their own come too",
          "[child_queue][executor]") {
  asio::io_context ctx;
  asio::io_context other;
  manual_event go_on;
  cancel_scope<> scope(ctx);
  child_queue<void> queue(scope);
  queue.add(scope.spawn(other, go_on.wait()));
  queue.add(scope.spawn(asio::make_strand(ctx), go_on.wait()));
  int come = 0;
  host h(ctx, [&]() -> awaitable<void> {
    while (auto next = co_await queue.async_next(use_awaitable)) {
      next->get();
      ++come;
    }
  });
  drain(ctx);
  drain(other);
  go_on.set();
  drain(ctx);
  CHECK(come == 1);
  drain(other);
  drain(ctx);
  CHECK(come == 2);
  CHECK(h.clean());
}

TEST_CASE("child_queue: the handler runs on its executor and never inside the call",
          "[child_queue][executor]") {
  asio::io_context ctx;
  manual_event go_on;
  bool const done_before = GENERATE(false, true);
  asio::any_io_executor const mine = tracking_executor<>(1, ctx.get_executor());
  asio::any_io_executor const handlers = tracking_executor<>(2, ctx.get_executor());
  cancel_scope<> scope(mine);
  child_queue<int> queue(scope);
  queue.add(scope.spawn(after(go_on, 6)));
  if (done_before) {
    go_on.set();
    drain(ctx);
  }
  bool const bound = GENERATE(false, true);
  int value = 0;
  auto const handler = [&](std::exception_ptr, std::optional<child<int>> next) {
    value = next->get();
    CHECK(running_on(bound ? 2 : 1));
  };
  asio::post(mine, [&] {
    if (bound)
      queue.async_next(asio::bind_executor(handlers, handler));
    else
      queue.async_next(handler);
    CHECK(value == 0);
  });
  drain(ctx);
  go_on.set();
  drain(ctx);
  CHECK(value == 6);
}

TEST_CASE("child_queue: futures and default tokens wait too", "[child_queue]") {
  asio::io_context ctx;
  manual_event go_on;
  cancel_scope<> scope(ctx);
  child_queue<int> queue(scope);
  queue.add(scope.spawn(after(go_on, 8)));
  auto next = queue.async_next(asio::use_future);
  drain(ctx);
  go_on.set();
  drain(ctx);
  auto handle = next.get();
  REQUIRE(handle);
  CHECK(handle->get() == 8);
  queue.add(scope.spawn(after(go_on, 9)));
  run(ctx, [&]() -> awaitable<void> {
    auto by_default = co_await queue.async_next();
    CHECK(by_default->get() == 9);
  });
  using named = asio::use_awaitable_t<>::as_default_on_t<asio::steady_timer>::executor_type;
  static_assert(
      std::is_same_v<child_queue<int>::rebind_executor<named>::other, child_queue<int, named>>);
  static_assert(!std::is_move_constructible_v<child_queue<int>>);
}
