# SPDX-License-Identifier: MIT
include(CMakeFindDependencyMacro)
find_dependency(asio_cancel_scope CONFIG)
include("${CMAKE_CURRENT_LIST_DIR}/downstream-targets.cmake")
