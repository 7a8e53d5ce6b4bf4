// SPDX-License-Identifier: MIT
#pragma once

#include <asio_cancel_scope/detail/asio.hpp>
#include <asio_cancel_scope/detail/awaitable_traits.hpp>
#include <asio_cancel_scope/detail/child_record.hpp>
#include <asio_cancel_scope/detail/record.hpp>
#include <asio_cancel_scope/detail/scope_state.hpp>
#include <asio_cancel_scope/detail/settings.hpp>
#include <asio_cancel_scope/detail/slot_forwarding.hpp>
#include <asio_cancel_scope/detail/waiter.hpp>

#include <cstddef>
#include <exception>
#include <memory>
#include <optional>
#include <type_traits>
#include <utility>

namespace asio_cancel_scope::inline ASIO_CANCEL_SCOPE_BACKEND::detail {

// Starting the body and waiting for all is one asynchronous operation, and its initiation cannot
// fail: Asio 1.22.1 terminates when an initiation throws inside a co_await. So the body's record
// and the memory of the join are parts of the state.

/// The body with the scope that it is to be called with.
template <typename Scope, typename Body>
class body_call {
 public:
  body_call(Scope& scope, Body body) : scope_(&scope), body_(std::move(body)) {}

  // Not auto: clang up to 19 forgets virtual functions that are first used where a return type is
  // deduced.
  std::invoke_result_t<Body&, Scope&> operator()() { return body_(*scope_); }

 private:
  Scope* scope_;
  Body body_;
};

/// Room for one stored join.
struct join_memory {
  alignas(std::max_align_t) std::byte bytes[16 * sizeof(void*)];
};

/// The allocator that gives it out.
template <typename T>
class fixed_memory {
 public:
  using value_type = T;

  explicit fixed_memory(join_memory& memory) noexcept : memory_(&memory) {}
  template <typename U>
  explicit fixed_memory(fixed_memory<U> const& other) noexcept : memory_(other.memory_) {}

  [[nodiscard]] T* allocate(std::size_t) noexcept {
    static_assert(sizeof(T) <= sizeof(join_memory) && alignof(T) <= alignof(join_memory));
    return reinterpret_cast<T*>(memory_->bytes);
  }
  void deallocate(T*, std::size_t) noexcept {}

  friend bool operator==(fixed_memory const&, fixed_memory const&) = default;

 private:
  template <typename U>
  friend class fixed_memory;

  join_memory* memory_;
};

/// Whether a block is told of the cancellation of the coroutine that awaits it.
enum class outer : bool { forwarded, ignored };

/// The state of a scope whose body runs in a block.
template <typename Executor>
class block_state : public scope_state<Executor> {
 public:
  using scope_state<Executor>::scope_state;

  /// Starts what runs in the block, and completes when nothing is left. `handler` is called without
  /// arguments.
  template <outer Outer, typename Handler>
  void run(Handler&& handler) {
    using waiter_type = stored_waiter<scope_state<Executor>, resume, std::decay_t<Handler>,
                                      fixed_memory<std::byte>, storage::of_source>;
    auto* const join = waiter_type::make(std::forward<Handler>(handler), this->get_executor(),
                                         fixed_memory<std::byte>(join_memory_));
    if constexpr (Outer == outer::forwarded) forward_from(join->handler());
    start_all(*join);
  }

 private:
  virtual void start_all(typename scope_state<Executor>::join_waiter& join) = 0;

  struct resume {
    template <typename Handler>
    static void deliver(std::shared_ptr<scope_state<Executor>> scope, std::exception_ptr const&,
                        Handler& handler) {
      scope.reset();
      std::move(handler)();
    }
  };

  template <typename Handler>
  void forward_from(Handler const& handler) noexcept {
    auto slot = asio::get_associated_cancellation_slot(handler);
    if (!slot.is_connected()) return;
    try {
      slot.template emplace<forward_to_scope<Executor>>(this->weak_from_this());
    } catch (...) {
      this->fail(std::current_exception());
    }
  }

  join_memory join_memory_;  // used once: by the one join of a block
};

/// The state and the record of the body in one allocation.
template <typename Executor, typename Scope, typename Body>
class block final : public block_state<Executor> {
 public:
  using record_type = embedded<runnable_record<Executor, body_call<Scope, Body>>>;
  using value_type = typename record_type::value_type;

  block(Executor const& ex, scope_settings settings)
      : block_state<Executor>(ex, std::move(settings), scope_form::block) {}

  /// Before the block runs: the scope refers to the state, so it is made between the two.
  void prepare(Scope& scope, Body to_call) {
    body_.emplace(*this, record_type::role::body,
                  body_call<Scope, Body>(scope, std::move(to_call)));
  }

  [[nodiscard]] record_type& body() noexcept { return *body_; }

 private:
  void start_all(typename scope_state<Executor>::join_waiter& join) override {
    auto const body = body_->share(this->shared_from_this());
    this->start_together({&body, 1}, join);
  }

  std::optional<record_type> body_;  // there from prepare() on
};

template <typename Block, outer Outer>
class initiate_block {
 public:
  using executor_type = typename Block::executor_type;

  explicit initiate_block(std::shared_ptr<Block> state) noexcept : state_(std::move(state)) {}

  [[nodiscard]] executor_type get_executor() const noexcept { return state_->get_executor(); }

  template <typename Handler>
  void operator()(Handler&& handler) const {
    state_->template run<Outer>(std::forward<Handler>(handler));
  }

 private:
  std::shared_ptr<Block> state_;
};

}  // namespace asio_cancel_scope::inline ASIO_CANCEL_SCOPE_BACKEND::detail
