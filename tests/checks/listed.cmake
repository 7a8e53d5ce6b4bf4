# SPDX-License-Identifier: MIT
#
# cmake -DFOLDER=… -DSUFFIX=… -DLISTED=… -P listed.cmake
# A source that its CMakeLists.txt does not name would be forgotten in silence.

cmake_minimum_required(VERSION 3.25)

file(GLOB files RELATIVE "${FOLDER}" "${FOLDER}/*${SUFFIX}")
foreach(file IN LISTS files)
  string(REPLACE "${SUFFIX}" "" name "${file}")
  if(NOT name IN_LIST LISTED)
    message(SEND_ERROR "${FOLDER}/CMakeLists.txt does not list ${file}")
  endif()
endforeach()
