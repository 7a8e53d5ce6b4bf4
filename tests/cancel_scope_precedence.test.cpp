// SPDX-License-Identifier: MIT
#include <asio_cancel_scope.hpp>

#include "support/asio.hpp"
#include "support/catch.hpp"
#include "support/event_log.hpp"
#include "support/manual_event.hpp"
#include "support/run.hpp"

#include <exception>
#include <optional>
#include <stdexcept>

using namespace asio_cancel_scope;

namespace {

struct failure : std::runtime_error {
  using std::runtime_error::runtime_error;
};

std::exception_ptr make_error(char const* what) {
  return std::make_exception_ptr(failure(what));
}

struct cancels_in_destructor {
  cancel_scope<>& scope;
  ~cancels_in_destructor() { scope.cancel(); }
};

// Is cancelled, goes on where no request reaches it until the event, and fails.
awaitable<void> fail_after_cancel(manual_event& event, std::exception_ptr error) {
  try {
    co_await until_cancelled();
  } catch (system_error const&) {
  }
  co_await asio::this_coro::reset_cancellation_state(asio::disable_cancellation());
  co_await event.wait();
  std::rethrow_exception(error);
}

// A block with a child and a body that are cancelled: by the scope itself or by its host.
template <typename Body>
std::exception_ptr leave(bool from_outside, manual_event& event, Body const& body) {
  asio::io_context ctx;
  cancel_scope<>* inside = nullptr;
  host h(ctx, [&]() -> awaitable<void> {
    co_await with_cancel_scope([&](cancel_scope<>& scope) -> awaitable<void> {
      inside = &scope;
      co_await body(scope);
    });
  });
  drain(ctx);
  CHECK(!h.done());
  if (from_outside) {
    h.cancel();
  } else {
    inside->cancel();
  }
  drain(ctx);
  CHECK(!h.done());
  event.set();
  drain(ctx);
  CHECK(h.done());
  return h.error();
}

}  // namespace

TEST_CASE("rule 13: a real error of a child wins over any cancellation", "[cancel_scope][error]") {
  bool const from_outside = GENERATE(false, true);
  manual_event event;
  auto const error = make_error("E1");
  SECTION("with the body cut short") {
    CHECK(error == leave(from_outside, event, [&](cancel_scope<>& scope) -> awaitable<void> {
            scope.spawn(fail_after_cancel(event, error));
            scope.spawn(until_cancelled());
            co_await until_cancelled();
          }));
  }
  SECTION("while leaving with the body done") {
    CHECK(error == leave(from_outside, event, [&](cancel_scope<>& scope) -> awaitable<void> {
            scope.spawn(fail_after_cancel(event, error));
            scope.spawn(until_cancelled());
            co_return;
          }));
  }
}

TEST_CASE("rule 13 B088: a real error that the cancelled body throws instead wins",
          "[cancel_scope][error]") {
  bool const from_outside = GENERATE(false, true);
  manual_event event;
  auto const error = make_error("E2");
  CHECK(error == leave(from_outside, event, [&](cancel_scope<>& scope) -> awaitable<void> {
          scope.spawn(until_cancelled());
          co_await fail_after_cancel(event, error);
        }));
}

TEST_CASE("rule 13: a cancellation that comes after a real error does not hide it",
          "[cancel_scope][error]") {
  asio::io_context ctx;
  bool const from_outside = GENERATE(false, true);
  manual_event event;
  manual_event slow;
  auto const error = make_error("E1");
  cancel_scope<>* inside = nullptr;
  host h(ctx, [&]() -> awaitable<void> {
    co_await with_cancel_scope([&](cancel_scope<>& scope) -> awaitable<void> {
      inside = &scope;
      scope.spawn([&]() -> awaitable<void> {
        co_await event.wait();
        std::rethrow_exception(error);
      });
      scope.spawn(slow.wait_ignoring_cancellation());
      co_await until_cancelled();
    });
  });
  drain(ctx);
  event.set();
  drain(ctx);
  if (from_outside) {
    h.cancel();
  } else {
    inside->cancel();
  }
  drain(ctx);
  CHECK(!h.done());
  slow.set();
  drain(ctx);
  CHECK(h.error() == error);
}

TEST_CASE("rule 13: a real error wins over the cancellation of the join of a scope object",
          "[cancel_scope][error]") {
  asio::io_context ctx;
  manual_event event;
  auto const error = make_error("E1");
  cancel_scope<> scope(ctx);
  scope.spawn(fail_after_cancel(event, error));
  scope.spawn(until_cancelled());
  host h(ctx, [&]() -> awaitable<void> { co_await scope.async_join(use_awaitable); });
  drain(ctx);
  h.cancel();
  drain(ctx);
  CHECK(!h.done());
  CHECK(scope.size() == 1);
  event.set();
  drain(ctx);
  CHECK(h.error() == error);
}

TEST_CASE("rule 13 B058: a child that fails while the cancelled body cleans up wins",
          "[cancel_scope][error]") {
  asio::io_context ctx;
  event_log log;
  manual_event fail_now;
  manual_event cleanup;
  auto const error = make_error("E1");
  host h(ctx, [&]() -> awaitable<void> {
    co_await with_cancel_scope([&](cancel_scope<>& scope) -> awaitable<void> {
      scope.spawn(fail_after_cancel(fail_now, error));
      std::exception_ptr aborted;
      try {
        co_await until_cancelled();
      } catch (...) {
        aborted = std::current_exception();
      }
      co_await asio::this_coro::reset_cancellation_state(asio::disable_cancellation());
      co_await cleanup.wait();
      log.add("cleaned");
      std::rethrow_exception(aborted);
    });
  });
  drain(ctx);
  h.cancel();
  drain(ctx);
  fail_now.set();
  drain(ctx);
  CHECK(!h.done());
  CHECK(log.str() == "");
  cleanup.set();
  drain(ctx);
  CHECK(log.str() == "cleaned");
  CHECK(h.error() == error);
}

TEST_CASE("rule 13 B082: the error of a child propagates when cancel is called while it unwinds",
          "[cancel_scope][error]") {
  auto const error = make_error("E1");
  std::exception_ptr thrown;
  cancel_cause cause = cancel_cause::none;
  run([&]() -> awaitable<void> {
    try {
      co_await with_cancel_scope([&](cancel_scope<>& scope) -> awaitable<void> {
        scope.spawn([&]() -> awaitable<void> {
          cancels_in_destructor const while_unwinding{scope};
          co_await asio::post(use_awaitable);
          std::rethrow_exception(error);
        });
        try {
          co_await until_cancelled();
        } catch (system_error const&) {
          cause = scope.cause();
          throw;
        }
      });
    } catch (...) {
      thrown = std::current_exception();
    }
  });
  CHECK(thrown == error);
  // The request came first: the scope learns of the error when the child has ended.
  CHECK(cause == cancel_cause::requested);
}

TEST_CASE("rule 13 B083: an error that the body throws after cancel without awaiting propagates",
          "[cancel_scope][error]") {
  auto const error = make_error("E1");
  std::exception_ptr thrown;
  run([&]() -> awaitable<void> {
    try {
      co_await with_cancel_scope([&](auto& scope) -> awaitable<void> {
        scope.spawn(until_cancelled());
        scope.cancel();
        std::rethrow_exception(error);
        co_return;
      });
    } catch (...) {
      thrown = std::current_exception();
    }
  });
  CHECK(thrown == error);
}

TEST_CASE("rule 13 B084: the error of the body propagates when cancel is called on the way out",
          "[cancel_scope][error]") {
  auto const error = make_error("E1");
  std::exception_ptr thrown;
  bool const by_destructor = GENERATE(true, false);
  run([&]() -> awaitable<void> {
    try {
      co_await with_cancel_scope([&](cancel_scope<>& scope) -> awaitable<void> {
        scope.spawn(until_cancelled());
        std::optional<cancels_in_destructor> on_the_way;
        if (by_destructor) {
          on_the_way.emplace(scope);
        }
        co_await asio::post(use_awaitable);
        try {
          std::rethrow_exception(error);
        } catch (...) {
          scope.cancel();
          throw;
        }
      });
    } catch (...) {
      thrown = std::current_exception();
    }
  });
  CHECK(thrown == error);
}

TEST_CASE("rule 13 B089: of aborted and successful and failed children only the error is reported",
          "[cancel_scope][error]") {
  asio::io_context ctx;
  manual_event event;
  manual_event set;
  set.set();
  auto const error = make_error("E1");
  std::optional<child<int>> succeeded;
  std::optional<child<void>> aborted;
  int suppressed = 0;
  auto const options = scope_options().on_suppressed([&](std::exception_ptr) { ++suppressed; });
  host h(ctx, [&]() -> awaitable<void> {
    co_await with_cancel_scope(options, [&](cancel_scope<>& scope) -> awaitable<void> {
      succeeded = scope.spawn([&]() -> awaitable<int> {
        co_await set.wait();
        co_return 1;
      });
      aborted = scope.spawn(until_cancelled());
      scope.spawn(until_cancelled());
      scope.spawn([&]() -> awaitable<void> {
        co_await event.wait();
        std::rethrow_exception(error);
      });
      co_return;
    });
  });
  drain(ctx);
  event.set();
  drain(ctx);
  CHECK(h.error() == error);
  CHECK(suppressed == 0);
  CHECK(succeeded->get() == 1);
  CHECK(aborted->done());
}

TEST_CASE("B091: of children that an outer request aborted exactly one abort comes out",
          "[cancel_scope][error]") {
  asio::io_context ctx;
  int suppressed = 0;
  auto const options = scope_options().on_suppressed([&](std::exception_ptr) { ++suppressed; });
  host h(ctx, [&]() -> awaitable<void> {
    co_await with_cancel_scope(options, [&](cancel_scope<>& scope) -> awaitable<void> {
      for (int i = 0; i < 5; ++i) {
        scope.spawn(until_cancelled());
      }
      co_await until_cancelled();
    });
  });
  drain(ctx);
  h.cancel();
  drain(ctx);
  CHECK(h.aborted());
  CHECK(suppressed == 0);
}

TEST_CASE("rule 13 B092: an error is delivered when the last child has ended and not before",
          "[cancel_scope][error]") {
  asio::io_context ctx;
  manual_event fail_now;
  manual_event slow;
  auto const error = make_error("E1");
  cancel_scope<>* inside = nullptr;
  host h(ctx, [&]() -> awaitable<void> {
    co_await with_cancel_scope([&](cancel_scope<>& scope) -> awaitable<void> {
      inside = &scope;
      scope.spawn(slow.wait_ignoring_cancellation());
      scope.spawn(fail_after_cancel(fail_now, error));
      co_return;
    });
  });
  drain(ctx);
  inside->cancel();
  drain(ctx);
  fail_now.set();
  drain(ctx);
  CHECK(inside->size() == 1);
  CHECK(!h.done());
  slow.set();
  drain(ctx);
  CHECK(h.error() == error);
}

TEST_CASE("B093: an error that a child stored and dropped when it was aborted is not reported",
          "[cancel_scope][error]") {
  asio::io_context ctx;
  int suppressed = 0;
  auto const options = scope_options().on_suppressed([&](std::exception_ptr) { ++suppressed; });
  bool handled = false;
  cancel_scope<>* inside = nullptr;
  host h(ctx, [&]() -> awaitable<void> {
    auto const result =
        co_await with_cancel_scope(options, [&](cancel_scope<>& scope) -> awaitable<void> {
          inside = &scope;
          scope.spawn([&]() -> awaitable<void> {
            std::exception_ptr stored;
            try {
              throw failure("E1");
            } catch (...) {
              stored = std::current_exception();
            }
            handled = true;
            co_await until_cancelled();
            std::rethrow_exception(stored);
          });
          co_return;
        });
    CHECK(result.cancelled_caught());
    CHECK(result.cause() == cancel_cause::requested);
  });
  drain(ctx);
  CHECK(handled);
  inside->cancel();
  drain(ctx);
  CHECK(h.clean());
  CHECK(suppressed == 0);
}
