// SPDX-License-Identifier: MIT

// Deep nesting and long loops: neither may eat the stack, nor the memory.

#include "support/allocation_hooks.hpp"
#include "support/asio.hpp"
#include "support/catch.hpp"
#include "support/manual_event.hpp"
#include "support/run.hpp"
#include "support/tracked.hpp"

#include <asio_cancel_scope.hpp>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <memory>

using namespace asio_cancel_scope;

namespace {

// How far the stack reaches from the first place at which this is called.
class stack_depth {
 public:
  void measure() {
    auto const here = reinterpret_cast<std::uintptr_t>(__builtin_frame_address(0));
    if (lowest_ == 0) {
      lowest_ = highest_ = here;
    }
    lowest_ = std::min(lowest_, here);
    highest_ = std::max(highest_, here);
  }

  std::size_t bytes() const { return highest_ - lowest_; }

 private:
  std::uintptr_t lowest_ = 0;
  std::uintptr_t highest_ = 0;
};

// Sanitizers make everything several times slower.
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
constexpr int scale = 1;
#elif defined(__has_feature)
#  if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer)
constexpr int scale = 1;
#  else
constexpr int scale = 10;
#  endif
#else
constexpr int scale = 10;
#endif

// A fifth of the ordinary 8 MiB: sanitizers make frames larger.
constexpr std::size_t modest = 1600 * 1024;

class measured_on_destruction {
 public:
  explicit measured_on_destruction(stack_depth& stack) : stack_(stack) {}
  measured_on_destruction(measured_on_destruction const&) = delete;
  measured_on_destruction& operator=(measured_on_destruction const&) = delete;
  ~measured_on_destruction() { stack_.measure(); }

 private:
  stack_depth& stack_;
};

struct nest {
  manual_event innermost;
  stack_depth stack;
  int deepest = 0;
  int aborted = 0;

  awaitable<void> enter(int depth) {
    measured_on_destruction const measured(stack);
    tracked const t;
    stack.measure();
    deepest = std::max(deepest, depth);
    if (depth == levels) {
      co_await innermost.wait();
      co_return;
    }
    try {
      co_await with_cancel_scope([&](auto&) -> awaitable<void> {
        tracked const in_body;
        co_await enter(depth + 1);
      });
    } catch (system_error const&) {
      stack.measure();
      ++aborted;
      throw;
    }
    stack.measure();
  }

  static constexpr int levels = 10000;
};

}  // namespace

TEST_CASE("rule 4: ten thousand nested scopes are entered and left on an ordinary stack",
          "[with_cancel_scope][depth]") {
  asio::io_context ctx;
  nest n;
  host h(ctx, [&] { return n.enter(0); });
  drain(ctx);
  CHECK(n.deepest == nest::levels);
  n.innermost.set();
  drain(ctx);
  CHECK(h.clean());
  CHECK(n.stack.bytes() < modest);
  CHECK(tracked::alive() == 0);
}

TEST_CASE("rule 7: ten thousand nested scopes are cancelled from outside on an ordinary stack",
          "[with_cancel_scope][depth]") {
  auto const on_the_executor = GENERATE(true, false);
  asio::io_context ctx;
  nest n;
  host h(ctx, [&] { return n.enter(0); });
  drain(ctx);
  REQUIRE(n.deepest == nest::levels);
  if (on_the_executor) {
    asio::post(ctx, [&] { h.cancel(); });
  } else {
    h.cancel();
  }
  drain(ctx);
  CHECK(h.aborted());
  CHECK(n.aborted == nest::levels);
  CHECK(n.stack.bytes() < modest);
  CHECK(tracked::alive() == 0);
}

TEST_CASE("rule 7: the outermost of ten thousand nested scopes is cancelled by the innermost body",
          "[with_cancel_scope][depth]") {
  asio::io_context ctx;
  nest n;
  cancel_scope<>* outermost = nullptr;
  host h(ctx, [&]() -> awaitable<void> {
    co_await with_cancel_scope([&](auto& scope) -> awaitable<void> {
      outermost = &scope;
      co_await n.enter(0);
    });
  });
  drain(ctx);
  REQUIRE(n.deepest == nest::levels);
  asio::post(ctx, [&] { outermost->cancel(); });
  drain(ctx);
  CHECK(h.clean());
  CHECK(n.aborted == nest::levels);
  CHECK(n.stack.bytes() < modest);
}

TEST_CASE("rule 19: ten thousand nested scopes are destroyed with their context",
          "[with_cancel_scope][depth]") {
  nest n;
  {
    asio::io_context ctx;
    host h(ctx, [&] { return n.enter(0); });
    drain(ctx);
    REQUIRE(n.deepest == nest::levels);
  }
  CHECK(tracked::alive() == 0);
  CHECK(n.stack.bytes() < modest);
}

TEST_CASE("rule 4: ten thousand scopes nested through children are entered cancelled and left",
          "[with_cancel_scope][depth]") {
  struct chain {
    stack_depth stack;
    int entered = 0;
    int aborted = 0;

    awaitable<void> enter(int depth) {
      stack.measure();
      ++entered;
      try {
        co_await with_cancel_scope([&](auto& scope) -> awaitable<void> {
          if (depth > 1) {
            scope.spawn(enter(depth - 1));
          }
          co_await until_cancelled([&] { stack.measure(); });
        });
      } catch (system_error const&) {
        stack.measure();
        ++aborted;
        throw;
      }
    }
  };
  asio::io_context ctx;
  chain c;
  host h(ctx, [&] { return c.enter(nest::levels); });
  drain(ctx);
  REQUIRE(c.entered == nest::levels);
  asio::post(ctx, [&] { h.cancel(); });
  drain(ctx);
  CHECK(h.aborted());
  CHECK(c.aborted == nest::levels);
  CHECK(c.stack.bytes() < modest);
}

TEST_CASE("B003: a loop of two hundred thousand empty scopes keeps stack and memory constant",
          "[with_cancel_scope][depth]") {
  constexpr int rounds = 20000 * scale;
  asio::io_context ctx;
  stack_depth stack;
  long early = 0;
  long most = 0;
  int done = 0;
  run(ctx, [&]() -> awaitable<void> {
    for (int i = 0; i < rounds; ++i) {
      co_await with_cancel_scope([&](auto&) -> awaitable<void> {
        stack.measure();
        ++done;
        co_return;
      });
      stack.measure();
      auto const blocks = allocation_hooks::blocks.load();
      if (i == 1000) {
        early = blocks;
      }
      most = std::max(most, blocks);
    }
  });
  CHECK(done == rounds);
  CHECK(stack.bytes() < modest / 8);
  CHECK(most <= early + 100);
}

TEST_CASE("B003: a loop of joins of an empty scope object keeps stack and memory constant",
          "[cancel_scope][depth]") {
  constexpr int rounds = 5000 * scale;
  asio::io_context ctx;
  stack_depth stack;
  long early = 0;
  long most = 0;
  run(ctx, [&]() -> awaitable<void> {
    for (int i = 0; i < rounds; ++i) {
      cancel_scope<> scope(ctx);
      co_await scope.async_join(use_awaitable);
      stack.measure();
      auto const blocks = allocation_hooks::blocks.load();
      if (i == 1000) {
        early = blocks;
      }
      most = std::max(most, blocks);
    }
  });
  CHECK(stack.bytes() < modest / 8);
  CHECK(most <= early + 100);
}

TEST_CASE("B003: children that are spawned one by one and finish leave nothing in an open scope",
          "[with_cancel_scope][depth]") {
  constexpr int rounds = 20000;
  asio::io_context ctx;
  long early = 0;
  long most = 0;
  run(ctx, [&]() -> awaitable<void> {
    co_await with_cancel_scope([&](auto& scope) -> awaitable<void> {
      for (int i = 0; i < rounds; ++i) {
        scope.spawn([]() -> awaitable<void> { co_return; });
        co_await asio::post(use_awaitable);
        auto const blocks = allocation_hooks::blocks.load();
        if (i == 1000) {
          early = blocks;
        }
        most = std::max(most, blocks);
      }
    });
  });
  CHECK(most <= early + 100);
}

TEST_CASE("rule 7: cancelling a hundred thousand children does not nest them on the stack",
          "[cancel_scope][depth]") {
  constexpr int children = 10000 * scale;
  asio::io_context ctx;
  stack_depth stack;
  int ended = 0;
  cancel_scope<> scope(ctx);
  stack.measure();
  for (int i = 0; i < children; ++i) {
    scope.spawn([&]() -> awaitable<void> {
      stack.measure();
      try {
        co_await until_cancelled();
      } catch (system_error const&) {
        stack.measure();
        ++ended;
        throw;
      }
    });
  }
  drain(ctx);
  CHECK(scope.size() == children);
  scope.cancel();
  drain(ctx);
  CHECK(ended == children);
  CHECK(scope.size() == 0);
  CHECK(stack.bytes() < modest);
  run(ctx, [&]() -> awaitable<void> { co_await scope.async_join(use_awaitable); });
}
