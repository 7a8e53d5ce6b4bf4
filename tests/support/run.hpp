// SPDX-License-Identifier: MIT
#pragma once

#include "support/asio.hpp"

#include <atomic>
#include <chrono>
#include <concepts>
#include <cstddef>
#include <exception>
#include <functional>
#include <memory>
#include <optional>
#include <stdexcept>
#include <string>
#include <type_traits>
#include <utility>

// Runs coroutines under test by stepping their context: a test that hangs fails at once.

namespace support {

template <typename Awaitable>
struct awaitable_traits;

template <typename T, typename Executor>
struct awaitable_traits<awaitable<T, Executor>> {
  using value_type = T;
  using executor_type = Executor;
};

struct nothing {};

template <typename T>
struct outcome {
  // Lives as long as the coroutine, whose frames refer to its slot.
  asio::cancellation_signal signal;
  // Asio versions differ in what becomes of a coroutine that is told before it runs, so it is
  // told when it does.
  bool started = false;
  asio::cancellation_type told_early = asio::cancellation_type::none;
  std::atomic<bool> done{false};
  std::exception_ptr error;
  std::optional<std::conditional_t<std::is_void_v<T>, nothing, T>> value;
};

// The handler given to co_spawn cannot take a T that has no default constructor, and Asio 1.25 to
// 1.30.1 loses the handler of a cancelled coroutine that ends without suspending unless that
// coroutine ends as this one does.
template <typename T, typename Executor, typename Body>
awaitable<void, Executor> observe(Body body, std::shared_ptr<outcome<T>> out) {
  out->started = true;
  if (out->told_early != asio::cancellation_type::none) {
    out->signal.emit(out->told_early);
  }
  try {
    if constexpr (std::is_void_v<T>) {
      co_await body();
      out->value.emplace();
    } else {
      out->value.emplace(co_await body());
    }
  } catch (...) {
    out->error = std::current_exception();
  }
  co_await asio::this_coro::throw_if_cancelled(false);
}

template <typename Body>
using traits_of = awaitable_traits<std::decay_t<std::invoke_result_t<Body&>>>;

// Without an executor, so that an emission acts at once on every version of Asio, as it would
// for a library that dispatches emissions itself.
template <typename T>
struct finish {
  using cancellation_slot_type = asio::cancellation_slot;

  std::shared_ptr<outcome<T>> out;

  cancellation_slot_type get_cancellation_slot() const noexcept { return out->signal.slot(); }

  void operator()(std::exception_ptr error) const {
    if (error) {
      out->error = error;
    }
    out->done = true;
  }
};

template <typename Ex, typename Body>
auto start(Ex const& executor, Body body) {
  using traits = traits_of<Body>;
  using value_type = typename traits::value_type;
  using executor_type = typename traits::executor_type;
  auto out = std::make_shared<outcome<value_type>>();
  asio::co_spawn(executor_type(executor), observe<value_type, executor_type>(std::move(body), out),
                 finish<value_type>{out});
  return out;
}

template <typename T>
T take(outcome<T>& out) {
  if (out.error) {
    std::rethrow_exception(out.error);
  }
  if constexpr (!std::is_void_v<T>) {
    return std::move(*out.value);
  }
}

template <typename T>
T step(asio::io_context& ctx, std::shared_ptr<outcome<T>> const& out) {
  ctx.restart();
  while (!out->done) {
    if (ctx.poll() == 0) {
      throw std::runtime_error("stalled: no handler is ready and the body has not finished");
    }
  }
  return take(*out);
}

}  // namespace support

/// Spawns `body`, a callable () -> awaitable<T, Executor>, and steps the context until it is done.
/// Gives its value or throws its exception; throws std::runtime_error("stalled: …") when no
/// handler is ready while the body is unfinished.
template <std::invocable Body>
auto run(asio::io_context& ctx, Body body) {
  return support::step(ctx, support::start(ctx.get_executor(), std::move(body)));
}

/// The same with the body on an executor other than the context's own (a strand of it, …).
template <typename Executor, std::invocable Body>
auto run_on(asio::io_context& ctx, Executor const& executor, Body body) {
  return support::step(ctx, support::start(executor, std::move(body)));
}

/// The same on a context of its own, which the body may take as its parameter.
template <typename Body>
  requires std::invocable<Body> || std::invocable<Body, asio::io_context&>
auto run(Body body) {
  asio::io_context ctx;
  if constexpr (std::invocable<Body&, asio::io_context&>) {
    return run(ctx, [&] { return body(ctx); });
  } else {
    return run(ctx, std::move(body));
  }
}

/// For a body that needs other threads: blocks instead of stepping, stalled only after `limit`.
template <std::invocable Body>
auto run_blocking(asio::io_context& ctx, Body body,
                  std::chrono::steady_clock::duration limit = std::chrono::seconds(40)) {
  auto const work = asio::make_work_guard(ctx);
  auto const out = support::start(ctx.get_executor(), std::move(body));
  auto const end = std::chrono::steady_clock::now() + limit;
  ctx.restart();
  while (!out->done) {
    if (ctx.run_one_until(end) == 0) {
      throw std::runtime_error("stalled: the body has not finished in time");
    }
  }
  return support::take(*out);
}

/// Runs what is ready and what that makes ready; tells how many handlers ran.
inline std::size_t drain(asio::io_context& ctx) {
  std::size_t total = 0;
  ctx.restart();
  while (auto const n = ctx.poll()) {
    total += n;
    ctx.restart();
  }
  return total;
}

inline bool is_aborted(std::exception_ptr const& error) {
  if (!error) {
    return false;
  }
  try {
    std::rethrow_exception(error);
  } catch (system_error const& e) {
    return e.code() == asio::error::operation_aborted;
  } catch (...) {
    return false;
  }
}

/// What `f` throws, or null.
template <std::invocable F>
std::exception_ptr error_of(F f) {
  try {
    f();
  } catch (...) {
    return std::current_exception();
  }
  return nullptr;
}

inline std::string message_of(std::exception_ptr const& error) {
  if (!error) {
    return "";
  }
  try {
    std::rethrow_exception(error);
  } catch (std::exception const& e) {
    return e.what();
  } catch (...) {
    return "not a std::exception";
  }
}

/// A coroutine under test that can be cancelled from outside, as by co_spawn with a bound slot.
/// It may be destroyed before its coroutine has ended.
class host {
 public:
  template <typename Body>
  host(asio::io_context& ctx, Body body) : host(ctx.get_executor(), std::move(body)) {}

  template <typename Executor, typename Body>
    requires(!std::is_convertible_v<Executor&, asio::execution_context&>)
  host(Executor const& executor, Body body) {
    auto out = support::start(executor, std::move(body));
    emit_ = [out](asio::cancellation_type type) {
      if (out->started) {
        out->signal.emit(type);
      } else {
        out->told_early |= type;
      }
    };
    done_ = [out] { return out->done.load(); };
    error_ = [out] { return out->error; };
  }

  /// Emits, unless the coroutine has ended; to be called where the coroutine's executor runs.
  /// With a terminal cancellation before it has started, the body never runs.
  void cancel(asio::cancellation_type type = asio::cancellation_type::terminal) {
    if (!done()) {
      emit_(type);
    }
  }

  bool done() const { return done_(); }
  std::exception_ptr error() const { return done() ? error_() : nullptr; }
  bool aborted() const { return is_aborted(error()); }
  bool clean() const { return done() && !error_(); }

 private:
  std::function<void(asio::cancellation_type)> emit_;
  std::function<bool()> done_;
  std::function<std::exception_ptr()> error_;
};
