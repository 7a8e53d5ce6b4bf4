// SPDX-License-Identifier: MIT
#include <asio_cancel_scope.hpp>

#include "support/asio.hpp"
#include "support/catch.hpp"
#include "support/manual_event.hpp"
#include "support/run.hpp"

#if defined(ASIO_CANCEL_SCOPE_USE_BOOST_ASIO)
#  include <boost/asio/experimental/channel.hpp>
#else
#  include <asio/experimental/channel.hpp>
#endif

#include <chrono>
#include <exception>
#include <functional>
#include <stdexcept>
#include <string>
#include <system_error>

using namespace asio_cancel_scope;

namespace {

struct failure : std::runtime_error {
  using std::runtime_error::runtime_error;
};

struct own_system_error : system_error {
  using system_error::system_error;
};

struct other_base {
  virtual ~other_base() = default;
  int number = 1;
};

struct second_base_error : other_base, system_error {
  using system_error::system_error;
};

// What a catch clause for system_error would not catch.
struct hidden_error : private system_error {
  using system_error::system_error;
};

struct named_error {
  std::string name;
  std::exception_ptr error;
};

std::exception_ptr canceled_by_std() {
  return std::make_exception_ptr(
      std::system_error(std::make_error_code(std::errc::operation_canceled)));
}

std::exception_ptr channel_cancelled() {
  return std::make_exception_ptr(
      system_error(asio::experimental::error::channel_cancelled, "channel"));
}

std::exception_ptr several(std::exception_ptr first) {
  return std::make_exception_ptr(asio::multiple_exceptions(first));
}

std::exception_ptr operation_aborted() {
  return std::make_exception_ptr(system_error(asio::error::operation_aborted));
}

named_error each_cancellation_error() {
  error_code const generic(static_cast<int>(std::errc::operation_canceled),
#if defined(ASIO_CANCEL_SCOPE_USE_BOOST_ASIO)
                           boost::system::generic_category());
#else
                           std::generic_category());
#endif
  return GENERATE_COPY(
      named_error{"operation_aborted", operation_aborted()},
      named_error{"the backend's system_error with the generic code",
                  std::make_exception_ptr(system_error(generic))},
      named_error{"std::system_error", canceled_by_std()},
      named_error{"a class derived from system_error",
                  std::make_exception_ptr(own_system_error(asio::error::operation_aborted))},
      named_error{"a class whose second base is system_error",
                  std::make_exception_ptr(second_base_error(asio::error::operation_aborted))},
      named_error{"channel_cancelled", channel_cancelled()},
      named_error{"multiple_exceptions of operation_aborted", several(operation_aborted())},
      named_error{"multiple_exceptions of std::system_error", several(canceled_by_std())},
      named_error{"multiple_exceptions of channel_cancelled", several(channel_cancelled())});
}

named_error each_real_error() {
  return GENERATE_COPY(
      named_error{"runtime_error", std::make_exception_ptr(failure("E1"))},
      named_error{"another code", std::make_exception_ptr(system_error(asio::error::eof))},
      named_error{"another code of std", std::make_exception_ptr(std::system_error(
                                             std::make_error_code(std::errc::timed_out)))},
      named_error{"channel_closed",
                  std::make_exception_ptr(system_error(asio::experimental::error::channel_closed))},
      named_error{"multiple_exceptions of a real one",
                  several(std::make_exception_ptr(failure("E1")))},
      named_error{"multiple_exceptions of nothing", several(nullptr)},
      named_error{"a class that hides its system_error",
                  std::make_exception_ptr(hidden_error(asio::error::operation_aborted))},
      named_error{"int", std::make_exception_ptr(125)});
}

// Leaves a block in which somebody, who was told or not, throws `error`.
struct leaving {
  bool clean = false;
  std::exception_ptr thrown;
  bool cancelled_caught = false;
  cancel_cause cause = cancel_cause::none;

  explicit leaving(std::function<awaitable<void>(cancel_scope<>&)> body) {
    run([&]() -> awaitable<void> {
      try {
        auto const result = co_await with_cancel_scope(body);
        clean = true;
        cancelled_caught = result.cancelled_caught();
        cause = result.cause();
      } catch (...) {
        thrown = std::current_exception();
      }
    });
  }
};

awaitable<void> throw_when_told(std::exception_ptr error) {
  try {
    co_await until_cancelled();
  } catch (system_error const&) {
  }
  std::rethrow_exception(error);
}

awaitable<void> throw_later(std::exception_ptr error) {
  co_await asio::post(use_awaitable);
  std::rethrow_exception(error);
}

}  // namespace

TEST_CASE("rule 10 B089: cancellation errors of children that were told are swallowed",
          "[cancel_scope][error]") {
  auto const each = each_cancellation_error();
  INFO(each.name);
  leaving const left([&](cancel_scope<>& scope) -> awaitable<void> {
    scope.spawn(throw_when_told(each.error));
    scope.spawn(throw_when_told(each.error));
    co_await asio::post(use_awaitable);
    scope.cancel();
  });
  CHECK(left.clean);
  CHECK(left.cancelled_caught);
  CHECK(left.cause == cancel_cause::requested);
}

TEST_CASE("rule 10: a cancellation error of the body that was told is swallowed",
          "[cancel_scope][error]") {
  auto const each = each_cancellation_error();
  INFO(each.name);
  leaving const left([&](cancel_scope<>& scope) -> awaitable<void> {
    scope.cancel();
    std::rethrow_exception(each.error);
    co_return;
  });
  CHECK(left.clean);
  CHECK(left.cancelled_caught);
}

TEST_CASE("rule 10: other errors are not swallowed after a cancellation", "[cancel_scope][error]") {
  auto const each = each_real_error();
  INFO(each.name);
  SECTION("of a child") {
    leaving const left([&](cancel_scope<>& scope) -> awaitable<void> {
      scope.spawn(throw_when_told(each.error));
      co_await asio::post(use_awaitable);
      scope.cancel();
    });
    CHECK(left.thrown == each.error);
  }
  SECTION("of the body") {
    leaving const left([&](cancel_scope<>& scope) -> awaitable<void> {
      scope.cancel();
      std::rethrow_exception(each.error);
      co_return;
    });
    CHECK(left.thrown == each.error);
  }
}

TEST_CASE("rule 10 B048: without a cancellation operation_aborted is an error like any other",
          "[cancel_scope][error]") {
  auto const each = each_cancellation_error();
  INFO(each.name);
  SECTION("of a child") {
    bool sibling_told = false;
    leaving const left([&](cancel_scope<>& scope) -> awaitable<void> {
      scope.spawn(
          [&]() -> awaitable<void> { co_await until_cancelled([&] { sibling_told = true; }); });
      scope.spawn(throw_later(each.error));
      co_return;
    });
    CHECK(left.thrown == each.error);
    CHECK(sibling_told);
  }
  SECTION("of the body") {
    leaving const left([&](cancel_scope<>&) { return throw_later(each.error); });
    CHECK(left.thrown == each.error);
  }
}

TEST_CASE("rule 10 B048: a child whose own timer is cancelled by others fails the scope",
          "[cancel_scope][error]") {
  asio::io_context ctx;
  cancel_scope<> scope(ctx);
  asio::steady_timer timer(ctx, std::chrono::hours(1));
  scope.spawn([&]() -> awaitable<void> { co_await timer.async_wait(use_awaitable); });
  std::exception_ptr outcome;
  scope.async_join([&](std::exception_ptr e) { outcome = e; });
  drain(ctx);
  timer.cancel();
  drain(ctx);
  CHECK(is_aborted(outcome));
  CHECK(scope.cause() == cancel_cause::child_error);
  CHECK(!scope.cancelled_caught());
}

TEST_CASE("rule 10 B047: after a cancellation of one child its cancellation error is swallowed",
          "[child][cancel]") {
  auto const each = each_cancellation_error();
  INFO(each.name);
  bool sibling_told = false;
  int ended = 0;
  manual_event event;
  leaving const left([&](cancel_scope<>& scope) -> awaitable<void> {
    auto one = scope.spawn(throw_when_told(each.error));
    scope.spawn([&]() -> awaitable<void> {
      try {
        co_await event.wait();
        ++ended;
      } catch (...) {
        sibling_told = true;
      }
    });
    co_await asio::post(use_awaitable);
    one.cancel();
    while (!one.done()) {
      co_await asio::post(use_awaitable);
    }
    CHECK(!scope.cancel_called());
    event.set();
    co_await event.wait();
    ++ended;
  });
  CHECK(left.clean);
  CHECK(ended == 2);
  CHECK(!sibling_told);
  // A child that was cancelled through its handle alone was not cut short by the scope.
  CHECK(!left.cancelled_caught);
  CHECK(left.cause == cancel_cause::none);
}

TEST_CASE("rule 10: the cancellation of one child does not swallow the errors of another",
          "[child][cancel]") {
  auto const error = operation_aborted();
  leaving const left([&](cancel_scope<>& scope) -> awaitable<void> {
    auto one = scope.spawn(throw_when_told(error));
    scope.spawn(throw_later(error));
    co_await asio::post(use_awaitable);
    one.cancel();
    co_await until_cancelled();
  });
  CHECK(left.thrown == error);
}

TEST_CASE("rule 10: told is a child to which a request of whatever type was sent",
          "[cancel_scope][cancel]") {
  using cancellation = asio::cancellation_type;
  auto const type = GENERATE(cancellation::total, cancellation::partial, cancellation::terminal);
  auto const by_handle = GENERATE(false, true);
  manual_event event;
  bool clean = false;
  leaving const left([&](cancel_scope<>& scope) -> awaitable<void> {
    co_await asio::this_coro::reset_cancellation_state(asio::disable_cancellation());
    // The filter of the child keeps the request from it: the error that comes is its own.
    auto one = scope.spawn([&]() -> awaitable<void> {
      co_await asio::this_coro::reset_cancellation_state(asio::disable_cancellation());
      co_await event.wait();
      throw system_error(asio::error::operation_aborted);
    });
    co_await asio::post(use_awaitable);
    if (by_handle) {
      one.cancel(type);
    } else {
      scope.cancel(type);
    }
    co_await asio::post(use_awaitable);
    CHECK(!one.done());
    event.set();
    co_await event.wait();
    clean = true;
  });
  CHECK(clean);
  CHECK(left.clean);
  CHECK(left.cancelled_caught == !by_handle);
}

TEST_CASE("rule 10: what a cancelled channel or a cancelled combination throws is swallowed",
          "[cancel_scope][cancel]") {
  using namespace asio::experimental::awaitable_operators;
  // channel<void(error_code)> does not compile with every version of Asio.
  using channel = asio::experimental::channel<void(error_code, int)>;
  asio::io_context ctx;
  host h(ctx, [&]() -> awaitable<void> {
    channel nobody_sends(ctx, 0);
    manual_event never;
    auto const result = co_await with_cancel_scope([&](cancel_scope<>& scope) -> awaitable<void> {
      scope.spawn([&]() -> awaitable<void> { co_await nobody_sends.async_receive(use_awaitable); });
      scope.spawn([&]() -> awaitable<void> { co_await (never.wait() || never.wait()); });
      scope.spawn([&]() -> awaitable<void> { co_await (never.wait() && never.wait()); });
      co_await asio::post(use_awaitable);
      CHECK(never.waiters() == 4);
      scope.cancel();
      co_await (never.wait() || never.wait());
    });
    CHECK(result.cancelled_caught());
  });
  drain(ctx);
  CHECK(h.clean());
}

TEST_CASE("rule 10: a channel that others cancel fails the scope", "[cancel_scope][error]") {
  using channel = asio::experimental::channel<void(error_code, int)>;
  asio::io_context ctx;
  cancel_scope<> scope(ctx);
  channel nobody_sends(ctx, 0);
  scope.spawn([&]() -> awaitable<void> { co_await nobody_sends.async_receive(use_awaitable); });
  std::exception_ptr outcome;
  scope.async_join([&](std::exception_ptr e) { outcome = e; });
  drain(ctx);
  nobody_sends.cancel();
  drain(ctx);
  CHECK(outcome);
  CHECK(scope.cause() == cancel_cause::child_error);
}

TEST_CASE("rule 10: a token child that was told and ends by it counts as cut short",
          "[cancel_scope][token]") {
  asio::io_context ctx;
  auto const each = each_cancellation_error();
  INFO(each.name);
  cancel_scope<> scope(ctx);
  std::exception_ptr by_token;
  SECTION("it ends so") {
    scope.spawn(throw_when_told(each.error), [&](std::exception_ptr e) { by_token = e; });
    drain(ctx);
    scope.cancel();
    CHECK(!scope.cancelled_caught());
    drain(ctx);
    CHECK(by_token == each.error);
    CHECK(scope.cancelled_caught());
  }
  SECTION("it ends so before it was told") {
    scope.spawn(throw_later(each.error), [&](std::exception_ptr e) { by_token = e; });
    drain(ctx);
    scope.cancel();
    drain(ctx);
    CHECK(by_token == each.error);
    CHECK(!scope.cancelled_caught());
  }
}

TEST_CASE("rule 10: a child that fails or returns after it was told was not cut short",
          "[cancel_scope][cancel]") {
  asio::io_context ctx;
  cancel_scope<> scope(ctx);
  std::exception_ptr by_token;
  auto const ignore = [](std::exception_ptr) {};
  scope.spawn(throw_when_told(std::make_exception_ptr(failure("E1"))), ignore);
  scope.spawn(
      [&]() -> awaitable<void> {
        try {
          co_await until_cancelled();
        } catch (system_error const&) {
        }
      },
      ignore);
  drain(ctx);
  scope.cancel();
  drain(ctx);
  CHECK(scope.size() == 0);
  CHECK(!scope.cancelled_caught());
}
