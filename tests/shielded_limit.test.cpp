// SPDX-License-Identifier: MIT

// Shields with a limit, and in one another.

#include "support/asio.hpp"
#include "support/catch.hpp"
#include "support/ended.hpp"
#include "support/event_log.hpp"
#include "support/manual_event.hpp"
#include "support/manual_timer.hpp"
#include "support/run.hpp"

#include <asio_cancel_scope.hpp>

#include <chrono>
#include <optional>

using namespace asio_cancel_scope;
using namespace std::chrono_literals;

namespace {

awaitable<void> hop() {
  co_await asio::post(use_awaitable);
}

}  // namespace

TEST_CASE("rule 22: a shield with a limit cuts what takes longer and throws timed_out",
          "[shielded][timeouts]") {
  manual_clock time;
  manual_event never;
  manual_event slow;
  asio::io_context ctx;
  event_log log;
  bool const cancelled = GENERATE(true, false);
  host h(ctx, [&]() -> awaitable<void> {
    log.add(co_await ended(shielded(10ms, [&](auto& scope) -> awaitable<int> {
      scope.spawn(never.wait());
      co_return 1;
    })));
    log.add("after");
    co_await hop();
    log.add("went on");
  });
  drain(ctx);
  if (cancelled) h.cancel();
  time.advance(10ms - 1ns);
  drain(ctx);
  CHECK(log.str().empty());
  time.advance(1ns);
  drain(ctx);
  CHECK(log.str() == (cancelled ? "timed_out after" : "timed_out after went on"));
  CHECK(h.aborted() == cancelled);
}

TEST_CASE("rule 22: a shield whose limit cut nothing gives the value", "[shielded][timeouts]") {
  manual_clock time;
  manual_event slow;
  asio::io_context ctx;
  std::optional<int> value;
  bool const too_late = GENERATE(true, false);
  host h(ctx, [&]() -> awaitable<void> {
    value = co_await shielded(10ms, [&]() -> awaitable<int> {
      co_await slow.wait_ignoring_cancellation();
      co_return 6;
    });
  });
  drain(ctx);
  time.advance(too_late ? 20ms : 5ms);
  drain(ctx);
  slow.set();
  drain(ctx);
  CHECK(value == 6);
  CHECK(h.clean());
  CHECK(time.waits() == 0);
}

TEST_CASE("rule 22: with a limit of zero or less the work never starts", "[shielded][timeouts]") {
  manual_clock time;
  asio::io_context ctx;
  bool started = false;
  run(ctx, [&]() -> awaitable<void> {
    auto const work = [&]() -> awaitable<void> {
      started = true;
      co_return;
    };
    event_log log;
    log.add(co_await ended(shielded(0s, work)));
    log.add(co_await ended(shielded(-1h, work)));
    CHECK(log.str() == "timed_out timed_out");
  });
  CHECK_FALSE(started);
}

TEST_CASE("rule 22: a shield in a shield and a limit in a shield", "[shielded][nested]") {
  manual_clock time;
  manual_event never;
  asio::io_context ctx;
  event_log log;
  host h(ctx, [&]() -> awaitable<void> {
    log.add(co_await ended(shielded([&]() -> awaitable<void> {
      log.add(co_await ended(fail_after(10ms, shielded(20ms, never.wait()))));
      log.add(co_await ended(fail_after(10ms, never.wait())));
    })));
    co_await hop();
  });
  drain(ctx);
  h.cancel();
  drain(ctx);
  time.advance(10ms);
  drain(ctx);
  CHECK(log.str().empty());
  time.advance(10ms);
  drain(ctx);
  // The inner shield kept the limit of 10 ms from its work; that limit had cut nothing, as the
  // shield ended with an error of its own.
  CHECK(log.str() == "timed_out");
  time.advance(10ms);
  drain(ctx);
  CHECK(log.str() == "timed_out timed_out value");
  CHECK(h.aborted());
}
