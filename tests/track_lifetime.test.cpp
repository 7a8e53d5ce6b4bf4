// SPDX-License-Identifier: MIT

// What becomes of a tracked operation, and of its scope, when something is destroyed or fails, and
// when threads meet.

#include "support/asio.hpp"
#include "support/catch.hpp"
#include "support/destroyed_at_every_step.hpp"
#include "support/manual_event.hpp"
#include "support/run.hpp"
#include "support/tracked.hpp"

#include <asio_cancel_scope.hpp>

#include <array>
#include <atomic>
#include <cstddef>
#include <exception>
#include <future>
#include <memory>
#include <optional>
#include <stdexcept>
#include <string>
#include <utility>

using namespace asio_cancel_scope;

namespace {

template <typename Token>
auto async_fail_to_start(Token&& token) {
  return asio::async_initiate<Token, void(error_code)>(
      [](auto&&) { throw std::runtime_error("no start"); }, token);
}

template <typename Token>
auto async_forget_handler(Token&& token) {
  return asio::async_initiate<Token, void(error_code)>(
      [](auto&& handler) { [[maybe_unused]] auto const gone = std::move(handler); }, token);
}

/// A scope with an operation in every state, in the body of a block and in a child.
class every_state {
 public:
  every_state() {
    asio::co_spawn(ctx_, block(), [this](std::exception_ptr const&) { finished_ = true; });
  }

  bool step() {
    if (step_one(ctx_)) return true;
    if (std::exchange(set_, true)) return false;
    done_.set();
    return step_one(ctx_);
  }

  bool finished() const { return finished_; }

 private:
  awaitable<void> block() {
    co_await with_cancel_scope([&](auto& scope) { return body(scope); });
  }

  awaitable<void> body(cancel_scope<>& scope) {
    auto const token = scope.track([t = tracked()](error_code const&) {});
    done_.async_wait(scope.track([t = tracked()](error_code const&) {}));
    async_until_cancelled(scope.track([t = tracked()](error_code const&) {}));
    scope.spawn(child(scope));
    co_await done_.async_wait(scope.track(use_awaitable));
    scope.cancel();
    done_.async_wait(scope.track([t = tracked()](error_code const&) {}));
  }

  awaitable<void> child(cancel_scope<>& scope) {
    tracked const local;
    co_await never_.async_wait(scope.track(use_awaitable));
  }

  bool set_ = false;
  bool finished_ = false;
  asio::io_context ctx_;
  manual_event done_{ctx_.get_executor()};
  manual_event never_{ctx_.get_executor()};
};

}  // namespace

TEST_CASE("rule 19: destroyed at every step with tracked operations", "[cancel_scope][track]") {
  CHECK(destroyed_at_every_step<every_state>() > 5);
}

TEST_CASE("rule 21: an operation that cannot be started leaves the scope as it was",
          "[cancel_scope][track]") {
  asio::io_context ctx;
  cancel_scope<> scope(ctx);
  CHECK_THROWS_AS(async_fail_to_start(scope.track([t = tracked()](error_code const&) {})),
                  std::runtime_error);
  CHECK(scope.size() == 0);
  CHECK(tracked::alive() == 0);
  std::optional<std::exception_ptr> outcome;
  scope.async_join([&](std::exception_ptr e) { outcome = e; });
  drain(ctx);
  REQUIRE(outcome);
  CHECK(!*outcome);
}

TEST_CASE("rule 19: an operation whose handler is destroyed uncalled is lost",
          "[cancel_scope][track]") {
  asio::io_context ctx;
  cancel_scope<> scope(ctx);
  async_forget_handler(scope.track([](error_code const&) {}));
  CHECK(scope.size() == 0);
  std::exception_ptr outcome;
  scope.async_join([&](std::exception_ptr e) { outcome = e; });
  drain(ctx);
  CHECK(is_aborted(outcome));
}

TEST_CASE("rule 19: the context of a tracked operation dies before that of its scope",
          "[cancel_scope][track]") {
  asio::io_context ctx;
  cancel_scope<> scope(ctx);
  std::exception_ptr outcome;
  bool joined = false;
  {
    asio::io_context other;
    manual_event never(other.get_executor());
    never.async_wait(scope.track(
        asio::bind_executor(other.get_executor(), [t = tracked()](error_code const&) {})));
    scope.async_join([&](std::exception_ptr e) {
      joined = true;
      outcome = e;
    });
    drain(ctx);
    CHECK_FALSE(joined);
  }
  drain(ctx);
  CHECK(joined);
  CHECK(is_aborted(outcome));
  CHECK(tracked::alive() == 0);
}

TEST_CASE("rule 19: a scope destroyed with a tracked operation asks it to end",
          "[cancel_scope][track]") {
  asio::io_context ctx;
  manual_event never(ctx.get_executor());
  error_code seen;
  {
    cancel_scope<> scope(ctx);
    never.async_wait(scope.track([&](error_code ec) { seen = ec; }));
  }
  CHECK(!seen);
  drain(ctx);
  CHECK(seen == asio::error::operation_aborted);
}

TEST_CASE("rule 26: a handler that is move-only and its captures are gone when the scope is left",
          "[cancel_scope][track]") {
  asio::io_context ctx;
  manual_event done(ctx.get_executor());
  host h(ctx, [&]() -> awaitable<void> {
    co_await with_cancel_scope([&](auto& scope) -> awaitable<void> {
      auto handler = [t = tracked(), p = std::make_unique<int>(1)](error_code) {};
      done.async_wait(scope.track(std::move(handler)));
      co_return;
    });
    CHECK(tracked::alive() == 0);
  });
  drain(ctx);
  CHECK_FALSE(h.done());
  done.set();
  drain(ctx);
  CHECK(h.clean());
}

TEST_CASE("rule 26: a read on a socket is cancelled with the scope", "[cancel_scope][track]") {
  using asio::ip::tcp;
  asio::io_context ctx;
  tcp::acceptor acceptor(ctx, tcp::endpoint(asio::ip::address_v4::loopback(), 0));
  tcp::socket near(ctx);
  near.connect(acceptor.local_endpoint());
  tcp::socket far = acceptor.accept();
  std::array<char, 4> buffer{};
  cancel_scope<> scope(ctx);
  error_code read_ended;
  std::size_t read = 1;
  near.async_read_some(asio::buffer(buffer), scope.track([&](error_code ec, std::size_t n) {
    read_ended = ec;
    read = n;
  }));
  // Composed of several reads.
  error_code composed_ended;
  asio::async_read(far, asio::buffer(buffer),
                   scope.track([&](error_code ec, std::size_t) { composed_ended = ec; }));
  ctx.poll();
  CHECK(scope.size() == 2);
  scope.cancel();
  drain(ctx);
  CHECK(read_ended == asio::error::operation_aborted);
  CHECK(composed_ended == asio::error::operation_aborted);
  CHECK(read == 0);
  CHECK(scope.size() == 0);
}

TEST_CASE("rule 20: operations on a pool are tracked while other threads cancel",
          "[cancel_scope][track][threads]") {
  constexpr int rounds = 20;
  constexpr int operations = 20;
  for (int round = 0; round < rounds; ++round) {
    asio::thread_pool pool(2);
    std::atomic<int> completed{0};
    std::atomic<bool> joined{false};
    manual_event done;
    {
      cancel_scope<> scope(pool);
      for (int i = 0; i < operations; ++i) {
        done.async_wait(scope.track(
            asio::bind_executor(pool.get_executor(), [&](error_code const&) { ++completed; })));
        if (i == operations / 2) asio::post(pool, [&] { done.set(); });
      }
      scope.cancel();
      scope.async_join([&](std::exception_ptr const&) { joined = true; });
      pool.join();
    }
    CHECK(joined);
    CHECK(completed == operations);
  }
}

TEST_CASE("rule 26: a composed operation on a pool is cancelled on a strand of its own",
          "[cancel_scope][track][threads]") {
  using asio::ip::tcp;
  for (int round = 0; round < 20; ++round) {
    asio::thread_pool pool(2);
    tcp::acceptor acceptor(pool, tcp::endpoint(asio::ip::address_v4::loopback(), 0));
    tcp::socket near(pool);
    near.connect(acceptor.local_endpoint());
    tcp::socket far = acceptor.accept();
    std::array<char, 64> buffer{};
    std::atomic<bool> completed{false};
    std::future<std::size_t> future;
    cancel_scope<> scope(pool);
    if (round % 2 == 0)
      asio::async_read(near, asio::buffer(buffer),
                       scope.track([&](error_code const&, std::size_t) { completed = true; }));
    else
      future = asio::async_read(near, asio::buffer(buffer), scope.track(asio::use_future));
    for (int i = 0; i < 8; ++i) asio::write(far, asio::buffer("12345", 5));
    scope.cancel();
    pool.join();
    if (future.valid())
      CHECK_THROWS_AS(future.get(), system_error);
    else
      CHECK(completed);
    CHECK(scope.size() == 0);
  }
}
