// SPDX-License-Identifier: MIT
//
// What a child costs in allocations. What it costs in time is measured in benchmarks/.

#include "support/allocation_hooks.hpp"
#include "support/asio.hpp"
#include "support/catch.hpp"
#include "support/manual_event.hpp"
#include "support/run.hpp"

#include <asio_cancel_scope.hpp>

#include <cstddef>
#include <exception>
#include <list>

using namespace asio_cancel_scope;

namespace {

// How many allocations it takes to start `n` children that are alive together, and to end them.
long made_by_co_spawn(int n) {
  asio::io_context ctx;
  manual_event event;
  std::list<asio::cancellation_signal> signals(static_cast<std::size_t>(n));
  asio::any_io_executor const ex = ctx.get_executor();
  auto const before = allocation_hooks::made;
  for (auto& signal : signals)
    asio::co_spawn(ex, event.wait(),
                   asio::bind_cancellation_slot(signal.slot(), [](std::exception_ptr) {}));
  drain(ctx);
  event.set();
  drain(ctx);
  return allocation_hooks::made - before;
}

long made_by_spawn(int n) {
  asio::io_context ctx;
  manual_event event;
  cancel_scope<> scope(ctx);
  auto const before = allocation_hooks::made;
  for (int i = 0; i != n; ++i) scope.spawn(event.wait());
  drain(ctx);
  event.set();
  drain(ctx);
  auto const made = allocation_hooks::made - before;
  CHECK(scope.size() == 0);
  return made;
}

// Whether Asio keeps the memory of a task that has run for the next one.
bool recycles() {
  asio::io_context ctx;
  auto const post_twice = [&] {
    auto const before = allocation_hooks::made;
    asio::post(ctx, [&] { asio::post(ctx, [] {}); });
    drain(ctx);
    return allocation_hooks::made - before;
  };
  post_twice();
  return post_twice() < 2;
}

// The same with a token that has a slot, as co_spawn is given above.
long made_by_spawn_with_token(int n) {
  asio::io_context ctx;
  manual_event event;
  std::list<asio::cancellation_signal> signals(static_cast<std::size_t>(n));
  cancel_scope<> scope(ctx);
  auto const before = allocation_hooks::made;
  for (auto& signal : signals)
    scope.spawn(event.wait(),
                asio::bind_cancellation_slot(signal.slot(), [](std::exception_ptr) {}));
  drain(ctx);
  event.set();
  drain(ctx);
  auto const made = allocation_hooks::made - before;
  CHECK(scope.size() == 0);
  return made;
}

}  // namespace

TEST_CASE(
    "design 4: a child takes at most one allocation beyond those of co_spawn, two with a guard",
    "[cancel_scope][cost]") {
  bool const guarded = ACS_TEST_ASIO_VERSION >= 102500 && ACS_TEST_ASIO_VERSION < 103002;
  long const beyond = guarded ? 2 : 1;
  // The difference is that of children, without what there is once.
  auto const co_spawned = made_by_co_spawn(200) - made_by_co_spawn(100);
  auto const spawned = made_by_spawn(200) - made_by_spawn(100);
  INFO(spawned << " and " << co_spawned << " for 100 children");
  CHECK(co_spawned > 0);
  CHECK(spawned <= co_spawned + 100 * beyond);

  auto const with_token = made_by_spawn_with_token(200) - made_by_spawn_with_token(100);
  INFO(with_token << " with a token");
  // The handler is posted, which is an allocation in builds for sanitizers only.
  CHECK(with_token <= co_spawned + 100 * (beyond + (recycles() ? 0 : 1)));
}

TEST_CASE("design 4: the state of a block is small enough for malloc's quick ways",
          "[cancel_scope][cost]") {
  using body = asio::awaitable<void> (*)(cancel_scope<>&);
  using state = asio_cancel_scope::detail::block<asio::any_io_executor, cancel_scope<>, body>;
  // What make_shared puts before it: a pointer and two counts.
  CHECK(sizeof(state) + 2 * sizeof(void*) < 1024);
}

TEST_CASE("design 4: the record of a child is small enough for malloc's quickest way",
          "[cancel_scope][cost]") {
  using record =
      asio_cancel_scope::detail::child_record<asio::any_io_executor, asio::awaitable<void>>;
  CHECK(sizeof(record) <= 15 * sizeof(void*));
}
