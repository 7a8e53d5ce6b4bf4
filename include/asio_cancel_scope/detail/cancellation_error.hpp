// SPDX-License-Identifier: MIT
#pragma once

#include <asio_cancel_scope/detail/asio.hpp>

#include <cstring>
#include <exception>
#include <system_error>
#include <type_traits>
#include <typeinfo>

namespace asio_cancel_scope::inline ASIO_CANCEL_SCOPE_BACKEND::detail {

#if defined(__GLIBCXX__) && defined(__GXX_RTTI) && !defined(ASIO_CANCEL_SCOPE_NO_EXCEPTION_PEEK)

/// The exception in `e` as an `E`, or null. Asks the type information what a catch clause would
/// ask, which costs a tenth of throwing the exception once more.
template <typename E>
[[nodiscard]] E const* peek(std::exception_ptr const& e) noexcept {
  static_assert(sizeof(e) == sizeof(void*), "libstdc++ holds the thrown object's address");
  void* object = nullptr;
  // NOLINTNEXTLINE(bugprone-*): it is a pointer, whatever else its type says.
  std::memcpy(&object, &e, sizeof(object));
  return typeid(E).__do_catch(e.__cxa_exception_type(), &object, 1) ? static_cast<E*>(object)
                                                                    : nullptr;
}

/// Calls `visit` with the exception in `e` if it is an `E`; leaves what it says in `result`.
template <typename E, typename Visitor>
[[nodiscard]] bool visit_as(std::exception_ptr const& e, Visitor const& visit, bool& result) {
  auto const* const exception = peek<E>(e);
  if (exception) result = visit(*exception);
  return exception != nullptr;
}

/// Calls `visit` with the exception in `e` if it is one of `Es`; otherwise answers false.
template <typename... Es, typename Visitor>
[[nodiscard]] bool visit_exception(std::exception_ptr const& e, Visitor const& visit) {
  bool result = false;
  static_cast<void>((visit_as<Es>(e, visit, result) || ...));
  return result;
}

#else

template <typename Visitor>
[[nodiscard]] bool visit_current(Visitor const&) {
  return false;
}

template <typename E, typename... Es, typename Visitor>
[[nodiscard]] bool visit_current(Visitor const& visit, std::type_identity<E>,
                                 std::type_identity<Es>... others) {
  try {
    throw;
  } catch (E const& exception) {
    return visit(exception);
  } catch (...) {
    return visit_current(visit, others...);
  }
}

/// Calls `visit` with the exception in `e` if it is one of `Es`; otherwise answers false.
template <typename... Es, typename Visitor>
[[nodiscard]] bool visit_exception(std::exception_ptr const& e, Visitor visit) {
  try {
    std::rethrow_exception(e);
  } catch (...) {
    return visit_current(visit, std::type_identity<Es>{}...);
  }
}

#endif

/// Tells what an operation throws that was cancelled from what one throws that failed.
struct is_cancellation {
  [[nodiscard]] bool operator()(error_code const& code) const noexcept {
    return code == asio::error::operation_aborted || code == std::errc::operation_canceled ||
           code == asio::experimental::error::channel_cancelled;
  }

  [[nodiscard]] bool operator()(system_error const& e) const noexcept { return (*this)(e.code()); }

  template <typename E>
    requires std::is_same_v<E, std::system_error> &&(!std::is_same_v<E, system_error>)
        [[nodiscard]] bool
        operator()(E const& e) const noexcept {
      return e.code() == std::errc::operation_canceled;
    }

    [[nodiscard]] bool operator()(asio::multiple_exceptions const& e) const {
      auto const first = e.first_exception();
      return first && (*this)(first);
    }

    [[nodiscard]] bool operator()(std::exception_ptr const& e) const {
      return visit_exception<system_error, std::system_error, asio::multiple_exceptions>(e, *this);
    }
};

}  // namespace asio_cancel_scope::inline ASIO_CANCEL_SCOPE_BACKEND::detail
