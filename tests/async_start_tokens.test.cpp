// SPDX-License-Identifier: MIT

// async_start with all kinds of tokens, in all kinds of places, and where it cannot start anything.

#include "support/asio.hpp"
#include "support/catch.hpp"
#include "support/ended.hpp"
#include "support/event_log.hpp"
#include "support/logged.hpp"
#include "support/manual_event.hpp"
#include "support/run.hpp"
#include "support/tracked.hpp"
#include "support/tracking_executor.hpp"
#include "support/wait_for.hpp"

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

struct failure : std::runtime_error {
  using std::runtime_error::runtime_error;
};

awaitable<void> hop() {
  co_await asio::post(use_awaitable);
}

awaitable<int> ready_with(int value, ready_signal<int> ready, manual_event& stop) {
  co_await hop();
  ready(value);
  co_await stop.wait();
  co_return value + 1;
}

bool says_closed(std::exception_ptr const& error) {
  try {
    if (error) std::rethrow_exception(error);
  } catch (std::logic_error const& e) {
    return std::string(e.what()).find("closed") != std::string::npos;
  } catch (...) {
  }
  return false;
}

void close(asio::io_context& ctx, cancel_scope<>& scope) {
  bool joined = false;
  scope.async_join([&](std::exception_ptr) { joined = true; });
  drain(ctx);
  REQUIRE(joined);
}

}  // namespace

TEST_CASE("conventions: async_start takes use_future", "[async_start][token]") {
  asio::io_context ctx;
  cancel_scope<> scope(ctx);
  manual_event stop;
  auto value = scope.async_start<int>(
      [&](ready_signal<int> ready) { return ready_with(5, ready, stop); }, asio::use_future);
  auto fails = scope.async_start<int>(
      [&](ready_signal<int>) -> awaitable<void> {
        co_await hop();
        throw failure("E1");
      },
      asio::use_future);
  drain(ctx);
  // Asio sets a future on a thread of its own.
  CHECK(wait_for(std::move(value)) == 5);
  CHECK_THROWS_AS(wait_for(std::move(fails)), failure);
  CHECK(scope.size() == 1);
  stop.set();
  drain(ctx);
  CHECK(scope.size() == 0);
  CHECK_FALSE(scope.cancel_called());
}

TEST_CASE("conventions: async_start takes as_tuple", "[async_start][token]") {
  asio::io_context ctx;
  cancel_scope<> scope(ctx);
  run(ctx, [&]() -> awaitable<void> {
    auto const [e, value] = co_await scope.async_start<int>(
        [&](ready_signal<int> ready) -> awaitable<void> {
          ready(6);
          co_return;
        },
        compat::as_tuple(use_awaitable));
    CHECK_FALSE(e);
    CHECK(value == 6);
  });
}

TEST_CASE("conventions: a deferred start takes place when it is launched", "[async_start][token]") {
  asio::io_context ctx;
  cancel_scope<> scope(ctx);
  int started = 0;
  int heard = 0;
  auto later = scope.async_start<int>(
      [&](ready_signal<int> ready) -> awaitable<void> {
        ++started;
        ready(6);
        co_return;
      },
      compat::deferred);
  drain(ctx);
  CHECK(started == 0);
  CHECK(scope.size() == 0);
  std::move(later)([&](std::exception_ptr, int v) { heard = v; });
  drain(ctx);
  CHECK(started == 1);
  CHECK(heard == 6);
}

TEST_CASE("conventions: the handler of a start runs on its own executor", "[async_start][token]") {
  asio::io_context ctx;
  asio::io_context elsewhere;
  cancel_scope<> scope(ctx);
  bool const fails = GENERATE(false, true);
  int heard = 0;
  scope.async_start(
      [&](ready_signal<> ready) -> awaitable<void> {
        if (fails) throw std::runtime_error("E1");
        ready();
        co_return;
      },
      asio::bind_executor(elsewhere, [&](std::exception_ptr e) { heard += e ? 100 : 1; }));
  drain(ctx);
  CHECK(heard == 0);
  drain(elsewhere);
  CHECK(heard == (fails ? 100 : 1));
}

TEST_CASE("rule 21: a pending start keeps the contexts of child and handler running",
          "[async_start][token]") {
  asio::io_context ctx;
  asio::io_context elsewhere;
  cancel_scope<> scope(ctx);
  std::optional<ready_signal<>> kept;
  scope.async_start(
      [&](ready_signal<> ready) -> awaitable<void> {
        kept = ready;
        co_await until_cancelled();
      },
      asio::bind_executor(elsewhere, [](std::exception_ptr) {}));
  drain(ctx);
  elsewhere.restart();
  elsewhere.poll();
  CHECK_FALSE(elsewhere.stopped());
  asio::post(ctx, [&] { (*kept)(); });
  drain(ctx);
  drain(elsewhere);
  elsewhere.restart();
  elsewhere.poll();
  CHECK(elsewhere.stopped());
  ctx.restart();
  ctx.poll();
  CHECK_FALSE(ctx.stopped());
  scope.cancel();
  drain(ctx);
}

TEST_CASE("B179: a start may have an executor or a context or options", "[async_start][executor]") {
  asio::io_context ctx;
  asio::io_context other;
  cancel_scope<> scope(ctx);
  tracking_executor<> const tracking(1, other.get_executor());
  bool on_it = false;
  bool handler_on_it = false;
  auto const f = [&](ready_signal<int> ready) -> awaitable<void> {
    on_it = running_on(1);
    ready(8);
    co_return;
  };
  int value = 0;
  auto const heard = [&](std::exception_ptr, int v) {
    value = v;
    handler_on_it = running_on(1);
  };
  SECTION("an executor") {
    scope.async_start<int>(asio::any_io_executor(tracking), f, heard);
    drain(ctx);
    CHECK(value == 0);
    drain(other);
    CHECK(on_it);
    CHECK(handler_on_it);
  }
  SECTION("child_options with an executor") {
    scope.async_start<int>(child_options().on(tracking).name("server"), f, heard);
    drain(ctx);
    CHECK(value == 0);
    drain(other);
    CHECK(on_it);
    CHECK(handler_on_it);
  }
  SECTION("a context") {
    scope.async_start<int>(other, f, heard);
    drain(ctx);
    CHECK(value == 0);
    drain(other);
  }
  SECTION("awaited on the scope's executor") {
    host h(ctx, [&]() -> awaitable<void> { value = co_await scope.async_start<int>(other, f); });
    drain(ctx);
    CHECK_FALSE(h.done());
    drain(other);
    CHECK_FALSE(h.done());
    drain(ctx);
    CHECK(h.clean());
  }
  CHECK(value == 8);
  CHECK(scope.size() == 0);
}

TEST_CASE("rule 18: a graceful start hears a shutdown once it is ready",
          "[async_start][shutdown]") {
  asio::io_context ctx;
  cancel_scope<> scope(ctx);
  bool const graceful = GENERATE(true, false);
  asio::cancellation_type told = asio::cancellation_type::none;
  auto options = child_options();
  if (graceful) options.graceful();
  scope.async_start(
      options,
      [&](ready_signal<> ready) -> awaitable<void> {
        ready();
        co_await until_cancelled([&](asio::cancellation_type type) { told = type; });
      },
      [](std::exception_ptr) {});
  drain(ctx);
  scope.shutdown(1h);
  drain(ctx);
  CHECK(told == (graceful ? asio::cancellation_type::total : asio::cancellation_type::none));
  CHECK(scope.size() == (graceful ? 0 : 1));
  scope.cancel();
  drain(ctx);
  CHECK(scope.size() == 0);
}

TEST_CASE("rule 27: a service that was started does not keep the scope open",
          "[async_start][service]") {
  asio::io_context ctx;
  event_log log;
  host h(ctx, [&]() -> awaitable<void> {
    auto const result = co_await with_cancel_scope([&](auto& scope) -> awaitable<void> {
      co_await scope.async_start(child_options().service(),
                                 [&](ready_signal<> ready) -> awaitable<void> {
                                   ready();
                                   co_await logged(log, "service", until_cancelled());
                                 });
      log.add("ready");
    });
    CHECK_FALSE(result.cancelled_caught());
  });
  drain(ctx);
  CHECK(log.str() == "ready service:aborted");
  CHECK(h.clean());
}

TEST_CASE("rule 27: a service that is not ready when the work is done is told to end",
          "[async_start][service]") {
  asio::io_context ctx;
  event_log log;
  host h(ctx, [&]() -> awaitable<void> {
    co_await with_cancel_scope([&](auto& scope) -> awaitable<void> {
      scope.async_start(
          child_options().service(),
          [&](ready_signal<>) { return logged(log, "service", until_cancelled()); },
          [&](std::exception_ptr e) { log.add(word_of(e)); });
      co_await hop();
      co_await hop();
    });
    log.add("left");
  });
  drain(ctx);
  CHECK(log.count("aborted") == 1);
  CHECK(log.str().starts_with("service:aborted"));
  CHECK(h.clean());
}

TEST_CASE("rule 3: in a closed scope a start fails with logic_error", "[async_start][closed]") {
  asio::io_context ctx;
  cancel_scope<> scope(ctx);
  close(ctx, scope);
  bool started = false;
  auto const f = [&, t = tracked()](ready_signal<int> ready) -> awaitable<void> {
    started = true;
    ready(1);
    co_return;
  };
  std::exception_ptr heard;
  SECTION("told to a callback and not inside async_start") {
    scope.async_start<int>(f, [&](std::exception_ptr e, int) { heard = e; });
    CHECK_FALSE(heard);
    CHECK(tracked::alive() == 1);
    drain(ctx);
  }
  SECTION("told to a coroutine") {
    run(ctx, [&]() -> awaitable<void> {
      try {
        co_await scope.async_start<int>(f);
      } catch (...) {
        heard = std::current_exception();
      }
    });
  }
  SECTION("told on the handler's executor") {
    asio::io_context elsewhere;
    scope.async_start<int>(
        f, asio::bind_executor(elsewhere, [&](std::exception_ptr e, int) { heard = e; }));
    drain(ctx);
    CHECK_FALSE(heard);
    drain(elsewhere);
  }
  CHECK(says_closed(heard));
  CHECK_FALSE(started);
  CHECK(tracked::alive() == 1);
  CHECK(scope.size() == 0);
}

TEST_CASE("B166: in a cancelled scope nothing is started", "[async_start][cancel]") {
  asio::io_context ctx;
  cancel_scope<> scope(ctx);
  auto const type = GENERATE(asio::cancellation_type::terminal, asio::cancellation_type::total);
  scope.spawn(hop());
  scope.cancel(type);
  bool started = false;
  auto const f = [&, t = tracked()](ready_signal<int> ready) -> awaitable<void> {
    started = true;
    ready(1);
    co_return;
  };
  std::exception_ptr heard;
  scope.async_start<int>(f, [&](std::exception_ptr e, int) { heard = e; });
  CHECK_FALSE(heard);
  CHECK(tracked::alive() == 1);
  drain(ctx);
  CHECK(is_aborted(heard));
  heard = nullptr;
  host h(ctx, [&]() -> awaitable<void> { co_await scope.async_start<int>(f); });
  drain(ctx);
  CHECK(h.aborted());
  CHECK_FALSE(started);
  CHECK(tracked::alive() == 1);
}
