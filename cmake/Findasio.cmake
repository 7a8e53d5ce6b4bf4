# SPDX-License-Identifier: MIT
#[=======================================================================[.rst:
Findasio
--------

Finds standalone Asio, which most systems ship without a CMake package.

Looks, in this order, for a target ``asio::asio`` that exists already, for a CMake package ``asio``
that makes one, for a pkg-config file, and for the header ``asio.hpp``.

``ASIO_INCLUDE_DIR``
  Cache variable: the folder that holds ``asio.hpp``. Set it to choose another Asio; then nothing
  else is looked at.

Makes the target ``asio::asio`` and sets ``asio_FOUND`` and ``asio_VERSION``.
#]=======================================================================]

function(_asio_read_version include_dir)
  set(version "")
  if(EXISTS "${include_dir}/asio/version.hpp")
    file(STRINGS "${include_dir}/asio/version.hpp" line REGEX "#define ASIO_VERSION [0-9]+")
    if(line MATCHES "ASIO_VERSION ([0-9]+)")
      math(EXPR major "${CMAKE_MATCH_1} / 100000")
      math(EXPR minor "${CMAKE_MATCH_1} / 100 % 1000")
      math(EXPR patch "${CMAKE_MATCH_1} % 100")
      set(version "${major}.${minor}.${patch}")
    endif()
  endif()
  set(asio_VERSION "${version}" PARENT_SCOPE)
endfunction()

include(FindPackageHandleStandardArgs)

if(NOT TARGET asio::asio AND NOT ASIO_INCLUDE_DIR)
  find_package(asio ${asio_FIND_VERSION} CONFIG QUIET)
endif()

if(TARGET asio::asio)
  if(NOT asio_VERSION)
    get_target_property(_asio_dirs asio::asio INTERFACE_INCLUDE_DIRECTORIES)
    foreach(_asio_dir IN LISTS _asio_dirs)
      string(REGEX REPLACE "^\\$<BUILD_INTERFACE:(.*)>$" "\\1" _asio_dir "${_asio_dir}")
      if(EXISTS "${_asio_dir}/asio/version.hpp")
        _asio_read_version("${_asio_dir}")
        break()
      endif()
    endforeach()
    unset(_asio_dirs)
    unset(_asio_dir)
  endif()
  set(_asio_target asio::asio)
  find_package_handle_standard_args(
    asio REQUIRED_VARS _asio_target VERSION_VAR asio_VERSION HANDLE_VERSION_RANGE
  )
  unset(_asio_target)
  return()
endif()

if(NOT ASIO_INCLUDE_DIR)
  find_package(PkgConfig QUIET)
  if(PkgConfig_FOUND)
    pkg_check_modules(_asio_pc QUIET asio)
  endif()
endif()
find_path(
  ASIO_INCLUDE_DIR asio.hpp
  HINTS ${_asio_pc_INCLUDE_DIRS}
  DOC "Folder that holds the asio.hpp of standalone Asio"
)
mark_as_advanced(ASIO_INCLUDE_DIR)
_asio_read_version("${ASIO_INCLUDE_DIR}")

find_package(Threads QUIET)
find_package_handle_standard_args(
  asio
  REQUIRED_VARS ASIO_INCLUDE_DIR Threads_FOUND
  VERSION_VAR asio_VERSION
  HANDLE_VERSION_RANGE
)

if(asio_FOUND)
  add_library(asio::asio INTERFACE IMPORTED)
  set_target_properties(
    asio::asio PROPERTIES INTERFACE_INCLUDE_DIRECTORIES "${ASIO_INCLUDE_DIR}"
                          INTERFACE_LINK_LIBRARIES Threads::Threads
  )
  if(asio_VERSION VERSION_LESS 1.26)
    # It knows only the coroutines of clang's <experimental/coroutine>.
    set_property(
      TARGET asio::asio
      PROPERTY INTERFACE_COMPILE_DEFINITIONS
               "$<$<CXX_COMPILER_ID:Clang,AppleClang>:ASIO_HAS_CO_AWAIT;ASIO_HAS_STD_COROUTINE>"
    )
  endif()
endif()
