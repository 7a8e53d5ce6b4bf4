// SPDX-License-Identifier: MIT
#pragma once

#include <asio_cancel_scope/detail/asio.hpp>
#include <asio_cancel_scope/detail/record.hpp>
#include <asio_cancel_scope/detail/scope_state.hpp>
#include <asio_cancel_scope/detail/settings.hpp>

#include <memory>
#include <optional>
#include <utility>

namespace asio_cancel_scope::inline ASIO_CANCEL_SCOPE_BACKEND::detail {

/// What starts a child when it is called: what is common to those of different tokens. An object
/// with an executor, so that it composes with adapters that look for the executor of an initiation.
template <typename Executor>
class child_initiation {
 public:
  using executor_type = Executor;

  [[nodiscard]] executor_type get_executor() const noexcept {
    return executor_ ? *executor_ : scope_->get_executor();
  }

 protected:
  child_initiation(std::shared_ptr<scope_state<Executor>> scope, std::optional<Executor> ex,
                   child_settings settings)
      : scope_(std::move(scope)), executor_(std::move(ex)), settings_(std::move(settings)) {}
  ~child_initiation() = default;

  template <typename Record, typename... Args>
  [[nodiscard]] reference<Record> make_record(Args&&... args) const {
    return make_record_with<Record>(scope_, executor_, settings_, std::forward<Args>(args)...);
  }

  [[nodiscard]] scope_state<Executor>& scope() const noexcept { return *scope_; }

 private:
  std::shared_ptr<scope_state<Executor>> scope_;
  std::optional<Executor> executor_;  // of the child; empty: the scope's
  child_settings settings_;
};

}  // namespace asio_cancel_scope::inline ASIO_CANCEL_SCOPE_BACKEND::detail
