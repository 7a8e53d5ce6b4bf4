// SPDX-License-Identifier: MIT
#pragma once

// major * 100000 + minor * 100 + patch, as ASIO_VERSION. The build reads the version from here.
#define ASIO_CANCEL_SCOPE_VERSION 100  // 0.1.0
#define ASIO_CANCEL_SCOPE_VERSION_STRING "0.1.0"
