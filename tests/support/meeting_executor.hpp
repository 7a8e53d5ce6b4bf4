// SPDX-License-Identifier: MIT
#pragma once

#include "support/asio.hpp"

#include <functional>
#include <memory>
#include <type_traits>
#include <utility>

/// What another thread does in the moment in which something has been handed to an executor, and
/// before the call that handed it over has returned. Done once.
class meeting {
 public:
  void arrange(std::function<void()> what) { plan_->what = std::move(what); }

  [[nodiscard]] bool took_place() const { return !plan_->what; }

  void take_place() const {
    if (plan_->what) std::exchange(plan_->what, nullptr)();
  }

  /// From now on the executor destroys what it is given, as one whose context has been shut down.
  void close() { plan_->closed = true; }

  [[nodiscard]] bool closed() const { return plan_->closed; }

  friend bool operator==(meeting const&, meeting const&) = default;

 private:
  struct plan {
    std::function<void()> what;
    bool closed = false;
  };

  std::shared_ptr<plan> plan_ = std::make_shared<plan>();
};

/// An executor that passes everything on to another one and then has the meeting take place: so
/// the order in which two threads meet inside the library is laid down, on one thread. It never
/// runs a function inside the call.
template <typename Inner = asio::any_io_executor>
class meeting_executor {
 public:
  meeting_executor(meeting at, Inner inner) noexcept
      : at_(std::move(at)), inner_(std::move(inner)) {}

  template <typename Property>
    requires(asio::can_query<Inner const&, Property>::value)
  decltype(auto) query(Property const& property) const { return asio::query(inner_, property); }

  template <typename Property>
    requires(asio::can_require<Inner const&, Property>::value)
  auto require(Property const& property) const { return wrap(asio::require(inner_, property)); }

  template <typename Property>
    requires(asio::can_prefer<Inner const&, Property>::value)
  auto prefer(Property const& property) const { return wrap(asio::prefer(inner_, property)); }

  template <typename Function>
  void execute(Function&& function) const {
    auto const at = at_;
    auto passed_on = std::decay_t<Function>(std::forward<Function>(function));
    if (at.closed()) return;
    asio::post(inner_, std::move(passed_on));
    at.take_place();
  }

  friend bool operator==(meeting_executor const& a, meeting_executor const& b) noexcept {
    return a.at_ == b.at_ && a.inner_ == b.inner_;
  }

 private:
  template <typename Other>
  meeting_executor<Other> wrap(Other other) const noexcept {
    return meeting_executor<Other>(at_, std::move(other));
  }

  meeting at_;
  Inner inner_;
};
