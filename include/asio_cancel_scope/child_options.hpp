// SPDX-License-Identifier: MIT
#pragma once

#include <asio_cancel_scope/detail/access.hpp>
#include <asio_cancel_scope/detail/serial_executor.hpp>
#include <asio_cancel_scope/detail/settings.hpp>

#include <string>
#include <utility>

namespace asio_cancel_scope::inline ASIO_CANCEL_SCOPE_BACKEND {

/// Options of a child, set by chaining: `child_options().on(strand).name("heartbeat")`.
class child_options {
 public:
  /// The defaults.
  child_options() noexcept {}

  /// The executor that the child runs on. It must serialise the child's handlers: one thread, or a
  /// strand. Default: the scope's.
  child_options& on(asio::any_io_executor ex) & noexcept {
    settings_.executor = std::move(ex);
    return *this;
  }

  /// The execution context that the child runs on.
  template <detail::execution_context ExecutionContext>
  child_options& on(ExecutionContext& context) & {
    return on(asio::any_io_executor(context.get_executor()));
  }

  /// A name for diagnostics, as `child::name()` tells it. Default: empty.
  child_options& name(std::string name) & {
    settings_.name = std::move(name);
    return *this;
  }

  /// Lets the child accept `cancellation_type::total`, with which `cancel_scope::shutdown` asks it
  /// to finish. The child's cancellation state is set before its code is entered, so that no
  /// request is forgotten.
  child_options& graceful() & noexcept {
    settings_.graceful = true;
    return *this;
  }

  /// Makes the child a service: it does not keep the scope open. When the body and all other
  /// children have ended it is cancelled, and waited for. As the service nurseries proposed in trio
  /// issue 1521.
  ///
  /// @par Example
  /// @snippet examples/21_service.cpp service
  child_options& service() & noexcept {
    settings_.service = true;
    return *this;
  }

  /// @{
  /// The same on a temporary, so that options can be written where they are passed.
  child_options&& graceful() && noexcept { return std::move(graceful()); }
  child_options&& service() && noexcept { return std::move(service()); }
  child_options&& on(asio::any_io_executor ex) && noexcept { return std::move(on(std::move(ex))); }
  template <detail::execution_context ExecutionContext>
  child_options&& on(ExecutionContext& context) && {
    return std::move(on(context));
  }
  child_options&& name(std::string n) && { return std::move(name(std::move(n))); }
  /// @}

 private:
  friend detail::access;

  detail::child_settings settings_;
};

}  // namespace asio_cancel_scope::inline ASIO_CANCEL_SCOPE_BACKEND
