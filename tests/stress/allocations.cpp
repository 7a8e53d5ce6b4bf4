// SPDX-License-Identifier: MIT
//
// Each scenario with its first allocation failing, then its second, and so on until there is none
// left to fail. Afterwards everything has to come to an end, and nothing may be left. Each run is a
// process of its own, because some versions of Asio terminate for want of memory.

#include "support/allocation_hooks.hpp"

#include "stress/scenarios.hpp"

#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <exception>
#include <new>

#include <sys/wait.h>
#include <unistd.h>

namespace {

using stress::world;

// When an operation that a coroutine awaits throws as it starts; later when it makes the exception
// of an error code.
constexpr bool asio_terminates = ACS_TEST_ASIO_VERSION < 102400 || ACS_TEST_ASIO_VERSION >= 103200;

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
    auto const before = w.ended;
    scope->async_join(w.expect());
    run_out(w);
    good = good && w.ended == before + 1;
  }
  return good;
}

verdict run(stress::scenario const& s, long k) {
  auto const blocks = allocation_hooks::blocks.load();
  bool failed = false;
  bool wrong = false;
  bool ended = false;
  {
    world w;
    {
      allocation_hooks::one_failure_after const failure(k);
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

verdict run_apart(stress::scenario const& s, long k) {
  std::fflush(stdout);
  auto const process = fork();
  if (process == 0) {
    std::set_terminate([] { std::abort(); });  // without a word
    alarm(60);
    _exit(first_status + run(s, k));
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
  std::printf("%-24s %6s %9s %11s\n", "allocations that fail", "runs", "survived", "terminated");
  long runs = 0;
  long terminations = 0;
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
      if (result > terminated) {
        ++faults;
        std::printf("%s: %s when allocation %ld fails\n", s.name, names[result], k);
      }
    }
    std::printf("%-24s %6ld %9ld %11ld\n", s.name, k, good, by_asio);
    runs += k;
    terminations += by_asio;
  }
  std::printf("%ld runs, %ld of them ended by std::terminate, %d faults\n", runs, terminations,
              faults);
  if (asio_terminates && terminations != 0)
    std::printf("this Asio terminates of itself: try one from 1.24 to 1.30 too\n");
  else if (terminations != 0)
    ++faults;
  return faults == 0 ? 0 : 1;
}
