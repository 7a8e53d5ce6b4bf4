// SPDX-License-Identifier: MIT

// The outer request at every moment of a scope's life.

#include "support/asio.hpp"
#include "support/catch.hpp"
#include "support/every_turn.hpp"
#include "support/run.hpp"

#include <asio_cancel_scope.hpp>

using namespace asio_cancel_scope;

namespace {

struct progress {
  int parts = 0;
  int finished = 0;
  bool entered = false;
  bool left = false;
  bool threw = false;
};

awaitable<void> hops(int n, progress& p) {
  for (int i = 0; i < n; ++i) {
    co_await asio::post(use_awaitable);
  }
  ++p.finished;
}

awaitable<void> stubborn_hops(int n, progress& p) {
  co_await asio::this_coro::reset_cancellation_state(asio::disable_cancellation());
  co_await hops(n, p);
}

struct plan {
  bool own_cancel;
  bool stubborn_child;
  bool throwing;
};

awaitable<void> scenario(plan const& what, progress& p) {
  co_await asio::this_coro::throw_if_cancelled(what.throwing);
  p.entered = true;
  try {
    co_await with_cancel_scope([&](auto& scope) -> awaitable<void> {
      p.parts = 1;
      scope.spawn(hops(6, p));
      ++p.parts;
      co_await asio::post(use_awaitable);
      if (what.stubborn_child) {
        scope.spawn(stubborn_hops(5, p));
        ++p.parts;
      }
      co_await asio::post(use_awaitable);
      if (what.own_cancel) {
        scope.cancel();
      }
      ++p.finished;
    });
  } catch (system_error const& e) {
    p.threw = e.code() == asio::error::operation_aborted;
  }
  p.left = true;
}

}  // namespace

TEST_CASE(
    "rule 14: at whatever moment the outer request comes the scope throws iff it cut something",
    "[with_cancel_scope][outer][sweep]") {
  plan const what{GENERATE(false, true), GENERATE(false, true), GENERATE(true, false)};
  int inside = 0;
  int thrown = 0;
  for (int target = 0;; ++target) {
    asio::io_context ctx;
    progress p;
    host h(ctx, [&] { return scenario(what, p); });
    int turn = 0;
    bool entered = false;
    bool left = false;
    bool fired = false;
    every_turn(ctx, [&] {
      if (turn++ == target) {
        fired = true;
        entered = p.entered;
        left = p.left;
        h.cancel();
        return false;
      }
      return !h.done();
    });
    drain(ctx);
    INFO("cancelled in turn " << target);
    REQUIRE(h.done());
    if (!fired || left) {
      CHECK_FALSE(p.threw);
      break;
    }
    if (!entered) {
      CHECK_FALSE(p.threw);
      continue;
    }
    REQUIRE(p.left);
    ++inside;
    bool const cut = p.parts == 0 || p.finished < p.parts;
    CHECK(p.threw == cut);
    thrown += p.threw;
  }
  CHECK(inside >= 4);
  CHECK(thrown >= 3);
  if (what.own_cancel) {
    CHECK(thrown == inside);
  }
}
