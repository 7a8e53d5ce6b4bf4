// SPDX-License-Identifier: MIT
#pragma once

#include <asio_cancel_scope/detail/asio.hpp>
#include <asio_cancel_scope/detail/keep_running.hpp>
#include <asio_cancel_scope/detail/list.hpp>
#include <asio_cancel_scope/detail/posting.hpp>

#include <cstdint>
#include <exception>
#include <memory>
#include <new>
#include <type_traits>
#include <utility>

namespace asio_cancel_scope::inline ASIO_CANCEL_SCOPE_BACKEND::detail {

/// How a `Source` is shared, and what each of its waiters has besides.
template <typename Source>
struct source_traits {
  using pointer = std::shared_ptr<Source>;
  struct waiter_part {};
};

/// A completion handler that waits for a `Source` (a scope, a child) to end. It is always completed
/// by posting; what it is told is looked up when it is delivered, on its own executor.
template <typename Source>
class waiter : public list_hook, public source_traits<Source>::waiter_part {
 public:
  /// Posts the handler. Ends this object.
  virtual void complete(typename source_traits<Source>::pointer source) noexcept = 0;

  /// What the handler gets instead of the source's outcome, if anything. Written by who takes the
  /// waiter out of its list, or before it is in one.
  std::exception_ptr failure;

  // Of the joins of a child, that of its starter, who waits for it to be let in or to be ready, and
  // those that a handle has made.
  static constexpr std::uint64_t of_starter = 0;
  static constexpr std::uint64_t of_handle = 1;

  /// What tells it from others of its source.
  std::uint64_t id = of_starter;

 protected:
  ~waiter() = default;
};

/// Whether a stored handler brings what it needs, or lives in memory of its source and belongs to a
/// coroutine, which keeps its context running by itself.
enum class storage { own, of_source };

/// The stored handler. `Deliver::deliver(source, failure, handler)` calls it, and lets go of the
/// source first: the handler may be what lets the source's context be destroyed. Memory comes from
/// `Allocator` and is given back before the handler runs.
template <typename Source, typename Deliver, typename Handler, typename Allocator,
          storage Storage = storage::own>
class stored_waiter final : public waiter<Source> {
  using executor_type = asio::associated_executor_t<Handler, typename Source::executor_type>;
  using traits = typename std::allocator_traits<Allocator>::template rebind_traits<stored_waiter>;
  using no_work = std::type_identity<executor_type>;
  using pointer = typename source_traits<Source>::pointer;
  using work_type = std::conditional_t<Storage == storage::own, work_guard<executor_type>, no_work>;

 public:
  /// What the executor may allocate with to post this.
  using allocator_type =
      std::conditional_t<Storage == storage::own, Allocator, std::allocator<void>>;

  /// Takes the handler. `ex` is used if the handler has no executor of its own.
  [[nodiscard]] static stored_waiter* make(Handler&& handler,
                                           typename Source::executor_type const& ex,
                                           Allocator const& allocator) {
    typename traits::allocator_type rebound(allocator);
    auto* const memory = traits::allocate(rebound, 1);
    try {
      return ::new (static_cast<void*>(memory)) stored_waiter(std::move(handler), ex, allocator);
    } catch (...) {
      traits::deallocate(rebound, memory, 1);
      throw;
    }
  }

  void complete(pointer source) noexcept override {
    source_ = std::move(source);
    // The handler may have been called, and all be over, before posting it has returned.
    [[maybe_unused]] auto const running = keep_target();
    switch (post_surely(target(), task(*this))) {
      case posting::accepted:
      case posting::stuck: return;
      case posting::refused: return drop();
      // There is nobody to tell that there is no memory to post with, and a handler must not be
      // lost.
      case posting::failed: return run();
    }
  }

  void run() {
    auto slot = asio::get_associated_cancellation_slot(handler_);
    if (slot.is_connected()) slot.clear();
    [[maybe_unused]] auto const work = std::move(work_);
    auto source = std::move(source_);
    auto failed = std::move(this->failure);
    auto handler = std::move(handler_);
    destroy();
    Deliver::deliver(std::move(source), std::move(failed), handler);
  }

  void drop() noexcept {
    // Destroying the handler may destroy the frame that holds the last reference to the source.
    auto const source = std::move(source_);
    destroy();
  }

  /// What the executor gets: owns the waiter.
  class task {
   public:
    using allocator_type = typename stored_waiter::allocator_type;

    task() = default;
    explicit task(stored_waiter& waiter) noexcept : waiter_(&waiter) {}

    explicit operator bool() const noexcept { return waiter_; }
    [[nodiscard]] void const* identity() const noexcept { return waiter_; }
    [[nodiscard]] allocator_type get_allocator() const noexcept { return waiter_->get_allocator(); }
    void run() const { waiter_->run(); }
    void drop() const noexcept { waiter_->drop(); }

   private:
    stored_waiter* waiter_ = nullptr;
  };

  [[nodiscard]] allocator_type get_allocator() const noexcept {
    if constexpr (Storage == storage::own)
      return allocator_;
    else
      return {};
  }

  [[nodiscard]] Handler& handler() noexcept { return handler_; }

  /// Whether the handler runs on `ex`.
  [[nodiscard]] bool runs_on(typename Source::executor_type const& ex) const noexcept {
    if constexpr (std::is_same_v<executor_type, typename Source::executor_type>)
      return target() == ex;
    else
      return false;
  }

 private:
  stored_waiter(Handler&& handler, typename Source::executor_type const& ex,
                Allocator const& allocator)
      : handler_(std::move(handler)), work_(make_work(handler_, ex)), allocator_(allocator) {}
  ~stored_waiter() = default;

  static work_type make_work(Handler const& handler, typename Source::executor_type const& ex) {
    if constexpr (Storage == storage::own)
      return work_type(asio::get_associated_executor(handler, ex));
    else
      return {};
  }

  // A coroutine's context is the scope's, which whoever completes this keeps running if need be.
  auto keep_target() const noexcept {
    if constexpr (Storage == storage::own)
      return keep_running(target());
    else
      return no_work();
  }

  executor_type target() const {
    if constexpr (Storage == storage::own)
      return work_.get_executor();
    else
      return asio::get_associated_executor(handler_, source_->get_executor());
  }

  void destroy() noexcept {
    typename traits::allocator_type rebound(allocator_);
    this->~stored_waiter();
    traits::deallocate(rebound, this, 1);
  }

  Handler handler_;
  [[no_unique_address]] work_type work_;
  [[no_unique_address]] Allocator allocator_;
  // Set from complete() on, so that the source outlives the posted handler; empty while the waiter
  // is in the source's list, where it would be a cycle.
  pointer source_;
};

/// Stores `handler`, with its associated allocator. `ex` is used if it has no executor of its own.
template <typename Source, typename Deliver, typename Handler>
[[nodiscard]] auto* store(Handler&& handler, typename Source::executor_type const& ex) {
  using handler_type = std::decay_t<Handler>;
  using allocator_type = asio::associated_allocator_t<handler_type>;
  using waiter_type = stored_waiter<Source, Deliver, handler_type, allocator_type>;
  auto const allocator = asio::get_associated_allocator(handler);
  return waiter_type::make(handler_type(std::forward<Handler>(handler)), ex, allocator);
}

/// Has the slot of a stored handler call an `F` made of `args`. If that fails the handler is gone.
template <typename F, typename Waiter, typename... Args>
void on_cancellation(Waiter& stored, Args&&... args) {
  auto slot = asio::get_associated_cancellation_slot(stored.handler());
  if (!slot.is_connected()) return;
  try {
    slot.template emplace<F>(std::forward<Args>(args)...);
  } catch (...) {
    stored.drop();
    throw;
  }
}

}  // namespace asio_cancel_scope::inline ASIO_CANCEL_SCOPE_BACKEND::detail
