// SPDX-License-Identifier: MIT
//
// Each scenario with its first allocation failing, then its second, and so on until there is none
// left to fail; then with two in a row, because what must not be lost is tried twice. Afterwards
// everything has to come to an end, and nothing may be left. Each run is a process of its own,
// because some versions of Asio terminate for want of memory.

#include "support/allocation_hooks.hpp"

#include "stress/scenarios.hpp"

#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <exception>
#include <new>

#include <sys/wait.h>
#include <unistd.h>

// Of tests/coverage: what this process has reached.
extern "C" [[gnu::weak]] void __gcov_dump();

namespace {

using stress::world;

// For want of memory: when an operation that a coroutine awaits throws as it starts, in later
// versions when the exception of an error code is made. In all of them when that destroys a
// coroutine and there is still none, to post its end with.
constexpr bool asio_terminates(long failures) {
  return failures > 1 || ACS_TEST_ASIO_VERSION < 102400 || ACS_TEST_ASIO_VERSION >= 103200;
}

enum verdict : int { untouched, survived, terminated, hangs, leaks, wrong_error, crashes };

// No tool that ends the process gives such an exit status.
constexpr int first_status = 64;

char const* const names[] = {"untouched", "survived",    "terminated", "hangs",
                             "leaks",     "wrong error", "crashes"};

void run_out(world& w) {
  while (w.step()) {
  }
}

/// Ends everything, whatever has been done before; every scope must be empty and joinable then.
bool all_ends(world& w) {
  for (auto* const scope : w.scopes) scope->cancel();
  for (auto* const host : w.hosts) host->emit(asio::cancellation_type::terminal);
  for (auto& event : *w.events) event.set();
  w.deeds.clear();
  run_out(w);
  bool good = w.alive == 0;
  for (auto* const scope : w.scopes) {
    good = good && scope->size() == 0;
    w.join(*scope);
    run_out(w);
  }
  // A join that has begun is never lost, whatever failed meanwhile.
  return good && w.joined == w.joins;
}

verdict run(stress::scenario const& s, long k, long failures) {
  auto const blocks = allocation_hooks::blocks.load();
  bool failed = false;
  bool wrong = false;
  bool ended = false;
  {
    world w;
    {
      allocation_hooks::failures_after const failure(k, failures);
      try {
        s.build(w);
      } catch (std::bad_alloc const&) {
      }
      run_out(w);
      failed = failure.has_failed();
    }
    ended = all_ends(w);
    try {
      if (w.thrown) std::rethrow_exception(w.thrown);
    } catch (std::bad_alloc const&) {
    } catch (...) {
      wrong = true;
    }
    wrong = wrong || w.unexpected;
    w.objects.clear();
    w.events.reset();
    w.b.reset();
    w.a.reset();
    w.thrown = nullptr;
  }
  if (!ended) return hangs;
  if (wrong) return wrong_error;
  if (tracked::alive() != 0 || allocation_hooks::blocks.load() != blocks) return leaks;
  return failed ? survived : untouched;
}

verdict run_apart(stress::scenario const& s, long k, long failures) {
  std::fflush(stdout);
  auto const process = fork();
  if (process == 0) {
    std::set_terminate([] { std::abort(); });  // without a word
    alarm(20);
    int const status = first_status + run(s, k, failures);
    if (__gcov_dump) __gcov_dump();
    _exit(status);
  }
  int status = 0;
  waitpid(process, &status, 0);
  if (WIFSIGNALED(status) && WTERMSIG(status) == SIGABRT) return terminated;
  if (WIFSIGNALED(status) && WTERMSIG(status) == SIGALRM) return hangs;
  if (!WIFEXITED(status) || WEXITSTATUS(status) < first_status) return crashes;
  return static_cast<verdict>(WEXITSTATUS(status) - first_status);
}

}  // namespace

int main() {
  static_cast<void>(asio::query(asio::system_executor(), asio::execution::context));
  if (asio_terminates(1))
    std::printf("this Asio terminates for want of memory: try one from 1.24 to 1.30 too\n");
  std::printf("%-24s %6s %9s %11s\n", "allocations that fail", "runs", "survived", "terminated");
  long runs = 0;
  long terminations = 0;
  long faults = 0;
  for (auto const& s : stress::scenarios) {
    run(s, allocation_hooks::never - 1, 1);
    long good = 0;
    long bad = 0;
    long by_asio = 0;
    for (long const failures : {1, 2}) {
      for (long k = 0;; ++k) {
        auto const result = run_apart(s, k, failures);
        if (result == untouched) break;
        if (result == survived) {
          ++good;
        } else if (result == terminated && asio_terminates(failures)) {
          ++by_asio;
        } else {
          ++bad;
          std::printf("%s: %s when %ld fail after %ld\n", s.name, names[result], failures, k);
        }
      }
    }
    std::printf("%-24s %6ld %9ld %11ld\n", s.name, good + bad + by_asio, good, by_asio);
    runs += good + bad + by_asio;
    terminations += by_asio;
    faults += bad;
  }
  std::printf("%ld runs, %ld of them terminated by Asio, %ld faults\n", runs, terminations, faults);
  return faults == 0 ? 0 : 1;
}
