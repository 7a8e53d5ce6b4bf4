// SPDX-License-Identifier: MIT
//
// Another thread than that of the scope spawns n children that hop; or cancels n that are asleep.

#include "benchmarks/children.hpp"
#include "benchmarks/registry.hpp"
#include "benchmarks/task_group.hpp"
#include "benchmarks/yardstick.hpp"

#include <asio_cancel_scope/with_cancel_scope.hpp>

#include <cstddef>
#include <semaphore>
#include <thread>
#include <utility>

namespace benchmarks {

namespace {

class other_thread {
 public:
  other_thread()
      : thread_([this] {
          count_in_slot(1);
          context_.run();
        }) {}
  other_thread(other_thread const&) = delete;
  other_thread& operator=(other_thread const&) = delete;
  ~other_thread() {
    work_.reset();
    thread_.join();
  }

  /// Runs `task` there. `wait` returns when that is over.
  template <typename Task>
  void run(Task task) {
    asio::post(context_, [this, task = std::move(task)] {
      task();
      over_.release();
    });
  }

  void wait() { over_.acquire(); }

 private:
  asio::io_context context_{1};
  asio::executor_work_guard<own_executor> work_{context_.get_executor()};
  std::binary_semaphore over_{0};
  std::thread thread_;
};

/// Tells the coroutine that everything has been spawned.
class all_spawned {
 public:
  explicit all_spawned(any_executor const& ex) : executor_(ex), timer_(ex, never) {}

  void post() {
    asio::post(executor_, [this] { timer_.cancel(); });
  }

  [[nodiscard]] auto async_wait() {
    return timer_.async_wait(asio::redirect_error(asio::use_awaitable, ignored_));
  }

 private:
  any_executor const executor_;
  timer<any_executor> timer_;
  error_code ignored_;
};

// In each round the coroutine waits for the thread in the end, so that nothing goes that it uses.

asio::awaitable<void> spawn_library(rounds& r) {
  any_executor const ex = co_await asio::this_coro::executor;
  other_thread other;
  auto const body = [&](asio_cancel_scope::cancel_scope<>& scope) -> asio::awaitable<void> {
    all_spawned spawned(ex);
    other.run([&] {
      for (auto n = r.children(); n != 0; --n) scope.spawn(hop());
      spawned.post();
    });
    co_await spawned.async_wait();
    other.wait();
  };
  while (r.next()) co_await asio_cancel_scope::with_cancel_scope(body);
}

asio::awaitable<void> spawn_yardstick(rounds& r) {
  any_executor const ex = co_await asio::this_coro::executor;
  other_thread other;
  while (r.next()) {
    yardstick<any_executor> group(ex);
    all_spawned spawned(ex);
    other.run([&] {
      for (auto n = r.children(); n != 0; --n) asio::post(ex, [&group] { group.spawn(hop()); });
      spawned.post();
    });
    co_await spawned.async_wait();
    if (!group.empty()) co_await group.async_join();
    other.wait();
  }
}

asio::awaitable<void> spawn_task_group(rounds& r) {
  any_executor const ex = co_await asio::this_coro::executor;
  other_thread other;
  while (r.next()) {
    task_group group(ex);
    all_spawned spawned(ex);
    other.run([&] {
      for (auto n = r.children(); n != 0; --n)
        asio::co_spawn(ex, hop(), group.adapt(ignore_outcome()));
      spawned.post();
    });
    co_await spawned.async_wait();
    co_await group.async_wait(asio::use_awaitable);
    other.wait();
  }
}

asio::awaitable<void> cancel_library(rounds& r) {
  other_thread other;
  auto const body = [&](asio_cancel_scope::cancel_scope<>& scope) -> asio::awaitable<void> {
    for (auto n = r.children(); n != 0; --n) scope.spawn(asleep());
    co_await hop();
    other.run([&scope] { scope.cancel(); });
    other.wait();
  };
  while (r.next()) co_await asio_cancel_scope::with_cancel_scope(body);
}

asio::awaitable<void> cancel_yardstick(rounds& r) {
  any_executor const ex = co_await asio::this_coro::executor;
  other_thread other;
  while (r.next()) {
    yardstick<any_executor> group(ex);
    for (auto n = r.children(); n != 0; --n) group.spawn(asleep());
    co_await hop();
    other.run([&] { asio::post(ex, [&group] { group.cancel(); }); });
    other.wait();
    if (!group.empty()) co_await group.async_join();
  }
}

asio::awaitable<void> cancel_task_group(rounds& r) {
  any_executor const ex = co_await asio::this_coro::executor;
  other_thread other;
  while (r.next()) {
    task_group group(ex);
    for (auto n = r.children(); n != 0; --n)
      asio::co_spawn(ex, asleep(), group.adapt(ignore_outcome()));
    co_await hop();
    other.run([&] { asio::post(ex, [&group] { group.emit(asio::cancellation_type::terminal); }); });
    other.wait();
    co_await group.async_wait(asio::use_awaitable);
  }
}

}  // namespace

void add_other_thread() {
  constexpr std::size_t n = 1000;
  add_with_threads("thread_spawn", n, "yardstick", spawn_yardstick);
  add_with_threads("thread_spawn", n, "library", spawn_library);
  add_with_threads("thread_spawn", n, "task_group", spawn_task_group);
  add_with_threads("thread_cancel", n, "yardstick", cancel_yardstick);
  add_with_threads("thread_cancel", n, "library", cancel_library);
  add_with_threads("thread_cancel", n, "task_group", cancel_task_group);
}

}  // namespace benchmarks
