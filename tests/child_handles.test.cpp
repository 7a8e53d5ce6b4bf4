// SPDX-License-Identifier: MIT

// What a handle can do with its child, and what it leaves to the scope.

#include "support/asio.hpp"
#include "support/catch.hpp"
#include "support/ended.hpp"
#include "support/event_log.hpp"
#include "support/logged.hpp"
#include "support/manual_event.hpp"
#include "support/run.hpp"
#include "support/tracked.hpp"
#include "support/wait_for.hpp"

#include <asio_cancel_scope.hpp>

#include <atomic>
#include <chrono>
#include <cstddef>
#include <deque>
#include <exception>
#include <memory>
#include <optional>
#include <stdexcept>
#include <string>
#include <thread>
#include <utility>

using namespace asio_cancel_scope;

namespace {

struct failure : std::runtime_error {
  using std::runtime_error::runtime_error;
};

awaitable<void> hop() {
  co_await asio::post(use_awaitable);
}

template <typename T>
awaitable<T> value_after(manual_event& event, T value) {
  co_await event.wait();
  co_return value;
}

awaitable<void> fails_after(manual_event& event, std::exception_ptr error) {
  co_await event.wait();
  std::rethrow_exception(error);
}

}  // namespace

TEST_CASE("rule 9: a value that comes late after a cancel is delivered to every kind of reader",
          "[child][cancel]") {
  asio::io_context ctx;
  cancel_scope<> scope(ctx);
  manual_event slow;
  auto handle = scope.spawn([&]() -> awaitable<std::string> {
    co_await slow.wait_ignoring_cancellation();
    co_return "late";
  });
  bool const joins = GENERATE(false, true);
  std::string joined;
  if (joins) handle.async_join([&](std::exception_ptr, std::string v) { joined = v; });
  drain(ctx);
  bool const alone = GENERATE(false, true);
  alone ? handle.cancel() : scope.cancel();
  drain(ctx);
  CHECK_FALSE(handle.done());
  slow.set();
  drain(ctx);
  CHECK(handle.done());
  CHECK((joins ? joined : handle.get()) == "late");
  CHECK_FALSE(scope.cancelled_caught());
}

TEST_CASE(
    "B170: joins tell apart a value and an error and a cancellation and a child never started",
    "[child]") {
  asio::io_context ctx;
  manual_event event;
  cancel_scope<> scope(ctx, scope_options().policy(on_child_error::keep_running));
  event_log log;
  auto const note = [&](std::exception_ptr e, int v) {
    log.add(e ? word_of(e) : std::to_string(v));
  };
  auto value = scope.spawn(value_after(event, 1));
  auto failed = scope.spawn([&]() -> awaitable<int> {
    co_await event.wait();
    throw failure("E1");
  });
  auto cancelled = scope.spawn(value_after(event, 2));
  drain(ctx);
  auto never_started = scope.spawn(value_after(event, 3));
  never_started.cancel();
  never_started.async_join(note);
  drain(ctx);
  CHECK(log.str() == "aborted");
  cancelled.async_join(note);
  cancelled.cancel();
  drain(ctx);
  CHECK(log.str() == "aborted aborted");
  event.set();
  value.async_join(note);
  drain(ctx);
  failed.async_join(note);
  drain(ctx);
  CHECK(log.str() == "aborted aborted 1 E1");
  // The error is not used up.
  CHECK(message_of(error_of([&] { failed.get(); })) == "E1");
  CHECK(message_of(error_of([&] { failed.get(); })) == "E1");
}

TEST_CASE("rule 11: an error that is joined and caught fails the scope all the same",
          "[child][error]") {
  asio::io_context ctx;
  manual_event fail_now;
  event_log log;
  auto const error = std::make_exception_ptr(failure("E1"));
  auto const options = scope_options().on_suppressed(
      [&](std::exception_ptr const& e) { log.add("suppressed:" + word_of(e)); });
  std::exception_ptr left;
  host h(ctx, [&]() -> awaitable<void> {
    try {
      co_await with_cancel_scope(options, [&](auto& scope) -> awaitable<void> {
        scope.spawn(logged(log, "sibling", until_cancelled()));
        auto handle = scope.spawn(fails_after(fail_now, error));
        log.add("joined:" + co_await ended(handle.async_join()));
      });
    } catch (...) {
      left = std::current_exception();
    }
  });
  drain(ctx);
  fail_now.set();
  drain(ctx);
  CHECK(left == error);
  CHECK(log.count("sibling:aborted") == 1);
  // The body may hear of the error or of its own cancellation first.
  CHECK(log.count("joined:E1") + log.count("joined:aborted") == 1);
  CHECK(log.size() == 2);
}

TEST_CASE("rule 11: a supervisor hears of an error although a handle was joined",
          "[child][error]") {
  asio::io_context ctx;
  manual_event fail_now;
  event_log log;
  auto const options =
      scope_options()
          .policy(on_child_error::keep_running)
          .on_suppressed([&](std::exception_ptr const& e) { log.add("observed:" + word_of(e)); });
  cancel_scope<> scope(ctx, options);
  auto handle = scope.spawn(fails_after(fail_now, std::make_exception_ptr(failure("E1"))));
  handle.async_join([&](std::exception_ptr e) { log.add("joined:" + word_of(e)); });
  drain(ctx);
  fail_now.set();
  drain(ctx);
  CHECK(log.str() == "observed:E1 joined:E1");
  CHECK_FALSE(scope.cancel_called());
}

TEST_CASE("B172: the error of a child whose handle was dropped fails the scope", "[child][error]") {
  asio::io_context ctx;
  manual_event fail_now;
  cancel_scope<> scope(ctx);
  auto const error = std::make_exception_ptr(failure("E1"));
  bool const started = GENERATE(false, true);
  {
    auto const dropped = scope.spawn(fails_after(fail_now, error));
    if (started) drain(ctx);
  }
  fail_now.set();
  std::exception_ptr left;
  scope.async_join([&](std::exception_ptr e) { left = e; });
  drain(ctx);
  CHECK(left == error);
}

TEST_CASE("rule 14: who waits for a child is cancelled with its own scope and the child goes on",
          "[child][cancel][nested]") {
  asio::io_context ctx;
  manual_event go_on;
  event_log log;
  host h(ctx, [&]() -> awaitable<void> {
    auto const result = co_await with_cancel_scope([&](auto& outer) -> awaitable<int> {
      auto handle = outer.spawn(value_after(go_on, 4));
      auto const inner_result = co_await with_cancel_scope([&](auto& inner) -> awaitable<void> {
        inner.spawn([&]() -> awaitable<void> {
          co_await hop();
          co_await hop();
          inner.cancel();
        });
        static_cast<void>(co_await handle.async_join());
        log.add("not reached");
      });
      CHECK(inner_result.cancelled_caught());
      CHECK_FALSE(handle.done());
      CHECK_FALSE(outer.cancel_called());
      log.add("waiting again");
      co_return co_await handle.async_join();
    });
    CHECK(result.value() == 4);
    CHECK_FALSE(result.cancelled_caught());
  });
  drain(ctx);
  CHECK(log.str() == "waiting again");
  go_on.set();
  drain(ctx);
  CHECK(h.clean());
}

TEST_CASE("design 2: of several who wait for a child the cancelled one alone ends",
          "[child][cancel]") {
  asio::io_context ctx;
  cancel_scope<> scope(ctx);
  manual_event event;
  event_log log;
  auto const type = GENERATE(asio::cancellation_type::terminal, asio::cancellation_type::partial,
                             asio::cancellation_type::total);
  int const which = GENERATE(0, 1, 2);
  asio::cancellation_signal signals[3];
  auto handle = scope.spawn(event.wait());
  for (int i = 0; i < 3; ++i) {
    auto const note = [&log, i](std::exception_ptr e) {
      log.add(std::to_string(i) + (e ? word_of(e) : ""));
    };
    handle.async_join(asio::bind_cancellation_slot(signals[i].slot(), note));
  }
  drain(ctx);
  signals[which].emit(type);
  CHECK(log.str() == "");
  drain(ctx);
  std::string expected = std::to_string(which) + "aborted";
  CHECK(log.str() == expected);
  event.set();
  drain(ctx);
  for (int i = 0; i < 3; ++i)
    if (i != which) expected += " " + std::to_string(i);
  CHECK(log.str() == expected);
  CHECK_FALSE(scope.cancel_called());
}

TEST_CASE("section 4: twenty thousand waits for one child are cancelled last come first",
          "[child][cancel]") {
  constexpr std::size_t many = 20'000;
  asio::io_context ctx;
  cancel_scope<> scope(ctx);
  manual_event event;
  std::deque<asio::cancellation_signal> signals(many);
  std::size_t ended = 0;
  auto handle = scope.spawn(event.wait());
  for (auto& signal : signals)
    handle.async_join(
        asio::bind_cancellation_slot(signal.slot(), [&](std::exception_ptr e) { ended += !!e; }));
  drain(ctx);
  auto const started = std::chrono::steady_clock::now();
  for (auto signal = signals.rbegin(); signal != signals.rend(); ++signal) {
    signal->emit(asio::cancellation_type::terminal);
    signal->emit(asio::cancellation_type::terminal);
  }
  drain(ctx);
  CHECK(ended == many);
  CHECK(std::chrono::steady_clock::now() - started < std::chrono::seconds(10));
  event.set();
  drain(ctx);
  CHECK(handle.done());
}

TEST_CASE("design 2: a wait that was cancelled and dropped is not asked to end again",
          "[child][lifetime]") {
  asio::io_context ctx;
  std::optional<asio::io_context> other(std::in_place);
  cancel_scope<> scope(ctx);
  manual_event event;
  asio::cancellation_signal signal;
  auto handle = scope.spawn(event.wait());
  auto const never_called = [](std::exception_ptr) { FAIL(); };
  handle.async_join(
      asio::bind_executor(*other, asio::bind_cancellation_slot(signal.slot(), never_called)));
  drain(ctx);
  signal.emit(asio::cancellation_type::terminal);
  other.reset();
  signal.emit(asio::cancellation_type::terminal);
  event.set();
  drain(ctx);
  signal.emit(asio::cancellation_type::terminal);
  CHECK(handle.done());
}

TEST_CASE("design 2: a handle that is assigned over lets its child go on", "[child][lifetime]") {
  asio::io_context ctx;
  cancel_scope<> scope(ctx);
  manual_event event;
  event_log log;
  auto handle = scope.spawn(logged(log, "a", event.wait()));
  drain(ctx);
  handle = scope.spawn(logged(log, "b", event.wait()));
  drain(ctx);
  CHECK(scope.size() == 2);
  auto moved = std::move(handle);
  handle = scope.spawn(logged(log, "c", event.wait()));
  drain(ctx);
  moved.cancel();
  drain(ctx);
  CHECK(log.str() == "b:aborted");
  event.set();
  drain(ctx);
  CHECK(log.str() == "b:aborted a c");
  CHECK(handle.done());
}

TEST_CASE("B169: a value lives as long as its handle and no longer", "[child][lifetime]") {
  asio::io_context ctx;
  std::optional<cancel_scope<>> scope(std::in_place, ctx);
  auto const make = []() -> awaitable<tracked> { co_return tracked(3); };
  std::optional<child<tracked>> kept = scope->spawn(make);
  {
    auto const dropped = scope->spawn(make);
    drain(ctx);
    CHECK(tracked::alive() == 2);
  }
  CHECK(tracked::alive() == 1);
  if (GENERATE(false, true)) scope.reset();
  CHECK(kept->get().value == 3);
  kept.reset();
  CHECK(tracked::alive() == 0);
}

TEST_CASE("design 2: a handle that has outlived its scope does all that it did",
          "[child][lifetime]") {
  asio::io_context ctx;
  manual_event never;
  event_log log;
  std::optional<child<void>> handle;
  host h(ctx, [&]() -> awaitable<void> {
    static_cast<void>(co_await with_cancel_scope([&](auto& scope) -> awaitable<void> {
      handle = scope.spawn(hop());
      co_return;
    }));
  });
  drain(ctx);
  REQUIRE(h.clean());
  CHECK(handle->done());
  CHECK(handle->get_executor() == asio::any_io_executor(ctx.get_executor()));
  handle->cancel();
  handle->async_join([&](std::exception_ptr e) { log.add(e ? "error" : "joined"); });
  CHECK_NOTHROW(handle->get());
  drain(ctx);
  CHECK(log.str() == "joined");
}

TEST_CASE("design 2: a child may own its handle", "[child][lifetime]") {
  enum class ending { returns, cancelled, lost };
  auto const how = GENERATE(ending::returns, ending::cancelled, ending::lost);
  {
    manual_event event;
    asio::io_context ctx;
    cancel_scope<> scope(ctx);
    auto const own = std::make_shared<std::optional<child<void>>>();
    std::weak_ptr<std::optional<child<void>>> const seen = own;
    {
      auto const work = [&, own, t = tracked()]() -> awaitable<void> {
        co_await event.wait();
        CHECK_FALSE((*own)->done());
      };
      *own = scope.spawn(work);
    }
    drain(ctx);
    if (how == ending::returns) event.set();
    if (how == ending::cancelled) (*own)->cancel();
    drain(ctx);
    CHECK(tracked::alive() == (how == ending::lost ? 1 : 0));
    CHECK(seen.use_count() == (how == ending::lost ? 2 : 1));
  }
  CHECK(tracked::alive() == 0);
}

TEST_CASE("B169: siblings wait for each other's values", "[child]") {
  asio::io_context ctx;
  auto const sum = run(ctx, [&]() -> awaitable<int> {
    auto result = co_await with_cancel_scope([&](cancel_scope<>& scope) -> awaitable<int> {
      auto one = scope.spawn([]() -> awaitable<int> {
        co_await hop();
        co_return 1;
      });
      auto two = scope.spawn([&]() -> awaitable<int> { co_return 1 + co_await one.async_join(); });
      co_return 1 + co_await two.async_join();
    });
    co_return result.value();
  });
  CHECK(sum == 3);
}

TEST_CASE("B174: a handle is moved on another thread while its child ends", "[child][threads]") {
  for (int round = 0; round < 300; ++round) {
    asio::io_context ctx;
    cancel_scope<> scope(ctx);
    std::optional<child<int>> handle = scope.spawn([]() -> awaitable<int> {
      co_await hop();
      co_return 5;
    });
    std::atomic<bool> go{false};
    std::atomic<int> value{0};
    std::thread mover([&] {
      while (!go) {
      }
      auto moved = *std::move(handle);
      handle.reset();
      auto moved_again = std::move(moved);
      while (!moved_again.done()) {
      }
      value = moved_again.get();
    });
    go = true;
    ctx.run();
    mover.join();
    if (value != 5) FAIL("the value is lost");
  }
}

TEST_CASE("B174: a child is joined on another thread while it ends", "[child][threads]") {
  for (int round = 0; round < 300; ++round) {
    asio::io_context ctx;
    asio::io_context elsewhere;
    cancel_scope<> scope(ctx);
    int plain = 0;
    std::optional<child<int>> handle = scope.spawn([&]() -> awaitable<int> {
      co_await hop();
      plain = 6;
      co_return 1;
    });
    std::atomic<bool> go{false};
    std::atomic<int> seen{0};
    std::thread joiner([&] {
      while (!go) {
      }
      handle->async_join(
          asio::bind_executor(elsewhere, [&](std::exception_ptr, int v) { seen = v * plain; }));
      handle.reset();
      elsewhere.run();
    });
    go = true;
    ctx.run();
    joiner.join();
    if (seen != 6) FAIL("the join was not told of the child");
  }
}

TEST_CASE("B028: a handle tells the name of its child", "[child]") {
  asio::io_context ctx;
  cancel_scope<> scope(ctx);
  auto named = scope.spawn(child_options().name("heartbeat"), hop());
  auto const other = scope.try_spawn(child_options().name("try"), hop());
  auto const nameless = scope.spawn(hop());
  CHECK(named.name() == "heartbeat");
  REQUIRE(other);
  CHECK(other->name() == "try");
  CHECK(nameless.name().empty());
  drain(ctx);
  CHECK(named.name() == "heartbeat");
}

TEST_CASE(
    "B174: a wait for a child is cancelled on another thread while the "
    "child ends",
    "[child][threads]") {
  for (int round = 0; round < 300; ++round) {
    asio::io_context ctx;
    asio::io_context elsewhere;
    cancel_scope<> scope(ctx);
    auto handle = scope.spawn([]() -> awaitable<int> {
      co_await hop();
      co_return 1;
    });
    std::atomic<bool> go{false};
    std::atomic<int> told{0};
    std::thread joiner([&] {
      while (!go) {
      }
      asio::cancellation_signal signal;
      handle.async_join(asio::bind_cancellation_slot(
          signal.slot(), asio::bind_executor(elsewhere, [&](std::exception_ptr e, int v) {
            told += (is_aborted(e) && v == 0) || (!e && v == 1) ? 1 : 100;
          })));
      signal.emit(asio::cancellation_type::terminal);
      elsewhere.run();
    });
    go = true;
    ctx.run();
    joiner.join();
    if (told != 1) FAIL("the wait did not end once");
    if (!handle.done()) FAIL("the child did not end");
  }
}
