# SPDX-License-Identifier: MIT
#
# cmake [-DMESSAGE=REGEX] -P check.cmake -- COMPILER ARGUMENT...
# With MESSAGE: the command must fail and say so; without: it must succeed.

cmake_minimum_required(VERSION 3.25)

set(command)
set(seen_separator FALSE)
math(EXPR last "${CMAKE_ARGC} - 1")
foreach(i RANGE ${last})
  if(seen_separator)
    list(APPEND command "${CMAKE_ARGV${i}}")
  elseif(CMAKE_ARGV${i} STREQUAL "--")
    set(seen_separator TRUE)
  endif()
endforeach()

# The messages are matched in English.
set(ENV{LC_ALL} C)
execute_process(
  COMMAND ${command}
  RESULT_VARIABLE result
  OUTPUT_VARIABLE output
  ERROR_VARIABLE output
)

if(NOT DEFINED MESSAGE)
  if(NOT result EQUAL 0)
    message(FATAL_ERROR "the legal twin does not compile:\n${output}")
  endif()
elseif(result EQUAL 0)
  message(FATAL_ERROR "it compiled, but must not")
elseif(NOT output MATCHES "error: ([^\n]*)" OR NOT CMAKE_MATCH_1 MATCHES "${MESSAGE}")
  message(FATAL_ERROR "the first error is not the message '${MESSAGE}':\n${output}")
endif()
