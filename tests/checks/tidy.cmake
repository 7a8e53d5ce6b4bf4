# SPDX-License-Identifier: MIT
#
# clang-tidy on the source that uses everything. It is given what the tests are compiled with, and
# knows clang's options only.

find_program(ASIO_CANCEL_SCOPE_CLANG_TIDY NAMES clang-tidy-19 REQUIRED)
mark_as_advanced(ASIO_CANCEL_SCOPE_CLANG_TIDY)

set(acs_includes "$<TARGET_PROPERTY:acs_test_support,INTERFACE_INCLUDE_DIRECTORIES>")
set(acs_definitions "$<TARGET_PROPERTY:acs_test_support,INTERFACE_COMPILE_DEFINITIONS>")
add_test(
  NAME checks.tidy
  COMMAND
    "${ASIO_CANCEL_SCOPE_CLANG_TIDY}" --quiet "${CMAKE_CURRENT_LIST_DIR}/everything.cpp" -- -std=c++20
    "$<$<BOOL:${acs_definitions}>:-D$<JOIN:${acs_definitions},;-D>>"
    "-I$<JOIN:${acs_includes},;-I>"
  # Which headers are looked at is read from the .clang-tidy of this folder, not of the source's.
  WORKING_DIRECTORY "${PROJECT_SOURCE_DIR}"
  COMMAND_EXPAND_LISTS
)
set_tests_properties(checks.tidy PROPERTIES TIMEOUT 300 LABELS checks)
