// SPDX-License-Identifier: MIT
//
// The Asio that is there, under the number of an older one.

#include_next <asio/version.hpp>

#undef ASIO_VERSION
#define ASIO_VERSION 102200
