// SPDX-License-Identifier: MIT
#pragma once

#include <asio_cancel_scope/detail/asio.hpp>

#include <utility>

namespace asio_cancel_scope::inline ASIO_CANCEL_SCOPE_BACKEND::detail {

template <typename T>
class list;

/// What an element of a `list` derives from.
class list_hook {
 public:
  list_hook() = default;
  list_hook(list_hook const&) = delete;
  list_hook& operator=(list_hook const&) = delete;

  [[nodiscard]] bool is_linked() const noexcept { return next_ != this; }

  /// Takes the element out of whichever list it is in, if any.
  void unlink() noexcept {
    next_->previous_ = previous_;
    previous_->next_ = next_;
    next_ = previous_ = this;
  }

 protected:
  ~list_hook() = default;

 private:
  template <typename T>
  friend class list;
  template <typename T>
  friend class short_list;

  void link_before(list_hook& position) noexcept {
    previous_ = std::exchange(position.previous_, this);
    next_ = &position;
    previous_->next_ = this;
  }

  // A ring: an element that is in no list is a ring of its own.
  list_hook* next_ = this;
  list_hook* previous_ = this;
};

/// An intrusive list: no allocation, an element leaves it in constant time without knowing which
/// list it is in, and a whole list moves to the end of another in constant time. Owns nothing.
template <typename T>
class list {
 public:
  list() = default;
  list(list&& other) noexcept { splice(other); }
  list& operator=(list&&) = delete;

  [[nodiscard]] bool empty() const noexcept { return !ring_.is_linked(); }
  [[nodiscard]] T& front() noexcept { return static_cast<T&>(*ring_.next_); }
  void push_back(T& element) noexcept { static_cast<list_hook&>(element).link_before(ring_); }

  [[nodiscard]] T* pop_front() noexcept {
    if (empty()) return nullptr;
    auto& first = front();
    static_cast<list_hook&>(first).unlink();
    return &first;
  }

  /// Takes all elements of `other`, keeping their order.
  void splice(list& other) noexcept {
    if (other.empty()) return;
    auto& first = *other.ring_.next_;
    auto& last = *other.ring_.previous_;
    other.ring_.unlink();
    first.previous_ = ring_.previous_;
    last.next_ = &ring_;
    ring_.previous_->next_ = &first;
    ring_.previous_ = &last;
  }

 private:
  struct ring : list_hook {};
  ring ring_;
};

/// The same in one word, for what is nearly always empty. An element leaves it through the list.
/// Owns nothing.
template <typename T>
class short_list {
 public:
  short_list() = default;
  short_list(short_list const&) = delete;
  short_list& operator=(short_list const&) = delete;

  [[nodiscard]] bool empty() const noexcept { return !first_; }

  /// Takes all elements of `other`. There must be none here.
  void take(short_list& other) noexcept { first_ = std::exchange(other.first_, nullptr); }

  void push_back(T& element) noexcept {
    if (first_)
      static_cast<list_hook&>(element).link_before(*first_);
    else
      first_ = &element;
  }

  void remove(T& element) noexcept {
    auto& hook = static_cast<list_hook&>(element);
    if (first_ == &hook) first_ = next(hook);
    hook.unlink();
  }

  [[nodiscard]] T* pop_front() noexcept {
    if (!first_) return nullptr;
    auto& first = static_cast<T&>(*first_);
    remove(first);
    return &first;
  }

  template <typename Function>
  void for_each(Function f) noexcept {
    for (auto* hook = first_; hook; hook = next(*hook)) f(static_cast<T&>(*hook));
  }

  template <typename Predicate>
  [[nodiscard]] T* find_if(Predicate matches) noexcept {
    for (auto* hook = first_; hook; hook = next(*hook)) {
      auto& element = static_cast<T&>(*hook);
      if (matches(element)) return &element;
    }
    return nullptr;
  }

 private:
  [[nodiscard]] list_hook* next(list_hook const& hook) const noexcept {
    return hook.next_ == first_ ? nullptr : hook.next_;
  }

  list_hook* first_ = nullptr;  // the elements are a ring
};

}  // namespace asio_cancel_scope::inline ASIO_CANCEL_SCOPE_BACKEND::detail
