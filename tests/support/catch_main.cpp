// SPDX-License-Identifier: MIT

// Only for a Catch2 2 that was built without Catch2::Catch2WithMain.
#define CATCH_CONFIG_MAIN
#include <catch2/catch.hpp>
