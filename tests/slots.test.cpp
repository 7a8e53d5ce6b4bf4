// SPDX-License-Identifier: MIT
//
// What the library puts into the slots of handlers. A signal may outlive everything, and a slot may
// be cleared at any time.

#include "support/asio.hpp"
#include "support/catch.hpp"
#include "support/manual_event.hpp"
#include "support/run.hpp"
#include "support/tracked.hpp"

#include <asio_cancel_scope.hpp>

#include <cstddef>
#include <exception>
#include <optional>

using namespace asio_cancel_scope;

namespace {

// Starts an operation whose handler has the slot of `signal`.
using starter = void (*)(cancel_scope<>& scope, child<void>& running, manual_event& never,
                         asio::cancellation_signal& signal);

template <typename... Args>
auto with_slot(asio::cancellation_signal& signal) {
  return asio::bind_cancellation_slot(signal.slot(), [t = tracked()](Args...) {});
}

void start_spawn(cancel_scope<>& scope, child<void>&, manual_event& never,
                 asio::cancellation_signal& signal) {
  scope.spawn(never.wait(), with_slot<std::exception_ptr>(signal));
}

void start_child_join(cancel_scope<>&, child<void>& running, manual_event&,
                      asio::cancellation_signal& signal) {
  running.async_join(with_slot<std::exception_ptr>(signal));
}

void start_async_spawn(cancel_scope<>& scope, child<void>&, manual_event& never,
                       asio::cancellation_signal& signal) {
  scope.async_spawn(never.wait(), with_slot<std::exception_ptr, child<void>>(signal));
}

void start_async_start(cancel_scope<>& scope, child<void>&, manual_event& never,
                       asio::cancellation_signal& signal) {
  auto const waits = [&never](ready_signal<>) { return never.wait(); };
  scope.async_start(waits, with_slot<std::exception_ptr>(signal));
}

void start_tracked(cancel_scope<>& scope, child<void>&, manual_event& never,
                   asio::cancellation_signal& signal) {
  never.async_wait(scope.track(with_slot<error_code>(signal)));
}

void start_scope_join(cancel_scope<>& scope, child<void>&, manual_event&,
                      asio::cancellation_signal& signal) {
  scope.async_join(with_slot<std::exception_ptr>(signal));
}

struct operation {
  starter start;
  std::size_t max_children;
};

// In a full scope, what can wait for room does.
constexpr operation operations[] = {
    {start_spawn, 9},       {start_child_join, 9},  {start_async_spawn, 9}, {start_async_spawn, 1},
    {start_async_start, 9}, {start_async_start, 1}, {start_tracked, 9},     {start_scope_join, 9},
};

}  // namespace

TEST_CASE("rule 19: a signal that outlives scope, children and context finds nothing",
          "[cancel_scope][slots]") {
  auto const [start, max_children] = operations[GENERATE(0, 1, 2, 3, 4, 5, 6, 7)];
  auto const steps = GENERATE(0, 1, 2, 100);
  asio::cancellation_signal signal;
  {
    asio::io_context ctx;
    manual_event never;
    cancel_scope<> scope(ctx, scope_options().max_children(max_children));
    auto running = scope.spawn(never.wait());
    start(scope, running, never, signal);
    for (int i = 0; i != steps; ++i) ctx.poll_one();
  }
  CHECK(tracked::alive() == 0);
  signal.emit(asio::cancellation_type::terminal);
}

TEST_CASE("rule 19: a signal keeps neither a child that it could cancel nor its captures",
          "[cancel_scope][slots]") {
  asio::cancellation_signal signal;
  asio::io_context ctx;
  std::optional<cancel_scope<>> scope(std::in_place, ctx);
  scope->spawn([t = tracked()]() -> awaitable<void> { co_return; },
               asio::bind_cancellation_slot(signal.slot(), [t = tracked()](std::exception_ptr) {}));
  drain(ctx);
  CHECK(tracked::alive() == 0);
  scope.reset();
  signal.emit(asio::cancellation_type::terminal);
}

TEST_CASE("conventions: a slot that is cleared while its operation waits is let alone",
          "[cancel_scope][slots]") {
  auto const [start, max_children] = operations[GENERATE(0, 1, 2, 3, 4, 5, 6, 7)];
  asio::io_context ctx;
  manual_event never;
  asio::cancellation_signal signal;
  cancel_scope<> scope(ctx, scope_options().max_children(max_children));
  auto running = scope.spawn(never.wait());
  start(scope, running, never, signal);
  drain(ctx);
  signal.slot().clear();
  signal.emit(asio::cancellation_type::terminal);
  CHECK_FALSE(scope.cancel_called());
  scope.cancel();
  drain(ctx);
  CHECK(scope.size() == 0);
  CHECK(tracked::alive() == 0);
}
