// SPDX-License-Identifier: MIT
//
// A great many of everything, and what each costs in time and memory. --short does less.

#include "support/asio.hpp"
#include "support/manual_event.hpp"

#include <asio_cancel_scope.hpp>

#include <chrono>
#include <cstddef>
#include <cstdio>
#include <cstring>
#include <exception>
#include <fstream>
#include <stdexcept>

#include <unistd.h>

using namespace asio_cancel_scope;

namespace {

int faults = 0;

void expect(bool is_so, char const* what) {
  if (is_so) return;
  ++faults;
  std::printf("NOT SO: %s\n", what);
}

/// Bytes of memory that the process uses.
double memory() {
  std::ifstream file("/proc/self/statm");
  double size = 0;
  double resident = 0;
  file >> size >> resident;
  return resident * static_cast<double>(sysconf(_SC_PAGESIZE));
}

class measurement {
 public:
  explicit measurement(char const* what, long n) : what_(what), n_(n) {}

  ~measurement() {
    auto const ns = std::chrono::duration<double, std::nano>(clock::now() - start_).count();
    std::printf("%-44s %10ld %8.0f ns each %7.0f MB\n", what_, n_, ns / static_cast<double>(n_),
                memory() / 1e6);
  }

 private:
  using clock = std::chrono::steady_clock;

  char const* what_;
  long n_;
  clock::time_point start_ = clock::now();
};

void cancel_live_children(long n) {
  asio::io_context ctx;
  cancel_scope<> scope(ctx);
  long aborted = 0;
  {
    measurement const m("live children, spawned", n);
    for (long i = 0; i != n; ++i)
      scope.spawn([&aborted]() -> awaitable<void> {
        try {
          co_await until_cancelled();
        } catch (system_error const&) {
          ++aborted;
          throw;
        }
      });
    ctx.poll();
  }
  expect(scope.size() == static_cast<std::size_t>(n), "all children are alive");
  {
    measurement const m("live children, cancelled and joined", n);
    bool joined = false;
    scope.async_join([&](std::exception_ptr e) { joined = !e; });
    scope.cancel();
    ctx.restart();
    ctx.poll();
    expect(joined, "the scope of the cancelled children is joined");
  }
  expect(aborted == n, "every child was cancelled");
}

void many_short_children(long n) {
  asio::io_context ctx;
  cancel_scope<> scope(ctx);
  long ended = 0;
  auto const child = [&]() -> awaitable<void> {
    ++ended;
    co_return;
  };
  auto const batch = [&](long of) {
    for (long i = 0; i != of; ++i) scope.spawn(child);
    ctx.restart();
    ctx.poll();
  };
  batch(1000);
  auto const before = memory();
  {
    measurement const m("short children of one scope", n);
    for (long done = 0; done != n; done += 1000) batch(1000);
  }
  expect(ended == n + 1000, "every short child ended");
  expect(memory() - before < 1e6, "the scope of many children has not grown");
}

awaitable<void> nest(long depth) {
  auto const body = [depth](auto&) { return depth == 0 ? until_cancelled() : nest(depth - 1); };
  co_await with_cancel_scope(body);
}

void nested_scopes(long n) {
  asio::io_context ctx;
  asio::cancellation_signal signal;
  bool aborted = false;
  asio::co_spawn(ctx, nest(n),
                 asio::bind_cancellation_slot(
                     signal.slot(), [&](std::exception_ptr e) { aborted = e != nullptr; }));
  measurement const m("nested scopes, cancelled from outside", n);
  ctx.poll();
  signal.emit(asio::cancellation_type::terminal);
  ctx.restart();
  ctx.poll();
  expect(aborted, "the outermost of the nested scopes was cancelled");
}

void failing_children(long n) {
  asio::io_context ctx;
  manual_event all_at_once;
  long suppressed = 0;
  std::exception_ptr thrown;
  auto const note = [&](std::exception_ptr) { ++suppressed; };
  auto const body = [&](auto& scope) -> awaitable<void> {
    for (long i = 0; i != n; ++i)
      scope.spawn([&]() -> awaitable<void> {
        co_await all_at_once.wait();
        throw std::runtime_error("on purpose");
      });
    co_return;
  };
  asio::co_spawn(
      ctx,
      [&]() -> awaitable<void> {
        co_await with_cancel_scope(scope_options().on_suppressed(note), body);
      },
      [&](std::exception_ptr e) { thrown = e; });
  ctx.poll();
  measurement const m("children that fail at once", n);
  all_at_once.set();
  ctx.restart();
  ctx.poll();
  expect(thrown != nullptr, "the first error came out");
  expect(suppressed == n - 1, "every other error was told");
}

}  // namespace

int main(int argc, char** argv) {
  bool const is_short = argc > 1 && std::strcmp(argv[1], "--short") == 0;
  cancel_live_children(is_short ? 200'000 : 1'000'000);
  many_short_children(is_short ? 5'000'000 : 100'000'000);
  nested_scopes(10'000);
  failing_children(10'000);
  std::printf("%d faults\n", faults);
  return faults == 0 ? 0 : 1;
}
