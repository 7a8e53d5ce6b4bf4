// SPDX-License-Identifier: MIT
#pragma once

#include <asio_cancel_scope/detail/asio.hpp>

#include <cstddef>
#include <memory>
#include <new>
#include <type_traits>
#include <utility>

namespace asio_cancel_scope::inline ASIO_CANCEL_SCOPE_BACKEND::detail {

/// A cancellation signal with room for its handler, which would otherwise be an allocation of each
/// child. Like `asio::cancellation_signal`, it is for one thread at a time and stays where it is.
class in_place_signal {
  struct handler {
    virtual void call(asio::cancellation_type type) = 0;
    virtual void destroy() noexcept = 0;

   protected:
    ~handler() = default;
  };

  template <typename F, bool InPlace>
  struct holder final : handler {
    template <typename... Args>
    explicit holder(Args&&... args) : f(std::forward<Args>(args)...) {}
    ~holder() = default;

    void call(asio::cancellation_type type) override { f(type); }
    void destroy() noexcept override {
      if constexpr (InPlace)
        std::destroy_at(this);
      else
        delete this;
    }

    F f;
  };

 public:
  /// What Asio sees of it. Two are equal if they are of the same signal.
  class slot_type {
   public:
    slot_type() = default;

    template <typename F, typename... Args>
    F& emplace(Args&&... args) {
      clear();
      auto* const made = signal_->make<F>(std::forward<Args>(args)...);
      signal_->handler_ = made;
      return made->f;
    }

    template <typename F>
    std::decay_t<F>& assign(F&& f) {
      return emplace<std::decay_t<F>>(std::forward<F>(f));
    }

    void clear() noexcept {
      if (has_handler()) std::exchange(signal_->handler_, nullptr)->destroy();
    }

    [[nodiscard]] bool is_connected() const noexcept { return signal_ != nullptr; }
    [[nodiscard]] bool has_handler() const noexcept { return signal_ && signal_->handler_; }

    friend bool operator==(slot_type, slot_type) = default;

   private:
    friend class in_place_signal;

    explicit slot_type(in_place_signal& of) noexcept : signal_(&of) {}

    in_place_signal* signal_ = nullptr;
  };

  in_place_signal() = default;
  in_place_signal(in_place_signal const&) = delete;
  in_place_signal& operator=(in_place_signal const&) = delete;
  ~in_place_signal() { slot().clear(); }

  [[nodiscard]] slot_type slot() noexcept { return slot_type(*this); }

  void emit(asio::cancellation_type type) {
    if (handler_) handler_->call(type);
  }

 private:
  template <typename F, typename... Args>
  auto* make(Args&&... args) {
    using in_place = holder<F, true>;
    if constexpr (sizeof(in_place) <= sizeof(memory_) && alignof(in_place) <= alignof(void*))
      return ::new (static_cast<void*>(memory_)) in_place(std::forward<Args>(args)...);
    else
      return new holder<F, false>(std::forward<Args>(args)...);
  }

  // What co_spawn puts there is this large at most in the versions that were looked at.
  alignas(void*) std::byte memory_[3 * sizeof(void*)];
  handler* handler_ = nullptr;  // in `memory_`, or allocated if it is larger
};

}  // namespace asio_cancel_scope::inline ASIO_CANCEL_SCOPE_BACKEND::detail
