// SPDX-License-Identifier: MIT
#pragma once

#include <asio_cancel_scope/detail/asio.hpp>
#include <asio_cancel_scope/detail/handover.hpp>

#include <exception>
#include <utility>

namespace asio_cancel_scope::inline ASIO_CANCEL_SCOPE_BACKEND::detail {

/// A function object for an executor that owns a task: calls its `run()`, or its `drop()` when it
/// is destroyed without having been called. `Task` is a handle: true if it owns something, copied
/// when the caller keeps one, and known to a `handover` by its `identity()`.
template <typename Task>
class posted {
 public:
  using allocator_type = typename Task::allocator_type;

  explicit posted(Task task) noexcept : task_(std::move(task)) {}
  posted(posted&& other) noexcept : task_(std::exchange(other.task_, Task())) {}
  posted& operator=(posted&&) = delete;
  ~posted() {
    if (task_ && !handover::give_back(task_.identity())) task_.drop();
  }

  [[nodiscard]] allocator_type get_allocator() const noexcept { return task_.get_allocator(); }

  void operator()() { std::exchange(task_, Task()).run(); }

 private:
  Task task_;
};

/// What became of a task that was to be posted.
enum class posting {
  accepted,  ///< the executor has it
  refused,   ///< the executor's context is shut down and took nothing: the task is the caller's
  failed,    ///< no memory, and the executor took nothing: the task is the caller's
  stuck,     ///< no memory, but the executor has it: a strand that cannot get its turn
};

/// For where there is nobody to throw to: calls `f`, and if it throws, once more.
template <typename F>
void twice_at_most(F f) noexcept {
  for (int attempts = 2; attempts > 0; --attempts) {
    try {
      return f();
    } catch (...) {
    }
  }
}

/// Posts `task`; keeps what `post` throws in `failure`.
template <typename Executor, typename Task>
posting try_post(Executor const& ex, Task task, std::exception_ptr& failure) noexcept {
  handover call(task.identity());
  try {
    if constexpr (requires { asio::post(ex, std::declval<posted<Task>>()); }) {
      asio::post(ex, posted<Task>(std::move(task)));
    } else {
      // That of any_completion_handler, with which asio::post does not compile.
      posted<Task> function(std::move(task));
      auto const with = asio::prefer(ex, asio::execution::blocking.never,
                                     asio::execution::allocator(function.get_allocator()));
      with.execute(std::move(function));
    }
    return call.returned() ? posting::refused : posting::accepted;
  } catch (...) {
    failure = std::current_exception();
    return call.returned() ? posting::failed : posting::stuck;
  }
}

/// The same for what must not be lost: tries again. Answers whether the executor has the task, for
/// better or worse.
template <typename Executor, typename Task>
posting post_surely(Executor const& ex, Task const& task) noexcept {
  std::exception_ptr failure;
  auto result = try_post(ex, task, failure);
  if (result == posting::failed) result = try_post(ex, task, failure);
  return result;
}

}  // namespace asio_cancel_scope::inline ASIO_CANCEL_SCOPE_BACKEND::detail
