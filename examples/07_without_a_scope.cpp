// SPDX-License-Identifier: MIT
//
// What co_spawn with detached leaves behind, and the same work in a scope.
#include <asio.hpp>
#include <asio_cancel_scope.hpp>

#include <chrono>
#include <iostream>
#include <stdexcept>

using namespace std::chrono_literals;

int still_running = 0;

struct at_work {
  at_work() { ++still_running; }
  ~at_work() { --still_running; }
  at_work(at_work const&) = delete;
  at_work& operator=(at_work const&) = delete;
};

asio::awaitable<void> sleep_for(std::chrono::milliseconds time) {
  asio::steady_timer timer(co_await asio::this_coro::executor, time);
  co_await timer.async_wait(asio::use_awaitable);
}

asio::awaitable<void> load_user() {
  at_work here;
  co_await sleep_for(10ms);
  throw std::runtime_error("no such user");
}

asio::awaitable<void> load_orders() {
  at_work here;
  co_await sleep_for(200ms);
}

namespace naive {
//[naive
asio::awaitable<void> load_page() {
  auto executor = co_await asio::this_coro::executor;
  asio::co_spawn(executor, load_user(), asio::detached);    // fails: nobody ever hears of it
  asio::co_spawn(executor, load_orders(), asio::detached);  // still runs when load_page is done
  co_await sleep_for(50ms);
}
//]
}  // namespace naive

namespace scoped {
//[scoped
asio::awaitable<void> load_page() {
  co_await asio_cancel_scope::with_cancel_scope([](auto& scope) -> asio::awaitable<void> {
    scope.spawn(load_user());    // fails: the rest is cancelled, load_page throws its error
    scope.spawn(load_orders());  // has ended, in whatever way, when load_page is done
    co_await sleep_for(50ms);
  });
}
//]
}  // namespace scoped

struct outcome {
  bool threw = false;
  int left_running = 0;
};

outcome run(asio::awaitable<void> (*load_page)()) {
  asio::io_context context;
  outcome seen;
  asio::co_spawn(context, load_page(), [&](std::exception_ptr error) {
    seen.threw = error != nullptr;
    seen.left_running = still_running;
  });
  context.run();
  std::cout << (seen.threw ? "the error is thrown, " : "the error is lost, ") << seen.left_running
            << " left running\n";
  return seen;
}

int main() {
  std::cout << "without a scope: ";
  auto const without = run(naive::load_page);
  std::cout << "with a scope:    ";
  auto const with = run(scoped::load_page);
  bool const naive_lost_both = !without.threw && without.left_running == 1;
  bool const scope_kept_both = with.threw && with.left_running == 0;
  return naive_lost_both && scope_kept_both ? 0 : 1;
}
