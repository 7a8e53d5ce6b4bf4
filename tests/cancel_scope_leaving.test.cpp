// SPDX-License-Identifier: MIT
#include <asio_cancel_scope.hpp>

#include "support/asio.hpp"
#include "support/catch.hpp"
#include "support/event_log.hpp"
#include "support/manual_event.hpp"
#include "support/run.hpp"
#include "support/tracked.hpp"
#include "support/tracking_executor.hpp"

#include <exception>
#include <functional>
#include <stdexcept>
#include <string>

using namespace asio_cancel_scope;

namespace {

struct failure : std::runtime_error {
  using std::runtime_error::runtime_error;
};

awaitable<void> wait_with_locals(manual_event& event, tracked) {
  tracked const local;
  co_await event.wait();
}

}  // namespace

TEST_CASE("rule 1 B004: the block completes when the slowest child has finished",
          "[cancel_scope][lifetime]") {
  asio::io_context ctx;
  event_log log;
  manual_event first;
  manual_event second;
  host h(ctx, [&]() -> awaitable<void> {
    co_await with_cancel_scope([&](auto& scope) -> awaitable<void> {
      scope.spawn([&]() -> awaitable<void> {
        co_await second.wait();
        log.add("second");
      });
      scope.spawn([&]() -> awaitable<void> {
        co_await first.wait();
        log.add("first");
      });
      log.add("body");
      co_return;
    });
    log.add("left");
  });
  drain(ctx);
  CHECK(log.str() == "body");
  first.set();
  drain(ctx);
  CHECK(log.str() == "body first");
  second.set();
  drain(ctx);
  CHECK(log.str() == "body first second left");
  CHECK(h.clean());
}

TEST_CASE("rule 1: the block completes only when the body has finished",
          "[cancel_scope][lifetime]") {
  asio::io_context ctx;
  manual_event event;
  bool child_ran = false;
  host h(ctx, [&]() -> awaitable<void> {
    co_await with_cancel_scope([&](auto& scope) -> awaitable<void> {
      scope.spawn([&]() -> awaitable<void> {
        child_ran = true;
        co_return;
      });
      co_await event.wait();
    });
  });
  drain(ctx);
  CHECK(child_ran);
  CHECK(!h.done());
  event.set();
  drain(ctx);
  CHECK(h.clean());
}

TEST_CASE("rule 1: the block waits for children that children spawned",
          "[cancel_scope][lifetime]") {
  asio::io_context ctx;
  event_log log;
  manual_event event;
  host h(ctx, [&]() -> awaitable<void> {
    co_await with_cancel_scope([&](cancel_scope<>& scope) -> awaitable<void> {
      scope.spawn([&]() -> awaitable<void> {
        scope.spawn([&]() -> awaitable<void> {
          scope.spawn([&]() -> awaitable<void> {
            co_await event.wait();
            log.add("grandgrandchild");
          });
          log.add("grandchild");
          co_return;
        });
        log.add("child");
        co_return;
      });
      log.add("body");
      co_return;
    });
    log.add("left");
  });
  drain(ctx);
  CHECK(log.str() == "body child grandchild");
  event.set();
  drain(ctx);
  CHECK(log.str() == "body child grandchild grandgrandchild left");
  CHECK(h.clean());
}

TEST_CASE("rule 1: frames and callables and captures are destroyed before the parent resumes",
          "[cancel_scope][lifetime]") {
  enum class ending { normal, cancelled, failed };
  auto const how = GENERATE(ending::normal, ending::cancelled, ending::failed);
  asio::io_context ctx;
  asio::io_context other;
  manual_event event;
  manual_event failing;
  cancel_scope<>* inside = nullptr;
  auto const before = tracked::alive();
  int alive_after = -1;
  auto const body = [&, in_body = tracked()](cancel_scope<>& scope) -> awaitable<void> {
    inside = &scope;
    tracked const local;
    scope.spawn([&, captured = tracked()]() -> awaitable<void> {
      tracked const child_local;
      co_await event.wait();
    });
    scope.spawn(wait_with_locals(event, tracked()));
    scope.spawn(other, [&, captured = tracked()]() -> awaitable<void> {
      tracked const child_local;
      co_await event.wait();
    });
    scope.spawn([&, captured = tracked()] { return wait_with_locals(event, tracked()); },
                [captured = tracked()](std::exception_ptr) {});
    scope.spawn([&, captured = tracked()]() -> awaitable<void> {
      tracked const child_local;
      co_await failing.wait();
      throw failure("E1");
    });
    co_await event.wait();
  };
  host h(ctx, [&]() -> awaitable<void> {
    try {
      co_await with_cancel_scope(body);
    } catch (failure const&) {
    }
    alive_after = tracked::alive() - before;
  });
  drain(ctx);
  drain(other);
  REQUIRE(event.waiters() == 5);
  REQUIRE(failing.waiters() == 1);
  CHECK(tracked::alive() - before >= 15);
  if (how == ending::normal) {
    event.set();
    inside->spawn([]() -> awaitable<void> { co_return; });
    drain(ctx);
    drain(other);
    CHECK(!h.done());
    inside->cancel();
  } else if (how == ending::cancelled) {
    inside->cancel();
  } else {
    failing.set();
  }
  for (int i = 0; i < 5; ++i) {
    drain(ctx);
    drain(other);
  }
  CHECK(h.clean());
  // The body itself is an lvalue: its copy is gone.
  CHECK(alive_after == 1);
}

TEST_CASE(
    "rule 1: what a child that never started was given is destroyed before the parent resumes",
    "[cancel_scope][lifetime]") {
  asio::io_context ctx;
  asio::io_context other;
  int alive_after = -1;
  host h(ctx, [&]() -> awaitable<void> {
    manual_event event;
    auto const before = tracked::alive();
    co_await with_cancel_scope([&](auto& scope) -> awaitable<void> {
      scope.spawn([captured = tracked()]() -> awaitable<void> { co_return; });
      scope.spawn(other, [captured = tracked()]() -> awaitable<void> { co_return; });
      scope.spawn(wait_with_locals(event, tracked()));
      scope.cancel();
      scope.spawn([captured = tracked()]() -> awaitable<void> { co_return; });
      co_return;
    });
    alive_after = tracked::alive() - before;
  });
  drain(ctx);
  CHECK(!h.done());
  drain(other);
  drain(ctx);
  CHECK(h.clean());
  CHECK(alive_after == 0);
}

TEST_CASE("rule 1: the parent resumes on its own executor", "[cancel_scope][executor]") {
  asio::io_context ctx;
  asio::io_context other;
  tracking_executor const mine(1, ctx.get_executor());
  tracking_executor const same_context(2, ctx.get_executor());
  tracking_executor const other_context(3, other.get_executor());
  manual_event event;
  std::string seen;
  auto const last = GENERATE(2, 3);
  auto const note = [&] {
    for (int id = 1; id <= 3; ++id) {
      seen += running_on(id) ? std::to_string(id) : "-";
    }
    seen += ' ';
  };
  auto const executor =
      last == 2 ? asio::any_io_executor(same_context) : asio::any_io_executor(other_context);
  host h(mine, [&]() -> awaitable<void> {
    co_await with_cancel_scope([&](auto& scope) -> awaitable<void> {
      note();
      scope.spawn(executor, [&]() -> awaitable<void> {
        co_await event.wait();
        note();
      });
      co_return;
    });
    note();
  });
  drain(ctx);
  drain(other);
  event.set();
  drain(ctx);
  drain(other);
  drain(ctx);
  CHECK(h.clean());
  CHECK(seen == (last == 2 ? "1-- -2- 1-- " : "1-- --3 1-- "));
}

TEST_CASE("B007: children that double themselves stop growing when one fails",
          "[cancel_scope][error]") {
  asio::io_context ctx;
  constexpr int limit = 200;
  int heads = 0;
  std::function<awaitable<void>(cancel_scope<>&, tracked)> grow = [&](cancel_scope<>& scope,
                                                                      tracked) -> awaitable<void> {
    if (++heads == limit) {
      throw failure("enough");
    }
    for (int i = 0; i < 2; ++i) {
      scope.spawn([&, captured = tracked()] { return grow(scope, captured); });
    }
    for (;;) {
      co_await asio::post(use_awaitable);
    }
  };
  std::string message;
  int alive_after = -1;
  run(ctx, [&]() -> awaitable<void> {
    auto const before = tracked::alive();
    try {
      co_await with_cancel_scope([&](cancel_scope<>& scope) -> awaitable<void> {
        scope.spawn([&] { return grow(scope, tracked()); });
        co_return;
      });
    } catch (failure const& e) {
      message = e.what();
    }
    alive_after = tracked::alive() - before;
  });
  CHECK(message == "enough");
  CHECK(alive_after == 0);
  // Those of the same generation may have started in the same hop, but no further one.
  CHECK(heads < 2 * limit);
  auto const heads_at_the_end = heads;
  drain(ctx);
  CHECK(heads == heads_at_the_end);
}

TEST_CASE("B016: a join keeps the errors of children that ended before it",
          "[cancel_scope][lifetime]") {
  asio::io_context ctx;
  cancel_scope<> scope(ctx);
  auto const error = std::make_exception_ptr(failure("E1"));
  auto value = scope.spawn([]() -> awaitable<int> { co_return 4; });
  drain(ctx);
  CHECK(value.done());
  scope.spawn([&]() -> awaitable<void> {
    std::rethrow_exception(error);
    co_return;
  });
  drain(ctx);
  CHECK(scope.size() == 0);
  std::exception_ptr outcome;
  scope.async_join([&](std::exception_ptr e) { outcome = e; });
  drain(ctx);
  CHECK(outcome == error);
  CHECK(value.get() == 4);
}

TEST_CASE("B016: a block whose children ended before its body is left at once",
          "[cancel_scope][lifetime]") {
  run([]() -> awaitable<void> {
    co_await with_cancel_scope([](cancel_scope<>& scope) -> awaitable<void> {
      auto value = scope.spawn([]() -> awaitable<int> { co_return 4; });
      while (scope.size() != 0) {
        co_await asio::post(use_awaitable);
      }
      CHECK(value.done());
      CHECK(value.get() == 4);
    });
  });
}
