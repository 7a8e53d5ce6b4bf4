# SPDX-License-Identifier: MIT

include(CMakePackageConfigHelpers)

set(acs_package_dir "${CMAKE_INSTALL_DATADIR}/cmake/asio_cancel_scope")
set(acs_pkgconfig_dir "${CMAKE_INSTALL_DATADIR}/pkgconfig")

# Apart, for a consumer may have only one of the Asios.
foreach(component IN ITEMS standalone boost)
  if(component STREQUAL "boost")
    set(target asio_cancel_scope_boost)
  else()
    set(target asio_cancel_scope)
  endif()
  install(TARGETS ${target} EXPORT asio_cancel_scope-${component} FILE_SET HEADERS)
  install(
    EXPORT asio_cancel_scope-${component}
    FILE asio_cancel_scope-${component}.cmake
    NAMESPACE asio_cancel_scope::
    DESTINATION "${acs_package_dir}"
  )
endforeach()

configure_package_config_file(
  cmake/asio_cancel_scope-config.cmake.in asio_cancel_scope-config.cmake
  INSTALL_DESTINATION "${acs_package_dir}"
  NO_SET_AND_CHECK_MACRO
)
write_basic_package_version_file(
  asio_cancel_scope-config-version.cmake COMPATIBILITY SameMinorVersion ARCH_INDEPENDENT
)
install(
  FILES "${PROJECT_BINARY_DIR}/asio_cancel_scope-config.cmake"
        "${PROJECT_BINARY_DIR}/asio_cancel_scope-config-version.cmake" cmake/Findasio.cmake
  DESTINATION "${acs_package_dir}"
)

cmake_path(
  RELATIVE_PATH CMAKE_INSTALL_PREFIX
  BASE_DIRECTORY "${CMAKE_INSTALL_PREFIX}/${acs_pkgconfig_dir}"
  OUTPUT_VARIABLE acs_prefix_from_pc
)
configure_file(cmake/asio_cancel_scope.pc.in asio_cancel_scope.pc @ONLY)
install(FILES "${PROJECT_BINARY_DIR}/asio_cancel_scope.pc" DESTINATION "${acs_pkgconfig_dir}")
install(FILES LICENSE DESTINATION "${CMAKE_INSTALL_DOCDIR}")
