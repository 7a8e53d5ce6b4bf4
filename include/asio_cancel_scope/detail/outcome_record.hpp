// SPDX-License-Identifier: MIT
#pragma once

#include <asio_cancel_scope/detail/asio.hpp>
#include <asio_cancel_scope/detail/in_place_signal.hpp>
#include <asio_cancel_scope/detail/record.hpp>

#include <atomic>
#include <optional>
#include <stdexcept>
#include <utility>

namespace asio_cancel_scope::inline ASIO_CANCEL_SCOPE_BACKEND::detail {

/// A record with the signal of a coroutine.
template <typename Executor>
class signalling_record : public record<Executor> {
 public:
  using record<Executor>::record;

  void emit(asio::cancellation_type type) final { signal.emit(type); }

  in_place_signal signal;  // on the child's executor only
};

/// A record with room for what the child returns: what a handle sees of a child.
template <typename Executor, typename T>
class outcome_record : public signalling_record<Executor> {
 public:
  using signalling_record<Executor>::signalling_record;

  /// The value; throws what the child ended with, and std::logic_error if the value has been taken.
  T take() {
    this->throw_failure();
    if (taken_.exchange(true, std::memory_order_relaxed))
      throw std::logic_error("asio_cancel_scope: the value of this child has been taken already");
    return std::move(*value);
  }

  /// The value, if there is one.
  std::optional<T> take_if_returned() {
    return this->ending == record<Executor>::end::returned ? std::move(value) : std::nullopt;
  }

  /// On the child's executor, when it has returned: a value that nobody can ask for goes like all
  /// that the child has owned, before the scope can be left.
  void drop_value_if_unseen() noexcept {
    if (this->is_for_handle && this->is_unseen()) value.reset();
  }

  std::optional<T> value;  // set by the child; valid when `done`

 private:
  std::atomic<bool> taken_{false};  // the value has been moved out; decides between two that try
};

template <typename Executor>
class outcome_record<Executor, void> : public signalling_record<Executor> {
 public:
  using signalling_record<Executor>::signalling_record;

  void take() const { this->throw_failure(); }

  [[nodiscard]] bool take_if_returned() const noexcept {
    return this->ending == record<Executor>::end::returned;
  }
};

}  // namespace asio_cancel_scope::inline ASIO_CANCEL_SCOPE_BACKEND::detail
