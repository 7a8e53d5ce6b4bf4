// SPDX-License-Identifier: MIT

// Signals of the process and stop tokens that end a scope.

#include "support/asio.hpp"
#include "support/catch.hpp"
#include "support/ended.hpp"
#include "support/event_log.hpp"
#include "support/logged.hpp"
#include "support/manual_event.hpp"
#include "support/manual_timer.hpp"
#include "support/run.hpp"

#include <asio_cancel_scope.hpp>

#include <chrono>
#include <csignal>
#include <exception>
#include <functional>
#include <memory>
#include <optional>
#include <stdexcept>
#include <stop_token>
#include <string>

using namespace asio_cancel_scope;
using namespace std::chrono_literals;

namespace {

awaitable<void> hop() {
  co_await asio::post(use_awaitable);
}

auto handler_of(int number) {
  auto const handler = std::signal(number, SIG_DFL);
  std::signal(number, handler);
  return handler;
}

bool is_watched(int number) {
  return handler_of(number) != SIG_DFL;
}

// A block that waits, with a child, under whatever `watch` sets up.
struct watched {
  manual_clock time;
  manual_event never;
  asio::io_context ctx;
  std::optional<scope_result<void>> result;
  std::optional<host> h;

  explicit watched(std::function<void(cancel_scope<>&)> watch) {
    h.emplace(ctx, [this, watch]() -> awaitable<void> {
      result = co_await with_cancel_scope([&](cancel_scope<>& scope) -> awaitable<void> {
        watch(scope);
        scope.spawn(never.wait());
        co_await never.wait();
      });
    });
    drain(ctx);
  }

  void raise(int number) {
    std::raise(number);
    drain(ctx);
  }

  bool was_cancelled() const {
    return result && result->cancelled_caught() && result->cause() == cancel_cause::requested;
  }
};

}  // namespace

TEST_CASE("cancel_on_signal cancels its scope at the first of its signals", "[cancel_on][signal]") {
  int const number = GENERATE(SIGINT, SIGTERM);
  watched w([](auto& scope) { cancel_on_signal(scope); });
  CHECK(is_watched(SIGINT));
  CHECK(is_watched(SIGTERM));
  CHECK_FALSE(w.result);
  w.raise(number);
  CHECK(w.was_cancelled());
  CHECK_FALSE(is_watched(SIGINT));
  CHECK_FALSE(is_watched(SIGTERM));
}

TEST_CASE("cancel_on_signal watches the signals that it is given and no other",
          "[cancel_on][signal]") {
  // The test's framework has handlers of its own.
  auto const handler_of_int = handler_of(SIGINT);
  auto const handler_of_term = handler_of(SIGTERM);
  watched w([](auto& scope) { cancel_on_signal(scope, {SIGTERM}); });
  CHECK(handler_of(SIGTERM) != handler_of_term);
  CHECK(handler_of(SIGINT) == handler_of_int);
  w.raise(SIGTERM);
  CHECK(w.was_cancelled());
}

TEST_CASE("cancel_on_signal sees a signal that comes before anything runs", "[cancel_on][signal]") {
  watched w([](auto& scope) {
    cancel_on_signal(scope, {SIGTERM});
    std::raise(SIGTERM);
  });
  CHECK(w.was_cancelled());
}

TEST_CASE("rule 27: a watch for signals does not keep its scope open", "[cancel_on][signal]") {
  manual_clock time;
  asio::io_context ctx;
  run(ctx, [&]() -> awaitable<void> {
    auto const result = co_await with_cancel_scope([&](auto& scope) -> awaitable<int> {
      cancel_on_signal(scope);
      shutdown_on_signal(scope, 1h);
      CHECK(scope.size() == 2);
      scope.spawn(hop());
      co_await hop();
      co_return 2;
    });
    CHECK(result.value() == 2);
    CHECK_FALSE(result.cancelled_caught());
    CHECK(result.cause() == cancel_cause::none);
  });
  CHECK_FALSE(is_watched(SIGINT));
  CHECK_FALSE(is_watched(SIGTERM));
  CHECK(time.waits() == 0);
}

TEST_CASE("rule 18: the first signal shuts down and the second one forces",
          "[cancel_on][signal][shutdown]") {
  manual_event slow;
  watched w([&](auto& scope) {
    shutdown_on_signal(scope, 1h);
    scope.spawn(child_options().graceful(), slow.wait(asio::cancellation_type::all));
  });
  w.raise(SIGINT);
  CHECK_FALSE(w.result);
  CHECK(w.time.waits() == 1);
  CHECK(is_watched(SIGINT));
  SECTION("the same") {
    w.raise(SIGINT);
  }
  SECTION("another") {
    w.raise(SIGTERM);
  }
  CHECK(w.was_cancelled());
  CHECK(w.result->shutdown_counts().finished() == 1);
  CHECK(w.result->shutdown_counts().forced() == 1);
  CHECK_FALSE(is_watched(SIGINT));
}

TEST_CASE("rule 18: two signals at once force too", "[cancel_on][signal][shutdown]") {
  watched w([](auto& scope) { shutdown_on_signal(scope, 1h, {SIGINT, SIGTERM}); });
  std::raise(SIGINT);
  std::raise(SIGTERM);
  drain(w.ctx);
  CHECK(w.was_cancelled());
  CHECK(w.result->shutdown_counts().forced() == 1);
}

TEST_CASE("rule 18: the grace period of a signal ends by itself", "[cancel_on][signal][shutdown]") {
  watched w([](auto& scope) { shutdown_on_signal(scope, 0.5s, {SIGTERM}); });
  w.raise(SIGTERM);
  w.time.advance(500ms - 1ns);
  drain(w.ctx);
  CHECK_FALSE(w.result);
  w.time.advance(1ns);
  drain(w.ctx);
  CHECK(w.was_cancelled());
}

TEST_CASE("cancel_on_signal reports a signal that cannot be watched", "[cancel_on][signal]") {
  asio::io_context ctx;
  cancel_scope<> scope(ctx);
  CHECK_THROWS_AS(cancel_on_signal(scope, {100000}), system_error);
  CHECK_THROWS_AS(shutdown_on_signal(scope, 1s, {SIGTERM, 100000}), system_error);
  CHECK(scope.size() == 0);
  CHECK_FALSE(is_watched(SIGTERM));
}

TEST_CASE("rule 3: a closed scope watches nothing", "[cancel_on][closed]") {
  asio::io_context ctx;
  cancel_scope<> scope(ctx);
  scope.async_join([](std::exception_ptr) {});
  drain(ctx);
  std::stop_source source;
  CHECK_THROWS_AS(cancel_on_signal(scope), std::logic_error);
  CHECK_THROWS_AS(shutdown_on_signal(scope, 1s), std::logic_error);
  CHECK_THROWS_AS(cancel_on_stop(scope, source.get_token()), std::logic_error);
  CHECK_FALSE(is_watched(SIGINT));
}

TEST_CASE("a watch for signals takes a concrete executor", "[cancel_on][executor]") {
  using executor = asio::io_context::executor_type;
  asio::io_context ctx;
  cancel_scope<executor> scope(ctx.get_executor());
  std::stop_source source;
  cancel_on_signal(scope, {SIGTERM});
  shutdown_on_signal(scope, 1s, {SIGINT});
  cancel_on_stop(scope, source.get_token());
  bool joined = false;
  scope.async_join([&](std::exception_ptr e) { joined = !e; });
  drain(ctx);
  CHECK(joined);
  CHECK_FALSE(is_watched(SIGTERM));
}

TEST_CASE("B106: a stop token cancels the scope when stop is requested", "[cancel_on][stop]") {
  std::stop_source source;
  watched w([&](auto& scope) { cancel_on_stop(scope, source.get_token()); });
  CHECK_FALSE(w.result);
  source.request_stop();
  drain(w.ctx);
  CHECK(w.was_cancelled());
}

TEST_CASE("B106: a stop that was requested before cancels at once", "[cancel_on][stop]") {
  manual_event never;
  std::stop_source source;
  source.request_stop();
  run([&]() -> awaitable<void> {
    auto const result = co_await with_cancel_scope([&](auto& scope) -> awaitable<void> {
      cancel_on_stop(scope, source.get_token());
      CHECK(scope.cancel_called());
      CHECK(scope.size() == 0);
      co_await never.wait();
    });
    CHECK(result.cancelled_caught());
    CHECK(result.cause() == cancel_cause::requested);
  });
}

TEST_CASE("B106: a stop that is requested before the watch has started is not lost",
          "[cancel_on][stop]") {
  std::stop_source source;
  watched w([&](auto& scope) {
    cancel_on_stop(scope, source.get_token());
    source.request_stop();
  });
  CHECK(w.was_cancelled());
}

TEST_CASE("B106: a stop token is no longer watched when the scope has been left",
          "[cancel_on][stop]") {
  asio::io_context ctx;
  std::stop_source source;
  manual_event never;
  host h(ctx, [&]() -> awaitable<void> {
    auto const result = co_await with_cancel_scope([&](auto& scope) -> awaitable<int> {
      cancel_on_stop(scope, source.get_token());
      scope.spawn(hop());
      co_await hop();
      co_return 1;
    });
    CHECK(result.value() == 1);
    CHECK(result.cause() == cancel_cause::none);
    source.request_stop();
    CHECK(result.cause() == cancel_cause::none);
    co_await never.wait();
  });
  drain(ctx);
  CHECK(never.waiters() == 1);
  CHECK_FALSE(h.done());
}

TEST_CASE("B106: a token that nobody can stop cancels nothing", "[cancel_on][stop]") {
  run([&]() -> awaitable<void> {
    auto const result = co_await with_cancel_scope([&](auto& scope) -> awaitable<int> {
      cancel_on_stop(scope, std::stop_token());
      co_await hop();
      co_await hop();
      co_return 1;
    });
    CHECK(result.value() == 1);
  });
}

TEST_CASE("B106: the stop token of one scope ends another", "[cancel_on][stop]") {
  asio::io_context ctx;
  manual_event never;
  event_log log;
  cancel_scope<> first(ctx);
  cancel_scope<> second(ctx);
  cancel_on_stop(second, first.get_stop_token());
  second.spawn(logged(log, "child", never.wait()));
  second.async_join([&](std::exception_ptr e) { log.add(e ? "error" : "joined"); });
  drain(ctx);
  CHECK(log.str().empty());
  first.cancel();
  drain(ctx);
  CHECK(log.str() == "child:aborted joined");
  CHECK(second.cause() == cancel_cause::requested);
}

TEST_CASE("B106: stop requested from inside the scope by one of its children",
          "[cancel_on][stop]") {
  std::stop_source source;
  watched w([&](auto& scope) {
    cancel_on_stop(scope, source.get_token());
    scope.spawn([&source]() -> awaitable<void> {
      co_await hop();
      source.request_stop();
      co_await hop();
    });
  });
  CHECK(w.was_cancelled());
}

TEST_CASE("rule 19: a scope that is destroyed with a watch leaves nothing behind",
          "[cancel_on][lifetime]") {
  std::stop_source source;
  asio::io_context ctx;
  auto scope = std::make_unique<cancel_scope<>>(ctx);
  cancel_on_stop(*scope, source.get_token());
  cancel_on_signal(*scope, {SIGTERM});
  drain(ctx);
  CHECK(is_watched(SIGTERM));
  scope.reset();
  drain(ctx);
  CHECK_FALSE(is_watched(SIGTERM));
  source.request_stop();
  drain(ctx);
}
