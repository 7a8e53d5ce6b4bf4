// SPDX-License-Identifier: MIT
#pragma once

#include "support/asio.hpp"

#include <cstddef>
#include <deque>
#include <memory>
#include <type_traits>
#include <utility>
#include <vector>

/// An execution context with a number of strands, for one thread. Each strand is a queue, first in
/// first out, as every serial executor; whose turn it is, is decided from outside.
class shuffled_strands : public asio::execution_context {
 public:
  class executor_type;

  explicit shuffled_strands(std::size_t strands) : queues_(strands) {}
  shuffled_strands(shuffled_strands const&) = delete;
  shuffled_strands& operator=(shuffled_strands const&) = delete;
  ~shuffled_strands() { close(); }

  executor_type strand(int which) noexcept;

  std::size_t size() const noexcept { return queues_.size(); }
  std::size_t waiting(int which) const noexcept { return queue(which).size(); }
  std::size_t waiting() const noexcept { return waiting_; }

  /// The strand whose handler runs, or -1.
  int current() const noexcept { return current_; }

  /// Runs the first handler of a strand.
  void run_one(int which) {
    auto const first = take(which);
    run_as(which, [&first] { first->run(); });
  }

  /// Runs `function` as if it were a handler of the strand.
  template <typename Function>
  void run_as(int which, Function&& function) {
    struct turn {
      turn(int& c, int now) : current(c), before(std::exchange(c, now)) {}
      turn(turn const&) = delete;
      turn& operator=(turn const&) = delete;
      ~turn() { current = before; }
      int& current;
      int before;
    };
    turn const now(current_, which);
    std::forward<Function>(function)();
  }

  /// Destroys all that is queued or kept by a service.
  void close() noexcept {
    drop_all();
    shutdown();
    drop_all();
  }

  /// Destroys what is queued, and what that queues.
  void drop_all() noexcept {
    for (std::size_t i = 0; waiting_ != 0; i = (i + 1) % queues_.size())
      while (!queues_[i].empty()) take(static_cast<int>(i)).reset();
  }

 private:
  struct task_base {
    task_base() = default;
    task_base(task_base const&) = delete;
    task_base& operator=(task_base const&) = delete;
    virtual ~task_base() = default;
    virtual void run() = 0;
  };

  template <typename Function>
  struct task_of final : task_base {
    explicit task_of(Function f) : function(std::move(f)) {}
    void run() override { std::move(function)(); }
    Function function;
  };

  std::deque<std::unique_ptr<task_base>> const& queue(int which) const noexcept {
    return queues_[static_cast<std::size_t>(which)];
  }

  std::unique_ptr<task_base> take(int which) noexcept {
    auto& from = queues_[static_cast<std::size_t>(which)];
    auto first = std::move(from.front());
    from.pop_front();
    --waiting_;
    return first;
  }

  template <typename Function>
  void add(int which, Function function) {
    queues_[static_cast<std::size_t>(which)].push_back(
        std::make_unique<task_of<Function>>(std::move(function)));
    ++waiting_;
  }

  std::vector<std::deque<std::unique_ptr<task_base>>> queues_;
  std::size_t waiting_ = 0;
  int current_ = -1;
};

class shuffled_strands::executor_type {
 public:
  executor_type(shuffled_strands& context, int which) noexcept : context_(&context), id_(which) {}

  int id() const noexcept { return id_; }

  asio::execution_context& query(asio::execution::context_t) const noexcept { return *context_; }
  asio::execution::blocking_t query(asio::execution::blocking_t) const noexcept {
    return never_blocks_ ? asio::execution::blocking_t(asio::execution::blocking.never)
                         : asio::execution::blocking_t(asio::execution::blocking.possibly);
  }
  executor_type require(asio::execution::blocking_t::never_t) const noexcept {
    auto other = *this;
    other.never_blocks_ = true;
    return other;
  }
  executor_type require(asio::execution::blocking_t::possibly_t) const noexcept {
    auto other = *this;
    other.never_blocks_ = false;
    return other;
  }

  template <typename Function>
  void execute(Function&& function) const {
    if (!never_blocks_ && context_->current_ == id_) {
      auto now = std::decay_t<Function>(std::forward<Function>(function));
      std::move(now)();
    } else {
      context_->add(id_, std::decay_t<Function>(std::forward<Function>(function)));
    }
  }

  friend bool operator==(executor_type const& a, executor_type const& b) noexcept {
    return a.context_ == b.context_ && a.id_ == b.id_;
  }
  friend bool operator!=(executor_type const& a, executor_type const& b) noexcept {
    return !(a == b);
  }

 private:
  shuffled_strands* context_;
  int id_;
  bool never_blocks_ = false;
};

inline shuffled_strands::executor_type shuffled_strands::strand(int which) noexcept {
  return {*this, which};
}
