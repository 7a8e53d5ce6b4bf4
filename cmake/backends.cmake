# SPDX-License-Identifier: MIT
#
# Looks for both Asios. One is enough, and which one is used is the consumer's choice of target,
# so a missing one is not an error here.

# Also for the project that adds this one: it links targets that are found in this folder.
set(CMAKE_FIND_PACKAGE_TARGETS_GLOBAL TRUE)

list(PREPEND CMAKE_MODULE_PATH "${CMAKE_CURRENT_LIST_DIR}")
find_package(asio MODULE QUIET)
list(POP_FRONT CMAKE_MODULE_PATH)

if(NOT TARGET Boost::headers)
  find_package(Boost 1.81 CONFIG QUIET)
endif()
find_package(Threads QUIET)

if(TARGET asio::asio)
  message(STATUS "asio_cancel_scope: standalone Asio ${asio_VERSION}")
endif()
if(TARGET Boost::headers)
  message(STATUS "asio_cancel_scope: Boost.Asio of Boost ${Boost_VERSION}")
endif()
if(NOT TARGET asio::asio AND NOT TARGET Boost::headers)
  message(
    FATAL_ERROR
      "asio_cancel_scope needs Asio: install standalone Asio (Debian: libasio-dev) or Boost 1.81 "
      "or later, or set ASIO_INCLUDE_DIR to the folder that holds asio.hpp"
  )
endif()
