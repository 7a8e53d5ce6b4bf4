// SPDX-License-Identifier: MIT
//
// Each scenario with its first allocation failing, then its second, and so on until there is none
// left to fail. Afterwards everything has to come to an end, and nothing may be left. Each run is a
// process of its own, because some versions of Asio terminate for want of memory.

#include "support/allocation_hooks.hpp"

#include "stress/scenarios.hpp"

#include <cstdio>
#include <new>

#include <sys/wait.h>
#include <unistd.h>

namespace {

using stress::world;

// When an operation that a coroutine awaits throws as it starts; later when it makes the exception
// of an error code.
constexpr bool asio_terminates = ACS_TEST_ASIO_VERSION < 102400 || ACS_TEST_ASIO_VERSION >= 103200;

enum verdict : int { untouched, survived, hangs, leaks, wrong_error, verdicts, terminated };

char const* const names[] = {"untouched", "survived", "hangs", "leaks", "wrong error"};

void end_all(world& w) {
  for (auto const& end : w.ends) end();
  for (auto& event : *w.events) event.set();
  w.deeds.clear();
  while (w.step()) {
  }
}

verdict run(stress::scenario const& s, long k) {
  auto const blocks = allocation_hooks::blocks.load();
  bool failed = false;
  bool wrong = false;
  int waiting = 0;
  {
    world w;
    {
      allocation_hooks::one_failure_after const failure(k);
      try {
        s.build(w);
      } catch (std::bad_alloc const&) {
      }
      while (w.step()) {
      }
      failed = failure.has_failed();
    }
    end_all(w);
    waiting = w.alive;
    try {
      if (w.thrown) std::rethrow_exception(w.thrown);
    } catch (std::bad_alloc const&) {
    } catch (...) {
      wrong = true;
    }
    if (w.unexpected) wrong = true;
    w.objects.clear();
    w.events.reset();
    w.b.reset();
    w.a.reset();
    w.thrown = nullptr;
  }
  if (waiting != 0) return hangs;
  if (wrong) return wrong_error;
  if (tracked::alive() != 0 || allocation_hooks::blocks.load() != blocks) return leaks;
  return failed ? survived : untouched;
}

verdict run_apart(stress::scenario const& s, long k) {
  std::fflush(stdout);
  auto const process = fork();
  if (process == 0) {
    // What is said on the way to std::terminate is expected.
    std::freopen("/dev/null", "w", stderr);
    _exit(run(s, k));
  }
  int status = 0;
  waitpid(process, &status, 0);
  return WIFEXITED(status) && WEXITSTATUS(status) < verdicts
             ? static_cast<verdict>(WEXITSTATUS(status))
             : terminated;
}

}  // namespace

int main() {
  static_cast<void>(asio::query(asio::system_executor(), asio::execution::context));
  std::printf("%-24s %6s %9s %11s\n", "allocations that fail", "runs", "survived", "terminated");
  long runs = 0;
  long ends = 0;
  int faults = 0;
  for (auto const& s : stress::scenarios) {
    run(s, allocation_hooks::never - 1);
    long by_asio = 0;
    long good = 0;
    long k = 0;
    for (;; ++k) {
      auto const result = run_apart(s, k);
      if (result == untouched) break;
      if (result == survived) ++good;
      if (result == terminated) ++by_asio;
      if (result == hangs || result == leaks || result == wrong_error) {
        ++faults;
        std::printf("%s: %s when allocation %ld fails\n", s.name, names[result], k);
      }
    }
    std::printf("%-24s %6ld %9ld %11ld\n", s.name, k, good, by_asio);
    runs += k;
    ends += by_asio;
  }
  std::printf("%ld runs, %ld of them ended by std::terminate, %d faults\n", runs, ends, faults);
  if (asio_terminates && ends != 0)
    std::printf("this Asio terminates of itself: try one from 1.24 to 1.30 too\n");
  else if (ends != 0)
    ++faults;
  return faults == 0 ? 0 : 1;
}
