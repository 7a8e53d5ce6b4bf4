# SPDX-License-Identifier: MIT
#
# A port of vcpkg that builds from the checkout that it lies in:
#
#   vcpkg install asio-cancel-scope --overlay-ports=packaging/vcpkg
#
# Not run: vcpkg itself has never seen this. A test runs it with stand-ins for the functions of
# vcpkg, and compares what it names with what is installed.

cmake_path(SET SOURCE_PATH NORMALIZE "${CMAKE_CURRENT_LIST_DIR}/../..")

# Headers are the same in a debug build.
set(VCPKG_BUILD_TYPE release)

vcpkg_cmake_configure(
  SOURCE_PATH "${SOURCE_PATH}"
  OPTIONS -DASIO_CANCEL_SCOPE_BUILD_TESTS=OFF -DASIO_CANCEL_SCOPE_BUILD_EXAMPLES=OFF
          -DASIO_CANCEL_SCOPE_INSTALL=ON
)
vcpkg_cmake_install()
vcpkg_cmake_config_fixup(
  PACKAGE_NAME asio_cancel_scope CONFIG_PATH share/cmake/asio_cancel_scope
)
vcpkg_fixup_pkgconfig()

file(REMOVE_RECURSE "${CURRENT_PACKAGES_DIR}/share/doc")
file(
  INSTALL "${CMAKE_CURRENT_LIST_DIR}/usage" DESTINATION "${CURRENT_PACKAGES_DIR}/share/${PORT}"
)
vcpkg_install_copyright(FILE_LIST "${SOURCE_PATH}/LICENSE")
