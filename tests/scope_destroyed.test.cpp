// SPDX-License-Identifier: MIT

// A cancel_scope object that is destroyed with children running, while its context lives on.

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
#include <memory>
#include <optional>
#include <stdexcept>
#include <string>
#include <utility>

using namespace asio_cancel_scope;

TEST_CASE("B191: a scope destroyed with children running asks them to end and does not wait",
          "[cancel_scope][shutdown]") {
  asio::io_context ctx;
  manual_event never;
  manual_event stubborn;
  event_log log;
  auto scope = std::make_unique<cancel_scope<>>(ctx);
  scope->spawn(logged(log, "a", never.wait()));
  scope->spawn(logged(log, "b", stubborn.wait_ignoring_cancellation()));
  auto handle = scope->spawn(logged(log, "c", until_cancelled([&] { log.add("told"); })));
  drain(ctx);
  asio::post(ctx, [&] {
    scope.reset();
    log.add("destroyed");
  });
  drain(ctx);
  CHECK(log.str().starts_with("destroyed"));
  CHECK(log.count("a:aborted") == 1);
  CHECK(log.count("c:aborted") == 1);
  CHECK(handle.done());
  stubborn.set();
  drain(ctx);
  CHECK(log.str().ends_with("b"));
  CHECK(log.size() == 5);
}

TEST_CASE("rule 19: children that have not started when the scope is destroyed never start",
          "[cancel_scope][shutdown]") {
  asio::io_context ctx;
  bool started = false;
  int token_calls = 0;
  std::optional<child<void>> handle;
  {
    cancel_scope<> scope(ctx);
    auto const child = [&started, t = tracked()]() -> awaitable<void> {
      started = true;
      co_return;
    };
    handle = scope.spawn(child);
    scope.spawn(asio::make_strand(ctx), child);
    scope.spawn(child, [&](std::exception_ptr error) {
      CHECK(is_aborted(error));
      ++token_calls;
    });
  }
  drain(ctx);
  CHECK_FALSE(started);
  CHECK(token_calls == 1);
  CHECK(handle->done());
  CHECK_THROWS_AS(handle->get(), system_error);
  CHECK(tracked::alive() == 0);
}

TEST_CASE("rule 3: what was prepared starts nothing when its scope has been destroyed",
          "[cancel_scope][shutdown]") {
  bool const left = GENERATE(false, true);
  asio::io_context ctx;
  manual_event never;
  bool started = false;
  auto const work = [&]() -> awaitable<void> {
    started = true;
    co_return;
  };
  auto const ready_work = [&](ready_signal<> ready) -> awaitable<void> {
    started = true;
    ready();
    co_return;
  };
  auto scope = std::make_unique<cancel_scope<>>(ctx);
  if (left) {
    scope->spawn(never.wait());
  }
  auto spawned = scope->spawn(work, use_awaitable);
  auto let_in = scope->async_spawn(work, use_awaitable);
  auto ready = scope->async_start(ready_work, use_awaitable);
  scope.reset();
  std::string words;
  host h(ctx, [&]() -> awaitable<void> {
    words += co_await ended(std::move(spawned)) + ", ";
    words += co_await ended(std::move(let_in)) + ", ";
    words += co_await ended(std::move(ready));
  });
  drain(ctx);
  CHECK(h.clean());
  CHECK_FALSE(started);
  std::string const closed = "asio_cancel_scope: the scope is closed: nothing can be started in it";
  CHECK(words == (left ? "aborted, value, aborted" : closed + ", " + closed + ", " + closed));
}

TEST_CASE("rule 19: a scope is destroyed on another executor than that of its children",
          "[cancel_scope][shutdown]") {
  asio::io_context ctx;
  asio::io_context other;
  event_log log;
  {
    cancel_scope<> scope(ctx);
    scope.spawn(other, logged(log, "there", until_cancelled()));
    scope.spawn(logged(log, "here", until_cancelled()));
    drain(ctx);
    drain(other);
  }
  CHECK(log.str() == "");
  drain(ctx);
  CHECK(log.str() == "here:aborted");
  drain(other);
  CHECK(log.str() == "here:aborted there:aborted");
}

TEST_CASE("rule 19: a child that fails after its scope has gone disturbs nobody",
          "[cancel_scope][shutdown]") {
  asio::io_context ctx;
  manual_event go_on;
  event_log log;
  {
    cancel_scope<> scope(ctx, scope_options().on_suppressed(
                                  [&](std::exception_ptr const& e) { log.add(message_of(e)); }));
    scope.spawn([&]() -> awaitable<void> {
      co_await go_on.wait_ignoring_cancellation();
      throw std::runtime_error("E1");
    });
    drain(ctx);
  }
  go_on.set();
  drain(ctx);
  CHECK(log.str() == "E1");
}

TEST_CASE("B193: a child destroys the object that owns its scope", "[cancel_scope][shutdown]") {
  asio::io_context ctx;
  event_log log;
  {
    auto owner = std::make_shared<cancel_scope<>>(ctx);
    auto* const scope = owner.get();
    scope->spawn(
        [&log, owner = std::exchange(owner, nullptr), t = tracked()]() mutable -> awaitable<void> {
          co_await asio::post(use_awaitable);
          owner.reset();
          log.add("destroyed");
          co_await logged(log, "posted", asio::post(use_awaitable));
          co_await logged(log, "next", asio::post(use_awaitable));
        });
    scope->spawn(logged(log, "sibling", until_cancelled()));
  }
  drain(ctx);
  CHECK(log.count("destroyed") == 1);
  CHECK(log.count("sibling:aborted") == 1);
  CHECK(log.count("next") == 0);
  CHECK(tracked::alive() == 0);
}

TEST_CASE("B193: a child whose captures own its scope destroys it as it ends",
          "[cancel_scope][shutdown]") {
  asio::io_context ctx;
  event_log log;
  {
    auto owner = std::make_shared<cancel_scope<>>(ctx);
    auto* const scope = owner.get();
    scope->spawn([owner = std::exchange(owner, nullptr), t = tracked()]() -> awaitable<void> {
      co_await asio::post(use_awaitable);
    });
    scope->spawn(logged(log, "sibling", until_cancelled()));
  }
  drain(ctx);
  CHECK(log.str() == "sibling:aborted");
  CHECK(tracked::alive() == 0);
}

TEST_CASE("rule 19: a scope destroyed from inside the emission of its own cancel",
          "[cancel_scope][shutdown]") {
  asio::io_context ctx;
  event_log log;
  auto scope = std::make_unique<cancel_scope<>>(ctx);
  scope->spawn(logged(log, "a", until_cancelled([&] { scope.reset(); })));
  scope->spawn(logged(log, "b", until_cancelled()));
  drain(ctx);
  asio::post(ctx, [&] { scope->cancel(); });
  drain(ctx);
  CHECK(log.count("a:aborted") == 1);
  CHECK(log.count("b:aborted") == 1);
}

TEST_CASE("rule 19: a scope may be destroyed by the handler of its join",
          "[cancel_scope][shutdown]") {
  asio::io_context ctx;
  manual_event go_on;
  auto scope = std::make_unique<cancel_scope<>>(ctx);
  scope->spawn(go_on.wait());
  scope->async_join([&](std::exception_ptr) { scope.reset(); });
  drain(ctx);
  go_on.set();
  drain(ctx);
  CHECK_FALSE(scope);
}

TEST_CASE("rule 19: the handler of a join may destroy the scope and the pool that it ran on",
          "[cancel_scope][shutdown]") {
  asio::io_context ctx;
  auto pool = std::make_unique<asio::thread_pool>(1);
  auto scope = std::make_unique<cancel_scope<>>(asio::make_strand(*pool));
  scope->spawn(asio::post(use_awaitable));
  bool joined = false;
  scope->async_join(asio::bind_executor(ctx, [&](std::exception_ptr) {
    scope.reset();
    pool.reset();
    joined = true;
  }));
  ctx.run();
  CHECK(joined);
}

TEST_CASE("rule 19: the handler of a child's join may destroy the pool that the child ran on",
          "[child][shutdown]") {
  asio::io_context ctx;
  auto pool = std::make_unique<asio::thread_pool>(1);
  cancel_scope<> scope(ctx);
  std::optional<child<void>> handle = scope.spawn(*pool, asio::post(use_awaitable));
  bool joined = false;
  handle->async_join(asio::bind_executor(ctx, [&](std::exception_ptr) {
    handle.reset();
    pool.reset();
    joined = true;
  }));
  ctx.run();
  CHECK(joined);
  CHECK(scope.size() == 0);
}

TEST_CASE("rule 19: a handle outlives its scope and tells what became of the child",
          "[child][shutdown]") {
  asio::io_context ctx;
  manual_event go_on;
  std::optional<child<int>> done;
  std::optional<child<int>> late;
  {
    cancel_scope<> scope(ctx);
    done = scope.spawn([]() -> awaitable<int> { co_return 3; });
    late = scope.spawn([&]() -> awaitable<int> {
      co_await go_on.wait_ignoring_cancellation();
      co_return 4;
    });
    drain(ctx);
  }
  CHECK(done->get() == 3);
  drain(ctx);
  CHECK_FALSE(late->done());
  int joined = 0;
  late->async_join([&](std::exception_ptr, int n) { joined = n; });
  late->cancel();
  go_on.set();
  drain(ctx);
  CHECK(joined == 4);
}

TEST_CASE("rule 19: a frame that is dropped by what it waits for ends its child",
          "[with_cancel_scope][shutdown]") {
  asio::io_context ctx;
  {
    std::shared_ptr<void> kept;
    // Takes the handler and never calls it.
    auto const dropped = [&](auto&& handler) {
      kept = std::make_shared<std::decay_t<decltype(handler)>>(
          std::forward<decltype(handler)>(handler));
    };
    manual_event never;
    host h(ctx, [&]() -> awaitable<void> {
      tracked const local;
      co_await with_cancel_scope([&](auto& scope) -> awaitable<void> {
        scope.spawn([&]() -> awaitable<void> {
          tracked const in_child;
          co_await asio::async_initiate<asio::use_awaitable_t<> const, void()>(dropped,
                                                                               use_awaitable);
        });
        co_return;
      });
    });
    drain(ctx);
    CHECK_FALSE(h.done());
    kept.reset();
    drain(ctx);
    CHECK(h.done());
    CHECK(tracked::alive() == 0);
  }
}
