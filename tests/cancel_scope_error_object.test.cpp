// SPDX-License-Identifier: MIT
#include <asio_cancel_scope.hpp>

#include "support/asio.hpp"
#include "support/catch.hpp"
#include "support/manual_event.hpp"
#include "support/run.hpp"

#include <exception>
#include <new>
#include <stdexcept>
#include <string>

using namespace asio_cancel_scope;

namespace {

struct failure : std::runtime_error {
  using std::runtime_error::runtime_error;
};

struct special_failure : failure {
  using failure::failure;
  int detail = 17;
};

std::exception_ptr make_error(char const* what) {
  return std::make_exception_ptr(failure(what));
}

awaitable<void> throw_at(manual_event& event, std::exception_ptr error) {
  co_await event.wait();
  std::rethrow_exception(error);
}

}  // namespace

TEST_CASE("rule 11 B068: leaving throws the very exception object of the child",
          "[cancel_scope][error]") {
  void const* thrown_at = nullptr;
  void const* caught_at = nullptr;
  int detail = 0;
  std::string what;
  cancel_cause cause = cancel_cause::none;
  run([&]() -> awaitable<void> {
    try {
      co_await with_cancel_scope([&](auto& scope) -> awaitable<void> {
        scope.spawn([&]() -> awaitable<void> {
          co_await asio::post(use_awaitable);
          try {
            special_failure error("E1");
            error.detail = 18;
            throw error;
          } catch (special_failure& e) {
            thrown_at = &e;
            throw;
          }
        });
        try {
          co_await until_cancelled();
        } catch (system_error const&) {
          cause = scope.cause();
          throw;
        }
      });
    } catch (special_failure const& e) {
      caught_at = &e;
      detail = e.detail;
      what = e.what();
    }
  });
  CHECK(thrown_at != nullptr);
  CHECK(caught_at == thrown_at);
  CHECK(detail == 18);
  CHECK(what == "E1");
  CHECK(cause == cancel_cause::child_error);
}

TEST_CASE("rule 11 B068: a child may fail at any point and the error is the very object",
          "[cancel_scope][error]") {
  auto const error = make_error("E1");
  manual_event event;
  auto const where = GENERATE(0, 1, 2);
  auto const thrown = error_of([&] {
    run([&]() -> awaitable<void> {
      co_await with_cancel_scope([&](cancel_scope<>& scope) -> awaitable<void> {
        if (where == 0) {
          scope.spawn([&]() -> awaitable<void> {
            std::rethrow_exception(error);
            co_return;
          });
        } else if (where == 1) {
          scope.spawn(throw_at(event, error));
        } else {
          scope.spawn([&]() -> awaitable<int> {
            co_await event.wait();
            std::rethrow_exception(error);
            co_return 1;
          });
        }
        event.set();
        co_return;
      });
    });
  });
  CHECK(thrown == error);
}

TEST_CASE("rule 11 B075: whatever a child throws is delivered unchanged", "[cancel_scope][error]") {
  struct own {
    int value;
  };
  auto const error = GENERATE_COPY(std::make_exception_ptr(42), std::make_exception_ptr(own{7}),
                                   std::make_exception_ptr(std::bad_alloc()),
                                   std::make_exception_ptr(static_cast<char const*>("text")));
  bool const by_body = GENERATE(false, true);
  auto const thrown = error_of([&] {
    run([&]() -> awaitable<void> {
      co_await with_cancel_scope([&](auto& scope) -> awaitable<void> {
        if (by_body) {
          std::rethrow_exception(error);
        }
        scope.spawn([&]() -> awaitable<void> {
          co_await asio::post(use_awaitable);
          std::rethrow_exception(error);
        });
        co_return;
      });
    });
  });
  CHECK(thrown == error);
}

TEST_CASE("rule 11 B080: an exception that is nested in the error is preserved",
          "[cancel_scope][error]") {
  std::string outer;
  std::string inner;
  run([&]() -> awaitable<void> {
    try {
      co_await with_cancel_scope([](auto& scope) -> awaitable<void> {
        scope.spawn([]() -> awaitable<void> {
          co_await asio::post(use_awaitable);
          try {
            throw failure("inner");
          } catch (...) {
            std::throw_with_nested(failure("outer"));
          }
        });
        co_return;
      });
    } catch (failure const& e) {
      outer = e.what();
      try {
        std::rethrow_if_nested(e);
      } catch (failure const& nested) {
        inner = nested.what();
      }
    }
  });
  CHECK(outer == "outer");
  CHECK(inner == "inner");
}

TEST_CASE("rule 11: an error is told to the handle of the child too", "[child][error]") {
  asio::io_context ctx;
  cancel_scope<> scope(ctx);
  manual_event event;
  auto const error = make_error("E1");
  auto handle = scope.spawn(throw_at(event, error));
  std::exception_ptr by_join;
  handle.async_join([&](std::exception_ptr e) { by_join = e; });
  std::exception_ptr outcome;
  scope.async_join([&](std::exception_ptr e) { outcome = e; });
  drain(ctx);
  event.set();
  drain(ctx);
  CHECK(by_join == error);
  CHECK(outcome == error);
  CHECK(error_of([&] { handle.get(); }) == error);
}
