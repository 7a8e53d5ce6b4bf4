// SPDX-License-Identifier: MIT

// Races that fail, and races that are cancelled from outside.

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

#include <chrono>
#include <exception>
#include <functional>
#include <optional>
#include <stdexcept>
#include <string>
#include <system_error>
#include <utility>
#include <vector>

using namespace asio_cancel_scope;
using namespace std::chrono_literals;
using asio::cancellation_type;

namespace {

struct own_error : std::runtime_error {
  using runtime_error::runtime_error;
};

awaitable<int> after(manual_event& event, int value) {
  tracked const local;
  co_await event.wait();
  co_return value;
}

awaitable<int> throws_after(manual_event& event, std::exception_ptr error) {
  tracked const local;
  co_await event.wait();
  std::rethrow_exception(error);
}

awaitable<int> throws_when_cancelled(std::exception_ptr error) {
  static_cast<void>(co_await ended(until_cancelled()));
  std::rethrow_exception(error);
}

awaitable<int> returns_when_cancelled(manual_event& event, int value) {
  static_cast<void>(co_await ended(event.wait()));
  co_return value;
}

awaitable<int> ended_by_any_type(std::optional<cancellation_type>& seen) {
  co_await asio::this_coro::reset_cancellation_state(asio::enable_total_cancellation());
  co_await until_cancelled([&](cancellation_type type) { seen = type; });
  co_return 1;
}

// The very object that `operation` throws.
template <typename T>
awaitable<std::exception_ptr> thrown_by(awaitable<T> operation) {
  try {
    static_cast<void>(co_await std::move(operation));
  } catch (...) {
    co_return std::current_exception();
  }
  co_return nullptr;
}

}  // namespace

TEST_CASE("race: a racer that fails ends it and its very error is thrown", "[race][error]") {
  auto const e1 = std::make_exception_ptr(own_error("E1"));
  auto const position = GENERATE(0u, 1u, 2u);
  asio::io_context ctx;
  manual_event never;
  manual_event fails;
  event_log log;
  host h(ctx, [&]() -> awaitable<void> {
    std::vector<awaitable<int>> all;
    for (unsigned i = 0; i < 3; ++i) {
      all.push_back(i == position ? throws_after(fails, e1) : after(never, 1));
    }
    auto const thrown = co_await thrown_by(race(std::move(all)));
    CHECK(thrown == e1);
    CHECK_THROWS_AS(std::rethrow_exception(thrown), own_error);
    CHECK(tracked::alive() == 0);
    log.add("raced");
  });
  drain(ctx);
  fails.set();
  drain(ctx);
  CHECK(log.str() == "raced");
  CHECK(h.clean());
  CHECK(never.waiters() == 0);
}

TEST_CASE("asio issues 1094 and 1123: a race that fails waits for nobody to succeed",
          "[race][error]") {
  auto const e1 = std::make_exception_ptr(own_error("E1"));
  asio::io_context ctx;
  manual_event never;
  manual_event stubborn;
  manual_event fails;
  event_log log;
  auto const ignores = [&]() -> awaitable<void> {
    co_await logged(log, "stubborn", stubborn.wait_ignoring_cancellation());
  };
  host h(ctx, [&]() -> awaitable<void> {
    auto const thrown = co_await thrown_by(
        race(throws_after(fails, e1), logged(log, "timeout", never.wait()), ignores));
    CHECK(thrown == e1);
    log.add("raced");
  });
  drain(ctx);
  fails.set();
  drain(ctx);
  CHECK(log.str() == "timeout:aborted");
  stubborn.set();
  drain(ctx);
  CHECK(log.str() == "timeout:aborted stubborn raced");
  CHECK(h.clean());
}

TEST_CASE("asio issue 1594: an error comes through races of races", "[race][error]") {
  auto const e1 = std::make_exception_ptr(own_error("E1"));
  auto const who = GENERATE(0, 1, 2);
  asio::io_context ctx;
  manual_event never;
  manual_event fails;
  event_log log;
  host h(ctx, [&]() -> awaitable<void> {
    auto const one = [&](int i) { return i == who ? throws_after(fails, e1) : after(never, i); };
    auto const thrown = co_await thrown_by(race(race(one(0), one(1)), one(2)));
    CHECK(thrown == e1);
    CHECK(tracked::alive() == 0);
    log.add("raced");
  });
  drain(ctx);
  fails.set();
  drain(ctx);
  CHECK(log.str() == "raced");
  CHECK(h.clean());
}

TEST_CASE("race: a loser that fails while it is cancelled fails the race", "[race][error]") {
  auto const e1 = std::make_exception_ptr(own_error("E1"));
  asio::io_context ctx;
  manual_event ends;
  host h(ctx, [&]() -> awaitable<void> {
    auto const thrown = co_await thrown_by(race(throws_when_cancelled(e1), after(ends, 2)));
    CHECK(thrown == e1);
  });
  drain(ctx);
  ends.set();
  drain(ctx);
  CHECK(h.clean());
}

TEST_CASE("rule 10: every cancellation error of a loser is swallowed", "[race][error]") {
  asio::io_context ctx;
  manual_event ends;
  auto const std_error = std::make_exception_ptr(
      std::system_error(std::make_error_code(std::errc::operation_canceled)));
  host h(ctx, [&]() -> awaitable<void> {
    auto const winner = co_await race(throws_when_cancelled(std_error), after(ends, 2));
    CHECK(winner.index() == 1);
  });
  drain(ctx);
  ends.set();
  drain(ctx);
  CHECK(h.clean());
}

TEST_CASE("rule 10: an abort that nobody has asked for is an error like any other",
          "[race][error]") {
  auto const abort = std::make_exception_ptr(system_error(asio::error::operation_aborted));
  asio::io_context ctx;
  manual_event never;
  manual_event fails;
  event_log log;
  host h(ctx, [&]() -> awaitable<void> {
    auto const thrown = co_await thrown_by(race(after(never, 1), throws_after(fails, abort)));
    CHECK(thrown == abort);
    co_await logged(log, "next", asio::post(use_awaitable));
  });
  drain(ctx);
  fails.set();
  drain(ctx);
  CHECK(log.str() == "next");
  CHECK(h.clean());
}

TEST_CASE("rule 11: of several errors the first in time is thrown", "[race][error]") {
  auto const e1 = std::make_exception_ptr(own_error("E1"));
  auto const e2 = std::make_exception_ptr(own_error("E2"));
  auto const e3 = std::make_exception_ptr(own_error("E3"));
  asio::io_context ctx;
  manual_event first;
  manual_event second;
  host h(ctx, [&]() -> awaitable<void> {
    auto const thrown = co_await thrown_by(
        race(throws_when_cancelled(e3), throws_after(second, e2), throws_after(first, e1)));
    CHECK(thrown == e1);
  });
  drain(ctx);
  first.set();
  second.set();
  drain(ctx);
  CHECK(h.clean());
}

TEST_CASE("race: a callable that throws instead of returning an awaitable fails it",
          "[race][error]") {
  auto const e1 = std::make_exception_ptr(own_error("E1"));
  manual_event never;
  run([&]() -> awaitable<void> {
    auto const throws = [&]() -> awaitable<int> { std::rethrow_exception(e1); };
    auto const thrown = co_await thrown_by(race(after(never, 1), throws));
    CHECK(thrown == e1);
    CHECK(tracked::alive() == 0);
  });
}

TEST_CASE("race: a value whose move throws fails it or arrives", "[race][error]") {
  int failures = 0;
  bool arrived = false;
  for (int moves = 0; moves < 20; ++moves) {
    run([&]() -> awaitable<void> {
      auto const gives = [&]() -> awaitable<throws_on_move> {
        tracked const local;
        co_return throws_on_move(moves);
      };
      auto const word = co_await ended(race(gives, until_cancelled()));
      arrived = word == "value";
      failures += word == "throws_on_move";
      CHECK(tracked::alive() == 0);
    });
  }
  CHECK(arrived);
  CHECK(failures > 0);
}

TEST_CASE("rule 14: a race that is cancelled from outside waits for all and is aborted",
          "[race][outer]") {
  asio::io_context ctx;
  manual_event never;
  manual_event stubborn;
  event_log log;
  host h(ctx, [&]() -> awaitable<void> {
    co_await logged(log, "race",
                    race(logged(log, "a", never.wait()), logged(log, "b", until_cancelled()),
                         logged(log, "c", stubborn.wait_ignoring_cancellation())));
  });
  drain(ctx);
  h.cancel();
  drain(ctx);
  CHECK(log.str() == "b:aborted a:aborted");
  stubborn.set();
  drain(ctx);
  // One that returns late wins a race whose other racers were cut short: too late.
  CHECK(log.str() == "b:aborted a:aborted c race:aborted");
  CHECK(h.aborted());
}

TEST_CASE("rule 14: the type of an outer request reaches the racers", "[race][outer]") {
  auto const type =
      GENERATE(cancellation_type::terminal, cancellation_type::partial, cancellation_type::total);
  asio::io_context ctx;
  std::optional<cancellation_type> a_saw;
  std::optional<cancellation_type> b_saw;
  host h(ctx, [&]() -> awaitable<void> {
    co_await asio::this_coro::reset_cancellation_state(asio::enable_total_cancellation());
    auto const word = co_await ended(race(ended_by_any_type(a_saw), ended_by_any_type(b_saw)));
    CHECK(word == "aborted");
    auto const state = co_await asio::this_coro::cancellation_state;
    CHECK((state.cancelled() == type));
  });
  drain(ctx);
  h.cancel(type);
  drain(ctx);
  CHECK(h.clean());
  CHECK((a_saw == type));
  CHECK((b_saw == type));
}

TEST_CASE("rule 5: nothing of a race starts in a coroutine that has been cancelled",
          "[race][outer]") {
  asio::io_context ctx;
  event_log log;
  auto const throws = GENERATE(true, false);
  host h(ctx, [&]() -> awaitable<void> { co_await until_cancelled(); });
  drain(ctx);
  std::optional<host> late;
  late.emplace(ctx, [&]() -> awaitable<void> {
    co_await asio::this_coro::throw_if_cancelled(throws);
    late->cancel();
    auto const starts = [&log, t = tracked()]() -> awaitable<int> {
      log.add("started");
      co_return 1;
    };
    auto const before = tracked::alive();
    auto const listed = co_await ended(race(starts, starts));
    CHECK(listed == "aborted");
    std::vector<std::function<awaitable<int>()>> all;
    all.emplace_back([&] { return starts(); });
    auto const ranged = co_await ended(race(std::move(all)));
    CHECK(ranged == "aborted");
    CHECK(tracked::alive() == before);
  });
  drain(ctx);
  h.cancel();
  drain(ctx);
  CHECK(log.str().empty());
  CHECK(late->done());
}

TEST_CASE("rule 14: a race of which all return all the same gives its value", "[race][outer]") {
  asio::io_context ctx;
  manual_event never;
  event_log log;
  host h(ctx, [&]() -> awaitable<void> {
    auto const winner =
        co_await race(returns_when_cancelled(never, 1), returns_when_cancelled(never, 2));
    CHECK(winner.index() == 0);
    CHECK(std::get<0>(winner) == 1);
    log.add("raced");
    co_await logged(log, "next", asio::post(use_awaitable));
  });
  drain(ctx);
  h.cancel();
  drain(ctx);
  CHECK(log.str() == "raced");
  CHECK(h.aborted());
}

TEST_CASE("rule 14: a race of nobody tells nobody of a request", "[race][outer]") {
  asio::io_context ctx;
  event_log log;
  std::optional<host> h;
  h.emplace(ctx, [&]() -> awaitable<void> {
    asio::post(ctx, [&] { h->cancel(); });
    auto const winner = co_await race(std::vector<awaitable<int>>());
    CHECK_FALSE(winner);
    log.add("raced");
    co_await asio::post(use_awaitable);
    co_await logged(log, "next", asio::post(use_awaitable));
  });
  drain(ctx);
  CHECK(log.str() == "raced");
  CHECK(h->aborted());
}

TEST_CASE("rule 14: a request while the losers of a race that is won unwind aborts it",
          "[race][outer]") {
  asio::io_context ctx;
  manual_event never;
  manual_event ends;
  manual_event unwinds;
  event_log log;
  host h(ctx, [&]() -> awaitable<void> {
    auto const loser = [&] { return with_cleanup(never.wait(), [&] { return unwinds.wait(); }); };
    co_await logged(log, "race", race(loser, after(ends, 1)));
  });
  drain(ctx);
  ends.set();
  drain(ctx);
  CHECK(log.str().empty());
  h.cancel();
  drain(ctx);
  unwinds.set();
  drain(ctx);
  CHECK(log.str() == "race:aborted");
  CHECK(h.aborted());
}

TEST_CASE("rule 13: an error wins over an outer request and that is seen next", "[race][outer]") {
  auto const e1 = std::make_exception_ptr(own_error("E1"));
  asio::io_context ctx;
  manual_event never;
  event_log log;
  host h(ctx, [&]() -> awaitable<void> {
    auto const thrown = co_await thrown_by(race(after(never, 1), throws_when_cancelled(e1)));
    CHECK(thrown == e1);
    log.add("raced");
    co_await logged(log, "next", asio::post(use_awaitable));
  });
  drain(ctx);
  h.cancel();
  drain(ctx);
  CHECK(log.str() == "raced");
  CHECK(h.aborted());
}

TEST_CASE("rule 14: whenever a request comes to a race it is not lost", "[race][outer]") {
  int values = 0;
  int aborts = 0;
  for (int when = 0; when < 30; ++when) {
    asio::io_context ctx;
    manual_event never;
    manual_event ends;
    std::string word;
    int turn = 0;
    std::optional<host> h;
    h.emplace(ctx, [&]() -> awaitable<void> {
      word = co_await ended(race(after(ends, 1), never.wait(), until_cancelled()));
      for (;;) {
        co_await asio::post(use_awaitable);
      }
    });
    every_turn(ctx, [&] {
      if (turn == 3) ends.set();
      if (turn == when) h->cancel();
      return ++turn < 30;
    });
    drain(ctx);
    CHECK(tracked::alive() == 0);
    CHECK(h->aborted());
    (word == "value" ? values : aborts) += 1;
    CHECK((word == "value" || word == "aborted"));
  }
  CHECK(values > 0);
  CHECK(aborts > 0);
}

TEST_CASE("race: it composes with limits and shields and scopes", "[race]") {
  asio::io_context ctx;
  manual_event never;
  auto const hop = [] { return asio::post(use_awaitable); };
  run(ctx, [&]() -> awaitable<void> {
    auto const in_time = co_await fail_after(1h, race(after(never, 1), hop));
    CHECK(in_time.index() == 1);
    auto const word = co_await ended(fail_after(0ms, race(after(never, 1), hop)));
    CHECK(word == "timed_out");
    auto moved_on = co_await move_on_after(1h, race(hop, after(never, 1)));
    CHECK(moved_on->index() == 0);
    auto const behind_shield = co_await shielded(race(after(never, 1), hop));
    CHECK(behind_shield.index() == 1);
    co_await with_cancel_scope([&](auto& scope) -> awaitable<void> {
      auto won = scope.spawn(race(after(never, 1), hop));
      scope.spawn(race(after(never, 1), after(never, 2)));
      auto const winner = co_await won.async_join(use_awaitable);
      CHECK(winner.index() == 1);
      CHECK(never.waiters() == 2);
      scope.cancel();
      CHECK_FALSE(scope.cancelled_caught());
    });
    auto const of_limits = co_await race(move_on_after(1h, after(never, 1)), fail_after(1h, hop));
    CHECK(of_limits.index() == 1);
    CHECK(never.waiters() == 0);
  });
  CHECK(tracked::alive() == 0);
}

TEST_CASE("rule 16: a race inside a race is ended by it and its own cancel stays inside",
          "[race][nested]") {
  asio::io_context ctx;
  manual_event never;
  manual_event inner_ends;
  event_log log;
  host h(ctx, [&]() -> awaitable<void> {
    auto const inner_first = [&]() -> awaitable<int> {
      auto const winner = co_await race(after(inner_ends, 1), logged(log, "loser", never.wait()));
      log.add("inner");
      co_await logged(log, "rest", never.wait());
      co_return static_cast<int>(winner.index());
    };
    auto const winner = co_await race(inner_first, race(after(never, 2), after(never, 3)), [&] {
      return [](manual_event& event) -> awaitable<void> {
        co_await event.wait();
        co_await asio::post(use_awaitable);
      }(inner_ends);
    });
    CHECK(winner.index() == 2);
  });
  drain(ctx);
  inner_ends.set();
  drain(ctx);
  CHECK(log.str().starts_with("loser:aborted"));
  CHECK(log.count("rest") == 0);
  CHECK(h.clean());
  CHECK(tracked::alive() == 0);
}
