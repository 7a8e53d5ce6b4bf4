// SPDX-License-Identifier: MIT

// Cancellations of an inner and an outer scope, in whatever order they come.

#include "support/asio.hpp"
#include "support/catch.hpp"
#include "support/event_log.hpp"
#include "support/every_turn.hpp"
#include "support/logged.hpp"
#include "support/manual_event.hpp"
#include "support/run.hpp"

#include <asio_cancel_scope.hpp>

using namespace asio_cancel_scope;

namespace {

awaitable<void> hop() {
  co_await asio::post(use_awaitable);
}

}  // namespace

TEST_CASE("rule 16: an outer cancel after the inner one is not swallowed by the inner scope",
          "[with_cancel_scope][nested]") {
  asio::io_context ctx;
  manual_event never;
  manual_event stubborn;
  event_log log;
  cancel_scope<>* outer = nullptr;
  host h(ctx, [&]() -> awaitable<void> {
    auto const result = co_await with_cancel_scope([&](auto& scope) -> awaitable<void> {
      outer = &scope;
      co_await logged(log, "inner", with_cancel_scope([&](auto& nested) -> awaitable<void> {
                        nested.spawn(logged(log, "a", never.wait()));
                        nested.spawn(logged(log, "b", stubborn.wait_ignoring_cancellation()));
                        co_await hop();
                        nested.cancel();
                      }));
      log.add("not reached");
    });
    CHECK(result.cancelled_caught());
    CHECK(result.cause() == cancel_cause::requested);
    CHECK_FALSE(result.has_value());
    log.add("left");
  });
  drain(ctx);
  CHECK(log.str() == "a:aborted");
  outer->cancel();
  drain(ctx);
  CHECK(log.str() == "a:aborted");
  stubborn.set();
  drain(ctx);
  CHECK(log.str() == "a:aborted b inner:aborted left");
  CHECK(h.clean());
}

TEST_CASE("rule 16: an inner cancel after the outer one does not make the inner scope swallow it",
          "[with_cancel_scope][nested]") {
  asio::io_context ctx;
  manual_event never;
  manual_event stubborn;
  event_log log;
  cancel_scope<>* outer = nullptr;
  cancel_scope<>* inner = nullptr;
  host h(ctx, [&]() -> awaitable<void> {
    co_await with_cancel_scope([&](auto& scope) -> awaitable<void> {
      outer = &scope;
      co_await logged(log, "inner", with_cancel_scope([&](auto& nested) -> awaitable<void> {
                        inner = &nested;
                        nested.spawn(logged(log, "a", never.wait()));
                        nested.spawn(logged(log, "b", stubborn.wait_ignoring_cancellation()));
                        co_return;
                      }));
      log.add("not reached");
    });
    log.add("left");
  });
  drain(ctx);
  outer->cancel();
  drain(ctx);
  CHECK(log.str() == "a:aborted");
  CHECK(inner->cause() == cancel_cause::outer);
  inner->cancel();
  CHECK(inner->cause() == cancel_cause::outer);
  stubborn.set();
  drain(ctx);
  CHECK(log.str() == "a:aborted b inner:aborted left");
  CHECK(h.clean());
}

TEST_CASE("rule 16: inner and outer cancelled in one breath end in the outer scope",
          "[with_cancel_scope][nested]") {
  auto const inner_first = GENERATE(true, false);
  asio::io_context ctx;
  manual_event never;
  event_log log;
  host h(ctx, [&]() -> awaitable<void> {
    co_await with_cancel_scope([&](auto& scope) -> awaitable<void> {
      co_await logged(log, "inner", with_cancel_scope([&](auto& nested) -> awaitable<void> {
                        nested.spawn([&]() -> awaitable<void> {
                          co_await hop();
                          if (inner_first) {
                            nested.cancel();
                            scope.cancel();
                          } else {
                            scope.cancel();
                            nested.cancel();
                          }
                        });
                        co_await logged(log, "body", never.wait());
                      }));
      log.add("not reached");
    });
    log.add("left");
    co_await logged(log, "next", hop());
  });
  drain(ctx);
  CHECK(log.str() == "body:aborted inner:aborted left next");
  CHECK(h.clean());
}

TEST_CASE("rule 16: a request from outside passes through every level and comes out once",
          "[with_cancel_scope][nested]") {
  asio::io_context ctx;
  manual_event never;
  event_log log;
  host h(ctx, [&]() -> awaitable<void> {
    co_await logged(log, "3", with_cancel_scope([&](auto&) -> awaitable<void> {
                      co_await logged(log, "2", with_cancel_scope([&](auto&) -> awaitable<void> {
                                        co_await logged(log, "1", never.wait());
                                      }));
                    }));
  });
  drain(ctx);
  h.cancel();
  drain(ctx);
  CHECK(log.str() == "1:aborted 2:aborted 3:aborted");
  CHECK(h.aborted());
}

TEST_CASE("rule 16: at whatever moment the outer scope is cancelled the inner one passes it on",
          "[with_cancel_scope][nested][sweep]") {
  auto const inner_cancels = GENERATE(false, true);
  int passed_on = 0;
  for (int target = 0;; ++target) {
    asio::io_context ctx;
    manual_event never;
    cancel_scope<>* outer = nullptr;
    bool entered = false;
    bool left = false;
    bool threw = false;
    bool outer_left = false;
    int parts = 0;
    int finished = 0;
    auto const hops = [&](int n) -> awaitable<void> {
      for (int i = 0; i < n; ++i) {
        co_await hop();
      }
      ++finished;
    };
    host h(ctx, [&]() -> awaitable<void> {
      co_await with_cancel_scope([&](auto& scope) -> awaitable<void> {
        outer = &scope;
        entered = true;
        try {
          co_await with_cancel_scope([&](auto& nested) -> awaitable<void> {
            parts = 3;
            nested.spawn(hops(2));
            nested.spawn(hops(6));
            co_await hop();
            co_await hop();
            co_await hop();
            if (inner_cancels) {
              nested.cancel();
            }
            ++finished;
          });
        } catch (system_error const&) {
          threw = true;
        }
        left = true;
      });
      outer_left = true;
    });
    int turn = 0;
    bool fired = false;
    bool inside = false;
    every_turn(ctx, [&] {
      if (turn++ == target && outer && !outer_left) {
        fired = true;
        inside = entered && !left;
        outer->cancel();
        return false;
      }
      return !h.done();
    });
    drain(ctx);
    INFO("cancelled in turn " << target);
    REQUIRE(h.clean());
    REQUIRE(outer_left);
    if (fired && inside) {
      CHECK(threw == (parts == 0 || finished < parts));
      passed_on += threw;
    } else {
      CHECK_FALSE(threw);
    }
    if (turn <= target) {
      break;
    }
  }
  CHECK(passed_on >= 3);
}

TEST_CASE("rule 16: a scope inside a scope whose children cancel the outermost one",
          "[with_cancel_scope][nested]") {
  asio::io_context ctx;
  manual_event never;
  event_log log;
  host h(ctx, [&]() -> awaitable<void> {
    co_await with_cancel_scope([&](auto& a) -> awaitable<void> {
      co_await logged(log, "b", with_cancel_scope([&](auto&) -> awaitable<void> {
                        co_await logged(log, "c",
                                        with_cancel_scope([&](auto& c) -> awaitable<void> {
                                          c.spawn([&]() -> awaitable<void> {
                                            a.cancel();
                                            co_await logged(log, "self", hop());
                                          });
                                          co_await logged(log, "body", never.wait());
                                        }));
                      }));
    });
    co_await logged(log, "left", hop());
  });
  drain(ctx);
  CHECK(log.count("body:aborted") == 1);
  CHECK(log.count("self") + log.count("self:aborted") == 0);
  CHECK(log.str().ends_with("c:aborted b:aborted left"));
  CHECK(h.clean());
}
