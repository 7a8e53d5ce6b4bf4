// SPDX-License-Identifier: MIT

// When fail_after throws timed_out and when it does not.

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
#include <optional>
#include <stdexcept>
#include <string>
#include <utility>

using namespace asio_cancel_scope;
using namespace std::chrono_literals;

namespace {

awaitable<void> hop() {
  co_await asio::post(use_awaitable);
}

// A host that awaits `operation` and then something else; how it went.
struct awaiting {
  template <typename Operation>
  awaiting(asio::io_context& ctx, Operation operation)
      : host_(ctx, [this, operation]() -> awaitable<void> {
          word = co_await ended(operation());
          co_await hop();
          went_on = true;
        }) {
    drain(ctx);
  }

  std::string word;
  bool went_on = false;

 private:
  host host_;
};

}  // namespace

TEST_CASE("rule 18: fail_after throws timed_out if its deadline cut the body or a child",
          "[timeouts]") {
  manual_clock time;
  manual_event never;
  asio::io_context ctx;
  SECTION("the body") {
    awaiting a(ctx, [&] { return fail_after(10ms, never.wait()); });
    time.advance(10ms);
    drain(ctx);
    CHECK(a.word == "timed_out");
    CHECK(a.went_on);
  }
  SECTION("a child while the body has its value") {
    auto const work = [&](auto& scope) -> awaitable<int> {
      scope.spawn(never.wait());
      co_return 1;
    };
    awaiting a(ctx, [&] { return fail_after(10ms, work); });
    CHECK(a.word.empty());
    time.advance(10ms);
    drain(ctx);
    CHECK(a.word == "timed_out");
    CHECK(a.went_on);
  }
  SECTION("a child that never started") {
    manual_event slow;
    auto const work = [&](auto& scope) -> awaitable<int> {
      co_await slow.wait_ignoring_cancellation();
      scope.spawn(hop());
      co_return 1;
    };
    awaiting a(ctx, [&] { return fail_after(10ms, work); });
    time.advance(10ms);
    drain(ctx);
    slow.set();
    drain(ctx);
    CHECK(a.word == "timed_out");
    CHECK(a.went_on);
  }
  SECTION("a child of a child") {
    auto const work = [&](cancel_scope<>& scope) -> awaitable<void> {
      scope.spawn([&]() -> awaitable<void> {
        scope.spawn(never.wait());
        co_return;
      });
      co_return;
    };
    awaiting a(ctx, [&] { return fail_after(10ms, work); });
    time.advance(10ms);
    drain(ctx);
    CHECK(a.word == "timed_out");
  }
}

TEST_CASE("rule 18: the error is the system_error of timed_out", "[timeouts]") {
  manual_clock time;
  run([&]() -> awaitable<void> {
    std::exception_ptr error;
    try {
      co_await fail_after(0s, hop());
    } catch (system_error const& e) {
      CHECK(e.code() == asio::error::timed_out);
      CHECK(e.code() != asio::error::operation_aborted);
      error = std::current_exception();
    }
    CHECK(error);
  });
}

TEST_CASE("rule 18: if all finished all the same the value is returned", "[timeouts]") {
  manual_clock time;
  manual_event slow;
  asio::io_context ctx;
  std::optional<int> value;
  host h(ctx, [&]() -> awaitable<void> {
    value = co_await fail_after(10ms, [&](auto& scope) -> awaitable<int> {
      scope.spawn(slow.wait_ignoring_cancellation());
      scope.spawn([&]() -> awaitable<void> { co_await ended(slow.wait()); });
      co_await slow.wait_ignoring_cancellation();
      co_return 8;
    });
    co_await hop();
  });
  drain(ctx);
  time.advance(10ms);
  drain(ctx);
  CHECK_FALSE(h.done());
  slow.set();
  drain(ctx);
  CHECK(value == 8);
  CHECK(h.clean());
}

TEST_CASE("B134: after an own cancel fail_after returns or throws operation_aborted",
          "[timeouts]") {
  manual_clock time;
  manual_event never;
  manual_event slow;
  asio::io_context ctx;
  SECTION("no value is wanted") {
    auto const work = [&](auto& scope) -> awaitable<void> {
      scope.spawn(never.wait());
      co_await hop();
      scope.cancel();
      co_await never.wait();
    };
    awaiting a(ctx, [&] { return fail_after(10ms, work); });
    CHECK(a.word == "value");
    CHECK(a.went_on);
  }
  SECTION("there is no value") {
    auto const work = [&](auto& scope) -> awaitable<int> {
      scope.cancel();
      co_await never.wait();
      co_return 1;
    };
    awaiting a(ctx, [&] { return fail_after(10ms, work); });
    CHECK(a.word == "aborted");
    CHECK(a.went_on);
  }
  SECTION("there is a value although a child was cut") {
    auto const work = [&](auto& scope) -> awaitable<int> {
      scope.spawn(never.wait());
      co_await hop();
      scope.cancel();
      co_return 1;
    };
    awaiting a(ctx, [&] { return fail_after(10ms, work); });
    CHECK(a.word == "value");
    CHECK(a.went_on);
  }
  SECTION("the deadline passes before the scope is left") {
    auto const work = [&](auto& scope) -> awaitable<void> {
      scope.spawn(slow.wait_ignoring_cancellation());
      co_await hop();
      scope.cancel();
      co_await never.wait();
    };
    awaiting a(ctx, [&] { return fail_after(10ms, work); });
    time.advance(10ms);
    drain(ctx);
    slow.set();
    drain(ctx);
    CHECK(a.word == "value");
    CHECK(a.went_on);
  }
}

TEST_CASE("rule 18: move_on_after after an own cancel tells requested", "[timeouts]") {
  manual_clock time;
  manual_event never;
  run([&]() -> awaitable<void> {
    auto const result = co_await move_on_after(10ms, [&](auto& scope) -> awaitable<int> {
      scope.cancel();
      co_await never.wait();
      co_return 1;
    });
    CHECK(result.cancelled_caught());
    CHECK(result.cause() == cancel_cause::requested);
    CHECK_FALSE(result.has_value());
  });
}

TEST_CASE("rule 18: a real error keeps its meaning before and after the deadline",
          "[timeouts][error]") {
  manual_clock time;
  manual_event never;
  manual_event fail_now;
  asio::io_context ctx;
  auto const work = [&](auto& scope) -> awaitable<int> {
    scope.spawn([&]() -> awaitable<void> {
      co_await fail_now.wait_ignoring_cancellation();
      throw std::runtime_error("E1");
    });
    co_await never.wait();
    co_return 1;
  };
  awaiting a(ctx, [&] { return fail_after(10ms, work); });
  SECTION("before") {
    fail_now.set();
    drain(ctx);
    CHECK(a.word == "E1");
    time.advance(10ms);
  }
  SECTION("after") {
    time.advance(10ms);
    drain(ctx);
    fail_now.set();
  }
  SECTION("in the same turn before") {
    fail_now.set();
    time.advance(10ms);
  }
  SECTION("in the same turn after") {
    time.advance(10ms);
    fail_now.set();
  }
  drain(ctx);
  CHECK(a.word == "E1");
  CHECK(a.went_on);
}

TEST_CASE("B127: the deadline and the end of the work in the same turn give the value once",
          "[timeouts]") {
  manual_clock time;
  manual_event finish;
  asio::io_context ctx;
  std::optional<int> value;
  std::string word;
  auto const work = [&](auto& scope) -> awaitable<int> {
    auto handle = scope.spawn([&]() -> awaitable<int> {
      co_await finish.wait();
      co_return 6;
    });
    co_await finish.wait();
    co_await hop();
    co_return handle.get();
  };
  auto const outer = [&]() -> awaitable<int> {
    co_return value.emplace(co_await fail_after(10ms, work));
  };

  SECTION("the work is first and has nothing more to await") {
    auto const short_work = [&]() -> awaitable<int> {
      co_await finish.wait();
      co_return 6;
    };
    awaiting a(ctx, [&] { return fail_after(10ms, short_work); });
    finish.set();
    time.advance(10ms);
    drain(ctx);
    CHECK(a.word == "value");
    CHECK(a.went_on);
  }
  SECTION("the deadline is first but the work had ended already") {
    auto const short_work = [&]() -> awaitable<int> {
      co_await finish.wait();
      co_return 6;
    };
    awaiting a(ctx, [&] { return fail_after(10ms, short_work); });
    time.hold();
    time.advance(10ms);
    finish.set();
    time.release();
    drain(ctx);
    CHECK(a.word == "value");
    CHECK(a.went_on);
  }
  SECTION("the deadline is first and the work has more to await") {
    awaiting a(ctx, outer);
    time.advance(10ms);
    finish.set();
    drain(ctx);
    CHECK(a.word == "timed_out");
    CHECK_FALSE(value);
    CHECK(a.went_on);
  }
  SECTION("the deadline comes between the end of the work and the return of the host") {
    auto const short_work = [&]() -> awaitable<int> {
      co_await finish.wait();
      time.advance(10ms);
      co_return 6;
    };
    awaiting a(ctx, [&] { return fail_after(10ms, short_work); });
    finish.set();
    drain(ctx);
    CHECK(a.word == "value");
    CHECK(a.went_on);
  }
}

TEST_CASE("rule 18: what was told to end before the deadline was not cut by it", "[timeouts]") {
  manual_clock time;
  manual_event never;
  manual_event slow;
  asio::io_context ctx;
  // Told, it takes its time, and then ends by the cancellation.
  auto const cleans_up = [&]() -> awaitable<void> {
    auto const word = co_await ended(never.wait());
    co_await asio::this_coro::reset_cancellation_state(asio::disable_cancellation());
    co_await slow.wait_ignoring_cancellation();
    if (word == "aborted") throw system_error(asio::error::operation_aborted);
  };
  SECTION("a service child that is ending because all work is done") {
    auto const work = [&](auto& scope) -> awaitable<int> {
      scope.spawn(child_options().service(), cleans_up);
      co_await hop();
      co_return 5;
    };
    awaiting a(ctx, [&] { return fail_after(10ms, work); });
    time.advance(10ms);
    drain(ctx);
    CHECK(a.word.empty());
    slow.set();
    drain(ctx);
    CHECK(a.word == "value");
    CHECK(a.went_on);
  }
  SECTION("a child that was cancelled through its handle") {
    auto const work = [&](auto& scope) -> awaitable<int> {
      auto handle = scope.spawn(cleans_up);
      co_await hop();
      handle.cancel();
      co_return 5;
    };
    awaiting a(ctx, [&] { return fail_after(10ms, work); });
    time.advance(10ms);
    drain(ctx);
    CHECK(a.word.empty());
    slow.set();
    drain(ctx);
    CHECK(a.word == "value");
    CHECK(a.went_on);
  }
}
