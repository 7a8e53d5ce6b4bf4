// SPDX-License-Identifier: MIT
#pragma once

#include <asio_cancel_scope/detail/asio.hpp>

#include <exception>
#include <memory>
#include <utility>

namespace asio_cancel_scope::inline ASIO_CANCEL_SCOPE_BACKEND::detail {

// What the library gives to Asio (a function to post, a handler for co_spawn) owns something: a
// child that is to start, a join that is to complete. Asio destroys such an object without calling
// it in two quite different cases: later, because the context dies, and then what it owns must be
// dropped; or at once, because the very call that was to take it failed, and then what it owns goes
// back to the caller, who still knows what to do. A `handover` on the caller's stack tells the two
// apart: the destructor of the object asks it.

/// Stands on the stack around the call that hands `what` over.
class handover {
 public:
  explicit handover(void const* what) noexcept
      : what_(what), outer_(std::exchange(current_, this)) {}
  handover(handover const&) = delete;
  handover& operator=(handover const&) = delete;
  ~handover() { current_ = outer_; }

  /// Whether the call destroyed what it was given.
  [[nodiscard]] bool returned() const noexcept { return returned_; }

  /// Called by the destructor of the object given. True: the caller has it back; false: drop it.
  [[nodiscard]] static bool give_back(void const* what) noexcept {
    if (!current_ || current_->what_ != what) return false;
    current_->returned_ = true;
    return true;
  }

 private:
  inline static constinit thread_local handover* current_ = nullptr;

  void const* what_;
  handover* outer_;
  bool returned_ = false;
};

/// Counts how deep the library's calls are nested on this thread: bodies that are started inside
/// bodies, and emissions inside emissions, run inline up to a limit and go through the executor
/// beyond it, so that they do not eat the stack.
class nesting {
 public:
  static constexpr unsigned limit = 16;

  nesting() noexcept { ++depth_; }
  nesting(nesting const&) = delete;
  nesting& operator=(nesting const&) = delete;
  ~nesting() { --depth_; }

  [[nodiscard]] static bool too_deep() noexcept { return depth_ >= limit; }

 private:
  inline static constinit thread_local unsigned depth_ = 0;
};

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
    asio::post(ex, posted<Task>(std::move(task)));
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
