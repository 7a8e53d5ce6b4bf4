# SPDX-License-Identifier: MIT
#
# Most of the time that a test file takes to compile goes into what it shares with the others. So
# several are compiled as one source, each in a namespace of its own, for they use the same names
# for different things.

# What a file can be compiled with: "real" or "manual", by the kind of time that the library then
# has, or "nothing", if it adds to somebody else's namespace or to the whole program.
function(acs_kind_of_test source result)
  set(kind real)
  file(STRINGS "${source}" found REGEX "^#include .support/manual_timer")
  if(found)
    set(kind manual)
  endif()
  file(STRINGS "${source}" found REGEX "^(namespace [a-z]|template <>|#include .*allocation_hooks)")
  if(found)
    set(kind nothing)
  endif()
  set(${result} ${kind} PARENT_SCOPE)
endfunction()

# acs_write_batch(FILE NAME...): the tests NAME as one source. What they begin with, their includes,
# comes first, so that in the namespaces it is passed over.
function(acs_write_batch file)
  set(acs_heads "")
  set(acs_tests "")
  foreach(name IN LISTS ARGN)
    set(source "${CMAKE_CURRENT_SOURCE_DIR}/${name}.test.cpp")
    file(READ "${source}" text)
    string(REGEX MATCH "^(//[^\n]*\n|#[^\n]*\n|\n)*" head "${text}")
    string(APPEND acs_heads "${head}")
    string(APPEND acs_tests "namespace ${name}_test {\n#include \"${source}\"\n}\n")
  endforeach()
  file(CONFIGURE OUTPUT "${file}" CONTENT "@acs_heads@\n@acs_tests@" @ONLY)
endfunction()

# acs_sort_into_batches(RESULT SIZE NAME...): for each batch the names in it, joined with "+".
function(acs_sort_into_batches result size)
  set(batches)
  foreach(kind IN ITEMS real manual)
    set(batch)
    foreach(name IN LISTS ARGN)
      set(source "${CMAKE_CURRENT_SOURCE_DIR}/${name}.test.cpp")
      acs_kind_of_test("${source}" kind_of_test)
      if(kind_of_test STREQUAL "nothing" AND kind STREQUAL "real")
        list(APPEND batches "${name}")
      elseif(kind_of_test STREQUAL kind)
        list(APPEND batch "${name}")
      endif()
      list(LENGTH batch length)
      if(length EQUAL size)
        list(JOIN batch "+" batch)
        list(APPEND batches "${batch}")
        set(batch)
      endif()
      # What a batch includes is known when it is configured.
      set_property(DIRECTORY APPEND PROPERTY CMAKE_CONFIGURE_DEPENDS "${source}")
    endforeach()
    if(batch)
      list(JOIN batch "+" batch)
      list(APPEND batches "${batch}")
    endif()
  endforeach()
  set(${result} "${batches}" PARENT_SCOPE)
endfunction()
