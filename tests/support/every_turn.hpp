// SPDX-License-Identifier: MIT
#pragma once

#include "support/asio.hpp"

#include <utility>

/// Calls `turn` on the context again and again until it says false. One of its calls comes between
/// any handler and what that handler posts, so a test that acts in the nth call, for every n, acts
/// at every moment at which foreign code can.
template <typename Turn>
void every_turn(asio::io_context& ctx, Turn turn) {
  asio::post(ctx, [&ctx, turn = std::move(turn)]() mutable {
    if (turn()) {
      every_turn(ctx, std::move(turn));
    }
  });
}
