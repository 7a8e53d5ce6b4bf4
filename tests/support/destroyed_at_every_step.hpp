// SPDX-License-Identifier: MIT
#pragma once

#include "support/asio.hpp"
#include "support/catch.hpp"
#include "support/tracked.hpp"

#include <cstddef>

/// Makes a `Scenario` and steps it until nothing is ready; then makes it again for every number of
/// steps below that, stops there and destroys it, contexts and all. Every coroutine and callable of
/// a scenario holds a `tracked`; none may be left. Tells how many steps the whole of it has.
///
/// A scenario declares what its frames refer to before its context, and scopes and handles after
/// it. `step()` runs at most one handler and tells whether it did.
template <typename Scenario>
std::size_t destroyed_at_every_step() {
  REQUIRE(tracked::alive() == 0);
  std::size_t steps = 0;
  {
    Scenario whole;
    while (whole.step()) {
      ++steps;
    }
    CHECK(whole.finished());
  }
  CHECK(tracked::alive() == 0);
  for (std::size_t stop = 0; stop < steps; ++stop) {
    {
      Scenario part;
      for (std::size_t step = 0; step < stop; ++step) {
        part.step();
      }
    }
    INFO("destroyed after " << stop << " of " << steps << " steps");
    REQUIRE(tracked::alive() == 0);
  }
  return steps;
}

/// Runs at most one handler of one of the contexts.
template <typename... Contexts>
bool step_one(Contexts&... contexts) {
  (contexts.restart(), ...);
  return ((contexts.poll_one() != 0) || ...);
}
