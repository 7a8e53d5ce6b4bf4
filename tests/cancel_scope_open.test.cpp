// SPDX-License-Identifier: MIT
#include <asio_cancel_scope.hpp>

#include "support/asio.hpp"
#include "support/catch.hpp"
#include "support/event_log.hpp"
#include "support/run.hpp"

#include <algorithm>
#include <cstddef>
#include <exception>
#include <functional>
#include <utility>

using namespace asio_cancel_scope;

namespace {

// Spawns from its destructor: the child that owns it is still live then.
class spawns_when_destroyed {
 public:
  spawns_when_destroyed(cancel_scope<>& scope, std::function<awaitable<void>()> next)
      : scope_(&scope), next_(std::move(next)) {}
  spawns_when_destroyed(spawns_when_destroyed&& other) noexcept
      : scope_(std::exchange(other.scope_, nullptr)), next_(std::move(other.next_)) {}
  ~spawns_when_destroyed() {
    if (scope_) {
      scope_->spawn(std::move(next_));
    }
  }

 private:
  cancel_scope<>* scope_;
  std::function<awaitable<void>()> next_;
};

}  // namespace

TEST_CASE("rule 2: a join of a scope without children completes", "[cancel_scope][lifetime]") {
  asio::io_context ctx;
  cancel_scope<> scope(ctx);
  bool called = false;
  std::exception_ptr outcome = std::make_exception_ptr(1);
  scope.async_join([&](std::exception_ptr e) {
    called = true;
    outcome = e;
  });
  CHECK(!called);
  drain(ctx);
  CHECK(called);
  CHECK(!outcome);
}

TEST_CASE("rule 2: a child may spawn into its scope after the body has returned",
          "[cancel_scope][lifetime]") {
  // Each child spawns the next as its last act, with the parent waiting.
  asio::io_context ctx;
  int left_to_do = 2000;
  int ran = 0;
  std::size_t smallest = 1;
  std::function<awaitable<void>(cancel_scope<>&)> link =
      [&](cancel_scope<>& scope) -> awaitable<void> {
    co_await asio::post(use_awaitable);
    ++ran;
    smallest = std::min(smallest, scope.size());
    if (--left_to_do > 0) {
      scope.spawn([&] { return link(scope); });
    }
  };
  run(ctx, [&]() -> awaitable<void> {
    co_await with_cancel_scope([&](cancel_scope<>& scope) -> awaitable<void> {
      scope.spawn([&] { return link(scope); });
      co_return;
    });
    CHECK(left_to_do == 0);
  });
  CHECK(ran == 2000);
  CHECK(smallest == 1);
}

TEST_CASE("rule 2: a child is live until its captures are destroyed and its handler has returned",
          "[cancel_scope][lifetime]") {
  event_log log;
  auto const heir = [&]() -> awaitable<void> {
    log.add("heir");
    co_return;
  };
  SECTION("the destructor of a capture spawns") {
    run([&]() -> awaitable<void> {
      co_await with_cancel_scope([&](cancel_scope<>& scope) -> awaitable<void> {
        scope.spawn([&, last_will = spawns_when_destroyed(scope, heir)]() -> awaitable<void> {
          log.add("child");
          co_return;
        });
        co_return;
      });
      log.add("left");
    });
    CHECK(log.str() == "child heir left");
  }
  SECTION("the handler of a token spawns") {
    run([&]() -> awaitable<void> {
      co_await with_cancel_scope([&](cancel_scope<>& scope) -> awaitable<void> {
        scope.spawn(
            [&]() -> awaitable<void> {
              log.add("child");
              co_return;
            },
            [&](std::exception_ptr) { scope.spawn(heir); });
        co_return;
      });
      log.add("left");
    });
    CHECK(log.str() == "child heir left");
  }
}
