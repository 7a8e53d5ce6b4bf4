// SPDX-License-Identifier: MIT
#include <asio_cancel_scope.hpp>

#include "support/asio.hpp"
#include "support/catch.hpp"
#include "support/event_log.hpp"
#include "support/manual_event.hpp"
#include "support/run.hpp"
#include "support/tracked.hpp"
#include "support/tracking_executor.hpp"

#include <atomic>
#include <chrono>
#include <cstddef>
#include <exception>
#include <functional>
#include <memory>
#include <mutex>
#include <numeric>
#include <stdexcept>
#include <string>
#include <thread>
#include <utility>
#include <vector>

using namespace asio_cancel_scope;

namespace {

struct spawns_in_destructor {
  std::function<void()> spawn;
  ~spawns_in_destructor() { spawn(); }
};

awaitable<void> read_later(manual_event& event, std::string text, std::string& out) {
  co_await event.wait();
  out += text;
}

struct session {
  std::string out;
  awaitable<void> serve(manual_event& event, std::string text) {
    co_await event.wait();
    out += text;
  }
};

std::vector<int> up_to(int n) {
  std::vector<int> numbers(static_cast<std::size_t>(n));
  std::iota(numbers.begin(), numbers.end(), 0);
  return numbers;
}

}  // namespace

TEST_CASE("rule 4 B018: spawn never runs the code of the child wherever it is called",
          "[cancel_scope][spawn]") {
  asio::io_context ctx;
  cancel_scope<> scope(ctx);
  int ran = 0;
  int ran_inside = 0;
  int places = 0;
  auto const child = [&]() -> awaitable<void> {
    ++ran;
    co_return;
  };
  auto const no_coroutine = [&] {
    ++ran;
    return []() -> awaitable<void> { co_return; }();
  };
  auto const spawn_all = [&] {
    auto const before = ran;
    scope.spawn(child);
    scope.spawn(no_coroutine);
    scope.spawn(ctx, child);
    scope.spawn(ctx.get_executor(), child);
    scope.spawn(child_options().on(ctx), no_coroutine);
    scope.spawn(asio::make_strand(ctx), child);
    scope.spawn(child, asio::detached);
    ran_inside += ran - before;
    ++places;
  };
  spawn_all();
  asio::post(ctx, spawn_all);
  scope.spawn([&]() -> awaitable<void> {
    spawn_all();
    co_await asio::post(use_awaitable);
    spawn_all();
    spawns_in_destructor const last{spawn_all};
  });
  scope.spawn(child, [&](std::exception_ptr) { spawn_all(); });
  auto told = scope.spawn([&] { return until_cancelled(spawn_all); });
  drain(ctx);
  told.cancel();
  drain(ctx);
  CHECK(places == 7);
  CHECK(ran == 7 * 7 + 1);
  CHECK(ran_inside == 0);
}

TEST_CASE("rule 4: a child starts on its executor", "[cancel_scope][spawn]") {
  asio::io_context ctx;
  asio::io_context other;
  tracking_executor const scopes(1, ctx.get_executor());
  tracking_executor const childs(2, other.get_executor());
  cancel_scope<> scope(scopes);
  std::string seen;
  auto const child = [&]() -> awaitable<void> {
    seen += running_on(1) ? '1' : running_on(2) ? '2' : '-';
    co_await asio::post(use_awaitable);
    seen += running_on(1) ? '1' : running_on(2) ? '2' : '-';
  };
  scope.spawn(child);
  drain(other);
  CHECK(seen.empty());
  drain(ctx);
  CHECK(seen == "11");
  scope.spawn(childs, child);
  drain(ctx);
  CHECK(seen == "11");
  drain(other);
  CHECK(seen == "1122");
  scope.spawn(child_options().on(childs).name("child"), child);
  drain(ctx);
  drain(other);
  CHECK(seen == "112222");
  scope.spawn(other, child);
  drain(ctx);
  CHECK(seen == "112222");
  drain(other);
  CHECK(seen == "112222--");
}

TEST_CASE("rule 4: children of one executor start in the order in which they were spawned",
          "[cancel_scope][spawn]") {
  asio::io_context ctx;
  asio::io_context other;
  std::vector<int> started;
  constexpr int count = 60;
  SECTION("the scope's own executor however it is named") {
    cancel_scope<> scope(ctx);
    auto const spawn_all = [&] {
      for (int i = 0; i < count; ++i) {
        auto child = [&started, i]() -> awaitable<void> {
          started.push_back(i);
          co_await asio::post(use_awaitable);
        };
        switch (i % 6) {
          case 0: scope.spawn(child); break;
          case 1: scope.spawn(scope.get_executor(), child); break;
          case 2: scope.spawn(ctx, child); break;
          case 3: scope.spawn(child, asio::detached); break;
          case 4: scope.spawn(child_options().name("n"), child); break;
          default: scope.spawn(child_options().on(ctx.get_executor()), child); break;
        }
      }
    };
    SECTION("from outside") {
      spawn_all();
    }
    SECTION("from a handler") {
      asio::post(ctx, spawn_all);
    }
    SECTION("from a child") {
      scope.spawn([&]() -> awaitable<void> {
        spawn_all();
        co_await asio::post(use_awaitable);
      });
    }
    drain(ctx);
    CHECK(started == up_to(count));
  }
  SECTION("another executor") {
    cancel_scope<> scope(ctx);
    auto const strand = asio::make_strand(other);
    for (int i = 0; i < count; ++i) {
      auto child = [&started, i]() -> awaitable<void> {
        started.push_back(i);
        co_await asio::post(use_awaitable);
      };
      scope.spawn(strand, child);
      scope.spawn([]() -> awaitable<void> { co_return; });
    }
    drain(ctx);
    CHECK(started.empty());
    drain(other);
    CHECK(started == up_to(count));
  }
  SECTION("children that are spawned while others start come after them") {
    cancel_scope<> scope(ctx);
    for (int i = 0; i < 3; ++i) {
      scope.spawn([&, i]() -> awaitable<void> {
        started.push_back(i);
        scope.spawn([&started, i]() -> awaitable<void> {
          started.push_back(3 + i);
          co_return;
        });
        co_return;
      });
    }
    drain(ctx);
    CHECK(started == up_to(6));
  }
}

TEST_CASE("rule 4: children start in order also when many threads spawn",
          "[cancel_scope][spawn][threads]") {
  constexpr int threads = 4;
  constexpr int each = 250;
  asio::io_context ctx;
  cancel_scope<> scope(ctx);
  auto const while_running = GENERATE(false, true);
  auto work = asio::make_work_guard(ctx);
  std::vector<int> started;
  std::mutex order;
  int next = 0;
  std::atomic<int> finished{0};
  std::vector<std::thread> spawners;
  for (int t = 0; t < threads; ++t) {
    spawners.emplace_back([&] {
      for (int i = 0; i < each; ++i) {
        std::lock_guard const lock(order);
        scope.spawn([&started, number = next++]() -> awaitable<void> {
          started.push_back(number);
          co_return;
        });
      }
      if (++finished == threads) {
        work.reset();
      }
    });
  }
  if (while_running) {
    ctx.run();
  }
  for (auto& t : spawners) {
    t.join();
  }
  drain(ctx);
  CHECK(started == up_to(threads * each));
}

TEST_CASE("B019: what a child captures by value lives as long as the child",
          "[cancel_scope][spawn]") {
  asio::io_context ctx;
  cancel_scope<> scope(ctx);
  manual_event event;
  std::string out;
  session member;
  int calls = 0;
  {
    std::string const gone = "a string that is too long for the small buffer ";
    scope.spawn([&event, &out, gone]() -> awaitable<void> {
      co_await event.wait();
      out += gone;
    });
    scope.spawn(read_later(event, "temporary ", out));
    scope.spawn([&] { return read_later(event, "inner ", out); });
    scope.spawn(std::bind_front(&session::serve, &member, std::ref(event), std::string("member ")));
  }
  // Through a reference wrapper the original is called, so that it must outlive the child.
  auto original = [&, count = 0]() mutable -> awaitable<void> {
    calls = ++count;
    co_await event.wait();
    calls = ++count;
  };
  scope.spawn(std::ref(original));
  drain(ctx);
  CHECK(calls == 1);
  event.set();
  drain(ctx);
  CHECK(calls == 2);
  CHECK(out == "a string that is too long for the small buffer temporary inner ");
  CHECK(member.out == "member ");
  CHECK(scope.size() == 0);
}

TEST_CASE("B020: a move-only callable is spawned", "[cancel_scope][spawn]") {
  asio::io_context ctx;
  cancel_scope<> scope(ctx);
  int sum = 0;
  auto child = [&sum, number = std::make_unique<int>(1),
                other = move_only(2)]() -> awaitable<void> {
    co_await asio::post(use_awaitable);
    sum += *number + other.value;
  };
  scope.spawn(std::move(child));
  auto with_token = [&sum, number = std::make_unique<int>(10)]() -> awaitable<void> {
    co_await asio::post(use_awaitable);
    sum += *number;
  };
  scope.spawn(std::move(with_token),
              [&sum, number = std::make_unique<int>(100)](std::exception_ptr) { sum += *number; });
  drain(ctx);
  CHECK(sum == 113);
}

TEST_CASE("B021: a callable that is no coroutine but returns an awaitable is a child",
          "[cancel_scope][spawn]") {
  asio::io_context ctx;
  cancel_scope<> scope(ctx);
  manual_event event;
  auto waiting = scope.spawn([&] { return event.wait(); });
  auto ready = scope.spawn([] { return []() -> awaitable<int> { co_return 6; }(); });
  drain(ctx);
  CHECK(!waiting.done());
  CHECK(ready.done());
  CHECK(ready.get() == 6);
  event.set();
  drain(ctx);
  CHECK(waiting.done());
}

TEST_CASE("B022: a callable that throws before it returns an awaitable is a child error",
          "[cancel_scope][spawn]") {
  asio::io_context ctx;
  cancel_scope<> scope(ctx);
  auto const error = std::make_exception_ptr(std::runtime_error("E1"));
  auto const throws = [&]() -> awaitable<void> {
    if (error) {
      std::rethrow_exception(error);
    }
    return awaitable<void>();
  };
  SECTION("with a handle") {
    bool thrown_by_spawn = false;
    try {
      scope.spawn(throws);
    } catch (...) {
      thrown_by_spawn = true;
    }
    CHECK(!thrown_by_spawn);
    CHECK(scope.size() == 1);
    std::exception_ptr outcome;
    scope.async_join([&](std::exception_ptr e) { outcome = e; });
    drain(ctx);
    CHECK(outcome == error);
    CHECK(scope.cause() == cancel_cause::child_error);
  }
  SECTION("with a token") {
    std::exception_ptr by_token;
    scope.spawn(throws, [&](std::exception_ptr e) { by_token = e; });
    drain(ctx);
    CHECK(by_token == error);
    CHECK(!scope.cancel_called());
  }
}

TEST_CASE("B024: a plain completion handler may spawn", "[cancel_scope][spawn]") {
  asio::io_context ctx;
  event_log log;
  manual_event event;
  host h(ctx, [&]() -> awaitable<void> {
    co_await with_cancel_scope([&](cancel_scope<>& scope) -> awaitable<void> {
      asio::steady_timer timer(ctx, std::chrono::steady_clock::duration::zero());
      timer.async_wait([&](error_code) {
        scope.spawn([&]() -> awaitable<void> {
          co_await event.wait();
          log.add("child");
        });
        log.add("handler");
      });
      while (log.size() == 0) {
        co_await asio::post(use_awaitable);
      }
    });
    log.add("left");
  });
  drain(ctx);
  CHECK(log.str() == "handler");
  event.set();
  drain(ctx);
  CHECK(log.str() == "handler child left");
}

TEST_CASE("B026: the value of a child whose handle was dropped is dropped with it",
          "[cancel_scope][spawn]") {
  asio::io_context ctx;
  auto const before = tracked::alive();
  bool ran = false;
  cancel_scope<> scope(ctx);
  scope.spawn([&]() -> awaitable<tracked> {
    ran = true;
    co_return tracked();
  });
  drain(ctx);
  CHECK(ran);
  CHECK(tracked::alive() == before);
  {
    auto kept = scope.spawn([]() -> awaitable<tracked> { co_return tracked(); });
    drain(ctx);
    CHECK(tracked::alive() == before + 1);
  }
  CHECK(tracked::alive() == before);
}

TEST_CASE("B028: a child may be given a name", "[cancel_scope][spawn]") {
  asio::io_context ctx;
  cancel_scope<> scope(ctx);
  int ran = 0;
  auto const child = [&]() -> awaitable<void> {
    ++ran;
    co_return;
  };
  scope.spawn(child_options().name("reader"), child);
  scope.spawn(child_options().name("writer").on(asio::make_strand(ctx)), child);
  auto options = child_options();
  options.name("named before").on(ctx);
  scope.spawn(options, child);
  scope.spawn(options, child, asio::detached);
  drain(ctx);
  CHECK(ran == 4);
}
