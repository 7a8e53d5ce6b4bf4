// SPDX-License-Identifier: MIT

// Who wins a race, what the winner gives, and what becomes of the others.

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
#include <functional>
#include <list>
#include <memory>
#include <optional>
#include <ranges>
#include <span>
#include <stdexcept>
#include <string>
#include <type_traits>
#include <utility>
#include <variant>
#include <vector>

using namespace asio_cancel_scope;
using namespace std::chrono_literals;

namespace {

template <typename T, typename Executor = asio::any_io_executor>
awaitable<T, Executor> after(manual_event& event, T value) {
  tracked const local;
  co_await event.wait<Executor>();
  co_return value;
}

template <typename T>
awaitable<T> at_once(T value) {
  tracked const local;
  co_return value;
}

awaitable<int> seven() {
  co_return 7;
}

}  // namespace

TEST_CASE(
    "race: the first to return wins and the others are cancelled and "
    "have ended",
    "[race]") {
  asio::io_context ctx;
  manual_event never;
  manual_event b_ends;
  event_log log;
  host h(ctx, [&]() -> awaitable<void> {
    auto const winner = co_await race(logged(log, "a", never.wait()), after(b_ends, 4),
                                      logged(log, "c", never.wait()));
    static_assert(
        std::is_same_v<decltype(winner), std::variant<std::monostate, int, std::monostate> const>);
    log.add("raced");
    REQUIRE(winner.index() == 1);
    CHECK(std::get<1>(winner) == 4);
  });
  drain(ctx);
  CHECK(log.str().empty());
  b_ends.set();
  drain(ctx);
  CHECK(log.str() == "a:aborted c:aborted raced");
  CHECK(h.clean());
  CHECK(never.waiters() == 0);
}

TEST_CASE("race: each of them may win and its place tells which", "[race]") {
  auto const who = GENERATE(0u, 1u, 2u);
  asio::io_context ctx;
  manual_event events[3];
  host h(ctx, [&]() -> awaitable<void> {
    auto const winner =
        co_await race(after(events[0], 10), after(events[1], 11), after(events[2], 12));
    CHECK(winner.index() == who);
    std::visit([&](int value) { CHECK(value == 10 + static_cast<int>(who)); }, winner);
  });
  drain(ctx);
  events[who].set();
  drain(ctx);
  CHECK(h.clean());
}

TEST_CASE("race: they start at once one after the other", "[race][start]") {
  asio::io_context ctx;
  manual_event go_on;
  event_log log;
  auto const member = [&](std::string name) {
    return [&log, &go_on, name]() -> awaitable<void> {
      log.add(name);
      co_await go_on.wait();
    };
  };
  auto const a = member("a");
  auto const c = member("c");
  host h(ctx, [&]() -> awaitable<void> {
    asio::post(ctx, [&] { log.add("hop"); });
    co_await race(a, logged(log, "b", go_on.wait()), c);
  });
  drain(ctx);
  CHECK(log.str() == "a c hop");
  CHECK(go_on.waiters() == 3);
  go_on.set();
  drain(ctx);
}

TEST_CASE("race: values need neither a copy nor a default constructor", "[race]") {
  asio::io_context ctx;
  manual_event never;
  auto const who = GENERATE(0u, 1u, 2u);
  manual_event events[3];
  host h(ctx, [&]() -> awaitable<void> {
    auto winner = co_await race(after(events[0], move_only(3)),
                                after(events[1], not_default_constructible(4)),
                                after(events[2], std::make_unique<int>(5)));
    REQUIRE(winner.index() == who);
    if (who == 0) CHECK(std::get<0>(winner).value == 3);
    if (who == 1) CHECK(std::get<1>(winner).value == 4);
    if (who == 2) CHECK(*std::get<2>(winner) == 5);
  });
  drain(ctx);
  events[who].set();
  drain(ctx);
  CHECK(h.clean());
}

TEST_CASE("race: callables and awaitables of every kind run together", "[race]") {
  asio::io_context ctx;
  manual_event never;
  struct counting {
    int& calls;
    manual_event& event;
    tracked t{};
    awaitable<std::string> operator()() {
      ++calls;
      co_await event.wait();
      co_return "counting";
    }
  };
  struct pinned : counting {
    explicit pinned(int& n, manual_event& e) : counting{n, e} {}
    pinned(pinned const&) = delete;
    pinned& operator=(pinned const&) = delete;
  };
  int copied_calls = 0;
  int pinned_calls = 0;
  counting const copied{copied_calls, never};
  pinned not_copied(pinned_calls, never);
  std::function<awaitable<int>()> const erased = [&] { return after(never, 1); };
  auto const before = tracked::alive();
  host h(ctx, [&]() -> awaitable<void> {
    auto const winner = co_await race(
        copied, after(never, 2.5), std::ref(not_copied), erased, [&] { return never.wait(); },
        seven);
    REQUIRE(winner.index() == 5);
    CHECK(std::get<5>(winner) == 7);
    CHECK(tracked::alive() == before);
  });
  drain(ctx);
  CHECK(h.clean());
  CHECK(copied_calls == 1);
  CHECK(pinned_calls == 1);
}

TEST_CASE("race: one alone gives its value", "[race]") {
  run([]() -> awaitable<void> {
    auto const value = co_await race(seven);
    static_assert(std::is_same_v<decltype(value), std::variant<int> const>);
    CHECK(std::get<0>(value) == 7);
    auto const nothing = co_await race(asio::post(use_awaitable));
    CHECK(nothing.index() == 0);
    auto const optional = co_await race(at_once(std::optional<int>()));
    CHECK_FALSE(std::get<0>(optional));
  });
}

TEST_CASE("rule 5: what has not started when the race is cut never starts", "[race][start]") {
  asio::io_context ctx;
  event_log log;
  std::optional<host> h;
  auto const cuts = [&]() -> awaitable<int> {
    h->cancel();
    log.add("cuts");
    co_await asio::post(use_awaitable);
    co_return 1;
  };
  auto const late = [&log, t = tracked()]() -> awaitable<int> {
    log.add("late");
    co_return 2;
  };
  auto const before = tracked::alive();
  h.emplace(ctx, [&]() -> awaitable<void> {
    log.add(co_await ended(race(logged(log, "a", until_cancelled()), cuts, late, at_once(3))));
    CHECK(tracked::alive() == before);
  });
  drain(ctx);
  CHECK(log.str() == "a:aborted cuts aborted");
  CHECK(h->clean());
}

TEST_CASE("race: of those that return at once the first in the list wins", "[race][start]") {
  asio::io_context ctx;
  manual_event never;
  host h(ctx, [&]() -> awaitable<void> {
    auto const winner = co_await race(after(never, 1), at_once(2), at_once(3));
    CHECK(winner.index() == 1);
  });
  drain(ctx);
  CHECK(h.clean());
}

TEST_CASE("rule 1: frames and captures of the losers are gone when the race is over",
          "[race][lifetime]") {
  asio::io_context ctx;
  manual_event never;
  manual_event ends;
  auto const loses = [&never, t = tracked()]() -> awaitable<int> {
    tracked const local;
    co_await never.wait();
    co_return 1;
  };
  auto const before = tracked::alive();
  int alive_after = -1;
  host h(ctx, [&]() -> awaitable<void> {
    co_await race(loses, after(ends, 1), after(never, tracked(3)), loses);
    alive_after = tracked::alive();
  });
  drain(ctx);
  CHECK(tracked::alive() > before + 4);
  ends.set();
  drain(ctx);
  CHECK(h.clean());
  CHECK(alive_after == before);
}

TEST_CASE("rule 1: a value that comes too late is destroyed before the race is over",
          "[race][lifetime]") {
  asio::io_context ctx;
  manual_event never;
  manual_event ends;
  auto const loses = [&never, t = tracked()]() -> awaitable<tracked> {
    tracked const local;
    co_await never.wait();
    co_return tracked(1);
  };
  auto const returns_late = [&never, t = tracked()]() -> awaitable<tracked> {
    static_cast<void>(co_await ended(never.wait()));
    co_return tracked(2);
  };
  auto const before = tracked::alive();
  int alive_after = -1;
  host h(ctx, [&]() -> awaitable<void> {
    co_await race(loses, after(ends, 1), returns_late);
    alive_after = tracked::alive();
  });
  drain(ctx);
  CHECK(tracked::alive() > before);
  ends.set();
  drain(ctx);
  CHECK(h.clean());
  CHECK(alive_after == before);
}

TEST_CASE(
    "rule 1: a value of a range that comes too late is destroyed before "
    "the race is over",
    "[race][lifetime]") {
  asio::io_context ctx;
  manual_event never;
  manual_event ends;
  int alive_after = -1;
  host h(ctx, [&]() -> awaitable<void> {
    std::vector<std::function<awaitable<tracked>()>> all;
    all.emplace_back([&never, t = tracked()]() -> awaitable<tracked> {
      static_cast<void>(co_await ended(never.wait()));
      co_return tracked(1);
    });
    all.emplace_back([&ends, t = tracked()] { return after(ends, tracked(2)); });
    auto const winner = co_await race(std::move(all));
    CHECK(winner.index() == 1);
    all.clear();
    alive_after = tracked::alive();
  });
  drain(ctx);
  ends.set();
  drain(ctx);
  CHECK(h.clean());
  CHECK(alive_after == 1);
}

TEST_CASE("B041: one whose operation had completed too does not overwrite the winner", "[race]") {
  asio::io_context ctx;
  manual_event events[2];
  auto const first = GENERATE(0u, 1u);
  event_log log;
  host h(ctx, [&]() -> awaitable<void> {
    auto const winner = co_await race(
        [&]() -> awaitable<int> {
          co_await logged(log, "0", events[0].wait());
          co_return 10;
        },
        [&]() -> awaitable<int> {
          co_await logged(log, "1", events[1].wait());
          co_return 11;
        });
    CHECK(winner.index() == first);
    std::visit([&](int value) { CHECK(value == 10 + static_cast<int>(first)); }, winner);
  });
  drain(ctx);
  events[first].set();
  events[1 - first].set();
  drain(ctx);
  CHECK(log.str() == (first == 0 ? "0 1" : "1 0"));
  CHECK(h.clean());
}

TEST_CASE(
    "rule 9: a loser that ignores its cancellation is waited for and "
    "changes nothing",
    "[race]") {
  asio::io_context ctx;
  manual_event stubborn;
  manual_event ends;
  std::optional<std::size_t> winner;
  host h(ctx, [&]() -> awaitable<void> {
    auto const ignores = [&]() -> awaitable<int> {
      co_await stubborn.wait_ignoring_cancellation();
      co_return 1;
    };
    winner = (co_await race(ignores, after(ends, 2))).index();
  });
  drain(ctx);
  ends.set();
  drain(ctx);
  CHECK_FALSE(winner);
  CHECK(stubborn.waiters() == 1);
  stubborn.set();
  drain(ctx);
  CHECK(winner == 1);
  CHECK(h.clean());
}

TEST_CASE("race: those that end inside their cancellation have ended too", "[race][emission]") {
  asio::io_context ctx;
  manual_event ends;
  event_log log;
  host h(ctx, [&]() -> awaitable<void> {
    auto const winner = co_await race(logged(log, "a", until_cancelled()), after(ends, 2),
                                      logged(log, "c", until_cancelled([&] { log.add("told"); })));
    CHECK(winner.index() == 1);
    log.add("raced");
  });
  drain(ctx);
  ends.set();
  drain(ctx);
  CHECK(log.str() == "a:aborted told c:aborted raced");
  CHECK(h.clean());
}

TEST_CASE("race: one that is never awaited runs nothing and leaves nothing", "[race][lifetime]") {
  bool ran = false;
  {
    auto const member = [&ran, t = tracked()]() -> awaitable<void> {
      ran = true;
      co_return;
    };
    auto const unused = race(member, at_once(tracked(1)));
    CHECK(tracked::alive() > 1);
  }
  CHECK_FALSE(ran);
  CHECK(tracked::alive() == 0);
}

TEST_CASE("race: a range of awaitables is moved in and its winner has a place", "[race][range]") {
  asio::io_context ctx;
  auto const who = GENERATE(0u, 3u, 9u);
  std::vector<manual_event> events(10);
  host h(ctx, [&]() -> awaitable<void> {
    std::vector<awaitable<move_only>> all;
    for (int i = 0; i < 10; ++i) {
      all.push_back(after(events[static_cast<std::size_t>(i)], move_only(100 + i)));
    }
    auto winner = co_await race(std::move(all));
    static_assert(std::is_same_v<decltype(winner), race_result<move_only>>);
    REQUIRE(winner.has_value());
    CHECK(winner);
    CHECK(winner.index() == who);
    CHECK(winner->value == 100 + static_cast<int>(who));
    CHECK((*winner).value == winner.value().value);
    auto const& constant = winner;
    CHECK((*constant).value == constant.value().value);
    CHECK(constant->value == winner->value);
    auto const taken = std::move(winner).value();
    CHECK(taken.value == 100 + static_cast<int>(who));
  });
  drain(ctx);
  events[who].set();
  drain(ctx);
  CHECK(h.clean());
  for (auto const& event : events) {
    CHECK(event.waiters() == 0);
  }
}

TEST_CASE("asio issue 1375: a race of a range of nobody completes and has no winner",
          "[race][range]") {
  asio::io_context ctx;
  event_log log;
  host h(ctx, [&]() -> awaitable<void> {
    auto nobody = co_await race(std::vector<awaitable<int>>());
    CHECK_FALSE(nobody.has_value());
    CHECK_FALSE(nobody);
    CHECK_THROWS_AS(nobody.index(), std::logic_error);
    CHECK_THROWS_AS(nobody.value(), std::logic_error);
    CHECK_THROWS_AS(std::move(nobody).value(), std::logic_error);
    auto nothing = co_await race(std::vector<awaitable<void>>());
    CHECK_THROWS_AS(nothing.index(), std::logic_error);
    log.add("raced");
  });
  drain(ctx);
  CHECK(log.str() == "raced");
  CHECK(h.clean());
  race_result<int> made;
  CHECK_FALSE(made.has_value());
}

TEST_CASE("race: ranges of every kind are taken", "[race][range]") {
  asio::io_context ctx;
  manual_event never;
  run(ctx, [&]() -> awaitable<void> {
    using callable = std::function<awaitable<int>()>;
    std::vector<callable> const kept{[&] { return after(never, 1); }, seven};
    for (int round = 0; round < 2; ++round) {
      auto copied = co_await race(kept);
      CHECK(copied.index() == 1);
      CHECK(copied.value() == 7);
    }
    auto viewed = co_await race(std::span(kept).subspan(1));
    CHECK(viewed.index() == 0);
    std::list<awaitable<void>> listed;
    listed.push_back(never.wait());
    listed.push_back(asio::post(use_awaitable));
    auto nothing = co_await race(std::move(listed));
    CHECK(nothing.index() == 1);
    auto const make = [&](int i) { return i == 2 ? at_once(i) : after(never, i); };
    auto transformed = co_await race(std::views::iota(0, 4) | std::views::transform(make));
    CHECK(transformed.index() == 2);
    CHECK(*transformed == 2);
    awaitable<int> (*const pointers[])() = {seven, seven};
    auto const pointed = co_await race(pointers);
    CHECK(pointed.index() == 0);
  });
}

TEST_CASE("rule 15: the cancellation state of the caller is as before", "[race][outer]") {
  asio::io_context ctx;
  auto const throws = GENERATE(true, false);
  host h(ctx, [&]() -> awaitable<void> {
    co_await asio::this_coro::throw_if_cancelled(throws);
    co_await race(until_cancelled(), at_once(1));
    bool const throws_after_a_win = co_await asio::this_coro::throw_if_cancelled();
    CHECK(throws_after_a_win == throws);
    auto const state = co_await asio::this_coro::cancellation_state;
    CHECK(state.cancelled() == asio::cancellation_type::none);
    static_cast<void>(co_await ended(
        race(until_cancelled(), [&]() -> awaitable<int> { throw std::runtime_error("E1"); })));
    bool const throws_after_an_error = co_await asio::this_coro::throw_if_cancelled();
    CHECK(throws_after_an_error == throws);
    co_await asio::post(use_awaitable);
  });
  drain(ctx);
  CHECK(h.clean());
}

TEST_CASE("race: awaitables of a concrete executor race on it", "[race][executor]") {
  asio::io_context ctx;
  using executor = asio::io_context::executor_type;
  manual_event never;
  run(ctx, [&]() -> awaitable<void, executor> {
    auto const winner = co_await race(after<int, executor>(never, 1),
                                      []() -> awaitable<int, executor> { co_return 2; });
    CHECK(winner.index() == 1);
    std::vector<awaitable<int, executor>> all;
    all.push_back(after<int, executor>(never, 3));
    auto const limited = co_await move_on_after(0ms, race(std::move(all)));
    CHECK(limited.cancelled_caught());
  });
}
