// SPDX-License-Identifier: MIT

#include "support/asio.hpp"
#include "support/catch.hpp"
#include "support/event_log.hpp"
#include "support/logged.hpp"
#include "support/manual_event.hpp"
#include "support/run.hpp"
#include "support/tracked.hpp"

#include <asio_cancel_scope.hpp>

#include <stdexcept>
#include <string>

using namespace asio_cancel_scope;

namespace {

awaitable<void> checkpoint_here() {
  co_await asio::post(use_awaitable);
}

}  // namespace

TEST_CASE(
    "B096: a host cancelled in the body aborts each part once and joins them before it throws",
    "[with_cancel_scope][outer]") {
  asio::io_context ctx;
  event_log log;
  host h(ctx, [&]() -> awaitable<void> {
    co_await logged(log, "scope", with_cancel_scope([&](auto& scope) -> awaitable<void> {
                      scope.spawn(logged(log, "a", until_cancelled([&] { log.add("told"); })));
                      scope.spawn(logged(log, "b", until_cancelled([&] { log.add("told"); })));
                      co_await logged(log, "body", until_cancelled([&] { log.add("told"); }));
                    }));
  });
  drain(ctx);
  h.cancel();
  drain(ctx);
  CHECK(h.aborted());
  CHECK(log.count("told") == 3);
  CHECK(log.count("a:aborted") == 1);
  CHECK(log.count("b:aborted") == 1);
  CHECK(log.count("body:aborted") == 1);
  CHECK(log.str().ends_with("scope:aborted"));
  CHECK(log.size() == 7);
}

TEST_CASE("B097: a host cancelled while it waits at the exit goes on waiting and then throws",
          "[with_cancel_scope][outer]") {
  asio::io_context ctx;
  manual_event never;
  manual_event stubborn;
  event_log log;
  host h(ctx, [&]() -> awaitable<void> {
    co_await logged(log, "scope", with_cancel_scope([&](auto& scope) -> awaitable<void> {
                      scope.spawn(logged(log, "a", never.wait()));
                      scope.spawn(logged(log, "b", stubborn.wait_ignoring_cancellation()));
                      log.add("body");
                      co_return;
                    }));
  });
  drain(ctx);
  h.cancel();
  drain(ctx);
  CHECK(log.str() == "body a:aborted");
  CHECK_FALSE(h.done());
  stubborn.set();
  drain(ctx);
  CHECK(log.str() == "body a:aborted b scope:aborted");
  CHECK(h.aborted());
}

TEST_CASE("rule 14: the scope waits for children and body that ignore the outer request",
          "[with_cancel_scope][outer]") {
  asio::io_context ctx;
  manual_event first;
  manual_event second;
  event_log log;
  host h(ctx, [&]() -> awaitable<void> {
    co_await logged(log, "scope", with_cancel_scope([&](auto& scope) -> awaitable<void> {
                      scope.spawn(logged(log, "child", first.wait_ignoring_cancellation()));
                      co_await logged(log, "body", second.wait_ignoring_cancellation());
                    }));
    log.add("after");
    co_await checkpoint_here();
    log.add("not reached");
  });
  drain(ctx);
  h.cancel();
  drain(ctx);
  CHECK(log.str() == "");
  first.set();
  drain(ctx);
  CHECK(log.str() == "child");
  CHECK_FALSE(h.done());
  second.set();
  drain(ctx);
  CHECK(log.str() == "child body scope after");
  CHECK(h.aborted());
}

TEST_CASE("B102: when nothing was cut short the scope returns and the next co_await throws",
          "[with_cancel_scope][outer]") {
  asio::io_context ctx;
  event_log log;
  host* self = nullptr;
  host h(ctx, [&]() -> awaitable<void> {
    auto const result = co_await with_cancel_scope([&](auto& scope) -> awaitable<int> {
      scope.spawn([&]() -> awaitable<void> {
        self->cancel();
        log.add("child");
        co_return;
      });
      log.add("body");
      co_return 7;
    });
    CHECK(result.has_value());
    CHECK(result.value() == 7);
    CHECK_FALSE(result.cancelled_caught());
    CHECK(result.cause() == cancel_cause::outer);
    log.add("after");
    co_await checkpoint_here();
    log.add("not reached");
  });
  self = &h;
  drain(ctx);
  CHECK(log.str() == "body child after");
  CHECK(h.aborted());
}

TEST_CASE("rule 14: a part that catches the outer request and ends normally was not cut short",
          "[with_cancel_scope][outer]") {
  asio::io_context ctx;
  event_log log;
  auto const tolerant = [&]() -> awaitable<void> {
    try {
      co_await until_cancelled();
    } catch (system_error const&) {
      log.add("caught");
    }
  };
  host h(ctx, [&]() -> awaitable<void> {
    auto const result = co_await with_cancel_scope([&](auto& scope) -> awaitable<int> {
      scope.spawn(tolerant);
      co_await tolerant();
      co_return 5;
    });
    CHECK(result.value() == 5);
    log.add("after");
    co_await checkpoint_here();
    log.add("not reached");
  });
  drain(ctx);
  h.cancel();
  drain(ctx);
  CHECK(log.str() == "caught caught after");
  CHECK(h.aborted());
}

TEST_CASE("rule 14: a child that never started is cut short", "[with_cancel_scope][outer]") {
  asio::io_context ctx;
  event_log log;
  host* self = nullptr;
  {
    host h(ctx, [&]() -> awaitable<void> {
      co_await logged(log, "scope", with_cancel_scope([&](auto& scope) -> awaitable<void> {
                        scope.spawn([&log, t = tracked()]() -> awaitable<void> {
                          log.add("child");
                          co_return;
                        });
                        self->cancel();
                        log.add("body");
                        co_return;
                      }));
    });
    self = &h;
    drain(ctx);
    CHECK(log.str() == "body scope:aborted");
    CHECK(h.aborted());
  }
  CHECK(tracked::alive() == 0);
}

TEST_CASE("rule 14: a child cancelled through its handle alone does not count",
          "[with_cancel_scope][outer]") {
  asio::io_context ctx;
  manual_event stubborn;
  event_log log;
  host h(ctx, [&]() -> awaitable<void> {
    co_await logged(log, "scope", with_cancel_scope([&](auto& scope) -> awaitable<void> {
                      auto a = scope.spawn(logged(log, "a", until_cancelled()));
                      co_await checkpoint_here();
                      a.cancel();
                      co_await logged(log, "body", stubborn.wait_ignoring_cancellation());
                    }));
    log.add("after");
    co_await checkpoint_here();
  });
  drain(ctx);
  CHECK(log.str() == "a:aborted");
  h.cancel();
  stubborn.set();
  drain(ctx);
  CHECK(log.str() == "a:aborted body scope after");
  CHECK(h.aborted());
}

TEST_CASE(
    "rule 14: the outer request wins when it comes after the scope's own cancel cut something",
    "[with_cancel_scope][outer]") {
  asio::io_context ctx;
  manual_event never;
  manual_event stubborn;
  event_log log;
  host h(ctx, [&]() -> awaitable<void> {
    co_await logged(log, "scope", with_cancel_scope([&](auto& scope) -> awaitable<void> {
                      scope.spawn(logged(log, "a", never.wait()));
                      scope.spawn(logged(log, "b", stubborn.wait_ignoring_cancellation()));
                      co_await checkpoint_here();
                      scope.cancel();
                    }));
  });
  drain(ctx);
  CHECK(log.str() == "a:aborted");
  h.cancel();
  stubborn.set();
  drain(ctx);
  CHECK(log.str() == "a:aborted b scope:aborted");
  CHECK(h.aborted());
}

TEST_CASE("rule 14: an outer request after an own cancel that cut nothing is left to the caller",
          "[with_cancel_scope][outer]") {
  asio::io_context ctx;
  manual_event stubborn;
  event_log log;
  host h(ctx, [&]() -> awaitable<void> {
    auto const result = co_await with_cancel_scope([&](auto& scope) -> awaitable<void> {
      scope.spawn(logged(log, "b", stubborn.wait_ignoring_cancellation()));
      co_await checkpoint_here();
      scope.cancel();
    });
    CHECK_FALSE(result.cancelled_caught());
    CHECK(result.cause() == cancel_cause::requested);
    log.add("after");
    co_await checkpoint_here();
    log.add("not reached");
  });
  drain(ctx);
  h.cancel();
  stubborn.set();
  drain(ctx);
  CHECK(log.str() == "b after");
  CHECK(h.aborted());
}

TEST_CASE("rule 14: an outer request sets the cause and all that tells of a cancellation",
          "[with_cancel_scope][outer]") {
  asio::io_context ctx;
  event_log log;
  bool stopped = false;
  host h(ctx, [&]() -> awaitable<void> {
    co_await with_cancel_scope([&](auto& scope) -> awaitable<void> {
      CHECK_FALSE(scope.cancel_called());
      CHECK(scope.cause() == cancel_cause::none);
      auto const stop = scope.get_stop_token();
      try {
        co_await until_cancelled();
      } catch (system_error const&) {
        CHECK(scope.cancel_called());
        CHECK(scope.cause() == cancel_cause::outer);
        stopped = stop.stop_requested();
        throw;
      }
    });
  });
  drain(ctx);
  h.cancel();
  drain(ctx);
  CHECK(stopped);
  CHECK(h.aborted());
}

TEST_CASE("B107: a child whose wait was satisfied before the outer request keeps the result",
          "[with_cancel_scope][outer]") {
  asio::io_context ctx;
  manual_event ready;
  event_log log;
  host h(ctx, [&]() -> awaitable<void> {
    co_await logged(log, "scope", with_cancel_scope([&](auto& scope) -> awaitable<void> {
                      scope.spawn([&]() -> awaitable<void> {
                        co_await logged(log, "wait", ready.wait());
                        co_await logged(log, "next", checkpoint_here());
                      });
                      co_return;
                    }));
  });
  drain(ctx);
  asio::post(ctx, [&] {
    ready.set();
    h.cancel();
  });
  drain(ctx);
  CHECK(log.str() == "wait scope:aborted");
  CHECK(h.aborted());
}

TEST_CASE("rule 14: a child whose result was ready before the outer request is not cut short",
          "[with_cancel_scope][outer]") {
  asio::io_context ctx;
  manual_event ready;
  event_log log;
  host h(ctx, [&]() -> awaitable<void> {
    co_await logged(log, "scope", with_cancel_scope([&](auto& scope) -> awaitable<void> {
                      scope.spawn(logged(log, "wait", ready.wait()));
                      co_return;
                    }));
    log.add("after");
    co_await checkpoint_here();
  });
  drain(ctx);
  asio::post(ctx, [&] {
    ready.set();
    h.cancel();
  });
  drain(ctx);
  CHECK(log.str() == "wait scope after");
  CHECK(h.aborted());
}

TEST_CASE("rule 14: a real error of a cancelled child comes out instead of the outer request",
          "[with_cancel_scope][outer]") {
  asio::io_context ctx;
  event_log log;
  host h(ctx, [&]() -> awaitable<void> {
    std::string message;
    try {
      co_await with_cancel_scope([&](auto& scope) -> awaitable<void> {
        scope.spawn([&]() -> awaitable<void> {
          try {
            co_await until_cancelled();
          } catch (system_error const&) {
          }
          throw std::runtime_error("E1");
        });
        co_await until_cancelled();
      });
    } catch (std::exception const& e) {
      message = e.what();
    }
    CHECK(message == "E1");
    co_await logged(log, "next", checkpoint_here());
  });
  drain(ctx);
  h.cancel();
  drain(ctx);
  CHECK(h.aborted());
  CHECK(log.str() == "");
}
