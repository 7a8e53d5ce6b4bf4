// SPDX-License-Identifier: MIT
#pragma once

#include "support/asio.hpp"
#include "support/manual_event.hpp"
#include "support/tracked.hpp"

#include <asio_cancel_scope.hpp>

#include <array>
#include <chrono>
#include <cstddef>
#include <deque>
#include <exception>
#include <functional>
#include <future>
#include <memory>
#include <new>
#include <optional>
#include <stdexcept>
#include <type_traits>
#include <utility>
#include <vector>

// Small programs that together use everything in the library, to be stopped after each of their
// steps. A step is one handler, or one deed from outside when no handler is ready.

namespace stress {

using namespace asio_cancel_scope;
using namespace std::chrono_literals;

struct world {
  std::optional<asio::io_context> a{std::in_place};
  std::optional<asio::io_context> b{std::in_place};
  std::optional<std::array<manual_event, 6>> events{std::in_place};

  /// Scope objects, handles, signals: what must not outlive the contexts.
  std::vector<std::shared_ptr<void>> objects;

  /// Those of them that are scopes.
  std::vector<cancel_scope<>*> scopes;

  /// What is done from outside.
  std::deque<std::function<void()>> deeds;

  /// What ends the coroutines that own no scope here.
  std::vector<asio::cancellation_signal*> hosts;

  /// Handlers of coroutines and joins, all of which have to be called.
  int expected = 0;
  int ended = 0;
  int alive = 0;

  /// Joins whose initiation did not throw, and how many of those have completed.
  int joins = 0;
  int joined = 0;

  std::exception_ptr thrown;      // by a deed
  std::exception_ptr unexpected;  // what a handler got, if it is neither an error on purpose, nor a
                                  // cancellation, nor want of memory

  [[nodiscard]] manual_event& event(std::size_t i) { return (*events)[i]; }

  template <typename T, typename... Args>
  T& make(Args&&... args) {
    auto made = std::make_shared<T>(std::forward<Args>(args)...);
    auto& it = *made;
    objects.push_back(std::move(made));
    return it;
  }

  void then(std::function<void()> deed) { deeds.push_back(std::move(deed)); }
  void then_set(std::size_t i) {
    then([this, i] { event(i).set(); });
  }

  class expectation {
   public:
    explicit expectation(world& w) noexcept : world_(&w) { ++world_->alive; }
    expectation(expectation&& other) noexcept : expectation(*other.world_) {}
    expectation(expectation const& other) noexcept : expectation(*other.world_) {}
    expectation& operator=(expectation const&) = delete;
    ~expectation() { --world_->alive; }

    template <typename... Args>
    void operator()(Args const&... args) {
      ++world_->ended;
      (world_->look_at(args), ...);
    }

   private:
    world* world_;
  };

  /// The handler of something that must complete.
  [[nodiscard]] expectation expect() {
    ++expected;
    return expectation(*this);
  }

  void join(cancel_scope<>& scope) {
    scope.async_join([this, handler = expect()](std::exception_ptr const& e) mutable {
      ++joined;
      handler(e);
    });
    ++joins;
  }

  void look_at(auto const& argument) {
    if constexpr (std::is_same_v<decltype(argument), std::exception_ptr const&>) {
      try {
        if (argument) std::rethrow_exception(argument);
      } catch (std::bad_alloc const&) {
      } catch (std::runtime_error const&) {
      } catch (...) {
        unexpected = argument;
      }
    }
  }

  /// A scope on the first context.
  cancel_scope<>& scope(scope_options options = {}) {
    auto& made = make<cancel_scope<>>(*a, std::move(options));
    scopes.push_back(&made);
    return made;
  }

  /// Runs a coroutine that is expected to end, and can be cancelled through the signal.
  template <typename Body>
  asio::cancellation_signal& host(Body body) {
    auto& signal = make<asio::cancellation_signal>();
    auto const ex = a->get_executor();
    hosts.push_back(&signal);
    asio::co_spawn(ex, std::move(body),
                   asio::bind_cancellation_slot(signal.slot(), asio::bind_executor(ex, expect())));
    return signal;
  }

  void then_cancel(asio::cancellation_signal& signal) {
    then([&signal] { signal.emit(asio::cancellation_type::terminal); });
  }

  /// Does one step. Answers whether there was one to do.
  bool step() {
    a->restart();
    b->restart();
    try {
      if (a->poll_one() != 0 || b->poll_one() != 0) return true;
    } catch (std::bad_alloc const&) {
      // An operation could not be started: what awaited it is gone.
      return true;
    }
    if (deeds.empty()) return false;
    auto const deed = std::move(deeds.front());
    deeds.pop_front();
    try {
      deed();
    } catch (...) {
      thrown = std::current_exception();
    }
    return true;
  }
};

// Each takes a tracked by value, so that a frame, a capture or a result that is lost is seen.

inline awaitable<void> waits(world& w, std::size_t event, tracked) {
  tracked const local;
  co_await w.event(event).wait();
}

inline awaitable<tracked> gives(world& w, std::size_t event, tracked t) {
  co_await w.event(event).wait();
  co_return t;
}

inline awaitable<void> sleeps(tracked) {
  asio::steady_timer timer(co_await asio::this_coro::executor, 1h);
  co_await timer.async_wait(use_awaitable);
}

inline awaitable<void> hops(int n, tracked) {
  for (; n > 0; --n) co_await asio::post(use_awaitable);
}

inline awaitable<void> fails(world& w, std::size_t event, tracked) {
  co_await w.event(event).wait();
  throw std::runtime_error("on purpose");
}

inline void children_in_every_state(world& w) {
  auto& scope = w.scope();
  w.make<child<tracked>>(scope.spawn(gives(w, 0, tracked())));
  scope.spawn(waits(w, 1, tracked()));
  scope.spawn(sleeps(tracked()));
  scope.spawn(*w.b, [&w] { return waits(w, 1, tracked()); });
  scope.spawn(*w.b, [] { return sleeps(tracked()); });
  w.then_set(0);
  w.then([&] { scope.spawn(hops(3, tracked())); });
  w.then([&] { w.join(scope); });
  auto& signal = w.make<asio::cancellation_signal>();
  w.then([&] { scope.async_join(asio::bind_cancellation_slot(signal.slot(), w.expect())); });
  w.then([&] { scope.cancel(); });
}

inline void nested_scopes(world& w) {
  auto const inner = [&w](auto& scope) -> awaitable<void> {
    scope.spawn(waits(w, 1, tracked()));
    scope.spawn(*w.b, [&w] { return waits(w, 0, tracked()); });
    co_await waits(w, 1, tracked());
  };
  auto const middle = [&w, inner](auto& scope) -> awaitable<void> {
    scope.spawn([inner]() -> awaitable<void> { co_await with_cancel_scope(inner); });
    scope.spawn(hops(2, tracked()));
    co_await with_cancel_scope(inner);
  };
  auto& signal = w.host([middle]() -> awaitable<void> { co_await with_cancel_scope(middle); });
  w.then_set(0);
  w.then_cancel(signal);
}

inline void deadlines(world& w) {
  w.host([&w]() -> awaitable<void> {
    co_await move_on_after(1h, waits(w, 0, tracked()));
    co_await move_on_after(0s, waits(w, 5, tracked()));
    auto const body = [&w](auto& scope) -> awaitable<void> {
      scope.cancel_after(1h);
      scope.spawn(waits(w, 1, tracked()));
      co_await waits(w, 1, tracked());
      scope.cancel_after(2h);
      scope.clear_deadline();
      scope.cancel_after(0s);
      co_await waits(w, 5, tracked());
    };
    co_await with_cancel_scope(scope_options().deadline_after(3h), body);
    co_await fail_after(0s, waits(w, 5, tracked()));
  });
  w.then_set(0);
  w.then_set(1);
}

inline void tokens(world& w) {
  auto& scope = w.scope();
  auto& signal = w.make<asio::cancellation_signal>();
  scope.spawn(gives(w, 0, tracked()), w.expect());
  scope.spawn(
      *w.b, [&w] { return fails(w, 0, tracked()); }, w.expect());
  scope.spawn(waits(w, 5, tracked()), asio::bind_cancellation_slot(signal.slot(), w.expect()));
  w.make<std::future<tracked>>(scope.spawn(gives(w, 1, tracked()), asio::use_future));
  w.then_set(0);
  w.then_cancel(signal);
  w.then([&] { w.join(scope); });
  w.then_set(1);
}

inline void handles(world& w) {
  auto& scope = w.scope();
  auto& one = w.make<child<tracked>>(scope.spawn(gives(w, 0, tracked())));
  auto& two = w.make<child<void>>(scope.spawn(*w.b, [&w] { return waits(w, 5, tracked()); }));
  auto& three = w.make<std::optional<child<void>>>(scope.spawn(waits(w, 1, tracked())));
  auto& signal = w.host([&]() -> awaitable<void> {
    co_await one.async_join(use_awaitable);
    try {
      co_await two.async_join(use_awaitable);
    } catch (system_error const&) {
    }
    if (three) co_await three->async_join(use_awaitable);
  });
  w.then_set(0);
  w.then([&] { two.cancel(); });
  w.then_cancel(signal);
  w.then([&] { three.reset(); });
  w.then_set(1);
  w.then([&] { w.join(scope); });
}

inline void shields(world& w) {
  auto& signal = w.host([&w]() -> awaitable<void> {
    auto const work = [&w]() -> awaitable<void> {
      co_await shielded(waits(w, 0, tracked()));
      co_await waits(w, 5, tracked());
    };
    auto const cleanup = [&w](std::exception_ptr) { return waits(w, 1, tracked()); };
    co_await with_cleanup(work(), cleanup);
  });
  w.then_cancel(signal);
  w.then_set(0);
  w.then_set(1);
}

inline void room_and_readiness(world& w) {
  auto& scope = w.scope(scope_options().max_children(1));
  auto& first = w.make<child<void>>(scope.spawn(waits(w, 5, tracked())));
  auto& signal = w.make<asio::cancellation_signal>();
  scope.async_spawn(waits(w, 1, tracked()), w.expect());
  scope.async_spawn(waits(w, 1, tracked()),
                    asio::bind_cancellation_slot(signal.slot(), w.expect()));
  auto const starts = [&w, t = tracked()](ready_signal<int> ready) -> awaitable<void> {
    co_await waits(w, 2, tracked());
    ready(1);
    co_await waits(w, 5, tracked());
  };
  scope.async_start<int>(starts, w.expect());
  w.then([&] { first.cancel(); });
  w.then_cancel(signal);
  w.then_set(1);
  w.then_set(2);
  w.then([&] { w.join(scope); });
  w.then([&] { scope.cancel(); });
}

inline void races_and_gathers(world& w) {
  auto& signal = w.host([&w]() -> awaitable<void> {
    co_await race(gives(w, 0, tracked()), gives(w, 5, tracked()), sleeps(tracked()));
    co_await gather(gives(w, 0, tracked()), hops(2, tracked()), waits(w, 1, tracked()));
    std::vector<awaitable<tracked>> many;
    for (int i = 0; i != 3; ++i) many.push_back(gives(w, 2, tracked()));
    co_await gather(std::move(many));
    co_await race(waits(w, 5, tracked()), waits(w, 5, tracked()));
  });
  for (std::size_t i = 0; i != 3; ++i) w.then_set(i);
  w.then_cancel(signal);
}

inline void adopted_operations(world& w) {
  auto& scope = w.scope();
  auto& timer = w.make<asio::steady_timer>(*w.a, 1h);
  auto& other = w.make<asio::steady_timer>(*w.b, 1h);
  timer.async_wait(scope.track(w.expect()));
  other.async_wait(scope.track(w.expect()));
  w.event(0).async_wait(scope.track(w.expect()));
  w.host([&]() -> awaitable<void> {
    child_queue<tracked> queue(scope);
    for (std::size_t i = 0; i != 3; ++i) queue.add(scope.spawn(gives(w, i, tracked())));
    while (auto next = co_await queue.async_next(use_awaitable)) next->get();
  });
  for (std::size_t i = 0; i != 3; ++i) w.then_set(i);
  w.then([&] { w.join(scope); });
  w.then([&] { scope.cancel(); });
}

inline void graceful_shutdown(world& w) {
  // Where the scope is, until it has been left.
  auto const inside = std::make_shared<cancel_scope<>*>(nullptr);
  w.host([&w, inside]() -> awaitable<void> {
    auto const forget = [](cancel_scope<>** at) { *at = nullptr; };
    std::unique_ptr<cancel_scope<>*, decltype(forget)> const until_left(inside.get(), forget);
    auto const body = [&](cancel_scope<>& scope) -> awaitable<void> {
      *inside = &scope;
      scope.spawn(child_options().graceful(), waits(w, 5, tracked()));
      scope.spawn(child_options().service(), waits(w, 5, tracked()));
      scope.spawn(waits(w, 5, tracked()));
      co_await waits(w, 5, tracked());
    };
    co_await with_cancel_scope(body);
  });
  w.then([inside] {
    if (*inside) (*inside)->shutdown(1h);
  });
  w.then([inside] {
    if (*inside) (*inside)->shutdown(0s);
  });
}

inline void errors(world& w) {
  w.host([&w]() -> awaitable<void> {
    auto const body = [&w](auto& scope) -> awaitable<void> {
      scope.spawn(fails(w, 0, tracked()));
      scope.spawn(*w.b, [&w] { return fails(w, 0, tracked()); });
      scope.spawn(waits(w, 5, tracked()));
      scope.spawn(*w.b, [&w] { return waits(w, 5, tracked()); });
      co_await waits(w, 5, tracked());
    };
    auto const ignore = [t = tracked()](std::exception_ptr) {};
    co_await with_cancel_scope(scope_options().on_suppressed(ignore), body);
  });
  w.then_set(0);
}

struct scenario {
  char const* name;
  void (*build)(world&);
};

inline constexpr std::array scenarios{
    scenario{"children in every state", children_in_every_state},
    scenario{"nested scopes", nested_scopes},
    scenario{"deadlines", deadlines},
    scenario{"tokens", tokens},
    scenario{"handles", handles},
    scenario{"shields and cleanup", shields},
    scenario{"room and readiness", room_and_readiness},
    scenario{"races and gathers", races_and_gathers},
    scenario{"adopted operations", adopted_operations},
    scenario{"graceful shutdown", graceful_shutdown},
    scenario{"errors", errors},
};

}  // namespace stress
