// SPDX-License-Identifier: MIT
#include <asio_cancel_scope.hpp>

#include "support/asio.hpp"
#include "support/catch.hpp"
#include "support/event_log.hpp"
#include "support/manual_event.hpp"
#include "support/run.hpp"
#include "support/tracked.hpp"
#include "support/tracking_executor.hpp"

#include <atomic>
#include <cstddef>
#include <exception>
#include <memory>
#include <optional>
#include <stop_token>
#include <string>
#include <thread>
#include <vector>

using namespace asio_cancel_scope;

namespace {

// Where this code runs: one digit for each tracking executor.
std::string here() {
  std::string ids;
  for (int id = 1; id <= 3; ++id) {
    if (running_on(id)) {
      ids += std::to_string(id);
    }
  }
  return ids.empty() ? "-" : ids;
}

void drain_all(asio::io_context& a, asio::io_context& b) {
  while (drain(a) + drain(b) != 0) {
  }
}

}  // namespace

TEST_CASE("rule 6: from inside an emission an operation may use every member",
          "[cancel_scope][cancel]") {
  asio::io_context ctx;
  cancel_scope<> scope(ctx, scope_options().name("named"));
  event_log log;
  bool late_ran = false;
  std::optional<child<void>> sibling;
  std::optional<child<void>> late;
  auto const use_all = [&] {
    log.add(std::to_string(scope.size()));
    scope.cancel();
    scope.cancel(asio::cancellation_type::total);
    sibling->cancel();
    late = scope.spawn([&]() -> awaitable<void> {
      late_ran = true;
      co_return;
    });
    CHECK(late->done());
    CHECK(scope.cancel_called());
    CHECK(scope.cause() == cancel_cause::requested);
    CHECK(scope.get_stop_token().stop_requested());
    CHECK(scope.name() == "named");
    CHECK(!sibling->done());
    scope.async_join([&](std::exception_ptr e) { log.add(e ? "wrong" : "joined"); });
    static_cast<void>(scope.cancelled_caught());
    static_cast<void>(scope.get_executor());
  };
  manual_event never;
  scope.spawn([&] { return until_cancelled(use_all); });
  sibling = scope.spawn([&]() -> awaitable<void> {
    co_await never.wait();
    log.add("wrong");
  });
  drain(ctx);
  SECTION("cancel from the executor") {
    asio::post(ctx, [&] { scope.cancel(); });
  }
  SECTION("cancel from outside") {
    scope.cancel();
  }
  drain(ctx);
  CHECK(log.str() == "2 joined");
  CHECK(!late_ran);
  CHECK(sibling->done());
  CHECK(scope.cancelled_caught());
}

TEST_CASE("rule 6: from inside an emission a child may be completed and its siblings too",
          "[cancel_scope][cancel]") {
  // Each emission completes the child of the emission, and cancels again, and so on.
  asio::io_context ctx;
  constexpr int count = 50;
  int ended = 0;
  host h(ctx, [&]() -> awaitable<void> {
    co_await with_cancel_scope([&](cancel_scope<>& scope) -> awaitable<void> {
      for (int i = 0; i < count; ++i) {
        scope.spawn([&]() -> awaitable<void> {
          try {
            co_await until_cancelled([&] { scope.cancel(); });
          } catch (system_error const&) {
            ++ended;
            scope.cancel();
            throw;
          }
        });
      }
      co_await asio::post(use_awaitable);
      scope.cancel();
    });
  });
  drain(ctx);
  CHECK(ended == count);
  CHECK(h.clean());
}

TEST_CASE("rule 6: from inside an emission the scope may be ended", "[cancel_scope][cancel]") {
  asio::io_context ctx;
  auto const before = tracked::alive();
  auto scope = std::make_unique<cancel_scope<>>(ctx);
  int told = 0;
  bool joined = false;
  auto const destroy = [&] {
    ++told;
    scope.reset();
  };
  for (int i = 0; i < 3; ++i) {
    scope->spawn(
        [&, captured = tracked()]() -> awaitable<void> { co_await until_cancelled(destroy); });
  }
  scope->async_join([&](std::exception_ptr e) {
    CHECK(!e);
    joined = true;
  });
  drain(ctx);
  SECTION("cancelled on the executor") {
    asio::post(ctx, [&] { scope->cancel(); });
  }
  SECTION("cancelled from outside") {
    scope->cancel();
  }
  drain(ctx);
  CHECK(told == 3);
  CHECK(!scope);
  CHECK(joined);
  CHECK(tracked::alive() == before);
}

TEST_CASE("rule 6: no lock is held while a stop callback runs", "[cancel_scope][cancel]") {
  asio::io_context ctx;
  cancel_scope<> scope(ctx);
  manual_event never;
  auto waiting = scope.spawn(never.wait());
  drain(ctx);
  bool called = false;
  std::stop_callback const callback(scope.get_stop_token(), [&] {
    called = true;
    CHECK(scope.cancel_called());
    scope.cancel();
    waiting.cancel();
    CHECK(scope.spawn([]() -> awaitable<void> { co_return; }).done());
    CHECK(scope.size() == 1);
  });
  CHECK(!called);
  scope.cancel();
  CHECK(called);
  drain(ctx);
  CHECK(waiting.done());
}

TEST_CASE("rule 7: a signal is emitted only on the executor of the child that it is for",
          "[cancel_scope][cancel]") {
  asio::io_context ctx;
  asio::io_context other;
  tracking_executor const scopes(1, ctx.get_executor());
  tracking_executor const childs(2, other.get_executor());
  tracking_executor const strand(3, asio::make_strand(ctx));
  std::string seen[4];
  auto const record = [&](int i) { return until_cancelled([&, i] { seen[i] = here(); }); };
  cancel_scope<>* inside = nullptr;
  host h(scopes, [&]() -> awaitable<void> {
    co_await with_cancel_scope([&](cancel_scope<>& scope) -> awaitable<void> {
      inside = &scope;
      scope.spawn([&] { return record(0); });
      scope.spawn(childs, [&] { return record(1); });
      scope.spawn(strand, [&] { return record(2); });
      co_await record(3);
    });
  });
  drain_all(ctx, other);
  SECTION("cancelled outside every executor") {
    inside->cancel();
    CHECK(seen[0] + seen[1] + seen[2] + seen[3] == "");
  }
  SECTION("cancelled on another thread") {
    std::thread([&] { inside->cancel(); }).join();
    CHECK(seen[0] + seen[1] + seen[2] + seen[3] == "");
  }
  SECTION("cancelled on the executor of the scope") {
    asio::post(scopes, [&] {
      inside->cancel();
      CHECK(seen[0] == "1");
      CHECK(seen[3] == "1");
      CHECK(seen[1] == "");
    });
  }
  SECTION("cancelled on the executor of one child") {
    asio::post(childs, [&] {
      inside->cancel();
      CHECK(seen[0] + seen[3] == "");
    });
  }
  SECTION("cancelled by the token of a handler elsewhere") {
    asio::post(strand, [&] { inside->cancel(); });
  }
  drain_all(ctx, other);
  // An executor that shares the thread may be nested in another one.
  CHECK(seen[0].find('1') != std::string::npos);
  CHECK(seen[1] == "2");
  CHECK(seen[2].find('3') != std::string::npos);
  CHECK(seen[3].find('1') != std::string::npos);
  CHECK(h.clean());
}

TEST_CASE("rule 7: the signal of a handle is emitted only on the executor of its child",
          "[child][cancel]") {
  asio::io_context ctx;
  asio::io_context other;
  tracking_executor const childs(2, other.get_executor());
  cancel_scope<> scope(ctx);
  std::string seen;
  auto const record = [&] { return until_cancelled([&] { seen += here(); }); };
  auto handle = scope.spawn(childs, record);
  drain_all(ctx, other);
  SECTION("cancelled outside every executor") {
    handle.cancel();
    CHECK(seen == "");
  }
  SECTION("cancelled on the executor of the scope") {
    asio::post(ctx, [&] {
      handle.cancel();
      CHECK(seen == "");
    });
  }
  SECTION("cancelled on the executor of the child") {
    asio::post(childs, [&] {
      handle.cancel();
      CHECK(seen == "2");
    });
  }
  drain_all(ctx, other);
  CHECK(seen == "2");
  CHECK(handle.done());
}

TEST_CASE("rule 7: a caller on the executor of the child is obeyed at its next await",
          "[cancel_scope][cancel]") {
  asio::io_context ctx;
  event_log log;
  SECTION("the body cancels") {
    run(ctx, [&]() -> awaitable<void> {
      co_await with_cancel_scope([&](auto& scope) -> awaitable<void> {
        scope.cancel();
        log.add("cancelled");
        co_await asio::post(use_awaitable);
        log.add("wrong");
      });
    });
  }
  SECTION("a child cancels") {
    run(ctx, [&]() -> awaitable<void> {
      co_await with_cancel_scope([&](auto& scope) -> awaitable<void> {
        scope.spawn([&]() -> awaitable<void> {
          scope.cancel();
          log.add("cancelled");
          co_await asio::post(use_awaitable);
          log.add("wrong");
        });
        co_return;
      });
    });
  }
  SECTION("a child cancels itself by its handle") {
    run(ctx, [&]() -> awaitable<void> {
      std::optional<child<void>> handle;
      co_await with_cancel_scope([&](auto& scope) -> awaitable<void> {
        handle = scope.spawn([&]() -> awaitable<void> {
          handle->cancel();
          log.add("cancelled");
          co_await asio::post(use_awaitable);
          log.add("wrong");
        });
        co_return;
      });
    });
  }
  CHECK(log.str() == "cancelled");
}

TEST_CASE("rule 7: nothing is emitted to a child that has finished meanwhile",
          "[cancel_scope][cancel]") {
  asio::io_context ctx;
  asio::io_context other;
  cancel_scope<> scope(ctx);
  manual_event event;
  auto finishing = scope.spawn(other, [&]() -> awaitable<int> {
    co_await event.wait();
    co_return 9;
  });
  drain_all(ctx, other);
  event.set();
  // The end of the child is queued on its executor before the emission.
  scope.cancel();
  finishing.cancel();
  drain_all(ctx, other);
  CHECK(finishing.done());
  CHECK(finishing.get() == 9);
  CHECK(scope.cancel_called());
  CHECK(!scope.cancelled_caught());
}

TEST_CASE("rule 7: emissions that cancel the next scope nest without eating the stack",
          "[cancel_scope][cancel]") {
  // Each emission cancels the next scope of a long chain, on the same executor.
  constexpr std::size_t count = 20000;
  asio::io_context ctx;
  std::vector<std::unique_ptr<cancel_scope<>>> scopes;
  std::size_t told = 0;
  for (std::size_t i = 0; i < count; ++i) {
    scopes.push_back(std::make_unique<cancel_scope<>>(ctx));
  }
  for (std::size_t i = 0; i < count; ++i) {
    scopes[i]->spawn([&, i]() -> awaitable<void> {
      co_await until_cancelled([&, i] {
        ++told;
        if (i + 1 < count) {
          scopes[i + 1]->cancel();
        }
      });
    });
  }
  drain(ctx);
  asio::post(ctx, [&] { scopes[0]->cancel(); });
  drain(ctx);
  CHECK(told == count);
  for (auto const& scope : scopes) {
    if (scope->size() != 0) {
      FAIL("a child is left");
    }
  }
}

TEST_CASE("rule 6: cancel does not wait for a child that is running on another thread",
          "[cancel_scope][cancel][threads]") {
  asio::io_context ctx;
  cancel_scope<> scope(ctx);
  std::atomic<bool> running{false};
  std::atomic<bool> go_on{false};
  std::atomic<bool> ended{false};
  scope.spawn([&]() -> awaitable<void> {
    running = true;
    while (!go_on) {
      std::this_thread::yield();
    }
    ended = true;
    co_return;
  });
  std::jthread const thread([&] { ctx.run(); });
  while (!running) {
    std::this_thread::yield();
  }
  scope.cancel();
  CHECK(scope.cancel_called());
  CHECK(scope.size() == 1);
  CHECK(!ended);
  go_on = true;
}

TEST_CASE("rule 6: a cancellation from many threads at once reaches everybody",
          "[cancel_scope][cancel][threads]") {
  asio::io_context ctx;
  manual_event never;
  constexpr int count = 100;
  bool left = false;
  cancel_scope<>* inside = nullptr;
  host h(ctx, [&]() -> awaitable<void> {
    co_await with_cancel_scope([&](cancel_scope<>& scope) -> awaitable<void> {
      inside = &scope;
      for (int i = 0; i < count; ++i) {
        scope.spawn(never.wait());
      }
      co_await never.wait();
    });
    left = true;
  });
  drain(ctx);
  {
    std::vector<std::jthread> threads;
    for (int t = 0; t < 4; ++t) {
      threads.emplace_back([&] {
        for (int i = 0; i < 10; ++i) {
          inside->cancel();
        }
      });
    }
  }
  drain(ctx);
  CHECK(left);
  CHECK(h.clean());
}
