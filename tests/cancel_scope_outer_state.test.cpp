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

using namespace asio_cancel_scope;
using asio::cancellation_type;

namespace {

awaitable<void> hop() {
  co_await asio::post(use_awaitable);
}

}  // namespace

TEST_CASE("B100: in a host that was cancelled before it reaches the scope nothing starts",
          "[with_cancel_scope][outer]") {
  asio::io_context ctx;
  event_log log;
  host* self = nullptr;
  host h(ctx, [&]() -> awaitable<void> {
    self->cancel();
    co_await logged(log, "scope", with_cancel_scope([&](auto& scope) -> awaitable<void> {
                      log.add("body");
                      scope.spawn(hop());
                      co_return;
                    }));
  });
  self = &h;
  drain(ctx);
  CHECK(log.str() == "");
  CHECK(h.aborted());
}

TEST_CASE("rule 15: a cancelled host with throw_if_cancelled off enters, starts nothing and throws",
          "[with_cancel_scope][outer]") {
  asio::io_context ctx;
  event_log log;
  host* self = nullptr;
  host h(ctx, [&]() -> awaitable<void> {
    co_await asio::this_coro::throw_if_cancelled(false);
    self->cancel();
    co_await logged(log, "scope", with_cancel_scope([&](auto& scope) -> awaitable<void> {
                      log.add("body");
                      scope.spawn(hop());
                      co_return;
                    }));
  });
  self = &h;
  drain(ctx);
  CHECK(log.str() == "scope:aborted");
  CHECK(h.aborted());
}

TEST_CASE("B100: a body that never starts is destroyed before the scope throws",
          "[with_cancel_scope][outer]") {
  asio::io_context ctx;
  int alive_after = -1;
  host* self = nullptr;
  host h(ctx, [&]() -> awaitable<void> {
    co_await asio::this_coro::throw_if_cancelled(false);
    auto const body = [t = tracked()](auto&) -> awaitable<void> { co_return; };
    int const alive_before = tracked::alive();
    self->cancel();
    try {
      co_await with_cancel_scope(body);
    } catch (system_error const&) {
      alive_after = tracked::alive() - alive_before;
    }
  });
  self = &h;
  drain(ctx);
  CHECK(alive_after == 0);
  CHECK(h.clean());
}

TEST_CASE("rule 15: a host cancelled before it reaches the join still waits for the children",
          "[with_cancel_scope][outer]") {
  auto const throwing = GENERATE(true, false);
  asio::io_context ctx;
  manual_event never;
  manual_event stubborn;
  event_log log;
  host* self = nullptr;
  host h(ctx, [&]() -> awaitable<void> {
    co_await asio::this_coro::throw_if_cancelled(throwing);
    co_await logged(log, "scope", with_cancel_scope([&](auto& scope) -> awaitable<void> {
                      scope.spawn(logged(log, "a", never.wait()));
                      scope.spawn(logged(log, "b", stubborn.wait_ignoring_cancellation()));
                      co_await hop();
                      self->cancel();
                      log.add("body");
                      co_return;
                    }));
  });
  self = &h;
  drain(ctx);
  CHECK(log.str() == "body a:aborted");
  CHECK_FALSE(h.done());
  stubborn.set();
  drain(ctx);
  CHECK(log.str() == "body a:aborted b scope:aborted");
  CHECK(h.aborted());
}

TEST_CASE("rule 15: a body that fails while the host is cancelled is reported after the join",
          "[with_cancel_scope][outer]") {
  asio::io_context ctx;
  manual_event stubborn;
  event_log log;
  host* self = nullptr;
  host h(ctx, [&]() -> awaitable<void> {
    co_await logged(log, "scope", with_cancel_scope([&](auto& scope) -> awaitable<void> {
                      scope.spawn(logged(log, "b", stubborn.wait_ignoring_cancellation()));
                      co_await hop();
                      self->cancel();
                      throw std::runtime_error("E1");
                    }));
  });
  self = &h;
  drain(ctx);
  CHECK_FALSE(h.done());
  stubborn.set();
  drain(ctx);
  CHECK(log.str() == "b scope:error");
  CHECK(message_of(h.error()) == "E1");
}

TEST_CASE("rule 15: throw_if_cancelled is afterwards what it was before",
          "[with_cancel_scope][outer]") {
  auto const throwing = GENERATE(true, false);
  auto const end = GENERATE(0, 1, 2, 3);
  asio::io_context ctx;
  bool before = false;
  bool after = false;
  host* self = nullptr;
  host h(ctx, [&]() -> awaitable<void> {
    co_await asio::this_coro::throw_if_cancelled(throwing);
    before = co_await asio::this_coro::throw_if_cancelled();
    try {
      co_await with_cancel_scope([&](auto& scope) -> awaitable<void> {
        co_await asio::this_coro::throw_if_cancelled(!throwing);
        if (end == 1) {
          scope.cancel();
        } else if (end == 2) {
          self->cancel();
        } else if (end == 3) {
          throw std::runtime_error("E1");
        }
        co_await hop();
      });
    } catch (std::exception const&) {
    }
    after = co_await asio::this_coro::throw_if_cancelled();
  });
  self = &h;
  drain(ctx);
  CHECK(h.clean());
  CHECK(before == throwing);
  CHECK(after == throwing);
}

TEST_CASE(
    "rule 15: with throw_if_cancelled off the scope throws for the outer request all the same",
    "[with_cancel_scope][outer]") {
  asio::io_context ctx;
  manual_event never;
  event_log log;
  host h(ctx, [&]() -> awaitable<void> {
    co_await asio::this_coro::throw_if_cancelled(false);
    try {
      co_await logged(log, "scope", with_cancel_scope([&](auto&) -> awaitable<void> {
                        co_await logged(log, "body", never.wait());
                      }));
    } catch (system_error const&) {
    }
    co_await logged(log, "next", hop());
  });
  drain(ctx);
  h.cancel();
  drain(ctx);
  CHECK(log.str() == "body:aborted scope:aborted next");
  CHECK(h.clean());
}

TEST_CASE("rule 15: nothing of an own cancel is left in the host", "[with_cancel_scope][outer]") {
  asio::io_context ctx;
  manual_event never;
  event_log log;
  auto state_after = cancellation_type::all;
  host h(ctx, [&]() -> awaitable<void> {
    for (int i = 0; i < 3; ++i) {
      co_await logged(log, "scope", with_cancel_scope([&](auto& scope) -> awaitable<void> {
                        scope.spawn(never.wait());
                        co_await hop();
                        scope.cancel();
                        co_await never.wait();
                      }));
      asio::cancellation_state const state = co_await asio::this_coro::cancellation_state;
      state_after = state.cancelled();
      co_await logged(log, "next", hop());
    }
  });
  drain(ctx);
  CHECK(log.str() == "scope next scope next scope next");
  CHECK(state_after == cancellation_type::none);
  CHECK(h.clean());
}

TEST_CASE("rule 15: nothing of an outer request is lost in the host that catches what it throws",
          "[with_cancel_scope][outer]") {
  asio::io_context ctx;
  manual_event never;
  event_log log;
  auto state_after = cancellation_type::none;
  host h(ctx, [&]() -> awaitable<void> {
    try {
      co_await logged(log, "scope", with_cancel_scope([&](auto& scope) -> awaitable<void> {
                        scope.spawn(never.wait());
                        co_await never.wait();
                      }));
    } catch (system_error const&) {
    }
    asio::cancellation_state const state = co_await asio::this_coro::cancellation_state;
    state_after = state.cancelled();
    co_await logged(log, "next", hop());
  });
  drain(ctx);
  h.cancel();
  drain(ctx);
  CHECK(log.str() == "scope:aborted");
  CHECK(state_after == cancellation_type::terminal);
  CHECK(h.aborted());
}

TEST_CASE("rule 15: the host's cancellation filter is afterwards what it was before",
          "[with_cancel_scope][outer]") {
  auto const end_by_own_cancel = GENERATE(true, false);
  asio::io_context ctx;
  manual_event never;
  event_log log;
  host h(ctx, [&]() -> awaitable<void> {
    co_await asio::this_coro::reset_cancellation_state(asio::enable_total_cancellation());
    co_await with_cancel_scope([&](auto& scope) -> awaitable<void> {
      scope.spawn(never.wait());
      co_await hop();
      if (end_by_own_cancel) {
        scope.cancel();
      } else {
        co_await asio::this_coro::reset_cancellation_state(asio::disable_cancellation());
        scope.cancel();
        co_await hop();
      }
    });
    log.add("after");
    co_await until_cancelled([&](cancellation_type type) {
      log.add(type == cancellation_type::total ? "total" : "other");
    });
  });
  drain(ctx);
  CHECK(log.str() == "after");
  h.cancel(cancellation_type::total);
  drain(ctx);
  CHECK(log.str() == "after total");
  CHECK(h.aborted());
}

TEST_CASE("rule 15: a host with the default filter still ignores weaker types after a scope",
          "[with_cancel_scope][outer]") {
  asio::io_context ctx;
  event_log log;
  host h(ctx, [&]() -> awaitable<void> {
    co_await with_cancel_scope([&](auto& scope) -> awaitable<void> {
      scope.cancel();
      co_return;
    });
    co_await until_cancelled([&](cancellation_type type) {
      log.add(type == cancellation_type::terminal ? "terminal" : "other");
    });
  });
  drain(ctx);
  h.cancel(cancellation_type::total);
  h.cancel(cancellation_type::partial);
  drain(ctx);
  CHECK(log.str() == "");
  h.cancel();
  drain(ctx);
  CHECK(log.str() == "terminal");
}

TEST_CASE("B120: a scope opened while the host unwinds from a cancellation starts nothing",
          "[with_cancel_scope][outer]") {
  asio::io_context ctx;
  manual_event never;
  event_log log;
  host h(ctx, [&]() -> awaitable<void> {
    bool cancelled = false;
    try {
      co_await never.wait();
    } catch (system_error const&) {
      cancelled = true;
    }
    if (cancelled) {
      co_await logged(log, "cleanup", with_cancel_scope([&](auto&) -> awaitable<void> {
                        log.add("body");
                        co_return;
                      }));
    }
  });
  drain(ctx);
  h.cancel();
  drain(ctx);
  CHECK(log.str() == "");
  CHECK(h.aborted());
}

TEST_CASE("B120: a scope opened after reset_cancellation_state runs in a cancelled host",
          "[with_cancel_scope][outer]") {
  asio::io_context ctx;
  manual_event never;
  event_log log;
  host h(ctx, [&]() -> awaitable<void> {
    try {
      co_await never.wait();
    } catch (system_error const&) {
    }
    co_await asio::this_coro::reset_cancellation_state();
    co_await logged(log, "cleanup", with_cancel_scope([&](auto& scope) -> awaitable<void> {
                      scope.spawn(logged(log, "child", hop()));
                      co_await logged(log, "body", hop());
                    }));
  });
  drain(ctx);
  h.cancel();
  drain(ctx);
  CHECK(log.count("child") + log.count("body") == 2);
  CHECK(log.str().ends_with("cleanup"));
  CHECK(h.clean());
}
