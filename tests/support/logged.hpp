// SPDX-License-Identifier: MIT
#pragma once

#include "support/asio.hpp"
#include "support/event_log.hpp"

#include <string>
#include <type_traits>
#include <utility>

/// Awaits `operation`, drops its value and logs how it ended: "name" or "name:aborted", and
/// "name:error" for any other exception. Exceptions go on.
template <typename T, typename Executor>
awaitable<void, Executor> logged(event_log& log, std::string name,
                                 awaitable<T, Executor> operation) {
  try {
    if constexpr (std::is_void_v<T>) {
      co_await std::move(operation);
    } else {
      static_cast<void>(co_await std::move(operation));
    }
  } catch (system_error const& e) {
    log.add(name + (e.code() == asio::error::operation_aborted ? ":aborted" : ":error"));
    throw;
  } catch (...) {
    log.add(name + ":error");
    throw;
  }
  log.add(name);
}
