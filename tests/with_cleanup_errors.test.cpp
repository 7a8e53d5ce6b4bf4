// SPDX-License-Identifier: MIT

// Which error with_cleanup throws when there are two, and what becomes of the other.

#include "support/asio.hpp"
#include "support/catch.hpp"
#include "support/ended.hpp"
#include "support/event_log.hpp"
#include "support/manual_event.hpp"
#include "support/manual_timer.hpp"
#include "support/run.hpp"

#include <asio_cancel_scope.hpp>

#include <chrono>
#include <exception>
#include <memory>
#include <optional>
#include <stdexcept>
#include <string>

using namespace asio_cancel_scope;
using namespace std::chrono_literals;

namespace {

awaitable<void> hop() {
  co_await asio::post(use_awaitable);
}

std::exception_ptr const e1 = std::make_exception_ptr(std::runtime_error("E1"));
std::exception_ptr const e2 = std::make_exception_ptr(std::runtime_error("E2"));

awaitable<void> fails_with(std::exception_ptr e) {
  co_await hop();
  std::rethrow_exception(e);
}

// What is thrown and what goes to the observer.
struct outcome {
  std::exception_ptr thrown;
  std::exception_ptr suppressed;
  int reports = 0;

  auto observer() {
    return [this](std::exception_ptr e) {
      suppressed = e;
      ++reports;
    };
  }

  template <typename T>
  awaitable<void> of(awaitable<T> operation) {
    try {
      co_await std::move(operation);
    } catch (...) {
      thrown = std::current_exception();
    }
  }
};

}  // namespace

TEST_CASE("rule 23: the error of a cleanup is thrown when the work returned",
          "[with_cleanup][error]") {
  outcome out;
  run([&]() -> awaitable<void> {
    co_await out.of(with_cleanup(
        hop, [] { return fails_with(e2); }, out.observer()));
  });
  CHECK(out.thrown == e2);
  CHECK(out.reports == 0);
}

TEST_CASE("rule 23: a real error of the work is thrown itself and that of the cleanup is reported",
          "[with_cleanup][error]") {
  outcome out;
  run([&]() -> awaitable<void> {
    co_await out.of(with_cleanup(
        fails_with(e1), [] { return fails_with(e2); }, out.observer()));
  });
  CHECK(out.thrown == e1);
  CHECK(out.suppressed == e2);
  CHECK(out.reports == 1);
}

TEST_CASE("rule 23: without an observer the error of the cleanup is dropped for a real one",
          "[with_cleanup][error]") {
  manual_clock time;
  outcome out;
  run([&]() -> awaitable<void> {
    co_await out.of(with_cleanup(fails_with(e1), [] { return fails_with(e2); }));
  });
  CHECK(out.thrown == e1);
}

TEST_CASE("rule 23: the error of a cleanup is thrown when the work was cut from outside",
          "[with_cleanup][error]") {
  asio::io_context ctx;
  manual_event never;
  outcome out;
  host h(ctx, [&]() -> awaitable<void> {
    co_await out.of(with_cleanup(
        never.wait(), [] { return fails_with(e2); }, out.observer()));
    co_await hop();
  });
  drain(ctx);
  h.cancel();
  drain(ctx);
  CHECK(out.thrown == e2);
  CHECK(out.reports == 0);
  CHECK(h.aborted());
}

TEST_CASE("rule 23: a real error of work that was also cancelled is still the real one",
          "[with_cleanup][error]") {
  asio::io_context ctx;
  manual_event slow;
  outcome out;
  host h(ctx, [&]() -> awaitable<void> {
    auto const work = [&]() -> awaitable<void> {
      co_await slow.wait_ignoring_cancellation();
      std::rethrow_exception(e1);
    };
    co_await out.of(with_cleanup(
        work, [] { return fails_with(e2); }, out.observer()));
  });
  drain(ctx);
  h.cancel();
  drain(ctx);
  slow.set();
  drain(ctx);
  CHECK(out.thrown == e1);
  CHECK(out.suppressed == e2);
}

TEST_CASE("rule 23: an abort that nobody asked for is a real error of the work",
          "[with_cleanup][error]") {
  outcome out;
  run([&]() -> awaitable<void> {
    auto const own_abort =
        std::make_exception_ptr(system_error(asio::error::operation_aborted, "socket closed"));
    co_await out.of(with_cleanup(
        fails_with(own_abort), [] { return fails_with(e2); }, out.observer()));
    CHECK(out.thrown == own_abort);
    CHECK(out.suppressed == e2);
  });
}

TEST_CASE("rule 23: work that was cut by its own scope has not failed with a real error",
          "[with_cleanup][error]") {
  manual_event never;
  outcome out;
  run([&]() -> awaitable<void> {
    auto const work = [&](auto& scope) -> awaitable<int> {
      scope.cancel();
      co_await never.wait();
      co_return 1;
    };
    co_await out.of(with_cleanup(
        work, [] { return fails_with(e2); }, out.observer()));
  });
  CHECK(out.thrown == e2);
  CHECK(out.reports == 0);
}

TEST_CASE("rule 23: the cleanup is told the very exception that is thrown",
          "[with_cleanup][error]") {
  outcome out;
  std::exception_ptr told;
  run([&]() -> awaitable<void> {
    co_await out.of(with_cleanup(fails_with(e1), [&](std::exception_ptr e) -> awaitable<void> {
      told = e;
      co_await hop();
    }));
  });
  CHECK(told == e1);
  CHECK(out.thrown == e1);
}

TEST_CASE("rule 23: a cleanup that throws before it returns its awaitable has failed",
          "[with_cleanup][error]") {
  outcome out;
  run([&]() -> awaitable<void> {
    auto const cleanup = []() -> awaitable<void> {
      if (true) std::rethrow_exception(e2);
      return hop();
    };
    co_await out.of(with_cleanup(hop, cleanup, out.observer()));
  });
  CHECK(out.thrown == e2);
}

TEST_CASE("B075: what is not a std exception passes through a cleanup", "[with_cleanup][error]") {
  run([&]() -> awaitable<void> {
    int caught = 0;
    try {
      co_await with_cleanup(
          []() -> awaitable<void> {
            throw 42;
            co_return;
          },
          hop);
    } catch (int i) {
      caught = i;
    }
    CHECK(caught == 42);
  });
}

TEST_CASE("rule 23: a value of the work is destroyed when its cleanup fails",
          "[with_cleanup][error]") {
  auto const value = std::make_shared<int>(1);
  outcome out;
  run([&]() -> awaitable<void> {
    auto const work = [&]() -> awaitable<std::shared_ptr<int>> { co_return value; };
    co_await out.of(with_cleanup(work, [] { return fails_with(e2); }));
    CHECK(value.use_count() == 1);
  });
  CHECK(out.thrown == e2);
}

TEST_CASE("rule 23: a cleanup that takes longer than its limit is cut and has timed out",
          "[with_cleanup][timeouts]") {
  manual_clock time;
  asio::io_context ctx;
  manual_event never;
  outcome out;
  event_log log;
  auto const stuck = [&]() -> awaitable<void> {
    log.add("cleanup:" + co_await ended(never.wait()));
    throw system_error(asio::error::operation_aborted);
  };
  std::optional<host> h;
  SECTION("after a value") {
    h.emplace(ctx, [&] { return out.of(with_cleanup(10ms, hop, stuck, out.observer())); });
  }
  SECTION("after a real error") {
    h.emplace(ctx,
              [&] { return out.of(with_cleanup(10ms, fails_with(e1), stuck, out.observer())); });
  }
  SECTION("after a cancellation") {
    h.emplace(ctx, [&] { return out.of(with_cleanup(10ms, never.wait(), stuck, out.observer())); });
    drain(ctx);
    h->cancel();
  }
  drain(ctx);
  // The limit counts from when the cleanup starts.
  CHECK(time.waits() == 1);
  time.advance(10ms - 1ns);
  drain(ctx);
  CHECK(log.str().empty());
  time.advance(1ns);
  drain(ctx);
  CHECK(log.str() == "cleanup:aborted");
  CHECK(h->done());
  if (word_of(out.thrown) == "E1") {
    CHECK(out.thrown == e1);
    CHECK(word_of(out.suppressed) == "timed_out");
  } else {
    CHECK(word_of(out.thrown) == "timed_out");
    CHECK(out.reports == 0);
  }
  CHECK(time.waits() == 0);
}

TEST_CASE("rule 23: the limit is that of the cleanup and not of the work",
          "[with_cleanup][timeouts]") {
  manual_clock time;
  asio::io_context ctx;
  manual_event finish;
  manual_event closed;
  std::optional<int> value;
  host h(ctx, [&]() -> awaitable<void> {
    auto const work = [&]() -> awaitable<int> {
      co_await finish.wait();
      co_return 3;
    };
    value = co_await with_cleanup(10ms, work, [&] { return closed.wait(); });
  });
  drain(ctx);
  CHECK(time.timers_made() == 0);
  time.advance(1h);
  drain(ctx);
  finish.set();
  drain(ctx);
  time.advance(9ms);
  closed.set();
  drain(ctx);
  CHECK(value == 3);
  CHECK(h.clean());
}

TEST_CASE("rule 23: with a limit of zero or less the cleanup does not start and has timed out",
          "[with_cleanup][timeouts]") {
  manual_clock time;
  outcome out;
  bool cleaned = false;
  run([&]() -> awaitable<void> {
    auto const cleanup = [&]() -> awaitable<void> {
      cleaned = true;
      co_return;
    };
    co_await out.of(with_cleanup(0s, hop, cleanup));
  });
  CHECK(word_of(out.thrown) == "timed_out");
  CHECK_FALSE(cleaned);
}
