// SPDX-License-Identifier: MIT
#include <asio_cancel_scope.hpp>

#include "support/asio.hpp"
#include "support/catch.hpp"
#include "support/manual_event.hpp"
#include "support/run.hpp"
#include "support/tracked.hpp"

#include <chrono>
#include <exception>
#include <future>
#include <limits>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

using namespace asio_cancel_scope;

namespace {

struct failure : std::runtime_error {
  using std::runtime_error::runtime_error;
};

awaitable<void> throw_it(std::exception_ptr error) {
  std::rethrow_exception(error);
  co_return;
}

template <typename F>
std::string logic_error_of(F f) {
  try {
    f();
  } catch (std::logic_error const& e) {
    return e.what();
  }
  return "";
}

bool says_closed(std::string const& message) {
  return message.find("closed") != std::string::npos;
}

bool is_closed(cancel_scope<>& scope) {
  return says_closed(logic_error_of([&] { scope.spawn([]() -> awaitable<void> { co_return; }); }));
}

/// A handler that cannot be moved any more once `moves` have been made.
class moves_a_few_times {
 public:
  moves_a_few_times(int& moves, bool& called) noexcept : moves_(&moves), called_(&called) {}
  moves_a_few_times(moves_a_few_times&& other)
      : moves_(other.moves_), called_(other.called_), life_(other.life_) {
    if (--*moves_ == 0) throw failure("moved");
  }
  moves_a_few_times(moves_a_few_times const&) = delete;
  moves_a_few_times& operator=(moves_a_few_times const&) = delete;
  ~moves_a_few_times() = default;

  void operator()(std::exception_ptr e) const { *called_ = !e; }

 private:
  int* moves_;
  bool* called_;
  tracked life_;
};

}  // namespace

TEST_CASE("rule 21: a handler whose move throws is thrown out of async_join and leaves nothing",
          "[cancel_scope][lifetime]") {
  asio::io_context ctx;
  cancel_scope<> scope(ctx);
  manual_event event;
  scope.spawn([&] { return event.wait(); });
  drain(ctx);
  bool called = false;
  bool begun = false;
  int failures = 0;
  int moves = 0;
  while (!begun) {
    moves = failures + 1;
    try {
      scope.async_join(moves_a_few_times(moves, called));
      begun = true;
    } catch (failure const&) {
      ++failures;
      CHECK(tracked::alive() == 0);
    }
  }
  moves = std::numeric_limits<int>::max();  // those that complete it are not of async_join
  event.set();
  drain(ctx);
  CHECK(failures > 0);
  CHECK(called);
  CHECK(tracked::alive() == 0);
}

TEST_CASE("B010: a join that was made but is not awaited leaves the scope open",
          "[cancel_scope][lifetime]") {
  asio::io_context ctx;
  cancel_scope<> scope(ctx);
  bool ran = false;
  run(ctx, [&]() -> awaitable<void> {
    auto join = scope.async_join(use_awaitable);
    co_await asio::post(use_awaitable);
    CHECK(!is_closed(scope));
    scope.spawn([&]() -> awaitable<void> {
      ran = true;
      co_return;
    });
    co_await std::move(join);
    CHECK(is_closed(scope));
  });
  CHECK(ran);
}

TEST_CASE("rule 3 B009: every join gets the outcome", "[cancel_scope][lifetime]") {
  asio::io_context ctx;
  cancel_scope<> scope(ctx);
  manual_event event;
  auto const fails = GENERATE(true, false);
  auto const error = fails ? std::make_exception_ptr(failure("E1")) : nullptr;
  scope.spawn([&]() -> awaitable<void> {
    co_await event.wait();
    if (error) {
      std::rethrow_exception(error);
    }
  });
  std::vector<std::exception_ptr> outcomes;
  auto const note = [&](std::exception_ptr e) { outcomes.push_back(e); };
  auto const join_in_coroutine = [&]() -> awaitable<void> {
    try {
      co_await scope.async_join(use_awaitable);
      note(nullptr);
    } catch (...) {
      note(std::current_exception());
    }
  };
  host one(ctx, join_in_coroutine);
  host two(ctx, join_in_coroutine);
  scope.async_join(note);
  auto joined = scope.async_join(asio::use_future);
  drain(ctx);
  CHECK(outcomes.empty());
  event.set();
  drain(ctx);
  CHECK(outcomes.size() == 3);
  scope.async_join(note);
  host three(ctx, join_in_coroutine);
  drain(ctx);
  CHECK(outcomes == std::vector<std::exception_ptr>(5, error));
  // The handler of a future runs in a thread of the system's.
  REQUIRE(joined.wait_for(std::chrono::seconds(40)) == std::future_status::ready);
  std::exception_ptr by_future;
  try {
    joined.get();
  } catch (...) {
    by_future = std::current_exception();
  }
  CHECK(by_future == error);
}

TEST_CASE("rule 3: an error that no join takes goes to on_suppressed", "[cancel_scope][error]") {
  asio::io_context ctx;
  std::vector<std::exception_ptr> suppressed;
  auto const first = std::make_exception_ptr(failure("E1"));
  auto const second = std::make_exception_ptr(failure("E2"));
  auto const options =
      scope_options().on_suppressed([&](std::exception_ptr e) { suppressed.push_back(e); });
  SECTION("the scope is destroyed without a join") {
    {
      cancel_scope<> scope(ctx, options);
      scope.spawn(throw_it(first));
      drain(ctx);
      CHECK(suppressed.empty());
    }
    drain(ctx);
    CHECK(suppressed == std::vector{first});
  }
  SECTION("a join takes it") {
    std::exception_ptr outcome;
    {
      cancel_scope<> scope(ctx, options);
      scope.spawn(throw_it(first));
      scope.async_join([&](std::exception_ptr e) { outcome = e; });
      drain(ctx);
    }
    drain(ctx);
    CHECK(outcome == first);
    CHECK(suppressed.empty());
  }
  SECTION("the scope is destroyed before the child fails") {
    manual_event event;
    {
      cancel_scope<> scope(ctx, options);
      scope.spawn([&]() -> awaitable<void> {
        co_await event.wait_ignoring_cancellation();
        std::rethrow_exception(first);
      });
      drain(ctx);
    }
    event.set();
    drain(ctx);
    CHECK(suppressed == std::vector{first});
  }
  SECTION("a later error has gone there already") {
    {
      cancel_scope<> scope(ctx, options);
      manual_event event;
      scope.spawn([&]() -> awaitable<void> {
        co_await event.wait_ignoring_cancellation();
        std::rethrow_exception(second);
      });
      drain(ctx);
      scope.spawn(throw_it(first));
      drain(ctx);
      CHECK(suppressed.empty());
      event.set();
      drain(ctx);
      CHECK(suppressed == std::vector{second});
    }
    drain(ctx);
    CHECK(suppressed == std::vector{second, first});
  }
}

TEST_CASE("design 2: the scope of a block refuses async_join with logic_error",
          "[cancel_scope][lifetime]") {
  asio::io_context ctx;
  manual_event event;
  std::string by_awaitable;
  std::exception_ptr by_callback;
  bool called_inside = false;
  host h(ctx, [&]() -> awaitable<void> {
    co_await with_cancel_scope([&](auto& scope) -> awaitable<void> {
      scope.spawn(event.wait());
      try {
        co_await scope.async_join(use_awaitable);
      } catch (std::logic_error const& e) {
        by_awaitable = e.what();
      }
      scope.async_join([&](std::exception_ptr e) { by_callback = e; });
      called_inside = by_callback != nullptr;
      co_await asio::post(use_awaitable);
      CHECK(by_callback);
      CHECK(!scope.cancel_called());
      CHECK(scope.size() == 1);
    });
  });
  drain(ctx);
  CHECK(!by_awaitable.empty());
  CHECK(!called_inside);
  CHECK(!logic_error_of([&] { std::rethrow_exception(by_callback); }).empty());
  CHECK(!h.done());
  event.set();
  drain(ctx);
  CHECK(h.clean());
}
