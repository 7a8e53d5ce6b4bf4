// SPDX-License-Identifier: MIT
#pragma once

#include <asio_cancel_scope/detail/asio.hpp>
#include <asio_cancel_scope/detail/awaitable_traits.hpp>
#include <asio_cancel_scope/detail/coroutine_record.hpp>
#include <asio_cancel_scope/detail/scope_state.hpp>

#include <memory>
#include <optional>
#include <type_traits>
#include <utility>

namespace asio_cancel_scope::inline ASIO_CANCEL_SCOPE_BACKEND::detail {

/// What a record runs, until it is released.
template <typename C>
class runnable {
 public:
  explicit runnable(C c) : c_(std::move(c)) {}

  // Not auto, for the reason that body_call has.
  [[nodiscard]] std::invoke_result_t<C&> make_awaitable() { return (*c_)(); }
  void release() noexcept { c_.reset(); }

 private:
  std::optional<C> c_;  // empty from release() on
};

/// An awaitable is empty when it has been moved from.
template <awaitable C>
class runnable<C> {
 public:
  explicit runnable(C c) noexcept : c_(std::move(c)) {}

  [[nodiscard]] C make_awaitable() noexcept { return std::move(c_); }
  void release() noexcept { [[maybe_unused]] C const released = std::move(c_); }

 private:
  C c_;
};

/// A record that owns what it runs: `C`, an awaitable or a callable that makes one.
template <typename Executor, typename C>
class runnable_record
    : public coroutine_record<Executor, typename child_traits<C, Executor>::awaitable_type> {
 public:
  using awaitable_type = typename child_traits<C, Executor>::awaitable_type;
  using base = coroutine_record<Executor, awaitable_type>;

  runnable_record(std::shared_ptr<scope_state<Executor>> owner, typename base::role r, C c)
      : base(std::move(owner), r), runs_(std::move(c)) {}

  void release() noexcept final { runs_.release(); }

 private:
  awaitable_type make_awaitable() final { return runs_.make_awaitable(); }

  runnable<C> runs_;
};

/// The record of a child.
template <typename Executor, typename C>
class child_record : public runnable_record<Executor, C> {
 public:
  using base = runnable_record<Executor, C>;

  child_record(std::shared_ptr<scope_state<Executor>> owner, C c)
      : base(std::move(owner), base::role::child, std::move(c)) {
    this->is_for_handle = true;
  }
};

}  // namespace asio_cancel_scope::inline ASIO_CANCEL_SCOPE_BACKEND::detail
