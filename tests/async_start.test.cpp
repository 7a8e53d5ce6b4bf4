// SPDX-License-Identifier: MIT

// async_start: what is told to who starts a child and waits until it is ready.

#include "support/asio.hpp"
#include "support/catch.hpp"
#include "support/ended.hpp"
#include "support/event_log.hpp"
#include "support/logged.hpp"
#include "support/manual_event.hpp"
#include "support/run.hpp"
#include "support/tracked.hpp"

#include <asio_cancel_scope.hpp>

#include <exception>
#include <functional>
#include <memory>
#include <optional>
#include <stdexcept>
#include <string>
#include <utility>

using namespace asio_cancel_scope;

namespace {

struct failure : std::runtime_error {
  using std::runtime_error::runtime_error;
};

awaitable<void> hop() {
  co_await asio::post(use_awaitable);
}

template <typename F>
std::string logic_error_of(F f) {
  try {
    f();
  } catch (std::logic_error const& e) {
    return e.what();
  } catch (...) {
  }
  return "";
}

std::string logic_error_of(std::exception_ptr const& error) {
  return error ? logic_error_of([&] { std::rethrow_exception(error); }) : "";
}

}  // namespace

TEST_CASE("B158: async_start gives the value when the child is ready and the child goes on",
          "[async_start]") {
  asio::io_context ctx;
  manual_event bound;
  manual_event stop;
  event_log log;
  host h(ctx, [&]() -> awaitable<void> {
    auto const result = co_await with_cancel_scope([&](auto& scope) -> awaitable<std::string> {
      auto const port = co_await scope.template async_start<std::string>(
          [&](ready_signal<std::string> ready) -> awaitable<void> {
            log.add("started");
            co_await bound.wait();
            ready("port");
            log.add("serving");
            co_await logged(log, "server", stop.wait());
          });
      log.add(port);
      co_await hop();
      log.add("body");
      co_return port;
    });
    log.add("left");
    CHECK(result.value() == "port");
    CHECK_FALSE(result.cancelled_caught());
    CHECK(result.cause() == cancel_cause::none);
  });
  drain(ctx);
  CHECK(log.str() == "started");
  bound.set();
  drain(ctx);
  CHECK(log.str() == "started serving port body");
  stop.set();
  drain(ctx);
  CHECK(log.str() == "started serving port body server left");
  CHECK(h.clean());
}

TEST_CASE("design 2: a child that is started may take its ready_signal by reference",
          "[async_start][lifetime]") {
  run([&]() -> awaitable<void> {
    co_await with_cancel_scope([&](cancel_scope<>& scope) -> awaitable<void> {
      auto const by_reference = [](ready_signal<int> const& ready) -> awaitable<void> {
        co_await checkpoint();
        ready(3);
      };
      CHECK(co_await scope.async_start<int>(by_reference) == 3);
    });
  });
}

TEST_CASE("B158: a start may be ready with nothing", "[async_start]") {
  asio::io_context ctx;
  cancel_scope<> scope(ctx);
  manual_event set_up;
  manual_event stop;
  event_log log;
  host h(ctx, [&]() -> awaitable<void> {
    co_await scope.async_start([&](ready_signal<> ready) -> awaitable<void> {
      co_await set_up.wait();
      ready();
      co_await stop.wait();
    });
    log.add("ready");
  });
  drain(ctx);
  CHECK(log.str() == "");
  CHECK(scope.size() == 1);
  set_up.set();
  drain(ctx);
  CHECK(log.str() == "ready");
  CHECK(scope.size() == 1);
  stop.set();
  drain(ctx);
  CHECK(scope.size() == 0);
  CHECK_FALSE(scope.cancel_called());
}

TEST_CASE("B167: a child that is ready at once is heard and never inside async_start",
          "[async_start]") {
  asio::io_context ctx;
  cancel_scope<> scope(ctx);
  event_log log;
  auto const at_once = [&](ready_signal<int> ready) -> awaitable<void> {
    log.add("started");
    ready(7);
    log.add("said");
    co_return;
  };
  SECTION("by a coroutine") {
    host h(ctx, [&]() -> awaitable<void> {
      auto const value = co_await scope.async_start<int>(at_once);
      CHECK(value == 7);
      log.add("ready");
    });
    drain(ctx);
    CHECK(h.clean());
  }
  SECTION("by a callback") {
    asio::post(ctx, [&] {
      scope.async_start<int>(at_once, [&](std::exception_ptr e, int v) {
        CHECK_FALSE(e);
        CHECK(v == 7);
        log.add("ready");
      });
      // Neither the child nor the handler runs in there.
      CHECK(log.str() == "");
    });
    drain(ctx);
  }
  CHECK(log.str() == "started said ready");
}

TEST_CASE("B159: an error before the child is ready comes out of async_start and not of the scope",
          "[async_start][error]") {
  asio::io_context ctx;
  manual_event fail_now;
  manual_event sibling_ends;
  event_log log;
  auto const error = std::make_exception_ptr(failure("E1"));
  auto const options = scope_options().on_suppressed([&](auto const&) { log.add("suppressed"); });
  host h(ctx, [&]() -> awaitable<void> {
    auto const result = co_await with_cancel_scope(options, [&](auto& scope) -> awaitable<void> {
      scope.spawn(logged(log, "sibling", sibling_ends.wait()));
      std::exception_ptr caught;
      try {
        co_await scope.template async_start<int>([&](ready_signal<int>) -> awaitable<void> {
          co_await fail_now.wait();
          std::rethrow_exception(error);
        });
      } catch (...) {
        caught = std::current_exception();
      }
      CHECK(caught == error);
      CHECK_FALSE(scope.cancel_called());
      CHECK(scope.size() == 1);
      log.add("body");
    });
    CHECK(result.cause() == cancel_cause::none);
  });
  drain(ctx);
  fail_now.set();
  drain(ctx);
  CHECK(log.str() == "body");
  sibling_ends.set();
  drain(ctx);
  CHECK(log.str() == "body sibling");
  CHECK(h.clean());
}

TEST_CASE("B159: a callable that throws before its awaitable exists fails its start alone",
          "[async_start][error]") {
  asio::io_context ctx;
  cancel_scope<> scope(ctx);
  auto const error = std::make_exception_ptr(failure("E1"));
  std::exception_ptr heard;
  auto const f = [&, t = tracked()](ready_signal<>) -> awaitable<void> {
    std::rethrow_exception(error);
  };
  scope.async_start(f, [&](std::exception_ptr e) {
    heard = e;
    CHECK(tracked::alive() == 1);
  });
  drain(ctx);
  CHECK(heard == error);
  CHECK_FALSE(scope.cancel_called());
  CHECK(scope.size() == 0);
}

TEST_CASE("B161: a child that ends without having said that it is ready is a usage error",
          "[async_start][error]") {
  asio::io_context ctx;
  cancel_scope<> scope(ctx);
  std::string message;
  host h(ctx, [&]() -> awaitable<void> {
    try {
      co_await scope.async_start<int>([&](ready_signal<int>) { return hop(); });
    } catch (std::logic_error const& e) {
      message = e.what();
    }
  });
  drain(ctx);
  CHECK(message.find("ready") != std::string::npos);
  CHECK(h.clean());
  CHECK_FALSE(scope.cancel_called());
  CHECK(scope.size() == 0);
}

TEST_CASE("B161: to say twice that it is ready is an error of the child", "[async_start][error]") {
  asio::io_context ctx;
  cancel_scope<> scope(ctx);
  bool const at_once = GENERATE(true, false);
  bool const catches = GENERATE(true, false);
  event_log log;
  int heard = 0;
  scope.spawn(logged(log, "sibling", until_cancelled()));
  scope.async_start<int>(
      [&](ready_signal<int> ready) -> awaitable<void> {
        ready(1);
        if (!at_once) {
          co_await hop();
          co_await hop();
        }
        if (catches) {
          log.add(logic_error_of([&] { ready(2); }).empty() ? "nothing" : "logic_error");
          co_await hop();
        } else {
          ready(2);
        }
        log.add("child");
      },
      [&](std::exception_ptr e, int v) {
        CHECK_FALSE(e);
        heard += v;
      });
  std::exception_ptr left;
  scope.async_join([&](std::exception_ptr e) { left = e; });
  drain(ctx);
  CHECK(heard == 1);
  if (catches) {
    CHECK(log.str() == "logic_error child");
    CHECK_FALSE(scope.cancel_called());
    scope.cancel();
    drain(ctx);
  } else {
    CHECK(log.str() == "sibling:aborted");
    CHECK(scope.cause() == cancel_cause::child_error);
    CHECK_FALSE(logic_error_of(left).empty());
  }
}

TEST_CASE("B158: once it is ready a child that fails fails the scope like any child",
          "[async_start][error]") {
  asio::io_context ctx;
  bool const before_heard = GENERATE(true, false);
  event_log log;
  host h(ctx, [&]() -> awaitable<void> {
    log.add(co_await ended(with_cancel_scope([&](auto& scope) -> awaitable<void> {
      co_await scope.async_start([&](ready_signal<> ready) -> awaitable<void> {
        ready();
        if (!before_heard) {
          co_await hop();
          co_await hop();
        }
        throw failure("E1");
      });
      log.add("ready");
      co_await logged(log, "body", until_cancelled());
    })));
  });
  drain(ctx);
  // Ready is ready, also when the failure comes before the body has heard of it.
  CHECK(log.str() == "ready body:aborted E1");
}

TEST_CASE("B161: a ready_signal that is kept longer than its child says so",
          "[async_start][lifetime]") {
  asio::io_context ctx;
  cancel_scope<> scope(ctx);
  bool const said = GENERATE(false, true);
  std::optional<ready_signal<int>> kept;
  manual_event stop;
  int heard = 0;
  bool usable_in_handler = true;
  auto const f = [&](ready_signal<int> ready) -> awaitable<void> {
    kept = ready;
    if (said) {
      auto const copy = *kept;
      copy(3);
    }
    co_await stop.wait();
  };
  scope.async_start<int>(f, [&](std::exception_ptr, int) {
    ++heard;
    if (!said) usable_in_handler = logic_error_of([&] { (*kept)(4); }).empty();
  });
  drain(ctx);
  CHECK(heard == (said ? 1 : 0));
  stop.set();
  drain(ctx);
  CHECK(heard == 1);
  CHECK(usable_in_handler == said);
  CHECK_FALSE(logic_error_of([&] { (*kept)(5); }).empty());
  drain(ctx);
  CHECK(heard == 1);
  CHECK(scope.size() == 0);
}

TEST_CASE("B161: a ready_signal that outlives scope and context says that its child has ended",
          "[async_start][lifetime]") {
  std::optional<ready_signal<>> kept;
  {
    manual_event never;
    asio::io_context ctx;
    cancel_scope<> scope(ctx);
    scope.async_start(
        [&](ready_signal<> ready) -> awaitable<void> {
          kept = ready;
          co_await never.wait();
        },
        [](std::exception_ptr) {});
    drain(ctx);
  }
  CHECK(logic_error_of([&] { (*kept)(); }) ==
        "asio_cancel_scope: the child that was to be ready has ended");
}

TEST_CASE(
    "B161: a ready_signal is too late when its child has ended and nobody has heard of it yet",
    "[async_start][lifetime]") {
  asio::io_context ctx;
  asio::io_context elsewhere;
  cancel_scope<> scope(ctx);
  std::optional<ready_signal<int>> kept;
  std::exception_ptr heard;
  auto const f = [&, t = tracked()](ready_signal<int> ready) -> awaitable<void> {
    kept = ready;
    co_await hop();
  };
  scope.async_start<int>(
      f, asio::bind_executor(elsewhere, [&](std::exception_ptr e, int) { heard = e; }));
  drain(ctx);
  CHECK(scope.size() == 0);
  CHECK(tracked::alive() == 1);
  CHECK(logic_error_of([&] { (*kept)(1); }) ==
        "asio_cancel_scope: the child that was to be ready has ended");
  drain(elsewhere);
  CHECK_FALSE(logic_error_of(heard).empty());
}

TEST_CASE("rule 1: what a start was given is destroyed before anyone is told that it has ended",
          "[async_start][lifetime]") {
  asio::io_context ctx;
  cancel_scope<> scope(ctx);
  bool const ready_first = GENERATE(false, true);
  manual_event stop;
  int alive_when_told = -1;
  int alive_when_joined = -1;
  auto const f = [&, captured = tracked()](ready_signal<> ready) -> awaitable<void> {
    tracked const local;
    if (ready_first) ready();
    co_await stop.wait();
  };
  scope.async_start(f, [&](std::exception_ptr) { alive_when_told = tracked::alive() - 1; });
  scope.async_join([&](std::exception_ptr) { alive_when_joined = tracked::alive() - 1; });
  drain(ctx);
  CHECK(alive_when_told == (ready_first ? 2 : -1));
  stop.set();
  drain(ctx);
  CHECK(alive_when_told == (ready_first ? 2 : 0));
  CHECK(alive_when_joined == 0);
}

TEST_CASE("B158: callables and values that can only be moved are fine for a start",
          "[async_start]") {
  asio::io_context ctx;
  cancel_scope<> scope(ctx);
  struct only_movable {
    std::unique_ptr<int> number = std::make_unique<int>(4);
    awaitable<int> operator()(ready_signal<std::unique_ptr<int>> ready) const {
      auto const of_child = *number;
      ready(std::make_unique<int>(of_child + 1));
      co_return of_child;
    }
  };
  int value = 0;
  only_movable f;
  scope.async_start<std::unique_ptr<int>>(
      std::ref(f), [&](std::exception_ptr, std::unique_ptr<int> v) { value = v ? *v : -1; });
  drain(ctx);
  CHECK(value == 5);
  CHECK(scope.size() == 0);
}

TEST_CASE("B158: a value whose move throws is an error of the child that says it",
          "[async_start][error]") {
  asio::io_context ctx;
  cancel_scope<> scope(ctx);
  std::string word;
  scope.async_start<throws_on_move>(
      [](ready_signal<throws_on_move> ready) -> awaitable<void> {
        ready(throws_on_move(0));
        co_return;
      },
      [&](std::exception_ptr e, throws_on_move) { word = message_of(e); });
  drain(ctx);
  CHECK(word == "throws_on_move");
  CHECK_FALSE(scope.cancel_called());
}

TEST_CASE("B175: at whichever of its moves a value throws its start is told once",
          "[async_start][error]") {
  bool arrived = false;
  for (int moves = 0; !arrived; ++moves) {
    REQUIRE(moves < 20);
    asio::io_context ctx;
    cancel_scope<> scope(ctx);
    event_log log;
    scope.async_start<throws_on_move>(
        [&](ready_signal<throws_on_move> ready) -> awaitable<void> {
          ready(throws_on_move(moves));
          co_return;
        },
        [&](std::exception_ptr e, throws_on_move&&) { log.add(e ? message_of(e) : "arrived"); });
    drain(ctx);
    INFO("throws at move " << moves);
    REQUIRE(log.size() == 1);
    arrived = log.str() == "arrived";
    CHECK((arrived || log.str() == "throws_on_move"));
    CHECK_FALSE(scope.cancel_called());
    CHECK(scope.size() == 0);
  }
}

TEST_CASE("conventions: an async_start that is never awaited does nothing", "[async_start]") {
  asio::io_context ctx;
  cancel_scope<> scope(ctx);
  bool started = false;
  {
    auto const f = [&, t = tracked()](ready_signal<> ready) -> awaitable<void> {
      started = true;
      ready();
      co_return;
    };
    auto const dropped = scope.async_start(f);
    CHECK(scope.size() == 0);
  }
  CHECK(tracked::alive() == 0);
  drain(ctx);
  CHECK_FALSE(started);
}
