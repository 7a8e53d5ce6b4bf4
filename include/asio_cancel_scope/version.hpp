// SPDX-License-Identifier: MIT
#pragma once

/// @file

// The build reads the version from here.

/// The version as a number: major * 100000 + minor * 100 + patch, as ASIO_VERSION.
#define ASIO_CANCEL_SCOPE_VERSION 100  // 0.1.0

/// The version as a string.
#define ASIO_CANCEL_SCOPE_VERSION_STRING "0.1.0"
