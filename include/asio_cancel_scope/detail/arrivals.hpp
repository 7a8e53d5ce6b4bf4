// SPDX-License-Identifier: MIT
#pragma once

#include <asio_cancel_scope/detail/access.hpp>
#include <asio_cancel_scope/detail/asio.hpp>
#include <asio_cancel_scope/detail/cancellation_type.hpp>
#include <asio_cancel_scope/detail/errors.hpp>
#include <asio_cancel_scope/detail/list.hpp>
#include <asio_cancel_scope/detail/outcome_record.hpp>
#include <asio_cancel_scope/detail/record.hpp>
#include <asio_cancel_scope/detail/waiter.hpp>

#include <cstddef>
#include <cstdint>
#include <exception>
#include <memory>
#include <mutex>
#include <optional>
#include <stdexcept>
#include <type_traits>
#include <utility>

namespace asio_cancel_scope::inline ASIO_CANCEL_SCOPE_BACKEND::detail {

/// The children of a queue, in the order in which they end.
///
/// Each child that is expected has an `arrival` among its joins, which comes here when the child is
/// done. One consumer waits for it at a time, and only while somebody is expected: so what waits is
/// always completed by a child in the end, as a join of it is.
template <typename Executor, typename T>
class arrivals : public std::enable_shared_from_this<arrivals<Executor, T>> {
 public:
  using executor_type = Executor;
  using child_type = outcome_record<Executor, T>;
  using next_waiter = waiter<arrivals>;

  explicit arrivals(Executor const& ex) : executor_(ex) {}
  arrivals(arrivals const&) = delete;
  arrivals& operator=(arrivals const&) = delete;
  ~arrivals() {
    while (auto* const first = arrived_.pop_front()) delete first;
  }

  [[nodiscard]] Executor const& get_executor() const noexcept { return executor_; }

  void expect(reference<child_type> const& child) {
    auto* const next = new arrival(this->shared_from_this());
    {
      std::lock_guard const lock(mutex_);
      ++expected_;
    }
    child->scope->join(child, *next);
  }

  [[nodiscard]] std::size_t size() const noexcept {
    std::lock_guard const lock(mutex_);
    return expected_;
  }

  /// Completes `next` when somebody has arrived, or if nobody will.
  void wait(next_waiter& next) {
    {
      std::lock_guard const lock(mutex_);
      if (next_) {
        next.failure = one_at_a_time();
      } else if (arrived_.empty() && expected_ != 0) {
        next_ = &next;
        return;
      }
    }
    next.complete(this->shared_from_this());
  }

  [[nodiscard]] std::uint64_t next_id() noexcept {
    std::lock_guard const lock(mutex_);
    return ++waits_made_;
  }

  /// Ends one wait, if it still waits.
  void end_wait(std::uint64_t id) {
    next_waiter* ended = nullptr;
    {
      std::lock_guard const lock(mutex_);
      if (!next_ || next_->id != id) return;
      ended = std::exchange(next_, nullptr);
      ended->failure = aborted();
    }
    ended->complete(this->shared_from_this());
  }

  /// The first that has arrived; null if nobody is expected.
  [[nodiscard]] reference<child_type> take() {
    std::unique_ptr<arrival> first;
    std::lock_guard const lock(mutex_);
    first.reset(arrived_.pop_front());
    if (first) {
      --expected_;
      return reference<child_type>::adopt(static_cast<child_type&>(*first->child.detach()));
    }
    // Somebody else was quicker to take what this wait had been completed for.
    if (expected_ != 0) std::rethrow_exception(one_at_a_time());
    return nullptr;
  }

 private:
  [[nodiscard]] static std::exception_ptr one_at_a_time() noexcept {
    return error<std::logic_error>("asio_cancel_scope: one async_next of a child_queue at a time");
  }

  class arrival final : public waiter<record<Executor>> {
   public:
    explicit arrival(std::shared_ptr<arrivals> at) noexcept : at_(std::move(at)) {
      this->id = arrival::of_handle;
    }

    void complete(reference<record<Executor>> source) noexcept override {
      child = std::move(source);
      auto const at = std::move(at_);
      at->arrive(*this);
    }

    reference<record<Executor>> child;  // empty until it is done

   private:
    std::shared_ptr<arrivals> at_;  // empty from then on
  };

  void arrive(arrival& one) noexcept {
    next_waiter* next = nullptr;
    {
      std::lock_guard const lock(mutex_);
      arrived_.push_back(one);
      next = std::exchange(next_, nullptr);
    }
    if (next) next->complete(this->shared_from_this());
  }

  Executor const executor_;
  mutable std::mutex mutex_;      // guards what follows
  std::size_t expected_ = 0;      // not taken yet, arrived or not
  list<arrival> arrived_;         // done and not taken; owned
  next_waiter* next_ = nullptr;   // the consumer, while nobody has arrived
  std::uint64_t waits_made_ = 0;  // gives each wait its id
};

/// Starts waiting for the next child that ends. `Child` is its handle.
template <typename Executor, typename T, typename Child>
class initiate_next {
 public:
  using executor_type = Executor;

  explicit initiate_next(std::shared_ptr<arrivals<Executor, T>> from) noexcept
      : from_(std::move(from)) {}

  [[nodiscard]] executor_type get_executor() const noexcept { return from_->get_executor(); }

  template <typename Handler>
  void operator()(Handler&& handler) const {
    auto* const next =
        store<arrivals<Executor, T>, deliver_next>(std::forward<Handler>(handler), get_executor());
    next->id = from_->next_id();
    on_cancellation<end_the_wait>(*next, from_, next->id);
    from_->wait(*next);
  }

 private:
  struct deliver_next {
    template <typename Handler>
    static void deliver(std::shared_ptr<arrivals<Executor, T>> from, std::exception_ptr failure,
                        Handler& handler) {
      std::optional<Child> next;
      try {
        if (auto child = failure ? reference<outcome_record<Executor, T>>() : from->take())
          next.emplace(access::make<Child>(std::move(child)));
      } catch (...) {
        failure = std::current_exception();
      }
      from.reset();
      std::move(handler)(std::move(failure), std::move(next));
    }
  };

  class end_the_wait {
   public:
    end_the_wait(std::weak_ptr<arrivals<Executor, T>> from, std::uint64_t id) noexcept
        : from_(std::move(from)), id_(id) {}

    void operator()(asio::cancellation_type type) const {
      if (strongest(type) == asio::cancellation_type::none) return;
      if (auto const from = from_.lock()) from->end_wait(id_);
    }

   private:
    std::weak_ptr<arrivals<Executor, T>> from_;
    std::uint64_t id_;
  };

  std::shared_ptr<arrivals<Executor, T>> from_;
};

}  // namespace asio_cancel_scope::inline ASIO_CANCEL_SCOPE_BACKEND::detail
