# SPDX-License-Identifier: MIT
#
# For this project's own tests and examples; nothing of it reaches a consumer.
# `cmake --compile-no-warning-as-error` lets a compiler that warns of more pass.

add_library(acs_warnings INTERFACE)
if(CMAKE_CXX_COMPILER_ID MATCHES "GNU|Clang")
  target_compile_options(
    acs_warnings INTERFACE -Wall -Wextra -Wpedantic -Wshadow -Wconversion
  )
endif()
if(CMAKE_CXX_COMPILER_ID STREQUAL "GNU")
  # False about the frames of Asio's coroutines, which allocate through a function of Asio's.
  target_compile_options(acs_warnings INTERFACE -Wno-mismatched-new-delete)
endif()
