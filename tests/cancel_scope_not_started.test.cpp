// SPDX-License-Identifier: MIT
#include <asio_cancel_scope.hpp>

#include "support/asio.hpp"
#include "support/catch.hpp"
#include "support/event_log.hpp"
#include "support/manual_event.hpp"
#include "support/run.hpp"
#include "support/tracked.hpp"
#include "support/tracking_executor.hpp"

#include <exception>
#include <optional>
#include <stdexcept>
#include <string>
#include <utility>

using namespace asio_cancel_scope;

namespace {

// Notes where it is destroyed.
class destruction_probe {
 public:
  explicit destruction_probe(std::string& seen) : seen_(&seen) {}
  destruction_probe(destruction_probe&& other) noexcept
      : seen_(std::exchange(other.seen_, nullptr)) {}
  ~destruction_probe() {
    if (seen_) {
      *seen_ += running_on(1) ? '1' : running_on(2) ? '2' : '-';
    }
  }

 private:
  std::string* seen_;
};

awaitable<void> take(destruction_probe, bool& ran) {
  ran = true;
  co_return;
}

// What became of a child, by its handle.
template <typename T>
std::exception_ptr error_of(child<T>& handle) {
  try {
    handle.get();
  } catch (...) {
    return std::current_exception();
  }
  return nullptr;
}

using cancellation = asio::cancellation_type;

}  // namespace

TEST_CASE(
    "rule 5 B039: a child that was spawned before the cancellation and has not started never "
    "starts",
    "[cancel_scope][cancel]") {
  auto const type = GENERATE(cancellation::terminal, cancellation::partial, cancellation::total);
  asio::io_context ctx;
  asio::io_context other;
  tracking_executor const scopes(1, ctx.get_executor());
  tracking_executor const childs(2, other.get_executor());
  cancel_scope<> scope(scopes);
  std::string destroyed;
  std::exception_ptr by_token;
  bool ran = false;
  auto make_child = [&] {
    return [&ran, probe = destruction_probe(destroyed)]() -> awaitable<void> {
      ran = true;
      co_return;
    };
  };
  auto own = scope.spawn(make_child());
  auto as_awaitable = scope.spawn(take(destruction_probe(destroyed), ran));
  scope.spawn(make_child(), [&](std::exception_ptr e) { by_token = e; });
  auto elsewhere = scope.spawn(childs, make_child());
  destroyed.clear();
  scope.cancel(type);
  // It is counted and joined all the same.
  CHECK(scope.size() == 4);
  CHECK(!own.done());
  CHECK(destroyed.empty());
  drain(ctx);
  CHECK(destroyed == "111");
  CHECK(scope.size() == 1);
  CHECK(!elsewhere.done());
  drain(other);
  drain(ctx);
  CHECK(destroyed == "1112");
  CHECK(scope.size() == 0);
  CHECK(!ran);
  CHECK(is_aborted(error_of(own)));
  CHECK(is_aborted(error_of(as_awaitable)));
  CHECK(is_aborted(error_of(elsewhere)));
  CHECK(is_aborted(by_token));
  std::exception_ptr outcome = std::make_exception_ptr(1);
  scope.async_join([&](std::exception_ptr e) { outcome = e; });
  drain(ctx);
  CHECK(!outcome);
  CHECK(scope.cancelled_caught());
}

TEST_CASE("rule 5 B060 B067: a child that is spawned after the cancellation never starts",
          "[cancel_scope][cancel]") {
  auto const type = GENERATE(cancellation::terminal, cancellation::partial, cancellation::total);
  asio::io_context ctx;
  asio::io_context other;
  tracking_executor const scopes(1, ctx.get_executor());
  tracking_executor const childs(2, other.get_executor());
  manual_event event;
  std::string destroyed;
  std::exception_ptr by_token;
  std::exception_ptr by_join;
  bool ran = false;
  bool outcome_known = false;
  bool destroyed_inside = true;
  auto make_child = [&] {
    return [&ran, probe = destruction_probe(destroyed)]() -> awaitable<void> {
      ran = true;
      co_return;
    };
  };
  host h(scopes, [&]() -> awaitable<void> {
    auto const result = co_await with_cancel_scope([&](cancel_scope<>& scope) -> awaitable<void> {
      co_await asio::this_coro::reset_cancellation_state(asio::disable_cancellation());
      scope.cancel(type);
      auto const spawn = [&](auto&&... args) {
        auto const before = destroyed.size();
        auto handle = scope.spawn(std::forward<decltype(args)>(args)...);
        destroyed_inside = destroyed_inside && destroyed.size() == before + 1;
        CHECK(handle.done());
        CHECK(is_aborted(error_of(handle)));
        return handle;
      };
      spawn(make_child());
      spawn(take(destruction_probe(destroyed), ran));
      spawn(childs, make_child());
      auto last = spawn(child_options().name("late"), make_child());
      auto const before = destroyed.size();
      scope.spawn(make_child(), [&](std::exception_ptr e) { by_token = e; });
      destroyed_inside = destroyed_inside && destroyed.size() == before + 1;
      CHECK(!by_token);
      last.async_join([&](std::exception_ptr e) {
        by_join = e;
        outcome_known = true;
      });
      CHECK(!outcome_known);
      co_await event.wait();
    });
    CHECK(result.has_value());
    CHECK(result.cancelled_caught());
  });
  drain(ctx);
  drain(other);
  drain(ctx);
  CHECK(!ran);
  CHECK(destroyed_inside);
  CHECK(destroyed == "11111");
  CHECK(is_aborted(by_token));
  CHECK(is_aborted(by_join));
  CHECK(!h.done());
  event.set();
  drain(ctx);
  CHECK(h.clean());
}

TEST_CASE("rule 5: a child that is cancelled by its handle before it starts never starts",
          "[child][cancel]") {
  auto const type = GENERATE(cancellation::terminal, cancellation::partial, cancellation::total);
  asio::io_context ctx;
  cancel_scope<> scope(ctx);
  auto const before = tracked::alive();
  bool ran = false;
  bool sibling_ran = false;
  auto handle = scope.spawn([&ran, captured = tracked()]() -> awaitable<void> {
    ran = true;
    co_return;
  });
  scope.spawn([&]() -> awaitable<void> {
    sibling_ran = true;
    co_return;
  });
  handle.cancel(type);
  drain(ctx);
  CHECK(!ran);
  CHECK(sibling_ran);
  CHECK(handle.done());
  CHECK(is_aborted(error_of(handle)));
  CHECK(tracked::alive() == before);
  CHECK(!scope.cancel_called());
  CHECK(!scope.cancelled_caught());
}

TEST_CASE(
    "rule 5: a child that its sibling cancels in the hop that would have started it never starts",
    "[child][cancel]") {
  asio::io_context ctx;
  cancel_scope<> scope(ctx);
  bool ran = false;
  bool third_ran = false;
  std::optional<child<void>> second;
  scope.spawn([&]() -> awaitable<void> {
    second->cancel();
    co_return;
  });
  second = scope.spawn([&]() -> awaitable<void> {
    ran = true;
    co_return;
  });
  scope.spawn([&]() -> awaitable<void> {
    third_ran = true;
    co_return;
  });
  drain(ctx);
  CHECK(!ran);
  CHECK(third_ran);
  CHECK(is_aborted(error_of(*second)));
  CHECK(!scope.cancel_called());
}

TEST_CASE("rule 8: cancel with no type keeps nothing from starting", "[cancel_scope][cancel]") {
  asio::io_context ctx;
  cancel_scope<> scope(ctx);
  int ran = 0;
  auto const child = [&]() -> awaitable<void> {
    ++ran;
    co_return;
  };
  auto handle = scope.spawn(child);
  handle.cancel(cancellation::none);
  scope.cancel(cancellation::none);
  scope.spawn(child);
  drain(ctx);
  CHECK(ran == 2);
}

TEST_CASE("B034: children spawned into a scope that was cancelled before never start",
          "[cancel_scope][cancel]") {
  asio::io_context ctx;
  cancel_scope<> scope(ctx);
  bool ran = false;
  scope.cancel();
  auto handle = scope.spawn([&]() -> awaitable<void> {
    ran = true;
    co_return;
  });
  CHECK(handle.done());
  std::exception_ptr outcome = std::make_exception_ptr(1);
  scope.async_join([&](std::exception_ptr e) { outcome = e; });
  drain(ctx);
  CHECK(!ran);
  CHECK(!outcome);
  CHECK(scope.cancelled_caught());
  CHECK(scope.cause() == cancel_cause::requested);
}

TEST_CASE("B061: what a child spawns in its abort handler while the scope fails never starts",
          "[cancel_scope][error]") {
  asio::io_context ctx;
  bool ran = false;
  bool spawned = false;
  auto const before = tracked::alive();
  auto const error = std::make_exception_ptr(std::runtime_error("E1"));
  manual_event event;
  manual_event never;
  std::exception_ptr thrown;
  host h(ctx, [&]() -> awaitable<void> {
    co_await with_cancel_scope([&](cancel_scope<>& scope) -> awaitable<void> {
      scope.spawn([&]() -> awaitable<void> {
        try {
          co_await never.wait();
        } catch (system_error const&) {
          auto late = scope.spawn([&ran, captured = tracked()]() -> awaitable<void> {
            ran = true;
            co_return;
          });
          spawned = true;
          CHECK(late.done());
          throw;
        }
      });
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
  CHECK(spawned);
  CHECK(!ran);
  CHECK(h.error() == error);
  CHECK(tracked::alive() == before);
}

TEST_CASE("B062: a child that was spawned too late to start cannot fail the scope",
          "[cancel_scope][error]") {
  run([]() -> awaitable<void> {
    auto const result = co_await with_cancel_scope([](auto& scope) -> awaitable<void> {
      scope.cancel();
      scope.spawn([]() -> awaitable<void> {
        throw std::runtime_error("cannot happen");
        co_return;
      });
      co_return;
    });
    CHECK(result.has_value());
    CHECK(result.cancelled_caught());
    CHECK(result.cause() == cancel_cause::requested);
  });
}

TEST_CASE("B064: a child that cancels its own scope before it first suspends is aborted there",
          "[cancel_scope][cancel]") {
  asio::io_context ctx;
  event_log log;
  manual_event never;
  host h(ctx, [&]() -> awaitable<void> {
    co_await with_cancel_scope([&](auto& scope) -> awaitable<void> {
      scope.spawn([&]() -> awaitable<void> {
        scope.cancel();
        log.add("cancelled");
        co_await never.wait();
        log.add("wrong");
      });
      scope.spawn([&]() -> awaitable<void> {
        log.add("wrong");
        co_return;
      });
      co_return;
    });
    log.add("left");
  });
  drain(ctx);
  CHECK(log.str() == "cancelled left");
  CHECK(h.clean());
}

TEST_CASE("B011: a spawn that was prepared with a lazy token and dropped does nothing",
          "[cancel_scope][token]") {
  asio::io_context ctx;
  cancel_scope<> scope(ctx);
  auto const before = tracked::alive();
  bool ran = false;
  auto const make_child = [&] {
    return [&ran, captured = tracked()]() -> awaitable<void> {
      ran = true;
      co_return;
    };
  };
  {
    auto const prepared = scope.spawn(make_child(), use_awaitable);
    auto const deferred = scope.spawn(make_child(), compat::deferred);
    CHECK(tracked::alive() == before + 2);
    CHECK(scope.size() == 0);
    drain(ctx);
  }
  CHECK(!ran);
  CHECK(tracked::alive() == before);
  CHECK(scope.size() == 0);
  bool joined = false;
  scope.async_join([&](std::exception_ptr) { joined = true; });
  drain(ctx);
  CHECK(joined);
}
