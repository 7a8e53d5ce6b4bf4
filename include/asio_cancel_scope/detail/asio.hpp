// SPDX-License-Identifier: MIT
#pragma once

// The one file that knows which Asio this is. Everything else says `asio::`, inside the library's
// namespace, and means the backend chosen here. Knobs, to be defined before the first include:
//
//   ASIO_CANCEL_SCOPE_USE_BOOST_ASIO   take Boost.Asio; default: standalone Asio

#include <version>

// Said first, for without it Asio's own headers do not compile.
#if !defined(__cpp_rtti) && !defined(_CPPRTTI)
#  error "asio_cancel_scope needs run-time type information: do not compile with -fno-rtti"
#endif
#if !defined(__cpp_exceptions) && !defined(_CPPUNWIND)
#  error "asio_cancel_scope needs exceptions: do not compile with -fno-exceptions"
#endif
#if !defined(__cpp_lib_jthread)
#  error \
      "asio_cancel_scope needs std::stop_token: compile as C++20 (and with libc++ before 20 with -fexperimental-library)"
#endif

#if defined(ASIO_CANCEL_SCOPE_USE_BOOST_ASIO)
#  include <boost/asio/any_io_executor.hpp>
#  include <boost/asio/associated_allocator.hpp>
#  include <boost/asio/associated_cancellation_slot.hpp>
#  include <boost/asio/associated_executor.hpp>
#  include <boost/asio/async_result.hpp>
#  include <boost/asio/awaitable.hpp>
#  include <boost/asio/basic_signal_set.hpp>
#  include <boost/asio/basic_waitable_timer.hpp>
#  include <boost/asio/cancellation_signal.hpp>
#  include <boost/asio/cancellation_state.hpp>
#  include <boost/asio/cancellation_type.hpp>
#  include <boost/asio/co_spawn.hpp>
#  include <boost/asio/dispatch.hpp>
#  include <boost/asio/error.hpp>
#  include <boost/asio/execution/context.hpp>
#  include <boost/asio/execution/executor.hpp>
#  include <boost/asio/execution/outstanding_work.hpp>
#  include <boost/asio/execution_context.hpp>
#  include <boost/asio/executor_work_guard.hpp>
#  include <boost/asio/experimental/channel_error.hpp>
#  include <boost/asio/is_executor.hpp>
#  include <boost/asio/multiple_exceptions.hpp>
#  include <boost/asio/post.hpp>
#  include <boost/asio/prefer.hpp>
#  include <boost/asio/query.hpp>
#  include <boost/asio/strand.hpp>
#  include <boost/asio/system_context.hpp>
#  include <boost/asio/system_executor.hpp>
#  include <boost/asio/this_coro.hpp>
#  include <boost/asio/thread_pool.hpp>
#  include <boost/asio/use_awaitable.hpp>
#  include <boost/asio/version.hpp>
#  include <boost/asio/wait_traits.hpp>
#  include <boost/system/system_error.hpp>
#  if defined(BOOST_ASIO_HAS_CO_AWAIT)
#    define ASIO_CANCEL_SCOPE_HAS_CO_AWAIT
#  endif
#  if defined(BOOST_ASIO_NO_EXCEPTIONS)
#    define ASIO_CANCEL_SCOPE_NO_EXCEPTIONS
#  endif
#  define ASIO_CANCEL_SCOPE_BACKEND boost_asio
#else
#  include <asio/any_io_executor.hpp>
#  include <asio/associated_allocator.hpp>
#  include <asio/associated_cancellation_slot.hpp>
#  include <asio/associated_executor.hpp>
#  include <asio/async_result.hpp>
#  include <asio/awaitable.hpp>
#  include <asio/basic_signal_set.hpp>
#  include <asio/basic_waitable_timer.hpp>
#  include <asio/cancellation_signal.hpp>
#  include <asio/cancellation_state.hpp>
#  include <asio/cancellation_type.hpp>
#  include <asio/co_spawn.hpp>
#  include <asio/dispatch.hpp>
#  include <asio/error.hpp>
#  include <asio/execution/context.hpp>
#  include <asio/execution/executor.hpp>
#  include <asio/execution/outstanding_work.hpp>
#  include <asio/execution_context.hpp>
#  include <asio/executor_work_guard.hpp>
#  include <asio/experimental/channel_error.hpp>
#  include <asio/is_executor.hpp>
#  include <asio/multiple_exceptions.hpp>
#  include <asio/post.hpp>
#  include <asio/prefer.hpp>
#  include <asio/query.hpp>
#  include <asio/strand.hpp>
#  include <asio/system_context.hpp>
#  include <asio/system_error.hpp>
#  include <asio/system_executor.hpp>
#  include <asio/this_coro.hpp>
#  include <asio/thread_pool.hpp>
#  include <asio/use_awaitable.hpp>
#  include <asio/version.hpp>
#  include <asio/wait_traits.hpp>
#  if defined(ASIO_HAS_CO_AWAIT)
#    define ASIO_CANCEL_SCOPE_HAS_CO_AWAIT
#  endif
#  if defined(ASIO_NO_EXCEPTIONS)
#    define ASIO_CANCEL_SCOPE_NO_EXCEPTIONS
#  endif
#  define ASIO_CANCEL_SCOPE_BACKEND standalone_asio
#endif

#if !defined(ASIO_CANCEL_SCOPE_HAS_CO_AWAIT)
#  error \
      "asio_cancel_scope needs Asio's awaitable: compile as C++20 (and with clang and Asio before 1.26 define ASIO_HAS_CO_AWAIT and ASIO_HAS_STD_COROUTINE for the whole program)"
#endif
#if defined(ASIO_CANCEL_SCOPE_NO_EXCEPTIONS)
#  error "asio_cancel_scope needs exceptions: ASIO_NO_EXCEPTIONS is not supported"
#endif

// The library's names live in an inline namespace for each backend, so that one program can hold
// translation units of both.
namespace asio_cancel_scope::inline ASIO_CANCEL_SCOPE_BACKEND::detail {

#if defined(ASIO_CANCEL_SCOPE_USE_BOOST_ASIO)
namespace asio = ::boost::asio;
using ::boost::system::error_code;
using ::boost::system::system_error;
inline constexpr int asio_version = BOOST_ASIO_VERSION;
#else
namespace asio = ::asio;
using ::asio::error_code;
using ::asio::system_error;
inline constexpr int asio_version = ASIO_VERSION;
#endif

static_assert(asio_version >= 102201, "asio_cancel_scope needs Asio 1.22.1 or newer");

}  // namespace asio_cancel_scope::inline ASIO_CANCEL_SCOPE_BACKEND::detail

namespace asio_cancel_scope::inline ASIO_CANCEL_SCOPE_BACKEND {
namespace asio = detail::asio;
}
