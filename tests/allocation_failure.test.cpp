// SPDX-License-Identifier: MIT

#include "support/allocation_hooks.hpp"
#include "support/asio.hpp"
#include "support/catch.hpp"
#include "support/manual_event.hpp"
#include "support/manual_timer.hpp"
#include "support/run.hpp"
#include "support/tracked.hpp"

#include <asio_cancel_scope.hpp>

#include <chrono>
#include <cstddef>
#include <exception>
#include <memory>
#include <new>
#include <optional>
#include <stop_token>
#include <string>
#include <utility>

using namespace asio_cancel_scope;
using namespace std::chrono_literals;
using allocation_hooks::failures_after;
using allocation_hooks::no_memory_after;

namespace {

asio::any_io_executor plain(asio::io_context& ctx) {
  return ctx.get_executor();
}

// In a scope with one running child, calls `spawn(ex, scope, ended)` with the kth allocation
// failing, for every k until it succeeds, and checks that a failure leaves everything as it was.
template <typename Spawn>
void fails_at_every_allocation(Spawn spawn,
                               asio::any_io_executor (*make_executor)(asio::io_context&) = plain) {
  auto const inside = GENERATE(false, true);
  auto const others = GENERATE(0, 1);
  int failures = 0;
  for (long k = 0;; ++k) {
    REQUIRE(k < 100);
    asio::io_context ctx;
    asio::io_context other;
    auto const elsewhere = make_executor(other);
    manual_event go_on;
    int ended = 0;
    bool threw = false;
    bool all_done = false;
    {
      cancel_scope<> scope(ctx);
      scope.spawn([&]() -> awaitable<void> {
        co_await go_on.wait();
        ++ended;
      });
      drain(ctx);
      std::size_t before = 0;
      std::size_t after = 0;
      int alive_before = 0;
      int alive_after = 0;
      auto const attempt = [&] {
        if (others != 0) {
          scope.spawn([&]() -> awaitable<void> {
            ++ended;
            co_return;
          });
        }
        before = scope.size();
        alive_before = tracked::alive();
        try {
          no_memory_after const no_more_memory(k);
          spawn(elsewhere, scope, ended);
          all_done = !no_more_memory.has_failed();
        } catch (std::bad_alloc const&) {
          threw = true;
        }
        after = scope.size();
        alive_after = tracked::alive();
      };
      if (inside) {
        asio::post(ctx, attempt);
      } else {
        attempt();
      }
      drain(ctx);
      drain(other);
      INFO("allocation " << k << " fails");
      if (threw) {
        CHECK(after == before);
        CHECK(alive_after == alive_before);
        CHECK_FALSE(scope.cancel_called());
        CHECK(ended == others);
        ++failures;
      } else {
        CHECK(after == before + 1);
        CHECK(ended == others + 1);
      }
      // The scope goes on as if nothing had been tried.
      scope.spawn([&]() -> awaitable<void> {
        ++ended;
        co_return;
      });
      go_on.set();
      run(ctx, [&]() -> awaitable<void> { co_await scope.async_join(use_awaitable); });
      CHECK(ended == others + 2 + (threw ? 0 : 1));
      CHECK(scope.cause() == cancel_cause::none);
    }
    REQUIRE(tracked::alive() == 0);
    if (all_done) {
      break;
    }
  }
  CHECK(failures > 0);
}

auto counting_child(int& ended) {
  return [&ended, t = tracked()]() -> awaitable<void> {
    ++ended;
    co_return;
  };
}

}  // namespace

TEST_CASE("rule 21: a spawn without memory leaves the scope as it was", "[cancel_scope][spawn]") {
  fails_at_every_allocation([](asio::any_io_executor const&, cancel_scope<>& scope, int& ended) {
    scope.spawn(counting_child(ended));
  });
}

TEST_CASE("rule 21: a spawn on another executor without memory leaves the scope as it was",
          "[cancel_scope][spawn]") {
  fails_at_every_allocation([](asio::any_io_executor const& ex, cancel_scope<>& scope, int& ended) {
    scope.spawn(ex, counting_child(ended));
  });
}

TEST_CASE("rule 21: a named spawn without memory leaves the scope as it was",
          "[cancel_scope][spawn]") {
  fails_at_every_allocation([](asio::any_io_executor const&, cancel_scope<>& scope, int& ended) {
    scope.spawn(child_options().name(std::string(100, 'x')), counting_child(ended));
  });
}

TEST_CASE("rule 21: a spawn with a token without memory leaves the scope as it was",
          "[cancel_scope][spawn]") {
  fails_at_every_allocation([](asio::any_io_executor const&, cancel_scope<>& scope, int& ended) {
    scope.spawn(counting_child(ended), [t = tracked()](std::exception_ptr) {});
  });
}

TEST_CASE("rule 21: a spawn with a token on another executor without memory changes nothing",
          "[cancel_scope][spawn]") {
  fails_at_every_allocation([](asio::any_io_executor const& ex, cancel_scope<>& scope, int& ended) {
    scope.spawn(ex, counting_child(ended), [t = tracked()](std::exception_ptr) {});
  });
}

// Asio's strand keeps the function that it was given when it cannot post itself, and throws.
TEST_CASE("rule 21: a spawn on a strand without memory leaves the scope as it was",
          "[cancel_scope][spawn]") {
  fails_at_every_allocation(
      [](asio::any_io_executor const& ex, cancel_scope<>& scope, int& ended) {
        scope.spawn(ex, counting_child(ended));
      },
      [](asio::io_context& ctx) { return asio::any_io_executor(asio::make_strand(ctx)); });
}

TEST_CASE("rule 19: a spawn on a strand without memory, refused late, dies with its context",
          "[cancel_scope][spawn]") {
  bool enough = false;
  for (long k = 0; !enough; ++k) {
    REQUIRE(k < 100);
    {
      asio::io_context ctx;
      asio::any_io_executor const strand = asio::make_strand(ctx);
      cancel_scope<> scope(ctx);
      auto operation = scope.spawn(
          strand, [t = tracked()]() -> awaitable<void> { co_return; }, compat::deferred);
      try {
        failures_after const one_failure(k, 1);
        std::move(operation)(
            asio::bind_executor(ctx.get_executor(), [t = tracked()](std::exception_ptr) {}));
        enough = !one_failure.has_failed();
      } catch (std::bad_alloc const&) {
      }
    }
    CHECK(tracked::alive() == 0);
  }
}

TEST_CASE("rule 21: spawns without memory from a body leave the block as it was",
          "[with_cancel_scope][spawn]") {
  int failures = 0;
  for (long k = 0;; ++k) {
    REQUIRE(k < 100);
    asio::io_context ctx;
    int ended = 0;
    bool threw = false;
    run(ctx, [&]() -> awaitable<void> {
      auto const result = co_await with_cancel_scope([&](auto& scope) -> awaitable<void> {
        try {
          no_memory_after const no_more_memory(k);
          scope.spawn(counting_child(ended));
        } catch (std::bad_alloc const&) {
          threw = true;
        }
        CHECK(scope.size() == (threw ? 0 : 1));
        co_return;
      });
      CHECK(result.cause() == cancel_cause::none);
      CHECK(result.has_value());
    });
    CHECK(ended == (threw ? 0 : 1));
    CHECK(tracked::alive() == 0);
    failures += threw;
    if (!threw) {
      break;
    }
  }
  CHECK(failures > 0);
}

TEST_CASE("rule 7: a cancel without memory may be called again", "[cancel_scope][cancel]") {
  auto const elsewhere = GENERATE(0, 3);
  for (long k = 0;; ++k) {
    REQUIRE(k < 100);
    asio::io_context ctx;
    asio::io_context others[3];
    int aborted = 0;
    bool threw = false;
    bool all_done = false;
    auto const waiting = [&]() -> awaitable<void> {
      try {
        co_await until_cancelled();
      } catch (system_error const&) {
        ++aborted;
        throw;
      }
    };
    cancel_scope<> scope(ctx);
    scope.spawn(waiting);
    for (int i = 0; i < elsewhere; ++i) {
      scope.spawn(others[i], waiting);
    }
    auto const drain_all = [&] {
      drain(ctx);
      for (auto& other : others) {
        drain(other);
      }
      drain(ctx);
    };
    drain_all();
    scope.spawn(waiting);
    try {
      no_memory_after const no_more_memory(k);
      scope.cancel();
      all_done = !no_more_memory.has_failed();
    } catch (std::bad_alloc const&) {
      threw = true;
    }
    drain_all();
    INFO("allocation " << k << " fails");
    if (threw) {
      scope.cancel();
      drain_all();
    }
    CHECK(aborted == 1 + elsewhere);
    CHECK(scope.size() == 0);
    run(ctx, [&]() -> awaitable<void> { co_await scope.async_join(use_awaitable); });
    CHECK(scope.cause() == cancel_cause::requested);
    if (all_done) {
      break;
    }
  }
}

TEST_CASE("B106: a stop that is requested without memory reaches all the same",
          "[cancel_on][stop]") {
  for (long k = 0;; ++k) {
    REQUIRE(k < 100);
    asio::io_context ctx;
    asio::io_context other;
    std::stop_source source;
    bool failed = false;
    cancel_scope<> scope(ctx);
    scope.spawn(until_cancelled());
    scope.spawn(other, until_cancelled());
    cancel_on_stop(scope, source.get_token());
    drain(ctx);
    drain(other);
    {
      // What a callback of a stop token throws would end the program.
      failures_after const one_failure(k, 1);
      source.request_stop();
      failed = one_failure.has_failed();
    }
    drain(ctx);
    drain(other);
    INFO("allocation " << k << " fails");
    CHECK(scope.size() == 0);
    CHECK(scope.cause() == cancel_cause::requested);
    if (!failed) {
      CHECK(k > 0);
      break;
    }
  }
}

TEST_CASE("rule 17: a deadline that comes without memory reaches all the same",
          "[cancel_scope][deadline]") {
  for (long k = 0;; ++k) {
    REQUIRE(k < 100);
    manual_clock time;
    asio::io_context ctx;
    asio::io_context others[2];
    bool failed = false;
    cancel_scope<> scope(ctx, scope_options().deadline_after(1s));
    for (auto& other : others) {
      scope.spawn(other, until_cancelled());
      drain(other);
    }
    time.advance(1s);
    {
      failures_after const one_failure(k, 1);
      drain(ctx);
      failed = one_failure.has_failed();
    }
    for (auto& other : others) {
      drain(other);
    }
    INFO("allocation " << k << " fails");
    CHECK(scope.size() == 0);
    CHECK(scope.cause() == cancel_cause::deadline);
    if (!failed) {
      CHECK(k > 0);
      break;
    }
  }
}

TEST_CASE("rule 17: a deadline that was moved is not lost when there is no memory to wait on",
          "[cancel_scope][deadline]") {
  auto const failures = GENERATE(1L, 2L);
  for (long k = 0;; ++k) {
    REQUIRE(k < 100);
    manual_clock time;
    asio::io_context ctx;
    bool failed = false;
    cancel_scope<> scope(ctx, scope_options().deadline_after(1s));
    scope.spawn(until_cancelled());
    scope.cancel_after(2s);
    drain(ctx);
    time.advance(1s);
    {
      failures_after const no_memory(k, failures);
      drain(ctx);
      failed = no_memory.has_failed();
    }
    INFO("allocation " << k << " fails");
    if (!failed) CHECK_FALSE(scope.cancel_called());
    time.advance(1s);
    drain(ctx);
    CHECK(scope.cause() == cancel_cause::deadline);
    CHECK(scope.size() == 0);
    if (!failed) {
      CHECK(k > 0);
      break;
    }
  }
}

TEST_CASE("rule 3: who waits in vain is told, also without memory for the text", "[cancel_scope]") {
  auto const which = GENERATE(0, 1, 2);
  for (long k = 0;; ++k) {
    REQUIRE(k < 100);
    auto const held = std::make_shared<int>();
    int told = 0;
    bool threw = false;
    bool failed = false;
    {
      asio::io_context ctx;
      manual_event event;
      auto const attempt = [&](auto start) {
        failures_after const one_failure(k, 1);
        try {
          start();
        } catch (std::bad_alloc const&) {
          threw = true;
        }
        failed = one_failure.has_failed();
      };
      if (which == 0) {
        host h(ctx, [&]() -> awaitable<void> {
          co_await with_cancel_scope([&](cancel_scope<>& scope) -> awaitable<void> {
            attempt([&] {
              scope.async_join([&, held](std::exception_ptr e) { told += e != nullptr; });
            });
            co_return;
          });
        });
        drain(ctx);
        CHECK(h.clean());
      } else if (which == 1) {
        cancel_scope<> scope(ctx);
        child_queue<void> queue(scope);
        queue.add(scope.spawn(event.wait()));
        using given = std::optional<child<void>>;
        queue.async_next([](std::exception_ptr, given) {});
        attempt([&] {
          queue.async_next([&, held](std::exception_ptr e, given) { told += e != nullptr; });
        });
        event.set();
        drain(ctx);
      } else {
        cancel_scope<> scope(ctx);
        scope.async_start([&](ready_signal<>) { return event.wait(); },
                          [&, held](std::exception_ptr e) { told += e != nullptr; });
        drain(ctx);
        event.set();
        attempt([&] { drain(ctx); });
        drain(ctx);
      }
      INFO("allocation " << k << " fails");
      // Who was to be told has been, unless the call that was to begin the wait threw.
      CHECK(held.use_count() == 1);
      CHECK(told == (threw && which != 2 ? 0 : 1));
    }
    if (!failed) {
      CHECK(k > 0);
      break;
    }
  }
}

TEST_CASE("rule 19: a scope destroyed without memory still lets go of its children",
          "[cancel_scope][shutdown]") {
  for (long k = 0;; ++k) {
    REQUIRE(k < 100);
    bool all_done = false;
    {
      asio::io_context ctx;
      manual_event never;
      {
        cancel_scope<> scope(ctx);
        scope.spawn([&never, t = tracked()]() -> awaitable<void> {
          tracked const local;
          co_await never.wait();
        });
        scope.spawn(asio::make_strand(ctx),
                    [&never, t = tracked()]() -> awaitable<void> { co_await never.wait(); });
        drain(ctx);
        allocation_hooks::failed = 0;
        allocation_hooks::left = k;
      }
      all_done = allocation_hooks::failed == 0;
      allocation_hooks::left = allocation_hooks::never;
      drain(ctx);
    }
    CHECK(tracked::alive() == 0);
    if (all_done) {
      break;
    }
  }
}
