// SPDX-License-Identifier: MIT
#pragma once

// The tests are one source for both backends: everything else here says `asio::`.

#if defined(ASIO_CANCEL_SCOPE_USE_BOOST_ASIO)
#  include <boost/asio.hpp>
#  include <boost/asio/experimental/as_tuple.hpp>
#  include <boost/asio/experimental/awaitable_operators.hpp>
#  include <boost/asio/experimental/deferred.hpp>
#  define ACS_TEST_ASIO_VERSION BOOST_ASIO_VERSION
namespace asio = boost::asio;
using boost::system::error_code;
using boost::system::system_error;
#else
#  include <asio.hpp>
#  include <asio/experimental/awaitable_operators.hpp>
#  include <asio/version.hpp>
#  if ASIO_VERSION < 102300
#    include <asio/experimental/as_tuple.hpp>
#    include <asio/experimental/deferred.hpp>
#  endif
#  define ACS_TEST_ASIO_VERSION ASIO_VERSION
using asio::error_code;
using asio::system_error;
#endif

using asio::awaitable;
using asio::use_awaitable;

// These moved out of asio::experimental in 1.23.
namespace compat {
#if ACS_TEST_ASIO_VERSION >= 102300
using asio::as_tuple;
using asio::deferred;
#else
using asio::experimental::as_tuple;
using asio::experimental::deferred;
#endif
}  // namespace compat
