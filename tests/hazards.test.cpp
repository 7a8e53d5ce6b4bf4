// SPDX-License-Identifier: MIT

// What in Asio bites a library like this one: starting, emitting, completing inside an emission,
// and the state of cancellation. Each hazard has a number, H1 to H16.

#include "support/asio.hpp"
#include "support/catch.hpp"
#include "support/event_log.hpp"
#include "support/logged.hpp"
#include "support/manual_event.hpp"
#include "support/run.hpp"
#include "support/tracked.hpp"
#include "support/wait_for.hpp"

#include <asio_cancel_scope.hpp>

#include <atomic>
#include <exception>
#include <memory>
#include <optional>
#include <stdexcept>
#include <thread>
#include <utility>
#include <vector>

using namespace asio_cancel_scope;
using asio::cancellation_type;

namespace {

awaitable<void> hop() {
  co_await asio::post(use_awaitable);
}

}  // namespace

TEST_CASE("H1: a child that cancels its scope and ends without suspending is not lost",
          "[cancel_scope][hazard]") {
  auto const throws = GENERATE(false, true);
  auto const with_token = GENERATE(false, true);
  asio::io_context ctx;
  cancel_scope<> scope(ctx);
  int outcomes = 0;
  auto const cancels = [&]() -> awaitable<void> {
    scope.cancel();
    if (throws) {
      throw system_error(asio::error::operation_aborted);
    }
    co_return;
  };
  auto const handler = [&](std::exception_ptr error) {
    ++outcomes;
    CHECK(is_aborted(error) == throws);
  };
  if (with_token) {
    scope.spawn(cancels, handler);
  } else {
    scope.spawn(cancels).async_join(handler);
  }
  CHECK_NOTHROW(drain(ctx));
  CHECK(outcomes == 1);
  CHECK(scope.size() == 0);
  run(ctx, [&]() -> awaitable<void> { co_await scope.async_join(use_awaitable); });
  CHECK(scope.cancelled_caught() == throws);
}

TEST_CASE("H1: a body that cancels its scope and ends without suspending is not lost",
          "[with_cancel_scope][hazard]") {
  int const value = run([]() -> awaitable<int> {
    auto result = co_await with_cancel_scope([](auto& scope) -> awaitable<int> {
      scope.cancel();
      co_return 5;
    });
    co_return result.value();
  });
  CHECK(value == 5);
}

TEST_CASE("H1: a child that is cancelled from outside before its first suspension is not lost",
          "[with_cancel_scope][hazard]") {
  asio::io_context ctx;
  host* self = nullptr;
  event_log log;
  host h(ctx, [&]() -> awaitable<void> {
    co_await logged(log, "scope", with_cancel_scope([&](auto& scope) -> awaitable<void> {
                      scope.spawn([&]() -> awaitable<void> {
                        self->cancel();
                        co_return;
                      });
                      co_return;
                    }));
  });
  self = &h;
  CHECK_NOTHROW(drain(ctx));
  CHECK(h.done());
  CHECK(log.str() == "scope");
}

TEST_CASE("H2: a child may spawn, cancel, fail and finish before anything has returned to Asio",
          "[cancel_scope][hazard]") {
  asio::io_context ctx;
  event_log log;
  cancel_scope<> scope(ctx);
  asio::post(ctx, [&] {
    scope.spawn([&]() -> awaitable<void> {
      log.add("a");
      scope.spawn(logged(log, "c", hop()));
      co_return;
    });
    scope.spawn([&]() -> awaitable<void> {
      log.add("b");
      co_await asio::dispatch(use_awaitable);
    });
    log.add("spawned");
  });
  drain(ctx);
  CHECK(log.str() == "spawned a b c");
  scope.spawn([&]() -> awaitable<void> {
    scope.spawn(logged(log, "never", hop()));
    scope.cancel();
    throw std::runtime_error("E1");
    co_return;
  });
  std::exception_ptr outcome;
  scope.async_join([&](std::exception_ptr error) { outcome = error; });
  drain(ctx);
  CHECK(message_of(outcome) == "E1");
  CHECK(log.str() == "spawned a b c");
}

TEST_CASE("H3: whether a child that is cancelled before its start runs is not left to Asio",
          "[cancel_scope][hazard]") {
  auto const on_the_executor = GENERATE(false, true);
  auto const own_executor = GENERATE(false, true);
  auto const by_handle = GENERATE(false, true);
  asio::io_context ctx;
  cancel_scope<> scope(ctx);
  bool ran = false;
  std::exception_ptr outcome;
  auto const attempt = [&] {
    auto const c = [&]() -> awaitable<void> {
      ran = true;
      co_return;
    };
    auto handle = own_executor ? scope.spawn(asio::make_strand(ctx), c) : scope.spawn(c);
    handle.async_join([&](std::exception_ptr error) { outcome = error; });
    if (by_handle) {
      handle.cancel();
    } else {
      scope.cancel();
    }
  };
  if (on_the_executor) {
    asio::post(ctx, attempt);
  } else {
    attempt();
  }
  drain(ctx);
  CHECK_FALSE(ran);
  CHECK(is_aborted(outcome));
  CHECK(scope.size() == 0);
}

TEST_CASE("H4: cancel on another thread acts on the child's own", "[cancel_scope][hazard]") {
  asio::thread_pool pool(2);
  std::atomic<bool> waiting{false};
  std::atomic<bool> on_strand{false};
  auto const strand = asio::make_strand(pool);
  cancel_scope<> scope(pool);
  scope.spawn(strand, [&]() -> awaitable<void> {
    waiting = true;
    co_await until_cancelled([&] { on_strand = strand.running_in_this_thread(); });
  });
  REQUIRE(becomes_true([&] { return waiting.load(); }));
  scope.cancel();
  wait_for(scope.async_join(asio::use_future));
  CHECK(on_strand);
}

TEST_CASE("H5: a child that ends before the emission for it arrives takes nothing down",
          "[cancel_scope][hazard]") {
  auto const own_executor = GENERATE(false, true);
  auto const by_handle = GENERATE(false, true);
  asio::io_context ctx;
  {
    cancel_scope<> scope(ctx);
    std::optional<child<void>> handle;
    if (own_executor) {
      handle = scope.spawn(asio::make_strand(ctx), hop());
    } else {
      handle = scope.spawn(hop());
    }
    ctx.poll_one();
    // From outside: queued behind the child's completion.
    if (by_handle) {
      handle->cancel();
    } else {
      scope.cancel();
    }
    handle.reset();
    drain(ctx);
    CHECK(scope.size() == 0);
  }
  drain(ctx);
}

TEST_CASE("H6: children that complete inside the emission may do anything there",
          "[cancel_scope][hazard]") {
  asio::io_context ctx;
  event_log log;
  cancel_scope<> scope(ctx);
  std::vector<child<void>> handles;
  for (int i = 0; i < 3; ++i) {
    handles.push_back(scope.spawn([&, i]() -> awaitable<void> {
      try {
        co_await until_cancelled([&] {
          scope.cancel();
          static_cast<void>(scope.size());
          static_cast<void>(scope.get_stop_token());
          handles[static_cast<std::size_t>((i + 1) % 3)].cancel();
          auto const refused = scope.spawn(logged(log, "never", hop()));
          CHECK(refused.done());
        });
      } catch (system_error const&) {
        log.add("told");
        throw;
      }
    }));
  }
  int joined = 0;
  scope.async_join([&](std::exception_ptr) { ++joined; });
  drain(ctx);
  asio::post(ctx, [&] { scope.cancel(); });
  drain(ctx);
  CHECK(log.str() == "told told told");
  CHECK(joined == 1);
  CHECK(scope.size() == 0);
}

TEST_CASE("H6: a child's handle and signal may be gone while its emission is under way",
          "[cancel_scope][hazard]") {
  asio::io_context ctx;
  event_log log;
  cancel_scope<> scope(ctx);
  std::optional<child<void>> handle;
  handle = scope.spawn(logged(log, "a", until_cancelled([&] { handle.reset(); })));
  drain(ctx);
  asio::post(ctx, [&] { handle->cancel(); });
  drain(ctx);
  CHECK(log.str() == "a:aborted");
  CHECK(scope.size() == 0);
}

TEST_CASE("H7: a weaker request after a stronger does not erase it in the child",
          "[cancel_scope][hazard]") {
  asio::io_context ctx;
  event_log log;
  manual_event stubborn;
  cancel_scope<> scope(ctx);
  scope.spawn([&]() -> awaitable<void> {
    co_await logged(log, "wait", stubborn.wait_ignoring_cancellation());
    co_await logged(log, "next", hop());
  });
  drain(ctx);
  scope.cancel(cancellation_type::terminal);
  scope.cancel(cancellation_type::total);
  drain(ctx);
  scope.cancel(cancellation_type::partial);
  stubborn.set();
  drain(ctx);
  CHECK(log.str() == "wait");
  CHECK(scope.cancelled_caught());
}

TEST_CASE("H7: a child that switched throw_if_cancelled off is waited for until it ends",
          "[cancel_scope][hazard]") {
  asio::io_context ctx;
  event_log log;
  manual_event go_on;
  cancel_scope<> scope(ctx);
  scope.spawn([&]() -> awaitable<void> {
    co_await asio::this_coro::throw_if_cancelled(false);
    try {
      co_await logged(log, "first", until_cancelled());
    } catch (system_error const&) {
    }
    co_await logged(log, "second", go_on.wait());
  });
  drain(ctx);
  scope.cancel();
  drain(ctx);
  CHECK(log.str() == "first:aborted");
  CHECK(scope.size() == 1);
  go_on.set();
  drain(ctx);
  CHECK(log.str() == "first:aborted second");
  CHECK(scope.size() == 0);
  CHECK_FALSE(scope.cancelled_caught());
}

TEST_CASE("H8: a block in a cancelled host waits for its children before it throws",
          "[with_cancel_scope][hazard]") {
  asio::io_context ctx;
  manual_event stubborn;
  event_log log;
  host h(ctx, [&]() -> awaitable<void> {
    try {
      co_await with_cancel_scope([&](auto& scope) -> awaitable<void> {
        scope.spawn(logged(log, "child", stubborn.wait_ignoring_cancellation()));
        co_await logged(log, "body", until_cancelled());
      });
    } catch (...) {
      log.add("left");
      throw;
    }
  });
  drain(ctx);
  h.cancel();
  drain(ctx);
  CHECK(log.str() == "body:aborted");
  stubborn.set();
  drain(ctx);
  CHECK(log.str() == "body:aborted child left");
  CHECK(h.aborted());
}

TEST_CASE("H9: cancellation errors that are not operation_aborted are swallowed after a cancel",
          "[with_cancel_scope][hazard]") {
  using namespace asio::experimental::awaitable_operators;
  asio::io_context ctx;
  manual_event never;
  bool caught = false;
  run(ctx, [&]() -> awaitable<void> {
    auto const result = co_await with_cancel_scope([&](auto& scope) -> awaitable<void> {
      scope.spawn([&]() -> awaitable<void> { co_await (never.wait() || never.wait()); });
      scope.spawn([&]() -> awaitable<void> {
        try {
          co_await until_cancelled();
        } catch (system_error const&) {
        }
        throw system_error(asio::experimental::error::channel_cancelled);
      });
      scope.spawn([&]() -> awaitable<void> {
        try {
          co_await until_cancelled();
        } catch (system_error const&) {
        }
        throw std::system_error(std::make_error_code(std::errc::operation_canceled));
      });
      co_await hop();
      co_await hop();
      scope.cancel();
    });
    caught = result.cancelled_caught();
  });
  CHECK(caught);
}

TEST_CASE("H9: operation_aborted without a cancellation is an error like any other",
          "[with_cancel_scope][hazard]") {
  asio::io_context ctx;
  event_log log;
  host h(ctx, [&]() -> awaitable<void> {
    co_await with_cancel_scope([&](auto& scope) -> awaitable<void> {
      scope.spawn([]() -> awaitable<void> {
        co_await asio::post(use_awaitable);
        throw system_error(asio::error::operation_aborted);
      });
      try {
        co_await logged(log, "body", until_cancelled());
      } catch (system_error const&) {
        log.add(scope.cause() == cancel_cause::child_error ? "child_error" : "other");
        throw;
      }
    });
  });
  drain(ctx);
  CHECK(h.aborted());
  CHECK(log.str() == "body:aborted child_error");
}
