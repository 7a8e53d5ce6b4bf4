// SPDX-License-Identifier: MIT
//
// Everything is destroyed after each step of each scenario, in each order. Nothing may be left, and
// under a sanitizer nothing touched that is gone.

#include "support/allocation_hooks.hpp"

#include "stress/scenarios.hpp"

#include <cstdio>
#include <iterator>

namespace {

using stress::world;

void objects(world& w) {
  while (!w.objects.empty()) w.objects.pop_back();
}

// The contexts go last, and the one that only children run on before that of their scopes.
void contexts(world& w) {
  w.b.reset();
  w.a.reset();
}

struct order {
  char const* name;
  void (*destroy)(world&);
};

constexpr order orders[] = {
    {"scopes and handles first",
     [](world& w) {
       objects(w);
       w.events.reset();
       contexts(w);
     }},
    {"what the children wait for first",
     [](world& w) {
       w.events.reset();
       objects(w);
       contexts(w);
     }},
};

struct totals {
  long runs = 0;
  long steps = 0;
  int faults = 0;
};

// Answers after how many steps it was over, at most `limit`.
long run(stress::scenario const& s, long limit, order const& o, totals& t) {
  long steps = 0;
  bool finished = false;
  auto const blocks = allocation_hooks::blocks.load();
  {
    world w;
    s.build(w);
    while (steps != limit && w.step()) ++steps;
    finished = steps != limit;
    if (w.thrown || (finished && w.ended != w.expected)) {
      ++t.faults;
      std::printf("%s: %d of %d ended after %ld steps%s\n", s.name, w.ended, w.expected, steps,
                  w.thrown ? ", and a deed threw" : "");
    }
    o.destroy(w);
  }
  auto const left = allocation_hooks::blocks.load() - blocks;
  if (tracked::alive() != 0 || left != 0) {
    ++t.faults;
    std::printf("%s: destroyed after %ld steps, %s: %d objects and %ld blocks are left\n", s.name,
                steps, o.name, tracked::alive(), left);
  }
  ++t.runs;
  t.steps += steps;
  return steps;
}

}  // namespace

int main() {
  // What Asio keeps for the whole program is made now.
  static_cast<void>(asio::query(asio::system_executor(), asio::execution::context));
  totals all;
  std::printf("%-24s %6s %6s\n", "destroyed at every step", "steps", "runs");
  for (auto const& s : stress::scenarios) {
    totals t;
    long const steps = run(s, -1, orders[0], t);
    for (long k = 0; k <= steps; ++k)
      for (auto const& o : orders) run(s, k, o, t);
    std::printf("%-24s %6ld %6ld\n", s.name, steps, t.runs);
    all.runs += t.runs;
    all.steps += t.steps;
    all.faults += t.faults;
  }
  std::printf("%ld runs in %zu orders, %ld steps, %d faults\n", all.runs, std::size(orders),
              all.steps, all.faults);
  return all.faults == 0 ? 0 : 1;
}
