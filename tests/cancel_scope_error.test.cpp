// SPDX-License-Identifier: MIT
#include <asio_cancel_scope.hpp>

#include "support/asio.hpp"
#include "support/catch.hpp"
#include "support/event_log.hpp"
#include "support/manual_event.hpp"
#include "support/run.hpp"
#include "support/tracked.hpp"

#include <exception>
#include <stdexcept>
#include <string>

using namespace asio_cancel_scope;

namespace {

struct failure : std::runtime_error {
  using std::runtime_error::runtime_error;
};

std::exception_ptr make_error(char const* what) {
  return std::make_exception_ptr(failure(what));
}

awaitable<void> throw_at(manual_event& event, std::exception_ptr error) {
  co_await event.wait();
  std::rethrow_exception(error);
}

// Is aborted, takes its time to clean up, and throws an error of its own in the end.
awaitable<void> throw_after_cleanup(manual_event& cleanup, std::exception_ptr error) {
  try {
    co_await until_cancelled();
  } catch (system_error const&) {
  }
  co_await asio::this_coro::reset_cancellation_state(asio::disable_cancellation());
  co_await cleanup.wait();
  std::rethrow_exception(error);
}

}  // namespace

TEST_CASE("rule 11 B069: the failure of one child aborts its siblings promptly",
          "[cancel_scope][error]") {
  asio::io_context ctx;
  event_log log;
  manual_event event;
  manual_event cleanup;
  auto const error = make_error("E1");
  host h(ctx, [&]() -> awaitable<void> {
    try {
      co_await with_cancel_scope([&](cancel_scope<>& scope) -> awaitable<void> {
        for (std::string const name : {"a", "b"}) {
          scope.spawn([&log, &cleanup, name]() -> awaitable<void> {
            try {
              co_await until_cancelled();
            } catch (system_error const&) {
              log.add(name + ":aborted");
            }
            co_await asio::this_coro::reset_cancellation_state(asio::disable_cancellation());
            co_await cleanup.wait();
            log.add(name + ":clean");
          });
        }
        scope.spawn(throw_at(event, error));
        co_return;
      });
    } catch (failure const&) {
      log.add("left");
      throw;
    }
  });
  drain(ctx);
  event.set();
  drain(ctx);
  CHECK(log.str() == "a:aborted b:aborted");
  cleanup.set();
  drain(ctx);
  CHECK(log.str() == "a:aborted b:aborted a:clean b:clean left");
  CHECK(h.error() == error);
}

TEST_CASE("rule 11: the failure of a child aborts the body", "[cancel_scope][error]") {
  asio::io_context ctx;
  event_log log;
  manual_event event;
  auto const error = make_error("E1");
  host h(ctx, [&]() -> awaitable<void> {
    co_await with_cancel_scope([&](cancel_scope<>& scope) -> awaitable<void> {
      scope.spawn(throw_at(event, error));
      try {
        co_await until_cancelled();
      } catch (...) {
        log.add(is_aborted(std::current_exception()) ? "aborted" : "wrong");
        throw;
      }
    });
  });
  drain(ctx);
  event.set();
  drain(ctx);
  CHECK(log.str() == "aborted");
  CHECK(h.error() == error);
}

TEST_CASE("rule 11 B070: an error of the body aborts the children and is the very object thrown",
          "[cancel_scope][error]") {
  asio::io_context ctx;
  auto const before = tracked::alive();
  int aborted = 0;
  manual_event event;
  auto const error = make_error("E1");
  cancel_cause cause = cancel_cause::none;
  bool left = false;
  host h(ctx, [&]() -> awaitable<void> {
    try {
      co_await with_cancel_scope([&](cancel_scope<>& scope) -> awaitable<void> {
        for (int i = 0; i < 3; ++i) {
          scope.spawn([&, captured = tracked()]() -> awaitable<void> {
            try {
              co_await until_cancelled();
            } catch (system_error const&) {
              ++aborted;
              cause = scope.cause();
              throw;
            }
          });
        }
        co_await event.wait();
        std::rethrow_exception(error);
      });
    } catch (...) {
      left = tracked::alive() == before;
      throw;
    }
  });
  drain(ctx);
  event.set();
  drain(ctx);
  CHECK(aborted == 3);
  CHECK(left);
  CHECK(cause == cancel_cause::child_error);
  CHECK(h.error() == error);
}

TEST_CASE("rule 11 B072: the first error in time is thrown and not the first in spawn order",
          "[cancel_scope][error]") {
  asio::io_context ctx;
  manual_event events[3];
  auto const first = make_error("first in time");
  SECTION("of children") {
    cancel_scope<> scope(ctx);
    scope.spawn(throw_after_cleanup(events[0], make_error("spawned first")));
    scope.spawn(throw_at(events[1], first));
    scope.spawn(throw_after_cleanup(events[2], make_error("spawned last")));
    std::exception_ptr outcome;
    scope.async_join([&](std::exception_ptr e) { outcome = e; });
    drain(ctx);
    for (int i : {1, 0, 2}) {
      CHECK(!outcome);
      events[i].set();
      drain(ctx);
    }
    CHECK(outcome == first);
  }
  SECTION("of a child and then the body") {
    host h(ctx, [&]() -> awaitable<void> {
      co_await with_cancel_scope([&](cancel_scope<>& scope) -> awaitable<void> {
        scope.spawn(throw_at(events[1], first));
        co_await throw_after_cleanup(events[0], make_error("of the body"));
      });
    });
    drain(ctx);
    events[1].set();
    drain(ctx);
    events[0].set();
    drain(ctx);
    CHECK(h.error() == first);
  }
  SECTION("of the body and then a child") {
    host h(ctx, [&]() -> awaitable<void> {
      co_await with_cancel_scope([&](cancel_scope<>& scope) -> awaitable<void> {
        scope.spawn(throw_after_cleanup(events[0], make_error("of the child")));
        co_await throw_at(events[1], first);
      });
    });
    drain(ctx);
    events[1].set();
    drain(ctx);
    CHECK(!h.done());
    events[0].set();
    drain(ctx);
    CHECK(h.error() == first);
  }
}

TEST_CASE("rule 11 B074: many children that throw while they are aborted give one error",
          "[cancel_scope][error]") {
  asio::io_context ctx;
  auto const before = tracked::alive();
  auto const first = make_error("first");
  constexpr int count = 100;
  int thrown = 0;
  bool const cancelled_from_outside = GENERATE(false, true);
  manual_event event;
  host h(ctx, [&]() -> awaitable<void> {
    co_await with_cancel_scope([&](cancel_scope<>& scope) -> awaitable<void> {
      for (int i = 0; i < count; ++i) {
        scope.spawn([&, captured = tracked()]() -> awaitable<void> {
          try {
            co_await until_cancelled();
          } catch (system_error const&) {
            if (++thrown == 1 && cancelled_from_outside) {
              std::rethrow_exception(first);
            }
            throw failure("later");
          }
        });
      }
      if (!cancelled_from_outside) {
        co_await throw_at(event, first);
      }
    });
  });
  drain(ctx);
  if (cancelled_from_outside) {
    h.cancel();
  } else {
    event.set();
  }
  drain(ctx);
  CHECK(thrown == count);
  CHECK(h.error() == first);
  CHECK(tracked::alive() == before);
}

TEST_CASE("B095: an error cancels the scope also when leaving is already waiting",
          "[cancel_scope][error]") {
  asio::io_context ctx;
  manual_event event;
  int aborted = 0;
  auto const error = make_error("E1");
  host h(ctx, [&]() -> awaitable<void> {
    co_await with_cancel_scope([&](auto& scope) -> awaitable<void> {
      for (int i = 0; i < 2; ++i) {
        scope.spawn([&]() -> awaitable<void> { co_await until_cancelled([&] { ++aborted; }); });
      }
      scope.spawn(throw_at(event, error));
      co_return;
    });
  });
  drain(ctx);
  CHECK(aborted == 0);
  event.set();
  drain(ctx);
  CHECK(aborted == 2);
  CHECK(h.error() == error);
}

TEST_CASE("rule 11: an error after a weaker request still aborts everybody",
          "[cancel_scope][error]") {
  asio::io_context ctx;
  manual_event fail_now;
  manual_event never;
  auto const error = make_error("E1");
  bool const in_body = GENERATE(false, true);
  cancel_scope<>* inside = nullptr;
  host h(ctx, [&]() -> awaitable<void> {
    co_await with_cancel_scope([&](cancel_scope<>& scope) -> awaitable<void> {
      inside = &scope;
      scope.spawn(never.wait());
      scope.spawn(throw_at(in_body ? never : fail_now, error));
      co_await throw_at(in_body ? fail_now : never, error);
    });
  });
  drain(ctx);
  // Coroutines let only terminal through unless they ask for more.
  inside->cancel(asio::cancellation_type::total);
  drain(ctx);
  CHECK(never.waiters() == 2);
  fail_now.set();
  drain(ctx);
  CHECK(never.waiters() == 0);
  CHECK(h.error() == error);
}

TEST_CASE("rule 11: a child that has not started never starts after an error",
          "[cancel_scope][error]") {
  asio::io_context ctx;
  asio::io_context other;
  cancel_scope<> scope(ctx);
  bool ran = false;
  auto late = scope.spawn(other, [&]() -> awaitable<void> {
    ran = true;
    co_return;
  });
  scope.spawn([]() -> awaitable<void> {
    throw failure("E1");
    co_return;
  });
  drain(ctx);
  CHECK(!late.done());
  drain(other);
  CHECK(late.done());
  CHECK(!ran);
  CHECK(is_aborted(error_of([&] { late.get(); })));
}
