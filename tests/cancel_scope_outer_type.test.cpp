// SPDX-License-Identifier: MIT

#include "support/asio.hpp"
#include "support/catch.hpp"
#include "support/event_log.hpp"
#include "support/logged.hpp"
#include "support/manual_event.hpp"
#include "support/run.hpp"

#include <asio_cancel_scope.hpp>

#include <string>

using namespace asio_cancel_scope;
using asio::cancellation_type;

namespace {

std::string name_of(cancellation_type type) {
  std::string name;
  auto const add = [&](cancellation_type bit, char letter) {
    if ((type & bit) != cancellation_type::none) {
      name += letter;
    }
  };
  add(cancellation_type::terminal, 'T');
  add(cancellation_type::partial, 'P');
  add(cancellation_type::total, 'L');
  return name;
}

// Logs every type of request that it is sent, and ends when it is told to by `end`.
awaitable<void> types_logged(event_log& log, bool const& end) {
  co_await asio::this_coro::reset_cancellation_state(asio::enable_total_cancellation());
  co_await asio::this_coro::throw_if_cancelled(false);
  while (!end) {
    try {
      co_await until_cancelled([&](cancellation_type type) { log.add(name_of(type)); });
    } catch (system_error const&) {
    }
  }
}

awaitable<void> ended_by_any_type(cancellation_type& seen) {
  co_await asio::this_coro::reset_cancellation_state(asio::enable_total_cancellation());
  co_await until_cancelled([&](cancellation_type type) { seen = type; });
}

}  // namespace

TEST_CASE("B103: a request that the host's filter lets through is forwarded with its type",
          "[with_cancel_scope][outer]") {
  auto const type =
      GENERATE(cancellation_type::terminal, cancellation_type::partial, cancellation_type::total);
  asio::io_context ctx;
  event_log log;
  auto child_saw = cancellation_type::none;
  auto body_saw = cancellation_type::none;
  auto host_saw = cancellation_type::none;
  host h(ctx, [&]() -> awaitable<void> {
    co_await asio::this_coro::reset_cancellation_state(asio::enable_total_cancellation());
    try {
      co_await logged(log, "scope", with_cancel_scope([&](auto& scope) -> awaitable<void> {
                        scope.spawn(ended_by_any_type(child_saw));
                        co_await ended_by_any_type(body_saw);
                      }));
    } catch (system_error const&) {
    }
    asio::cancellation_state const state = co_await asio::this_coro::cancellation_state;
    host_saw = state.cancelled();
  });
  drain(ctx);
  h.cancel(type);
  drain(ctx);
  CHECK(h.clean());
  CHECK(log.str() == "scope:aborted");
  CHECK(name_of(child_saw) == name_of(type));
  CHECK(name_of(body_saw) == name_of(type));
  CHECK(name_of(host_saw) == name_of(type));
}

TEST_CASE("B103: a request that the host filters out has no effect", "[with_cancel_scope][outer]") {
  auto const type = GENERATE(cancellation_type::partial, cancellation_type::total);
  asio::io_context ctx;
  manual_event go_on;
  event_log log;
  host h(ctx, [&]() -> awaitable<void> {
    auto const result = co_await with_cancel_scope([&](auto& scope) -> awaitable<void> {
      scope.spawn(logged(log, "child", go_on.wait(cancellation_type::all)));
      co_await logged(log, "body", go_on.wait(cancellation_type::all));
    });
    CHECK(result.cause() == cancel_cause::none);
    co_await logged(log, "after", asio::post(use_awaitable));
  });
  drain(ctx);
  h.cancel(type);
  drain(ctx);
  CHECK(log.str() == "");
  go_on.set();
  drain(ctx);
  CHECK(h.clean());
  CHECK(log.count("child") + log.count("body") + log.count("after") == 3);
}

TEST_CASE("rule 14: a host that switched cancellation off is not cancelled through its scope",
          "[with_cancel_scope][outer]") {
  asio::io_context ctx;
  manual_event go_on;
  event_log log;
  host h(ctx, [&]() -> awaitable<void> {
    co_await asio::this_coro::reset_cancellation_state(asio::disable_cancellation());
    co_await logged(log, "scope", with_cancel_scope([&](auto& scope) -> awaitable<void> {
                      scope.spawn(logged(log, "child", go_on.wait()));
                      co_return;
                    }));
    co_await logged(log, "after", asio::post(use_awaitable));
  });
  drain(ctx);
  h.cancel();
  drain(ctx);
  CHECK(log.str() == "");
  go_on.set();
  drain(ctx);
  CHECK(log.str() == "child scope after");
  CHECK(h.clean());
}

TEST_CASE("rule 14: a type that no part accepts is waited out and left to the caller",
          "[with_cancel_scope][outer]") {
  asio::io_context ctx;
  manual_event go_on;
  event_log log;
  host h(ctx, [&]() -> awaitable<void> {
    co_await asio::this_coro::reset_cancellation_state(asio::enable_total_cancellation());
    co_await logged(log, "scope", with_cancel_scope([&](auto& scope) -> awaitable<void> {
                      scope.spawn(logged(log, "child", go_on.wait()));
                      co_return;
                    }));
    co_await logged(log, "after", asio::post(use_awaitable));
  });
  drain(ctx);
  h.cancel(cancellation_type::total);
  drain(ctx);
  CHECK(log.str() == "");
  go_on.set();
  drain(ctx);
  CHECK(log.str() == "child scope");
  CHECK(h.aborted());
}

TEST_CASE("rule 15: a host cancelled again with a stronger type passes that on too",
          "[with_cancel_scope][outer]") {
  asio::io_context ctx;
  event_log log;
  bool end = false;
  host h(ctx, [&]() -> awaitable<void> {
    co_await asio::this_coro::reset_cancellation_state(asio::enable_total_cancellation());
    co_await with_cancel_scope([&](auto& scope) -> awaitable<void> {
      scope.spawn(types_logged(log, end));
      co_return;
    });
  });
  drain(ctx);
  h.cancel(cancellation_type::total);
  drain(ctx);
  CHECK(log.str() == "L");
  h.cancel(cancellation_type::partial);
  drain(ctx);
  CHECK(log.str() == "L P");
  end = true;
  h.cancel(cancellation_type::terminal);
  drain(ctx);
  CHECK(log.str() == "L P T");
  CHECK(h.clean());
}

TEST_CASE("rule 15: a host cancelled again with a weaker type does not send that",
          "[with_cancel_scope][outer]") {
  asio::io_context ctx;
  event_log log;
  bool end = false;
  host h(ctx, [&]() -> awaitable<void> {
    co_await asio::this_coro::reset_cancellation_state(asio::enable_total_cancellation());
    co_await with_cancel_scope([&](auto& scope) -> awaitable<void> {
      scope.spawn(types_logged(log, end));
      co_return;
    });
  });
  drain(ctx);
  h.cancel(cancellation_type::partial);
  drain(ctx);
  h.cancel(cancellation_type::total);
  drain(ctx);
  CHECK(log.str() == "P");
  end = true;
  h.cancel(cancellation_type::terminal);
  drain(ctx);
  h.cancel(cancellation_type::total);
  drain(ctx);
  CHECK(log.str() == "P T");
  CHECK(h.clean());
}

TEST_CASE("rule 15: a first request that nobody accepts does not hide a second that ends all",
          "[with_cancel_scope][outer]") {
  asio::io_context ctx;
  manual_event never;
  event_log log;
  host h(ctx, [&]() -> awaitable<void> {
    co_await asio::this_coro::reset_cancellation_state(asio::enable_total_cancellation());
    co_await logged(log, "scope", with_cancel_scope([&](auto& scope) -> awaitable<void> {
                      scope.spawn(logged(log, "child", never.wait()));
                      co_await never.wait();
                    }));
  });
  drain(ctx);
  h.cancel(cancellation_type::total);
  drain(ctx);
  CHECK(log.str() == "");
  h.cancel(cancellation_type::terminal);
  drain(ctx);
  CHECK(log.str() == "child:aborted scope:aborted");
  CHECK(h.aborted());
}

TEST_CASE("rule 15: a host cancelled many times tells each part once and throws once",
          "[with_cancel_scope][outer]") {
  asio::io_context ctx;
  manual_event stubborn;
  event_log log;
  host h(ctx, [&]() -> awaitable<void> {
    co_await logged(log, "scope", with_cancel_scope([&](auto& scope) -> awaitable<void> {
                      scope.spawn(logged(log, "a", until_cancelled([&] { log.add("told"); })));
                      co_await logged(log, "body", stubborn.wait_ignoring_cancellation());
                    }));
  });
  drain(ctx);
  for (int i = 0; i < 5; ++i) {
    h.cancel();
    drain(ctx);
  }
  CHECK(log.str() == "told a:aborted");
  CHECK_FALSE(h.done());
  stubborn.set();
  drain(ctx);
  CHECK(log.str() == "told a:aborted body scope:aborted");
  CHECK(h.aborted());
}

TEST_CASE("rule 14: a mask of types counts as its strongest", "[with_cancel_scope][outer]") {
  asio::io_context ctx;
  event_log log;
  bool end = false;
  host h(ctx, [&]() -> awaitable<void> {
    co_await asio::this_coro::reset_cancellation_state(asio::enable_total_cancellation());
    co_await with_cancel_scope([&](auto& scope) -> awaitable<void> {
      scope.spawn(types_logged(log, end));
      co_return;
    });
  });
  drain(ctx);
  h.cancel(cancellation_type::partial | cancellation_type::total);
  drain(ctx);
  CHECK(log.str() == "P");
  end = true;
  h.cancel(cancellation_type::all);
  drain(ctx);
  CHECK(log.str() == "P T");
  CHECK(h.clean());
}
