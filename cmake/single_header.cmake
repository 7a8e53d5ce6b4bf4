# SPDX-License-Identifier: MIT
#
# cmake -DINCLUDE=folder -DOUTPUT=file -P single_header.cmake
#
# Writes the library as one header: what <asio_cancel_scope.hpp> in the folder INCLUDE includes, each
# file once and where it is included first. What is not the library's own stays an include. It serves
# both Asios, as the headers do.

cmake_minimum_required(VERSION 3.25)

foreach(argument IN ITEMS INCLUDE OUTPUT)
  if(NOT DEFINED ${argument})
    message(FATAL_ERROR "usage: cmake -DINCLUDE=folder -DOUTPUT=file -P single_header.cmake")
  endif()
endforeach()

set_property(GLOBAL PROPERTY seen "")

# Reads a file as a list of lines. A list has no place for what is special in one.
function(read_lines path result)
  file(READ "${path}" text)
  string(ASCII 1 semicolon)
  string(ASCII 2 open)
  string(ASCII 3 close)
  string(ASCII 4 backslash)
  string(REPLACE ";" "${semicolon}" text "${text}")
  string(REPLACE "[" "${open}" text "${text}")
  string(REPLACE "]" "${close}" text "${text}")
  string(REPLACE "\\" "${backslash}" text "${text}")
  string(REGEX REPLACE "\n$" "" text "${text}")
  string(REPLACE "\n" ";" text "${text}")
  set(${result} "${text}" PARENT_SCOPE)
endfunction()

function(write_text text)
  string(ASCII 1 semicolon)
  string(ASCII 2 open)
  string(ASCII 3 close)
  string(ASCII 4 backslash)
  string(REPLACE "${semicolon}" ";" text "${text}")
  string(REPLACE "${open}" "[" text "${text}")
  string(REPLACE "${close}" "]" text "${text}")
  string(REPLACE "${backslash}" "\\" text "${text}")
  file(WRITE "${OUTPUT}" "${text}")
endfunction()

function(paste name result)
  get_property(seen GLOBAL PROPERTY seen)
  set(${result} "" PARENT_SCOPE)
  if(name IN_LIST seen)
    return()
  endif()
  set_property(GLOBAL APPEND PROPERTY seen "${name}")

  set(text "")
  set(was_empty TRUE)
  read_lines("${INCLUDE}/${name}" lines)
  foreach(line IN LISTS lines)
    if(line MATCHES "^// SPDX-License-Identifier|^#pragma once")
      continue()
    elseif(line MATCHES "^#include <(asio_cancel_scope[/.][^>]*)>")
      paste("${CMAKE_MATCH_1}" pasted)
      string(APPEND text "${pasted}")
      if(pasted)
        set(was_empty TRUE)
      endif()
    elseif(NOT line STREQUAL "")
      string(APPEND text "${line}\n")
      set(was_empty FALSE)
    elseif(NOT was_empty)
      string(APPEND text "\n")
      set(was_empty TRUE)
    endif()
  endforeach()
  if(NOT text MATCHES "\n\n$" AND NOT text STREQUAL "")
    string(APPEND text "\n")
  endif()
  set(${result} "${text}" PARENT_SCOPE)
endfunction()

file(STRINGS "${INCLUDE}/asio_cancel_scope/version.hpp" version REGEX "VERSION_STRING")
string(REGEX MATCH "[0-9]+\\.[0-9]+\\.[0-9]+" version "${version}")

paste(asio_cancel_scope.hpp library)
string(REGEX REPLACE "\n+$" "\n" library "${library}")
write_text(
  "// SPDX-License-Identifier: MIT
#pragma once

// asio_cancel_scope ${version}, all of it, generated from its headers; see LICENSE there.

${library}"
)

# An include of the library's own that is left would make the header useless without the others.
file(STRINGS "${OUTPUT}" left REGEX "#[ ]*include [<\"]asio_cancel_scope")
if(left)
  message(FATAL_ERROR "${OUTPUT} still includes ${left}")
endif()
