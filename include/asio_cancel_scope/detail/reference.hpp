// SPDX-License-Identifier: MIT
#pragma once

#include <asio_cancel_scope/detail/asio.hpp>

#include <concepts>
#include <cstddef>
#include <utility>

namespace asio_cancel_scope::inline ASIO_CANCEL_SCOPE_BACKEND::detail {

/// A share in an object that counts its shares itself: `add_reference`, and `drop_reference`, which
/// ends it with the last. As std::shared_ptr, but one word, and the count needs no more than four
/// bytes: of records there may be a million.
template <typename T>
class reference {
 public:
  reference() = default;
  reference(std::nullptr_t) noexcept {}

  /// One more share.
  explicit reference(T& to) noexcept : to_(&to) { to_->add_reference(); }

  /// The share that an object is made with.
  [[nodiscard]] static reference adopt(T& made) noexcept {
    reference first;
    first.to_ = &made;
    return first;
  }

  reference(reference const& other) noexcept : to_(other.to_) {
    if (to_) to_->add_reference();
  }
  reference(reference&& other) noexcept : to_(other.detach()) {}
  template <std::derived_from<T> U>
  reference(reference<U> const& other) noexcept : to_(other.get()) {
    if (to_) to_->add_reference();
  }
  template <std::derived_from<T> U>
  reference(reference<U>&& other) noexcept : to_(other.detach()) {}
  reference& operator=(reference other) noexcept {
    std::swap(to_, other.to_);
    return *this;
  }
  ~reference() {
    if (to_) to_->drop_reference();
  }

  void reset() noexcept { reference const dropped = std::move(*this); }

  /// Gives the share away.
  [[nodiscard]] T* detach() noexcept { return std::exchange(to_, nullptr); }

  [[nodiscard]] T* get() const noexcept { return to_; }
  [[nodiscard]] T& operator*() const noexcept { return *to_; }
  [[nodiscard]] T* operator->() const noexcept { return to_; }
  [[nodiscard]] explicit operator bool() const noexcept { return to_ != nullptr; }

 private:
  T* to_ = nullptr;
};

}  // namespace asio_cancel_scope::inline ASIO_CANCEL_SCOPE_BACKEND::detail
