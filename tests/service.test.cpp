// SPDX-License-Identifier: MIT

// Service children, which do not keep their scope open.

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
#include <optional>
#include <stdexcept>
#include <string>

using namespace asio_cancel_scope;

namespace {

awaitable<void> hop() {
  co_await asio::post(use_awaitable);
}

}  // namespace

TEST_CASE("rule 27: when the body and the other children have ended services are cancelled",
          "[service]") {
  asio::io_context ctx;
  manual_event never;
  manual_event work;
  event_log log;
  host h(ctx, [&]() -> awaitable<void> {
    auto const result = co_await with_cancel_scope([&](auto& scope) -> awaitable<int> {
      scope.spawn(child_options().service(), logged(log, "s1", never.wait()));
      scope.spawn(logged(log, "work", work.wait()));
      scope.spawn(child_options().service().name("s2"), logged(log, "s2", never.wait()));
      co_await hop();
      co_await hop();
      log.add("body");
      co_return 3;
    });
    log.add("left");
    // That services end is no cancellation of the scope.
    CHECK(result.value() == 3);
    CHECK_FALSE(result.cancelled_caught());
    CHECK(result.cause() == cancel_cause::none);
  });
  drain(ctx);
  CHECK(log.str() == "body");
  work.set();
  drain(ctx);
  CHECK(log.str() == "body work s1:aborted s2:aborted left");
  CHECK(h.clean());
}

TEST_CASE("rule 27: services alone do not keep a scope open", "[service]") {
  asio::io_context ctx;
  manual_event never;
  event_log log;
  run(ctx, [&]() -> awaitable<void> {
    co_await with_cancel_scope([&](auto& scope) -> awaitable<void> {
      scope.spawn(child_options().service(), logged(log, "service", never.wait()));
      co_await hop();
      co_await hop();
    });
  });
  CHECK(log.str() == "service:aborted");
}

TEST_CASE("rule 27: a service that has not started when the work is done never starts",
          "[service][start]") {
  asio::io_context elsewhere;
  asio::io_context ctx;
  bool started = false;
  std::optional<scope_result<int>> result;
  host h(ctx, [&]() -> awaitable<void> {
    result = co_await with_cancel_scope([&](auto& scope) -> awaitable<int> {
      scope.spawn(child_options().on(elsewhere).service(),
                  [&started, t = tracked()]() -> awaitable<void> {
                    started = true;
                    co_return;
                  });
      co_return 3;
    });
  });
  drain(ctx);
  CHECK_FALSE(result);
  drain(elsewhere);
  CHECK(tracked::alive() == 0);
  drain(ctx);
  CHECK_FALSE(started);
  REQUIRE(result);
  CHECK(result->value() == 3);
  CHECK_FALSE(result->cancelled_caught());
}

TEST_CASE("rule 27: services are waited for however long they take", "[service]") {
  asio::io_context ctx;
  manual_event never;
  manual_event slow;
  event_log log;
  host h(ctx, [&]() -> awaitable<void> {
    co_await with_cancel_scope([&](auto& scope) -> awaitable<void> {
      scope.spawn(child_options().service(), [&]() -> awaitable<void> {
        co_await with_cleanup(logged(log, "service", never.wait()), [&] { return slow.wait(); });
      });
      co_await hop();
      co_await hop();
    });
    log.add("left");
  });
  drain(ctx);
  CHECK(log.str() == "service:aborted");
  CHECK(drain(ctx) == 0);
  slow.set();
  drain(ctx);
  CHECK(log.str() == "service:aborted left");
}

TEST_CASE("rule 27: the last that is no service ends them whether child or body or token child",
          "[service]") {
  asio::io_context ctx;
  manual_event never;
  manual_event body_ends;
  manual_event child_ends;
  manual_event token_child_ends;
  event_log log;
  host h(ctx, [&]() -> awaitable<void> {
    co_await with_cancel_scope([&](auto& scope) -> awaitable<void> {
      scope.spawn(child_options().service(), logged(log, "service", never.wait()));
      scope.spawn(child_ends.wait());
      scope.spawn(token_child_ends.wait(), [&](std::exception_ptr) { log.add("token"); });
      co_await body_ends.wait();
    });
  });
  drain(ctx);
  manual_event* order[] = {&body_ends, &child_ends, &token_child_ends};
  std::string const expected = GENERATE("012", "120", "201", "021", "102", "210");
  for (char const which : expected) {
    CHECK(log.count("service:aborted") == 0);
    order[which - '0']->set();
    drain(ctx);
  }
  CHECK(log.str() == (expected.back() == '2' ? "token service:aborted" : log.str()));
  CHECK(log.count("service:aborted") == 1);
  CHECK(h.clean());
}

TEST_CASE("rule 27: services of an object run until a join comes", "[service]") {
  asio::io_context ctx;
  manual_event never;
  event_log log;
  cancel_scope<> scope(ctx);
  scope.spawn(child_options().service(), logged(log, "service", never.wait()));
  scope.spawn(hop());
  drain(ctx);
  CHECK(log.str().empty());
  CHECK(scope.size() == 1);

  SECTION("with nothing else left") {
    scope.async_join([&](std::exception_ptr e) { log.add(e ? "error" : "joined"); });
    drain(ctx);
  }
  SECTION("with a child left") {
    manual_event work;
    scope.spawn(logged(log, "work", work.wait()));
    scope.async_join([&](std::exception_ptr e) { log.add(e ? "error" : "joined"); });
    drain(ctx);
    CHECK(log.str().empty());
    work.set();
    drain(ctx);
    CHECK(log.str().starts_with("work "));
  }
  CHECK(log.str().ends_with("service:aborted joined"));
  CHECK_FALSE(scope.cancel_called());
  CHECK_FALSE(scope.cancelled_caught());
  CHECK(scope.size() == 0);
}

TEST_CASE("rule 27: a cancel reaches services as it reaches every child", "[service][cancel]") {
  asio::io_context ctx;
  manual_event never;
  manual_event slow;
  event_log log;
  cancel_scope<> scope(ctx);
  scope.spawn(child_options().service(), logged(log, "service", never.wait()));
  scope.spawn(slow.wait_ignoring_cancellation());
  drain(ctx);
  scope.cancel();
  drain(ctx);
  CHECK(log.str() == "service:aborted");
  CHECK(scope.cancelled_caught());
  slow.set();
  scope.async_join([](std::exception_ptr) {});
  drain(ctx);
}

TEST_CASE("rule 27: a service that ends by itself is like any child", "[service]") {
  asio::io_context ctx;
  run(ctx, [&]() -> awaitable<void> {
    auto const result = co_await with_cancel_scope([&](auto& scope) -> awaitable<int> {
      auto handle = scope.spawn(child_options().service(), []() -> awaitable<int> {
        co_await hop();
        co_return 6;
      });
      co_return co_await handle.async_join(use_awaitable);
    });
    CHECK(result.value() == 6);
  });
}

TEST_CASE("rule 11: a service that fails fails its scope also when it is ending",
          "[service][error]") {
  asio::io_context ctx;
  manual_event never;
  manual_event fail_now;
  event_log log;
  host h(ctx, [&]() -> awaitable<void> {
    log.add(co_await ended(with_cancel_scope([&](auto& scope) -> awaitable<void> {
      scope.spawn(child_options().service(), [&]() -> awaitable<void> {
        auto const word = co_await ended(fail_now.wait());
        throw std::runtime_error(word == "aborted" ? "E2" : "E1");
      });
      scope.spawn(logged(log, "child", never.wait()));
      co_await hop();
      co_await hop();
      if (!fail_now.is_set()) scope.cancel();
      co_await never.wait();
    })));
  });
  SECTION("while there is work") {
    fail_now.set();
    drain(ctx);
    CHECK(log.str() == "child:aborted E1");
  }
  SECTION("when it is told to end") {
    drain(ctx);
    CHECK(log.str() == "child:aborted E2");
  }
  CHECK(h.clean());
}

TEST_CASE("rule 27: a service that fails when the work is done fails the scope",
          "[service][error]") {
  asio::io_context ctx;
  manual_event never;
  run(ctx, [&]() -> awaitable<void> {
    auto const word = co_await ended(with_cancel_scope([&](auto& scope) -> awaitable<void> {
      scope.spawn(child_options().service(), [&]() -> awaitable<void> {
        static_cast<void>(co_await ended(never.wait()));
        throw std::runtime_error("E1");
      });
      co_await hop();
      co_await hop();
    }));
    CHECK(word == "E1");
  });
}

TEST_CASE("rule 27: work that a service spawns while it is ending is waited for and not cut",
          "[service]") {
  asio::io_context ctx;
  manual_event never;
  manual_event work;
  event_log log;
  host h(ctx, [&]() -> awaitable<void> {
    co_await with_cancel_scope([&](cancel_scope<>& scope) -> awaitable<void> {
      scope.spawn(child_options().service(), [&]() -> awaitable<void> {
        log.add(co_await ended(never.wait()));
        scope.spawn(logged(log, "work", work.wait()));
        auto const refused = scope.spawn(child_options().service(), logged(log, "too late", hop()));
      });
      co_await hop();
      co_await hop();
    });
    log.add("left");
  });
  drain(ctx);
  CHECK(log.str() == "aborted");
  work.set();
  drain(ctx);
  CHECK(log.str() == "aborted work left");
  CHECK(h.clean());
}

TEST_CASE("rule 27: an outer request while services end does not make them an abort of the work",
          "[service][outer]") {
  asio::io_context ctx;
  manual_event never;
  manual_event slow;
  event_log log;
  host h(ctx, [&]() -> awaitable<void> {
    log.add(co_await ended(with_cancel_scope([&](auto& scope) -> awaitable<void> {
      scope.spawn(child_options().service(), [&]() -> awaitable<void> {
        co_await with_cleanup(never.wait(), [&] { return slow.wait(); });
      });
      co_await hop();
      co_await hop();
    })));
    co_await hop();
    log.add("not reached");
  });
  drain(ctx);
  // The service has been told to end; the work is done.
  h.cancel();
  drain(ctx);
  slow.set();
  drain(ctx);
  CHECK(log.str() == "value");
  CHECK(h.aborted());
}

TEST_CASE("rule 27: a service on an executor of its own is told there and waited for",
          "[service][executor]") {
  asio::io_context ctx;
  manual_event never;
  event_log log;
  auto const strand = asio::make_strand(ctx);
  run(ctx, [&]() -> awaitable<void> {
    co_await with_cancel_scope([&](auto& scope) -> awaitable<void> {
      scope.spawn(child_options().on(strand).service(), [&]() -> awaitable<void> {
        co_await until_cancelled(
            [&] { log.add(strand.running_in_this_thread() ? "there" : "elsewhere"); });
      });
      co_await hop();
      co_await hop();
    });
  });
  CHECK(log.str() == "there");
}
