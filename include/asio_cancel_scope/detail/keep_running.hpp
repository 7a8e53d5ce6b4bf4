// SPDX-License-Identifier: MIT
#pragma once

#include <asio_cancel_scope/detail/asio.hpp>

#include <optional>
#include <type_traits>
#include <utility>

namespace asio_cancel_scope::inline ASIO_CANCEL_SCOPE_BACKEND::detail {

/// What counts as work of the context of an `Executor`: the executor with that property, or of one
/// that has no properties, a guard. asio::executor_work_guard is not for every executor.
template <typename Executor>
struct work_of {
  using type = asio::executor_work_guard<Executor>;
  [[nodiscard]] static type on(Executor const& ex) { return type(ex); }
};

template <typename Executor>
  requires(asio::execution::is_executor<Executor>::value)
struct work_of<Executor> {
  using type = std::decay_t<decltype(asio::prefer(std::declval<Executor const&>(),
                                                  asio::execution::outstanding_work.tracked))>;
  [[nodiscard]] static type on(Executor const& ex) {
    return asio::prefer(ex, asio::execution::outstanding_work.tracked);
  }
};

/// Keeps the context of an executor running in its lifetime, as Asio does around its own posts from
/// one context to another: what is posted may be the last thing that is done there, and the context
/// be destroyed by its owner before the post has returned.
template <typename Executor>
class keep_running {
 public:
  keep_running() = default;  // keeps none
  explicit keep_running(Executor const& ex) noexcept {
    try {
      work_.emplace(work_of<Executor>::on(ex));
    } catch (...) {
      // No memory, for an executor that needs some: then it is as without this.
    }
  }

 private:
  std::optional<typename work_of<Executor>::type> work_;
};

/// An executor whose context is kept running for as long as this is stored.
template <typename Executor>
class work_guard {
 public:
  explicit work_guard(Executor const& ex) : work_(work_of<Executor>::on(ex)), executor_(ex) {}

  [[nodiscard]] Executor const& get_executor() const noexcept { return executor_; }

 private:
  typename work_of<Executor>::type work_;  // first: the executor must not outlive its context
  Executor executor_;
};

}  // namespace asio_cancel_scope::inline ASIO_CANCEL_SCOPE_BACKEND::detail
