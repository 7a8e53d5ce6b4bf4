// SPDX-License-Identifier: MIT

// Races and gathers whose context is destroyed, that nest deeply, and that get no memory.

#include "support/allocation_hooks.hpp"
#include "support/asio.hpp"
#include "support/catch.hpp"
#include "support/destroyed_at_every_step.hpp"
#include "support/ended.hpp"
#include "support/manual_event.hpp"
#include "support/run.hpp"
#include "support/tracked.hpp"

#include <asio_cancel_scope.hpp>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <new>
#include <optional>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

using namespace asio_cancel_scope;

namespace {

awaitable<tracked> hops(int n) {
  tracked const local;
  for (int i = 0; i < n; ++i) {
    co_await asio::post(use_awaitable);
  }
  co_return tracked(n);
}

awaitable<tracked> late(manual_event& event) {
  tracked const local;
  static_cast<void>(co_await ended(event.wait()));
  co_return co_await shielded([] { return hops(2); });
}

awaitable<tracked> fails_after(int n) {
  tracked const local;
  static_cast<void>(co_await hops(n));
  throw std::runtime_error("E1");
}

std::vector<std::function<awaitable<tracked>()>> some_hops(manual_event& event) {
  std::vector<std::function<awaitable<tracked>()>> all;
  all.emplace_back([&event, t = tracked()] { return late(event); });
  all.emplace_back([t = tracked()] { return hops(3); });
  return all;
}

// Runs `body` in a host that is cancelled at the end.
struct scenario_base {
  manual_event never;
  bool done = false;
  asio::io_context ctx;
  asio::io_context other;

  bool step() { return step_one(ctx, other); }
  bool finished() const { return done; }
};

// How far the stack reaches.
class stack_depth {
 public:
  void measure() {
    auto const here = reinterpret_cast<std::uintptr_t>(__builtin_frame_address(0));
    if (lowest_ == 0) lowest_ = highest_ = here;
    lowest_ = std::min(lowest_, here);
    highest_ = std::max(highest_, here);
  }

  std::size_t bytes() const { return highest_ - lowest_; }

 private:
  std::uintptr_t lowest_ = 0;
  std::uintptr_t highest_ = 0;
};

constexpr std::size_t modest = 1600 * 1024;

struct nest {
  static constexpr int levels = 2000;

  manual_event innermost;
  manual_event never;
  stack_depth stack;
  int deepest = 0;
  int left = 0;

  awaitable<int> enter_race(int depth) {
    tracked const local;
    stack.measure();
    deepest = std::max(deepest, depth);
    if (depth == levels) {
      co_await innermost.wait();
      co_return depth;
    }
    auto const winner = co_await race(enter_race(depth + 1), never.wait());
    stack.measure();
    ++left;
    co_return std::get<0>(winner);
  }

  awaitable<int> enter_gather(int depth) {
    tracked const local;
    stack.measure();
    deepest = std::max(deepest, depth);
    if (depth == levels) {
      co_await innermost.wait();
      co_return depth;
    }
    auto const values = co_await gather(enter_gather(depth + 1), asio::post(use_awaitable));
    stack.measure();
    ++left;
    co_return std::get<0>(values);
  }

  awaitable<int> enter(bool gathers) { return gathers ? enter_gather(0) : enter_race(0); }
};

}  // namespace

TEST_CASE("rule 19: races destroyed at every step", "[race][shutdown]") {
  struct scenario : scenario_base {
    host h{ctx, [this]() -> awaitable<void> {
             tracked const local;
             auto const loses = [this, t = tracked()] { return late(never); };
             auto const won = co_await race(loses, race(hops(3), late(never)), never.wait());
             auto const ranged = co_await race(some_hops(never));
             auto const word = co_await ended(race(loses, fails_after(2)));
             done = won.index() == 1 && ranged.index() == 1 && word == "E1";
           }};
  };
  CHECK(destroyed_at_every_step<scenario>() > 15);
}

TEST_CASE("rule 19: gathers destroyed at every step", "[gather][shutdown]") {
  struct scenario : scenario_base {
    host h{ctx, [this]() -> awaitable<void> {
             tracked const local;
             auto const named = [t = tracked()] { return hops(2); };
             auto const values = co_await gather(named, gather(hops(3), named), hops(0));
             auto const word = co_await ended(gather(late(never), fails_after(2), hops(1)));
             std::vector<awaitable<tracked>> all;
             for (int i = 0; i < 3; ++i) {
               all.push_back(hops(i));
             }
             auto const ranged = co_await gather(std::move(all));
             done = word == "E1" && std::get<2>(values).value == 0 && ranged.size() == 3;
           }};
  };
  CHECK(destroyed_at_every_step<scenario>() > 12);
}

TEST_CASE("rule 19: cancelled races and gathers destroyed at every step",
          "[race][gather][shutdown]") {
  struct scenario : scenario_base {
    host h{ctx, [this]() -> awaitable<void> {
             tracked const local;
             auto const waits = [t = tracked()]() -> awaitable<tracked> {
               co_await until_cancelled();
               co_return tracked(1);
             };
             try {
               co_await race(waits, gather(late(never), waits), waits);
             } catch (system_error const&) {
               done = true;
             }
           }};
    scenario() {
      asio::post(ctx, [this] { asio::post(ctx, [this] { h.cancel(); }); });
    }
  };
  CHECK(destroyed_at_every_step<scenario>() > 5);
}

TEST_CASE("rule 19: a race that is a child elsewhere destroyed at every step", "[race][shutdown]") {
  struct scenario : scenario_base {
    host h{ctx, [this]() -> awaitable<void> {
             tracked const local;
             co_await with_cancel_scope([&](auto& scope) -> awaitable<void> {
               scope.spawn(other, race(late(never), hops(3)));
               scope.spawn(gather(hops(2), hops(3)));
               co_await hops(1);
             });
             done = true;
           }};
  };
  CHECK(destroyed_at_every_step<scenario>() > 8);
}

TEST_CASE("rule 4: two thousand nested races and gathers are entered and left on a modest stack",
          "[race][gather][depth]") {
  auto const gathers = GENERATE(false, true);
  asio::io_context ctx;
  nest n;
  std::optional<int> value;
  host h(ctx, [&]() -> awaitable<void> { value = co_await n.enter(gathers); });
  drain(ctx);
  CHECK(n.deepest == nest::levels);
  n.innermost.set();
  drain(ctx);
  CHECK(h.clean());
  CHECK(value == nest::levels);
  CHECK(n.left == nest::levels);
  CHECK(n.never.waiters() == 0);
  CHECK(n.stack.bytes() < modest);
  CHECK(tracked::alive() == 0);
}

TEST_CASE("rule 7: two thousand nested races and gathers are cancelled on a modest stack",
          "[race][gather][depth]") {
  auto const gathers = GENERATE(false, true);
  asio::io_context ctx;
  nest n;
  host h(ctx, [&]() -> awaitable<void> {
    auto const value = co_await n.enter(gathers);
    CHECK(value == 0);
  });
  drain(ctx);
  REQUIRE(n.deepest == nest::levels);
  asio::post(ctx, [&] { h.cancel(); });
  drain(ctx);
  CHECK(h.aborted());
  CHECK(n.left == 0);
  CHECK(n.stack.bytes() < modest);
  CHECK(tracked::alive() == 0);
}

TEST_CASE("rule 19: two thousand nested races and gathers are destroyed with their context",
          "[race][gather][depth]") {
  auto const gathers = GENERATE(false, true);
  nest n;
  {
    asio::io_context ctx;
    host h(ctx, [&]() -> awaitable<void> { static_cast<void>(co_await n.enter(gathers)); });
    drain(ctx);
    REQUIRE(n.deepest == nest::levels);
  }
  CHECK(tracked::alive() == 0);
}

namespace {

// Asio cannot cope with an initiation that throws, nor with a coroutine that fails when there is no
// memory to post with. So what is started has memory to spare, runs on an executor that needs none
// to dispatch, and is not told.
using plain_executor = asio::io_context::executor_type;

class wait_with_memory {
 public:
  explicit wait_with_memory(manual_event& event)
      : event_(event), left_(std::exchange(allocation_hooks::left, allocation_hooks::never)) {}

  template <typename Handler>
  void operator()(Handler&& handler) const {
    event_.async_wait(std::forward<Handler>(handler), asio::cancellation_type::none);
    allocation_hooks::left = left_;
  }

 private:
  manual_event& event_;
  long left_;
};

awaitable<int, plain_executor> after(manual_event& event) {
  tracked const local;
  wait_with_memory const wait(event);
  asio::use_awaitable_t<plain_executor> token;
  co_await asio::async_initiate<decltype(token), void(error_code)>(wait, token);
  co_return 1;
}

auto callable(manual_event& event) {
  return [&event, t = tracked()] {
    auto const left = std::exchange(allocation_hooks::left, allocation_hooks::never);
    auto made = after(event);
    allocation_hooks::left = left;
    return made;
  };
}

// Asio 1.28.1 to 1.30.1 terminates if there is still no memory when it destroys a coroutine for
// want of it.
constexpr long failures_in_a_row =
    ACS_TEST_ASIO_VERSION >= 102801 && ACS_TEST_ASIO_VERSION < 103002 ? 1 : allocation_hooks::never;

// Awaits what `make` gives with the kth allocation of its start failing, and those that follow it,
// for every k until none fails.
template <typename Make>
void fails_at_every_allocation(Make make) {
  int failures = 0;
  bool all_done = false;
  long k = -1;
  while (!all_done) {
    REQUIRE(++k < 200);
    asio::io_context ctx;
    manual_event event;
    std::string how;
    host h(ctx.get_executor(), [&]() -> awaitable<void, plain_executor> {
      asio::post(ctx, [&] {
        all_done = allocation_hooks::failed == 0;
        allocation_hooks::left = allocation_hooks::never;
        event.set();
      });
      try {
        allocation_hooks::failures_after const failure(k, failures_in_a_row);
        static_cast<void>(co_await make(event));
        how = "value";
      } catch (std::bad_alloc const&) {
        how = "no memory";
      } catch (...) {
        how = word_of(std::current_exception());
      }
    });
    // Where Asio has no memory to tell of the end of a coroutine it throws out of run() and tells
    // nobody: that part is lost.
    bool lost = false;
    try {
      drain(ctx);
    } catch (std::bad_alloc const&) {
      lost = true;
      allocation_hooks::left = allocation_hooks::never;
      drain(ctx);
    }
    INFO("allocation " << k << " fails");
    auto const as_it_may =
        all_done ? how == "value" : how == "no memory" || (lost && how == "aborted");
    CHECK(as_it_may);
    CHECK(h.clean());
    CHECK(event.waiters() == 0);
    CHECK(tracked::alive() == 0);
    failures += !all_done;
  }
  CHECK(failures > 5);
}

std::vector<std::function<awaitable<int, plain_executor>()>> three(manual_event& event) {
  return {3, callable(event)};
}

}  // namespace

TEST_CASE("rule 21: a race without memory throws and leaves nothing", "[race][memory]") {
  SECTION("of a list") {
    fails_at_every_allocation([](manual_event& event) {
      auto const one = callable(event);
      return race(one, after(event), one);
    });
  }
  SECTION("of a range") {
    fails_at_every_allocation([](manual_event& event) { return race(three(event)); });
  }
}

TEST_CASE("rule 21: a gather without memory throws and leaves nothing", "[gather][memory]") {
  SECTION("of a list") {
    fails_at_every_allocation([](manual_event& event) {
      auto const one = callable(event);
      return gather(one, after(event), one);
    });
  }
  SECTION("of a range") {
    fails_at_every_allocation([](manual_event& event) { return gather(three(event)); });
  }
}
