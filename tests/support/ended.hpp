// SPDX-License-Identifier: MIT
#pragma once

#include "support/asio.hpp"
#include "support/run.hpp"

#include <exception>
#include <string>
#include <type_traits>
#include <utility>

/// An exception in a word: "aborted", "timed_out", or its message.
inline std::string word_of(std::exception_ptr const& error) {
  try {
    std::rethrow_exception(error);
  } catch (system_error const& e) {
    return e.code() == asio::error::operation_aborted ? "aborted"
           : e.code() == asio::error::timed_out       ? "timed_out"
                                                      : e.what();
  } catch (...) {
    return message_of(error);
  }
}

/// Awaits `operation` and tells how it ended: "value", or its exception in a word.
template <typename T, typename Executor>
awaitable<std::string, Executor> ended(awaitable<T, Executor> operation) {
  try {
    if constexpr (std::is_void_v<T>) {
      co_await std::move(operation);
    } else {
      static_cast<void>(co_await std::move(operation));
    }
  } catch (...) {
    co_return word_of(std::current_exception());
  }
  co_return "value";
}
