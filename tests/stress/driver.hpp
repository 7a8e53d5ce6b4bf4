// SPDX-License-Identifier: MIT
#pragma once

#include "support/asio.hpp"
#include "support/manual_event.hpp"

#include "stress/ledger.hpp"

#include <asio_cancel_scope.hpp>

#include <array>
#include <atomic>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <exception>
#include <memory>
#include <random>
#include <stdexcept>
#include <thread>
#include <utility>
#include <vector>

namespace stress {

using namespace asio_cancel_scope;
using namespace std::chrono_literals;

/// Where things run.
class places {
 public:
  places() {
    threads_.emplace_back([this] { one_.run(); });
    for (int i = 0; i != 2; ++i) threads_.emplace_back([this] { shared_.run(); });
  }
  ~places() {
    work_of_one_.reset();
    work_of_shared_.reset();
    for (auto& t : threads_) t.join();
  }

  [[nodiscard]] asio::any_io_executor any(std::uint64_t n) {
    return n % 4 == 0 ? pool_.get_executor() : serial(n / 4);
  }

  [[nodiscard]] asio::any_io_executor serial(std::uint64_t n) {
    switch (n % 3) {
      case 0: return asio::make_strand(pool_.get_executor());
      case 1: return asio::make_strand(shared_.get_executor());
      default: return one_.get_executor();
    }
  }

 private:
  asio::thread_pool pool_{2};
  asio::io_context one_;
  asio::io_context shared_;
  asio::executor_work_guard<asio::io_context::executor_type> work_of_one_ = make_work_guard(one_);
  asio::executor_work_guard<asio::io_context::executor_type> work_of_shared_ =
      make_work_guard(shared_);
  std::vector<std::thread> threads_;
};

/// One scope and what is done to it.
struct round {
  round(places& in, std::uint64_t seed) : where(in), random(seed) {}

  places& where;
  std::mt19937_64 random;
  manual_event release;  // of the children that wait
  std::atomic<cancel_scope<>*> scope{nullptr};
  asio::any_io_executor host = where.serial(random());
  asio::cancellation_signal outside;  // of the host; emitted there
  ledger book;
};

enum class behaviour { returns, hops, waits, ignores, spawns, cancels, fails };

enum class given_to { scope, token };

inline awaitable<long> behave(round& r, behaviour b, given_to whose, ticket t);

inline auto child_of(round& r, behaviour b, given_to whose = given_to::scope) {
  return [&r, b, whose, t = ticket(r.book)]() mutable { return behave(r, b, whose, std::move(t)); };
}

inline awaitable<void> do_as(round& r, behaviour b) {
  auto& scope = *r.scope;
  switch (b) {
    case behaviour::hops:
      for (int i = 0; i != 3; ++i) co_await asio::post(use_awaitable);
      break;
    case behaviour::waits: co_await r.release.wait(); break;
    case behaviour::ignores: co_await r.release.wait_ignoring_cancellation(); break;
    case behaviour::spawns: try { scope.spawn(child_of(r, behaviour::hops));
      } catch (std::logic_error const&) {
        ++r.book.refused;
      }
      break;
    case behaviour::cancels: scope.cancel(); break;
    case behaviour::returns:
    case behaviour::fails: break;
  }
}

inline awaitable<long> behave(round& r, behaviour b, given_to whose, ticket t) {
  t.starts();
  try {
    co_await do_as(r, b);
  } catch (system_error const&) {
    t.ends(fate::cut);
    throw;
  }
  if (b == behaviour::fails) {
    if (whose == given_to::scope) ++r.book.errors;
    t.ends(fate::failed);
    throw std::runtime_error("on purpose");
  }
  t.ends(fate::finished);
  co_return t.number();
}

/// A thread that does things to the scope at random.
class driver {
 public:
  driver(round& r, std::uint64_t seed) : r_(r), scope_(*r.scope), random_(seed) {}

  void go(int deeds) {
    std::vector<int> weights;
    for (auto const& d : all_deeds) weights.push_back(d.weight);
    std::discrete_distribution<std::size_t> choice(weights.begin(), weights.end());
    for (int i = 0; i != deeds; ++i) {
      try {
        (this->*all_deeds[choice(random_)].what)();
      } catch (std::logic_error const&) {
        ++r_.book.refused;
      }
    }
  }

 private:
  struct deed {
    void (driver::*what)();
    int weight;
  };

  [[nodiscard]] bool one_in(std::uint64_t n) { return random_() % n == 0; }
  [[nodiscard]] asio::any_io_executor place() { return r_.where.any(random_()); }

  [[nodiscard]] behaviour any_behaviour() {
    if (one_in(1000)) return behaviour::cancels;
    if (one_in(400)) return behaviour::fails;
    constexpr std::array common{behaviour::returns, behaviour::hops,   behaviour::waits,
                                behaviour::waits,   behaviour::spawns, behaviour::ignores};
    return common[random_() % common.size()];
  }

  void spawn() { scope_.spawn(child_of(r_, any_behaviour())); }
  void spawn_elsewhere() { scope_.spawn(place(), child_of(r_, any_behaviour())); }
  void try_spawn() {
    if (auto const handle = scope_.try_spawn(place(), child_of(r_, any_behaviour())))
      static_cast<void>(handle->done());
  }
  void spawn_service() {
    scope_.spawn(child_options().on(place()).service().graceful(), child_of(r_, behaviour::waits));
  }
  void spawn_and_cancel() {
    auto handle = scope_.spawn(place(), child_of(r_, any_behaviour()));
    if (one_in(2)) std::this_thread::yield();
    handle.cancel(one_in(2) ? asio::cancellation_type::terminal : asio::cancellation_type::total);
  }
  void spawn_and_join() {
    ticket t(r_.book);
    auto const number = t.number();
    auto handle = scope_.spawn(place(), behave(r_, any_behaviour(), given_to::scope, std::move(t)));
    handle.async_join(
        asio::bind_executor(place(), [&book = r_.book, number](std::exception_ptr e, long value) {
          if (!e && value != number) ++book.wrong_values;
          ++book.outside.answered;
        }));
    ++r_.book.outside.asked;
  }
  void spawn_with_token() {
    scope_.spawn(place(), child_of(r_, any_behaviour(), given_to::token),
                 [&book = r_.book](std::exception_ptr, long) { ++book.inside.answered; });
    ++r_.book.inside.asked;
  }
  void spawn_when_room() {
    scope_.async_spawn(place(), behave(r_, any_behaviour(), given_to::scope, ticket(r_.book)),
                       [&book = r_.book](std::exception_ptr, auto) { ++book.outside.answered; });
    ++r_.book.outside.asked;
  }
  void start() {
    auto const child = [&r = r_](ready_signal<int> ready) -> awaitable<void> {
      ticket t(r.book);
      t.ends(fate::cut);
      ready(1);
      co_await do_as(r, behaviour::hops);
      t.ends(fate::finished);
    };
    scope_.async_start<int>(place(), child, [&book = r_.book](std::exception_ptr e, int value) {
      if (!e && value != 1) ++book.wrong_values;
      ++book.outside.answered;
    });
    ++r_.book.outside.asked;
  }
  void track() {
    auto const ex = place();
    auto timer =
        std::make_shared<asio::steady_timer>(ex, std::chrono::microseconds(random_() % 1000));
    auto const handler = [timer, &book = r_.book](error_code) { ++book.inside.answered; };
    timer->async_wait(scope_.track(asio::bind_executor(ex, handler)));
    ++r_.book.inside.asked;
  }
  void move_deadline() {
    if (one_in(3))
      scope_.clear_deadline();
    else
      scope_.cancel_after(one_in(100) ? std::chrono::microseconds(random_() % 500) : 1h);
  }
  void look() {
    if (scope_.cancelled_caught() && scope_.cause() == cancel_cause::none) ++r_.book.wrong_values;
    static_cast<void>(scope_.size());
    static_cast<void>(scope_.deadline());
    static_cast<void>(scope_.get_stop_token());
  }
  void cancel() {
    if (one_in(40)) scope_.cancel();
  }
  void shut_down() {
    if (one_in(40)) scope_.shutdown(std::chrono::microseconds(random_() % 300));
  }
  void cancel_from_outside() {
    if (!one_in(40)) return;
    asio::post(r_.host, [&r = r_] {
      r.outside.emit(asio::cancellation_type::terminal);
      ++r.book.outside.answered;
    });
    ++r_.book.outside.asked;
  }

  static constexpr deed all_deeds[] = {
      {&driver::spawn, 6},
      {&driver::spawn_elsewhere, 6},
      {&driver::try_spawn, 4},
      {&driver::spawn_service, 1},
      {&driver::spawn_and_cancel, 4},
      {&driver::spawn_and_join, 4},
      {&driver::spawn_with_token, 4},
      {&driver::spawn_when_room, 4},
      {&driver::start, 2},
      {&driver::track, 3},
      {&driver::move_deadline, 4},
      {&driver::look, 2},
      {&driver::cancel, 1},
      {&driver::shut_down, 1},
      {&driver::cancel_from_outside, 1},
  };

  round& r_;
  cancel_scope<>& scope_;
  std::mt19937_64 random_;
};

}  // namespace stress
