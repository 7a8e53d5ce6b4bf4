# SPDX-License-Identifier: MIT
#
# cmake -DBUILD=… -DSOURCE=… -DPREFIX=… -DINCLUDEDIR=… -P install.cmake
# Installs, moves what was installed to PREFIX, and looks at it.

cmake_minimum_required(VERSION 3.25)

set(stage "${PREFIX}-stage")
file(REMOVE_RECURSE "${stage}" "${PREFIX}")
execute_process(
  COMMAND "${CMAKE_COMMAND}" --install "${BUILD}" --prefix "${stage}" COMMAND_ERROR_IS_FATAL ANY
  OUTPUT_QUIET
)
# From here on nothing may depend on the place where it was installed first.
file(RENAME "${stage}" "${PREFIX}")

file(GLOB_RECURSE in_source RELATIVE "${SOURCE}/include" "${SOURCE}/include/*")
file(GLOB_RECURSE installed RELATIVE "${PREFIX}/${INCLUDEDIR}" "${PREFIX}/${INCLUDEDIR}/*")
if(NOT in_source STREQUAL installed)
  message(FATAL_ERROR "the headers are:\n${in_source}\nbut these were installed:\n${installed}")
endif()

file(GLOB_RECURSE files "${PREFIX}/*")
foreach(file IN LISTS files)
  file(READ "${file}" text)
  foreach(place IN ITEMS "${SOURCE}" "${BUILD}" "${stage}")
    string(FIND "${text}" "${place}" position)
    if(NOT position EQUAL -1)
      message(FATAL_ERROR "${file} names ${place}")
    endif()
  endforeach()
endforeach()
