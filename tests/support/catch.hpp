// SPDX-License-Identifier: MIT
#pragma once

// Catch2 3 split the header that Catch2 2 had; the tests use what is in both.

#if __has_include(<catch2/catch_test_macros.hpp>)
#  include <catch2/catch_template_test_macros.hpp>
#  include <catch2/catch_test_macros.hpp>
#  include <catch2/generators/catch_generators.hpp>
#  include <catch2/matchers/catch_matchers.hpp>
#else
#  include <catch2/catch.hpp>
#endif
