// SPDX-License-Identifier: MIT

// All values of several, in order; and what becomes of the others when one fails.

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
#include <memory>
#include <optional>
#include <ranges>
#include <stdexcept>
#include <string>
#include <tuple>
#include <type_traits>
#include <utility>
#include <variant>
#include <vector>

using namespace asio_cancel_scope;
using namespace std::chrono_literals;
using asio::cancellation_type;

namespace {

struct own_error : std::runtime_error {
  using runtime_error::runtime_error;
};

template <typename T, typename Executor = asio::any_io_executor>
awaitable<T, Executor> after(manual_event& event, T value) {
  tracked const local;
  co_await event.wait<Executor>();
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

awaitable<tracked> returns_when_cancelled(manual_event& event) {
  static_cast<void>(co_await ended(event.wait()));
  co_return tracked(1);
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
    if constexpr (std::is_void_v<T>)
      co_await std::move(operation);
    else
      static_cast<void>(co_await std::move(operation));
  } catch (...) {
    co_return std::current_exception();
  }
  co_return nullptr;
}

}  // namespace

TEST_CASE("gather: the values come in the order of the list whatever the order of ending",
          "[gather]") {
  std::string const order = GENERATE("012", "021", "102", "120", "201", "210");
  asio::io_context ctx;
  manual_event events[3];
  bool gathered = false;
  host h(ctx, [&]() -> awaitable<void> {
    auto values = co_await gather(after(events[0], move_only(1)), events[1].wait(),
                                  after(events[2], not_default_constructible(3)));
    static_assert(std::is_same_v<decltype(values),
                                 std::tuple<move_only, std::monostate, not_default_constructible>>);
    CHECK(std::get<0>(values).value == 1);
    CHECK(std::get<2>(values).value == 3);
    gathered = true;
  });
  drain(ctx);
  for (char const which : order) {
    CHECK_FALSE(gathered);
    events[which - '0'].set();
    drain(ctx);
  }
  CHECK(gathered);
  CHECK(h.clean());
}

TEST_CASE("gather: they start at once one after the other and run together", "[gather][start]") {
  asio::io_context ctx;
  manual_event go_on;
  event_log log;
  auto const a = [&]() -> awaitable<void> {
    log.add("a");
    co_await go_on.wait();
  };
  auto const c = [&]() -> awaitable<int> {
    log.add("c");
    co_return 3;
  };
  host h(ctx, [&]() -> awaitable<void> {
    asio::post(ctx, [&] { log.add("hop"); });
    auto const values = co_await gather(a, logged(log, "b", go_on.wait()), c);
    CHECK(std::get<2>(values) == 3);
    log.add("gathered");
  });
  drain(ctx);
  CHECK(log.str() == "a c hop");
  CHECK(go_on.waiters() == 2);
  go_on.set();
  drain(ctx);
  CHECK(log.str() == "a c hop b gathered");
  CHECK(h.clean());
}

TEST_CASE("gather: of nothing but void there is nothing to give", "[gather]") {
  asio::io_context ctx;
  manual_event go_on;
  event_log log;
  host h(ctx, [&]() -> awaitable<void> {
    auto list = gather(logged(log, "a", go_on.wait()), logged(log, "b", go_on.wait()));
    static_assert(std::is_same_v<decltype(list), awaitable<void>>);
    co_await std::move(list);
    std::vector<awaitable<void>> all;
    all.push_back(logged(log, "c", go_on.wait()));
    auto range = gather(std::move(all));
    static_assert(std::is_same_v<decltype(range), awaitable<void>>);
    co_await std::move(range);
    co_await gather(std::vector<awaitable<void>>());
    log.add("gathered");
  });
  drain(ctx);
  CHECK(log.str().empty());
  go_on.set();
  drain(ctx);
  CHECK(log.str() == "a b c gathered");
  CHECK(h.clean());
}

TEST_CASE("gather: callables and awaitables of every kind run together", "[gather]") {
  manual_event go_on;
  go_on.set();
  struct pinned {
    pinned() = default;
    pinned(pinned const&) = delete;
    pinned& operator=(pinned const&) = delete;
    awaitable<int> operator()() { co_return ++calls; }
    int calls = 0;
  };
  pinned not_copied;
  auto const copied = [n = std::make_shared<int>(7)]() -> awaitable<int> { co_return *n; };
  std::function<awaitable<std::string>()> const erased = [&] {
    return after(go_on, std::string("erased"));
  };
  run([&]() -> awaitable<void> {
    auto const values = co_await gather(
        std::ref(not_copied), copied, erased,
        [&] { return after(go_on, std::make_unique<int>(4)); }, after(go_on, std::tuple<int>(5)));
    CHECK(not_copied.calls == 1);
    CHECK(std::get<1>(values) == 7);
    CHECK(std::get<2>(values) == "erased");
    CHECK(*std::get<3>(values) == 4);
    CHECK(std::get<0>(std::get<4>(values)) == 5);
    auto const alone = co_await gather(after(go_on, std::tuple<int>(6)));
    static_assert(std::is_same_v<decltype(alone), std::tuple<std::tuple<int>> const>);
    CHECK(std::get<0>(std::get<0>(alone)) == 6);
  });
  CHECK(tracked::alive() == 0);
}

TEST_CASE("gather: a range gives a vector in its order", "[gather][range]") {
  asio::io_context ctx;
  std::vector<manual_event> events(20);
  bool gathered = false;
  host h(ctx, [&]() -> awaitable<void> {
    std::vector<awaitable<move_only>> all;
    for (int i = 0; i < 20; ++i) {
      all.push_back(after(events[static_cast<std::size_t>(i)], move_only(i)));
    }
    auto const values = co_await gather(std::move(all));
    static_assert(std::is_same_v<decltype(values), std::vector<move_only> const>);
    REQUIRE(values.size() == 20);
    for (int i = 0; i < 20; ++i) {
      CHECK(values[static_cast<std::size_t>(i)].value == i);
    }
    gathered = true;
  });
  drain(ctx);
  for (unsigned i = 0; i < 20; ++i) {
    CHECK_FALSE(gathered);
    events[(7 * i + 5) % 20].set();
    drain(ctx);
  }
  CHECK(gathered);
  CHECK(h.clean());
}

TEST_CASE("gather: ranges of every kind are taken", "[gather][range]") {
  manual_event go_on;
  go_on.set();
  run([&]() -> awaitable<void> {
    auto const make = [&](int i) { return after(go_on, i % 2 == 0); };
    auto const bools = co_await gather(std::views::iota(0, 3) | std::views::transform(make));
    static_assert(std::is_same_v<decltype(bools), std::vector<bool> const>);
    CHECK(bools == std::vector<bool>{true, false, true});
    std::vector<std::function<awaitable<int>()>> const kept{[&] { return after(go_on, 1); },
                                                            [&] { return after(go_on, 2); }};
    for (int round = 0; round < 2; ++round) {
      auto const copied = co_await gather(kept);
      CHECK(copied == std::vector<int>{1, 2});
    }
  });
}

TEST_CASE("asio issue 1375: a gather of a range of nobody completes", "[gather][range]") {
  asio::io_context ctx;
  event_log log;
  host h(ctx, [&]() -> awaitable<void> {
    auto const nobody = co_await gather(std::vector<awaitable<int>>());
    CHECK(nobody.empty());
    auto const values = co_await gather(std::vector<awaitable<not_default_constructible>>());
    CHECK(values.empty());
    co_await gather(std::vector<awaitable<void>>());
    log.add("gathered");
  });
  drain(ctx);
  CHECK(log.str() == "gathered");
  CHECK(h.clean());
}

TEST_CASE("asio issue 1715: the first real error ends it and its very object is thrown",
          "[gather][error]") {
  auto const e1 = std::make_exception_ptr(own_error("E1"));
  auto const position = GENERATE(0, 1, 2);
  auto const ranged = GENERATE(false, true);
  asio::io_context ctx;
  manual_event never;
  manual_event fails;
  event_log log;
  host h(ctx, [&]() -> awaitable<void> {
    auto const one = [&](int i) {
      return i == position ? throws_after(fails, e1) : after(never, i);
    };
    std::vector<awaitable<int>> all;
    for (int i = 0; i < 3; ++i) {
      all.push_back(one(i));
    }
    std::exception_ptr thrown;
    if (ranged) {
      thrown = co_await thrown_by(gather(std::move(all)));
    } else {
      thrown = co_await thrown_by(gather(one(0), one(1), one(2)));
    }
    all.clear();
    CHECK(thrown == e1);
    CHECK_THROWS_AS(std::rethrow_exception(thrown), own_error);
    CHECK(tracked::alive() == 0);
    CHECK(never.waiters() == 0);
    co_await logged(log, "next", asio::post(use_awaitable));
  });
  drain(ctx);
  fails.set();
  drain(ctx);
  CHECK(log.str() == "next");
  CHECK(h.clean());
}

TEST_CASE("gather: a failure waits for those that ignore their cancellation", "[gather][error]") {
  auto const e1 = std::make_exception_ptr(own_error("E1"));
  asio::io_context ctx;
  manual_event stubborn;
  manual_event fails;
  event_log log;
  auto const ignores = [&]() -> awaitable<void> {
    tracked const local;
    co_await stubborn.wait_ignoring_cancellation();
  };
  host h(ctx, [&]() -> awaitable<void> {
    auto const thrown = co_await thrown_by(
        gather(ignores, logged(log, "inline", until_cancelled()), throws_after(fails, e1)));
    CHECK(thrown == e1);
    CHECK(tracked::alive() == 0);
    log.add("gathered");
  });
  drain(ctx);
  fails.set();
  drain(ctx);
  CHECK(log.str() == "inline:aborted");
  stubborn.set();
  drain(ctx);
  CHECK(log.str() == "inline:aborted gathered");
  CHECK(h.clean());
}

TEST_CASE("rule 11: of several errors gather throws the first in time", "[gather][error]") {
  auto const e1 = std::make_exception_ptr(own_error("E1"));
  auto const e2 = std::make_exception_ptr(own_error("E2"));
  auto const e3 = std::make_exception_ptr(own_error("E3"));
  asio::io_context ctx;
  manual_event first;
  manual_event second;
  host h(ctx, [&]() -> awaitable<void> {
    auto const thrown = co_await thrown_by(
        gather(throws_when_cancelled(e3), throws_after(second, e2), throws_after(first, e1)));
    CHECK(thrown == e1);
  });
  drain(ctx);
  first.set();
  second.set();
  drain(ctx);
  CHECK(h.clean());
}

TEST_CASE("rule 10: an abort that nobody has asked for fails a gather", "[gather][error]") {
  auto const abort = std::make_exception_ptr(system_error(asio::error::operation_aborted));
  asio::io_context ctx;
  manual_event never;
  manual_event fails;
  event_log log;
  host h(ctx, [&]() -> awaitable<void> {
    auto const thrown = co_await thrown_by(gather(after(never, 1), throws_after(fails, abort)));
    CHECK(thrown == abort);
    co_await logged(log, "next", asio::post(use_awaitable));
  });
  drain(ctx);
  fails.set();
  drain(ctx);
  CHECK(log.str() == "next");
  CHECK(h.clean());
}

TEST_CASE("gather: an error comes through gathers and races inside each other",
          "[gather][race][error]") {
  auto const e1 = std::make_exception_ptr(own_error("E1"));
  asio::io_context ctx;
  manual_event never;
  manual_event fails;
  host h(ctx, [&]() -> awaitable<void> {
    auto const thrown = co_await thrown_by(
        gather(race(after(never, 1), gather(throws_after(fails, e1), never.wait())), never.wait()));
    CHECK(thrown == e1);
    CHECK(never.waiters() == 0);
  });
  drain(ctx);
  fails.set();
  drain(ctx);
  CHECK(h.clean());
}

TEST_CASE("rule 14: a gather that is cancelled from outside waits for all and is aborted",
          "[gather][outer]") {
  auto const type =
      GENERATE(cancellation_type::terminal, cancellation_type::partial, cancellation_type::total);
  asio::io_context ctx;
  manual_event done;
  manual_event stubborn;
  std::optional<cancellation_type> saw;
  event_log log;
  done.set();
  host h(ctx, [&]() -> awaitable<void> {
    co_await asio::this_coro::reset_cancellation_state(asio::enable_total_cancellation());
    auto const word =
        co_await ended(gather(after(done, 1), ended_by_any_type(saw),
                              logged(log, "stubborn", stubborn.wait_ignoring_cancellation())));
    log.add(word);
  });
  drain(ctx);
  h.cancel(type);
  drain(ctx);
  CHECK((saw == type));
  CHECK(log.str().empty());
  stubborn.set();
  drain(ctx);
  CHECK(log.str() == "stubborn aborted");
  CHECK(h.clean());
}

TEST_CASE("rule 14: a gather of which all return all the same gives its values",
          "[gather][outer]") {
  asio::io_context ctx;
  manual_event never;
  event_log log;
  host h(ctx, [&]() -> awaitable<void> {
    {
      auto const values =
          co_await gather(returns_when_cancelled(never), returns_when_cancelled(never));
      CHECK(std::get<0>(values).value + std::get<1>(values).value == 2);
    }
    log.add("gathered");
    co_await logged(log, "next", asio::post(use_awaitable));
  });
  drain(ctx);
  h.cancel();
  drain(ctx);
  CHECK(log.str() == "gathered");
  CHECK(h.aborted());
  CHECK(tracked::alive() == 0);
}

TEST_CASE("rule 5: nothing of a gather starts in a coroutine that has been cancelled",
          "[gather][outer]") {
  asio::io_context ctx;
  event_log log;
  std::optional<host> h;
  h.emplace(ctx, [&]() -> awaitable<void> {
    co_await asio::this_coro::throw_if_cancelled(false);
    h->cancel();
    auto const starts = [&log, t = tracked()]() -> awaitable<void> {
      log.add("started");
      co_return;
    };
    auto const word = co_await ended(gather(starts, starts));
    log.add(word);
    auto const nobody = co_await ended(gather(std::vector<awaitable<int>>()));
    log.add(nobody);
    bool const throws = co_await asio::this_coro::throw_if_cancelled();
    CHECK_FALSE(throws);
  });
  drain(ctx);
  CHECK(log.str() == "aborted value");
  CHECK(h->done());
}

TEST_CASE("rule 14: whenever a request comes to a gather it is not lost", "[gather][outer]") {
  int values = 0;
  int aborts = 0;
  for (int when = 0; when < 30; ++when) {
    asio::io_context ctx;
    manual_event first;
    manual_event second;
    std::string word;
    int turn = 0;
    host h(ctx, [&]() -> awaitable<void> {
      word = co_await ended(gather(after(first, 1), after(second, 2)));
      for (;;) {
        co_await asio::post(use_awaitable);
      }
    });
    every_turn(ctx, [&] {
      if (turn == 3) first.set();
      if (turn == 6) second.set();
      if (turn == when) h.cancel();
      return ++turn < 30;
    });
    drain(ctx);
    CHECK(tracked::alive() == 0);
    CHECK(h.aborted());
    (word == "value" ? values : aborts) += 1;
    CHECK((word == "value" || word == "aborted"));
  }
  CHECK(values > 20);
  CHECK(aborts > 5);
}

TEST_CASE("gather: it composes with limits and shields and scopes and executors", "[gather]") {
  asio::io_context ctx;
  using executor = asio::io_context::executor_type;
  manual_event never;
  manual_event go_on;
  go_on.set();
  run(ctx, [&]() -> awaitable<void> {
    auto const in_time = co_await fail_after(1h, gather(after(go_on, 1), after(go_on, 2)));
    CHECK(in_time == std::tuple(1, 2));
    auto const word = co_await ended(fail_after(0ms, gather(after(never, 1), go_on.wait())));
    CHECK(word == "timed_out");
    auto const shield = co_await shielded(gather(after(go_on, 1)));
    CHECK(shield == std::tuple(1));
    co_await with_cancel_scope([&](auto& scope) -> awaitable<void> {
      auto all = scope.spawn(gather(after(go_on, 3), after(go_on, 4)));
      scope.spawn(gather(never.wait(), never.wait()));
      auto const values = co_await all.async_join(use_awaitable);
      CHECK(values == std::tuple(3, 4));
      scope.cancel();
    });
    CHECK(never.waiters() == 0);
  });
  run(ctx, [&]() -> awaitable<void, executor> {
    auto const values =
        co_await gather(after<int, executor>(go_on, 1), after<int, executor>(go_on, 2));
    CHECK(values == std::tuple(1, 2));
  });
}
