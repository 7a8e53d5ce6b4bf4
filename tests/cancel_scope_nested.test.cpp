// SPDX-License-Identifier: MIT

#include "support/asio.hpp"
#include "support/catch.hpp"
#include "support/event_log.hpp"
#include "support/logged.hpp"
#include "support/manual_event.hpp"
#include "support/run.hpp"
#include "support/tracked.hpp"

#include <asio_cancel_scope.hpp>

#include <exception>
#include <stdexcept>
#include <string>
#include <type_traits>
#include <utility>

using namespace asio_cancel_scope;

namespace {

awaitable<void> hop() {
  co_await asio::post(use_awaitable);
}

struct boom : std::runtime_error {
  using std::runtime_error::runtime_error;
};

}  // namespace

TEST_CASE("B108: an inner cancel leaves the outer scope, its children and its body alone",
          "[with_cancel_scope][nested]") {
  asio::io_context ctx;
  manual_event never;
  manual_event go_on;
  event_log log;
  host h(ctx, [&]() -> awaitable<void> {
    auto const outer = co_await with_cancel_scope([&](auto& scope) -> awaitable<void> {
      scope.spawn(logged(log, "outer-child", go_on.wait()));
      auto const inner = co_await with_cancel_scope([&](auto& nested) -> awaitable<void> {
        nested.spawn(logged(log, "inner-child", never.wait()));
        co_await hop();
        nested.cancel();
        co_await logged(log, "inner-body", never.wait());
      });
      CHECK(inner.cancelled_caught());
      CHECK(inner.cause() == cancel_cause::requested);
      CHECK_FALSE(scope.cancel_called());
      log.add("between");
      co_await logged(log, "outer-body", hop());
    });
    CHECK_FALSE(outer.cancelled_caught());
    CHECK(outer.cause() == cancel_cause::none);
  });
  drain(ctx);
  CHECK(log.count("inner-child:aborted") == 1);
  CHECK(log.count("between") == 1);
  CHECK(log.str().ends_with("between outer-body"));
  CHECK_FALSE(h.done());
  go_on.set();
  drain(ctx);
  CHECK(log.str().ends_with("between outer-body outer-child"));
  CHECK(h.clean());
}

TEST_CASE("B108: a scope inside a child that cancels itself leaves the siblings alone",
          "[with_cancel_scope][nested]") {
  asio::io_context ctx;
  manual_event never;
  manual_event go_on;
  event_log log;
  host h(ctx, [&]() -> awaitable<void> {
    auto const outer = co_await with_cancel_scope([&](auto& scope) -> awaitable<void> {
      scope.spawn([&]() -> awaitable<void> {
        co_await with_cancel_scope([&](auto& nested) -> awaitable<void> {
          nested.spawn(never.wait());
          co_await hop();
          nested.cancel();
        });
        co_await logged(log, "child", hop());
      });
      scope.spawn(logged(log, "sibling", go_on.wait()));
      co_return;
    });
    CHECK(outer.cause() == cancel_cause::none);
  });
  drain(ctx);
  CHECK(log.str() == "child");
  go_on.set();
  drain(ctx);
  CHECK(log.str() == "child sibling");
  CHECK(h.clean());
}

TEST_CASE("B109: the outermost cancel aborts every leaf of every level once and joins them all",
          "[with_cancel_scope][nested]") {
  asio::io_context ctx;
  event_log log;
  auto const leaf = [&](std::string name) -> awaitable<void> {
    co_await logged(log, std::move(name), until_cancelled([&] { log.add("told"); }));
  };
  auto const middle = [&](std::string name) -> awaitable<void> {
    co_await logged(log, name, with_cancel_scope([&](auto& scope) -> awaitable<void> {
                      scope.spawn(leaf(name + "1"));
                      scope.spawn([&]() -> awaitable<void> {
                        co_await with_cancel_scope([&](auto& nested) -> awaitable<void> {
                          nested.spawn(leaf(name + "2"));
                          co_return;
                        });
                      });
                      co_await leaf(name + "3");
                    }));
  };
  bool caught = false;
  host h(ctx, [&]() -> awaitable<void> {
    auto const result = co_await with_cancel_scope([&](auto& scope) -> awaitable<void> {
      scope.spawn(middle("a"));
      scope.spawn(middle("b"));
      co_await hop();
      co_await hop();
      co_await hop();
      scope.cancel();
    });
    caught = result.cancelled_caught();
    log.add("left");
  });
  drain(ctx);
  CHECK(h.clean());
  CHECK(caught);
  CHECK(log.count("told") == 6);
  for (auto const* const name : {"a1", "a2", "a3", "b1", "b2", "b3", "a", "b"}) {
    INFO(name);
    CHECK(log.count(std::string(name) + ":aborted") == 1);
  }
  CHECK(log.size() == 15);
  CHECK(log.str().ends_with("left"));
}

TEST_CASE("B110: an error of an inner child is thrown into the outer body, which fails with it",
          "[with_cancel_scope][nested]") {
  asio::io_context ctx;
  manual_event never;
  event_log log;
  std::exception_ptr thrown_by_inner;
  std::exception_ptr thrown_by_outer;
  host h(ctx, [&]() -> awaitable<void> {
    try {
      co_await with_cancel_scope([&](auto& scope) -> awaitable<void> {
        scope.spawn(logged(log, "outer-child", never.wait()));
        try {
          co_await with_cancel_scope([&](auto& nested) -> awaitable<void> {
            nested.spawn(logged(log, "inner-child", never.wait()));
            nested.spawn([&]() -> awaitable<void> {
              co_await hop();
              throw boom("E1");
            });
            co_await logged(log, "inner-body", never.wait());
          });
        } catch (...) {
          log.add("inner");
          thrown_by_inner = std::current_exception();
          throw;
        }
      });
    } catch (...) {
      log.add("outer");
      thrown_by_outer = std::current_exception();
    }
  });
  drain(ctx);
  CHECK(h.clean());
  CHECK(log.count("inner-child:aborted") == 1);
  CHECK(log.count("inner-body:aborted") == 1);
  CHECK(log.str().ends_with("inner outer-child:aborted outer"));
  CHECK(log.size() == 5);
  CHECK(thrown_by_inner == thrown_by_outer);
  CHECK_THROWS_AS(std::rethrow_exception(thrown_by_outer), boom);
}

TEST_CASE("B111: an error of an outer child ends the inner scope, which does not swallow it",
          "[with_cancel_scope][nested]") {
  asio::io_context ctx;
  manual_event never;
  manual_event fail;
  event_log log;
  host h(ctx, [&]() -> awaitable<void> {
    co_await with_cancel_scope([&](auto& scope) -> awaitable<void> {
      scope.spawn([&]() -> awaitable<void> {
        co_await fail.wait();
        throw boom("E1");
      });
      co_await logged(log, "inner", with_cancel_scope([&](auto& nested) -> awaitable<void> {
                        nested.spawn(logged(log, "inner-child", never.wait()));
                        co_return;
                      }));
      log.add("not reached");
    });
  });
  drain(ctx);
  fail.set();
  drain(ctx);
  CHECK(log.str() == "inner-child:aborted inner:aborted");
  CHECK(message_of(h.error()) == "E1");
}

TEST_CASE("B118: a scope cannot be left in another order than it was entered",
          "[with_cancel_scope][nested]") {
  STATIC_REQUIRE_FALSE(std::is_copy_constructible_v<cancel_scope<>>);
  STATIC_REQUIRE_FALSE(std::is_move_constructible_v<cancel_scope<>>);
  STATIC_REQUIRE_FALSE(std::is_copy_assignable_v<cancel_scope<>>);
  STATIC_REQUIRE_FALSE(std::is_move_assignable_v<cancel_scope<>>);
  asio::io_context ctx;
  event_log log;
  run(ctx, [&]() -> awaitable<void> {
    co_await with_cancel_scope([&](auto& outer) -> awaitable<void> {
      co_await with_cancel_scope([&](auto&) -> awaitable<void> {
        try {
          co_await outer.async_join(use_awaitable);
        } catch (std::logic_error const&) {
          log.add("refused");
        }
      });
      CHECK_FALSE(outer.cancel_called());
      co_await logged(log, "body", hop());
    });
  });
  CHECK(log.str() == "refused body");
}

TEST_CASE("B121: a scope that a child exports is usable until its own children have been joined",
          "[with_cancel_scope][nested]") {
  asio::io_context ctx;
  manual_event never;
  manual_event stubborn;
  event_log log;
  cancel_scope<>* exported = nullptr;
  cancel_scope<>* outer = nullptr;
  {
    host h(ctx, [&]() -> awaitable<void> {
      co_await with_cancel_scope([&](auto& scope) -> awaitable<void> {
        outer = &scope;
        scope.spawn([&]() -> awaitable<void> {
          struct clear_pointer {
            cancel_scope<>*& pointer;
            ~clear_pointer() { pointer = nullptr; }
          } const clear{exported};
          co_await logged(log, "owner", with_cancel_scope([&](auto& nested) -> awaitable<void> {
                            exported = &nested;
                            co_await never.wait();
                          }));
        });
        co_await hop();
        exported->spawn(logged(log, "guest", stubborn.wait_ignoring_cancellation()));
        co_await logged(log, "body", never.wait());
      });
    });
    drain(ctx);
    REQUIRE(exported != nullptr);
    outer->cancel();
    drain(ctx);
    CHECK(log.str() == "body:aborted");
    REQUIRE(exported != nullptr);
    CHECK(exported->size() == 1);
    auto late = exported->spawn([&log, t = tracked()]() -> awaitable<void> {
      log.add("late");
      co_return;
    });
    drain(ctx);
    CHECK(late.done());
    stubborn.set();
    drain(ctx);
    CHECK(log.str() == "body:aborted guest owner:aborted");
    CHECK(exported == nullptr);
    CHECK(h.clean());
  }
  CHECK(tracked::alive() == 0);
}
