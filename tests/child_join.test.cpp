// SPDX-License-Identifier: MIT
#include <asio_cancel_scope/child.hpp>
#include <asio_cancel_scope/with_cancel_scope.hpp>

#include "support/asio.hpp"
#include "support/catch.hpp"
#include "support/manual_event.hpp"
#include "support/run.hpp"
#include "support/tracked.hpp"

#include <exception>
#include <optional>
#include <stdexcept>
#include <string>

using namespace asio_cancel_scope;

namespace {

bool is_logic_error(std::exception_ptr const& error) {
  try {
    if (error) {
      std::rethrow_exception(error);
    }
  } catch (std::logic_error const&) {
    return true;
  } catch (...) {
  }
  return false;
}

}  // namespace

TEST_CASE("B169: a child may be awaited inside its scope", "[child]") {
  asio::io_context ctx;
  manual_event event;
  std::string seen;
  host h(ctx, [&]() -> awaitable<void> {
    co_await with_cancel_scope([&](auto& scope) -> awaitable<void> {
      auto handle = scope.spawn([&]() -> awaitable<int> {
        co_await event.wait();
        co_return 4;
      });
      auto nothing = scope.spawn(event.wait());
      seen += std::to_string(co_await handle.async_join(use_awaitable));
      co_await nothing.async_join(use_awaitable);
      nothing.get();
      seen += " done";
    });
  });
  drain(ctx);
  CHECK(seen == "");
  event.set();
  drain(ctx);
  CHECK(seen == "4 done");
  CHECK(h.clean());
}

TEST_CASE("design 2: several joins of one child each complete", "[child]") {
  asio::io_context ctx;
  cancel_scope<> scope(ctx);
  manual_event event;
  int joined = 0;
  SECTION("without a value") {
    auto handle = scope.spawn(event.wait());
    auto const note = [&](std::exception_ptr e) { joined += e ? 100 : 1; };
    handle.async_join(note);
    handle.async_join(note);
    drain(ctx);
    CHECK(joined == 0);
    event.set();
    drain(ctx);
    CHECK(joined == 2);
    handle.async_join(note);
    CHECK(joined == 2);
    drain(ctx);
    CHECK(joined == 3);
    handle.get();
  }
  SECTION("with a value that only one of them gets") {
    auto handle = scope.spawn([&]() -> awaitable<int> {
      co_await event.wait();
      co_return 7;
    });
    int values = 0;
    int late = 0;
    for (int i = 0; i < 3; ++i) {
      handle.async_join([&](std::exception_ptr e, int v) {
        ++joined;
        values += v;
        late += is_logic_error(e) ? 1 : 0;
      });
    }
    event.set();
    drain(ctx);
    CHECK(joined == 3);
    CHECK(values == 7);
    CHECK(late == 2);
  }
}

TEST_CASE("design 2: what a child owned is destroyed before anyone is told that it is done",
          "[child][lifetime]") {
  asio::io_context ctx;
  cancel_scope<> scope(ctx);
  manual_event event;
  auto const before = tracked::alive();
  bool const cancelled = GENERATE(false, true);
  int alive_in_join = -1;
  auto handle = scope.spawn([&, captured = tracked()]() -> awaitable<void> {
    tracked const local;
    co_await event.wait();
  });
  handle.async_join([&](std::exception_ptr) { alive_in_join = tracked::alive() - before; });
  drain(ctx);
  CHECK(tracked::alive() == before + 2);
  if (cancelled) {
    handle.cancel();
  } else {
    event.set();
  }
  ctx.restart();
  while (!handle.done() && ctx.poll_one() != 0) {
  }
  CHECK(tracked::alive() == before);
  drain(ctx);
  CHECK(alive_in_join == 0);
  CHECK(handle.done());
}

TEST_CASE("design 2: a wait for a child that is cancelled leaves the child alone",
          "[child][cancel]") {
  asio::io_context ctx;
  cancel_scope<> scope(ctx);
  manual_event event;
  auto handle = scope.spawn([&]() -> awaitable<int> {
    co_await event.wait();
    co_return 2;
  });
  std::exception_ptr by_join;
  asio::cancellation_signal signal;
  handle.async_join(
      asio::bind_cancellation_slot(signal.slot(), [&](std::exception_ptr e, int) { by_join = e; }));
  host waiting(ctx, [&]() -> awaitable<void> { co_await handle.async_join(use_awaitable); });
  drain(ctx);
  signal.emit(asio::cancellation_type::terminal);
  waiting.cancel();
  drain(ctx);
  CHECK(is_aborted(by_join));
  CHECK(waiting.aborted());
  CHECK(!handle.done());
  CHECK(event.waiters() == 1);
  CHECK(!scope.cancel_called());
  event.set();
  drain(ctx);
  CHECK(handle.get() == 2);
}

TEST_CASE("design 2: a wait goes on when the handle is dropped and when the scope is gone",
          "[child][lifetime]") {
  asio::io_context ctx;
  asio::io_context elsewhere;
  manual_event event;
  std::optional<int> value;
  {
    cancel_scope<> scope(ctx);
    auto handle = scope.spawn([&]() -> awaitable<int> {
      co_await event.wait();
      co_return 6;
    });
    handle.async_join(
        asio::bind_executor(elsewhere, [&](std::exception_ptr, int v) { value = v; }));
    drain(ctx);
    event.set();
    drain(ctx);
    CHECK(!value);
  }
  drain(elsewhere);
  CHECK(value == 6);
}
