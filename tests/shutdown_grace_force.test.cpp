// SPDX-License-Identifier: MIT

// How a grace period ends, and what is counted.

#include "support/asio.hpp"
#include "support/catch.hpp"
#include "support/ended.hpp"
#include "support/manual_event.hpp"
#include "support/manual_timer.hpp"
#include "support/run.hpp"

#include <asio_cancel_scope.hpp>

#include <chrono>
#include <optional>
#include <stdexcept>
#include <string>

using namespace asio_cancel_scope;
using namespace std::chrono_literals;

namespace {

constexpr auto all = asio::cancellation_type::all;

awaitable<void> hop() {
  co_await asio::post(use_awaitable);
}

// A block whose body waits, with one graceful child and two that go on until terminal.
struct shutting_down {
  manual_clock time;
  manual_event never;
  asio::io_context ctx;
  cancel_scope<>* scope = nullptr;
  std::optional<scope_result<void>> result;
  std::string word;

  host h{ctx, [this]() -> awaitable<void> {
           word = co_await ended([](shutting_down& self) -> awaitable<void> {
             self.result = co_await with_cancel_scope([&](cancel_scope<>& s) -> awaitable<void> {
               self.scope = &s;
               s.spawn(child_options().graceful(), self.never.wait(all));
               s.spawn(self.never.wait());
               s.spawn(self.never.wait());
               co_await self.never.wait();
             });
           }(*this));
         }};

  shutting_down() { drain(ctx); }

  void shutdown(manual_clock::duration grace) {
    scope->shutdown(grace);
    drain(ctx);
  }

  void advance(manual_clock::duration d) {
    time.advance(d);
    drain(ctx);
  }

  // Two were told total only, and are still there.
  bool waits() const { return word.empty() && scope->size() == 2; }

  bool has_counted(std::size_t finished, std::size_t forced) const {
    return result && result->shutdown_counts().finished() == finished &&
           result->shutdown_counts().forced() == forced;
  }
};

}  // namespace

TEST_CASE("rule 18: when the grace period is over everyone who is still there gets terminal",
          "[shutdown]") {
  shutting_down s;
  s.shutdown(10ms);
  CHECK(s.waits());
  CHECK(s.time.waits() == 1);
  s.advance(10ms);
  CHECK(s.word == "value");
  CHECK(s.has_counted(1, 2));
  CHECK(s.result->cause() == cancel_cause::requested);
}

TEST_CASE("rule 18: a shutdown that is called again forces", "[shutdown]") {
  shutting_down s;
  s.shutdown(1h);
  CHECK(s.waits());
  SECTION("with the same grace") {
    s.shutdown(1h);
  }
  SECTION("with a longer one") {
    s.shutdown(100h);
  }
  SECTION("with none") {
    s.shutdown(0s);
  }
  CHECK(s.word == "value");
  CHECK(s.has_counted(1, 2));
  CHECK(s.time.waits() == 0);
}

TEST_CASE("section 4: a shutdown that asks for nothing new tells nobody again", "[shutdown]") {
  asio::io_context ctx;
  asio::io_context of_child;
  manual_event stubborn;
  cancel_scope<> scope(ctx);
  scope.spawn(of_child, stubborn.wait_ignoring_cancellation());
  drain(of_child);
  scope.shutdown(1h);
  CHECK(drain(of_child) != 0);
  scope.shutdown(1h);
  CHECK(drain(of_child) != 0);
  scope.shutdown(1h);
  CHECK(drain(of_child) == 0);
  stubborn.set();
  drain(of_child);
  CHECK(scope.size() == 0);
}

TEST_CASE("rule 18: a cancel within the grace period forces", "[shutdown]") {
  shutting_down s;
  s.shutdown(1h);
  s.scope->cancel();
  drain(s.ctx);
  CHECK(s.word == "value");
  CHECK(s.has_counted(1, 2));
  CHECK(s.result->cause() == cancel_cause::requested);
}

TEST_CASE("rule 8: a cancel of a weak type within the grace period changes nothing", "[shutdown]") {
  shutting_down s;
  s.shutdown(10ms);
  s.scope->cancel(asio::cancellation_type::total);
  s.scope->cancel(asio::cancellation_type::none);
  drain(s.ctx);
  CHECK(s.waits());
  s.advance(10ms);
  CHECK(s.has_counted(1, 2));
}

TEST_CASE("rule 18: a grace period of zero or less cancels at once", "[shutdown]") {
  shutting_down s;
  SECTION("zero") {
    s.shutdown(0s);
  }
  SECTION("less") {
    s.shutdown(-1h);
  }
  CHECK(s.word == "value");
  CHECK(s.result->cause() == cancel_cause::requested);
  CHECK(s.has_counted(0, 3));
  CHECK(s.time.timers_made() == 0);
}

TEST_CASE("rule 18: a grace period without end does not force", "[shutdown]") {
  shutting_down s;
  s.shutdown(manual_clock::duration::max());
  s.advance(10000h);
  CHECK(s.waits());
  CHECK(s.time.timers_made() == 0);
  s.shutdown(1s);
  CHECK(s.has_counted(1, 2));
}

TEST_CASE("rule 18: a deadline that comes earlier ends the grace period", "[shutdown][deadline]") {
  shutting_down s;
  SECTION("set before") {
    s.scope->cancel_after(10ms);
    s.shutdown(1h);
  }
  SECTION("set within it") {
    s.shutdown(1h);
    s.scope->cancel_after(10ms);
  }
  SECTION("moved within it") {
    s.scope->cancel_after(2h);
    s.shutdown(1h);
    s.scope->cancel_after(10ms);
  }
  CHECK(s.time.waits() <= 1);
  s.advance(10ms - 1ns);
  CHECK(s.waits());
  s.advance(1ns);
  CHECK(s.has_counted(1, 2));
  CHECK(s.result->cause() == cancel_cause::requested);
}

TEST_CASE("rule 18: a deadline that is past ends the grace period at once",
          "[shutdown][deadline]") {
  shutting_down s;
  s.shutdown(1h);
  s.scope->cancel_after(0s);
  drain(s.ctx);
  CHECK(s.has_counted(1, 2));
  CHECK(s.result->cause() == cancel_cause::requested);
}

TEST_CASE("rule 18: a deadline that is later or cleared leaves the grace period as it is",
          "[shutdown][deadline]") {
  shutting_down s;
  SECTION("later") {
    s.scope->cancel_after(1h);
    s.shutdown(10ms);
  }
  SECTION("set within it") {
    s.shutdown(10ms);
    s.scope->cancel_after(1h);
  }
  SECTION("cleared") {
    s.scope->cancel_after(5ms);
    s.shutdown(10ms);
    s.scope->clear_deadline();
  }
  SECTION("cleared twice") {
    s.shutdown(10ms);
    s.scope->clear_deadline();
    s.scope->clear_deadline();
  }
  SECTION("moved later") {
    s.scope->cancel_after(5ms);
    s.shutdown(10ms);
    s.scope->cancel_after(1h);
  }
  s.advance(10ms - 1ns);
  CHECK(s.waits());
  s.advance(1ns);
  CHECK(s.has_counted(1, 2));
}

TEST_CASE("rule 11: a real error within the grace period forces and is thrown",
          "[shutdown][error]") {
  shutting_down s;
  manual_event fail_now;
  s.scope->spawn([&]() -> awaitable<void> {
    co_await fail_now.wait();
    throw std::runtime_error("E1");
  });
  drain(s.ctx);
  s.shutdown(1h);
  fail_now.set();
  drain(s.ctx);
  CHECK(s.word == "E1");
}

TEST_CASE("rule 14: an outer request within the grace period forces and is thrown",
          "[shutdown][outer]") {
  shutting_down s;
  s.shutdown(1h);
  CHECK(s.waits());
  s.h.cancel();
  drain(s.ctx);
  CHECK(s.word == "aborted");
  CHECK(s.time.waits() == 0);
}

TEST_CASE("rule 18: nothing waits for the end of a grace period once all are told terminal",
          "[shutdown][cost]") {
  manual_clock time;
  manual_event slow;
  asio::io_context ctx;
  cancel_scope<> scope(ctx);
  scope.spawn(slow.wait_ignoring_cancellation());
  drain(ctx);
  SECTION("a shutdown after a cancel") {
    scope.cancel();
    scope.shutdown(1h);
  }
  SECTION("a shutdown after a deadline") {
    scope.cancel_after(0s);
    scope.shutdown(1h);
    // The first cause stays.
    CHECK(scope.cause() == cancel_cause::deadline);
  }
  SECTION("a cancel after a shutdown") {
    scope.shutdown(1h);
    scope.cancel();
  }
  SECTION("a shutdown that is called again") {
    scope.shutdown(1h);
    scope.shutdown(1h);
  }
  CHECK(time.waits() == 0);
  slow.set();
  scope.async_join([](std::exception_ptr) {});
  drain(ctx);
}

TEST_CASE("rule 3: a shutdown of a closed scope does nothing", "[shutdown][closed]") {
  manual_clock time;
  asio::io_context ctx;
  cancel_scope<> scope(ctx);
  scope.async_join([](std::exception_ptr) {});
  drain(ctx);
  scope.shutdown(10ms);
  scope.shutdown(0s);
  CHECK_FALSE(scope.cancel_called());
  CHECK(time.timers_made() == 0);
}

TEST_CASE("rule 18: a shutdown when all is done delays nothing", "[shutdown]") {
  manual_clock time;
  asio::io_context ctx;
  run(ctx, [&]() -> awaitable<void> {
    auto const result = co_await with_cancel_scope([&](auto& scope) -> awaitable<int> {
      scope.spawn(hop());
      co_await hop();
      co_await hop();
      scope.shutdown(1h);
      co_return 4;
    });
    CHECK(result.value() == 4);
    CHECK_FALSE(result.cancelled_caught());
    CHECK(result.cause() == cancel_cause::requested);
    CHECK(result.shutdown_counts().finished() == 0);
    CHECK(time.waits() == 0);
  });
}

TEST_CASE("rule 18: the counts grow as children end", "[shutdown][query]") {
  manual_clock time;
  manual_event first;
  manual_event second;
  manual_event slow;
  asio::io_context ctx;
  cancel_scope<> scope(ctx);
  scope.spawn(hop());
  drain(ctx);
  scope.spawn(first.wait());
  scope.spawn(second.wait(), [](std::exception_ptr) {});
  scope.spawn(slow.wait_ignoring_cancellation());
  scope.spawn(child_options().service(), slow.wait_ignoring_cancellation());
  drain(ctx);
  auto const counts = [&] {
    auto const report = scope.shutdown_counts();
    return std::to_string(report.finished()) + " and " + std::to_string(report.forced());
  };
  CHECK(counts() == "0 and 0");
  scope.shutdown(10ms);
  drain(ctx);
  // Neither the child that had ended before nor the service child is ever counted.
  CHECK(counts() == "0 and 0");
  first.set();
  drain(ctx);
  CHECK(counts() == "1 and 0");
  second.set();
  drain(ctx);
  CHECK(counts() == "2 and 0");
  time.advance(10ms);
  drain(ctx);
  CHECK(counts() == "2 and 0");
  slow.set();
  drain(ctx);
  CHECK(counts() == "2 and 1");
  scope.async_join([](std::exception_ptr) {});
  drain(ctx);
  CHECK(counts() == "2 and 1");
}

TEST_CASE("rule 18: without a shutdown nothing is counted", "[shutdown][query]") {
  manual_event never;
  run([&]() -> awaitable<void> {
    auto const result = co_await with_cancel_scope([&](auto& scope) -> awaitable<void> {
      scope.spawn(never.wait());
      co_await hop();
      scope.cancel();
      CHECK(scope.shutdown_counts().forced() == 0);
    });
    CHECK(result.shutdown_counts().finished() == 0);
    CHECK(result.shutdown_counts().forced() == 0);
  });
}

TEST_CASE("rule 18: a limit that shuts down is no expiry", "[shutdown][timeouts]") {
  manual_clock time;
  manual_event never;
  asio::io_context ctx;
  std::string word;
  host h(ctx, [&]() -> awaitable<void> {
    word = co_await ended(fail_after(10ms, [&](auto& scope) -> awaitable<void> {
      scope.spawn(never.wait());
      co_await hop();
      scope.shutdown(1h);
      co_await never.wait();
    }));
  });
  drain(ctx);
  time.advance(10ms);
  drain(ctx);
  CHECK(word == "value");
}
