# SPDX-License-Identifier: MIT
#
# cmake -DSOURCE=… -DPREFIX=… -P vcpkg_port.cmake
# Runs the portfile with stand-ins for the functions of vcpkg, on a copy of what is installed in
# PREFIX, and looks at what it has named.

cmake_minimum_required(VERSION 3.25)

file(STRINGS "${SOURCE}/CMakeLists.txt" options REGEX "^option")

function(vcpkg_cmake_configure)
  cmake_parse_arguments(PARSE_ARGV 0 arg "" "SOURCE_PATH" "OPTIONS")
  if(NOT EXISTS "${arg_SOURCE_PATH}/CMakeLists.txt")
    message(FATAL_ERROR "there is no project in ${arg_SOURCE_PATH}")
  endif()
  foreach(option IN LISTS arg_OPTIONS)
    string(REGEX REPLACE "^-D([A-Z_]+)=.*" "\\1" option "${option}")
    if(NOT options MATCHES "${option} ")
      message(FATAL_ERROR "the project has no option ${option}")
    endif()
  endforeach()
endfunction()

function(vcpkg_cmake_install)
  file(COPY "${PREFIX}/" DESTINATION "${CURRENT_PACKAGES_DIR}")
endfunction()

function(vcpkg_cmake_config_fixup)
  cmake_parse_arguments(PARSE_ARGV 0 arg "" "PACKAGE_NAME;CONFIG_PATH" "")
  set(config "${CURRENT_PACKAGES_DIR}/${arg_CONFIG_PATH}/${arg_PACKAGE_NAME}-config.cmake")
  if(NOT EXISTS "${config}")
    message(FATAL_ERROR "nothing installs ${config}")
  endif()
endfunction()

function(vcpkg_fixup_pkgconfig)
  if(NOT EXISTS "${CURRENT_PACKAGES_DIR}/share/pkgconfig/asio_cancel_scope.pc")
    message(FATAL_ERROR "no pkg-config file is installed")
  endif()
endfunction()

function(vcpkg_install_copyright)
  cmake_parse_arguments(PARSE_ARGV 0 arg "" "" "FILE_LIST")
  file(READ "${arg_FILE_LIST}" text)
  if(NOT text MATCHES "MIT License")
    message(FATAL_ERROR "${arg_FILE_LIST} is not the licence")
  endif()
endfunction()

set(PORT asio-cancel-scope)
set(CURRENT_PACKAGES_DIR "${PREFIX}-vcpkg")
file(REMOVE_RECURSE "${CURRENT_PACKAGES_DIR}")

include("${SOURCE}/packaging/vcpkg/portfile.cmake")

if(NOT EXISTS "${CURRENT_PACKAGES_DIR}/share/${PORT}/usage")
  message(FATAL_ERROR "the port does not install its usage")
endif()
