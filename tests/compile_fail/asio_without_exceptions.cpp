// SPDX-License-Identifier: MIT

#if defined(ACS_BAD)
#  define ASIO_NO_EXCEPTIONS
#  define BOOST_ASIO_NO_EXCEPTIONS
#endif

#include <asio_cancel_scope.hpp>

int main() {}
