# SPDX-License-Identifier: MIT
"""A recipe of Conan 2 that packages the checkout that it lies in:

    conan create packaging/conan

Not run: Conan itself has never seen this. A test runs its methods with stand-ins for Conan's, and
compares what they name with what is installed.
"""

import os
import re

from conan import ConanFile
from conan.tools.build import check_min_cppstd
from conan.tools.cmake import CMake, CMakeDeps, CMakeToolchain, cmake_layout
from conan.tools.files import copy, load, rmdir


class AsioCancelScope(ConanFile):
    name = "asio_cancel_scope"
    description = "Structured concurrency for Asio coroutines"
    license = "MIT"
    topics = ("asio", "coroutines", "structured-concurrency", "header-only")
    package_type = "header-library"
    settings = "os", "arch", "compiler", "build_type"
    options = {"backend": ["standalone", "boost"]}
    default_options = {"backend": "standalone"}
    no_copy_source = True

    def _checkout(self):
        return os.path.normpath(os.path.join(self.recipe_folder, "..", ".."))

    def set_version(self):
        header = load(
            self, os.path.join(self._checkout(), "include", "asio_cancel_scope", "version.hpp")
        )
        self.version = re.search(r'VERSION_STRING "([0-9.]+)"', header).group(1)

    def export_sources(self):
        for pattern in ("CMakeLists.txt", "LICENSE", "cmake/*", "include/*"):
            copy(self, pattern, src=self._checkout(), dst=self.export_sources_folder)

    def layout(self):
        cmake_layout(self, src_folder=".")

    def requirements(self):
        if self.options.backend == "boost":
            self.requires("boost/[>=1.81.0]", transitive_headers=True)
        else:
            self.requires("asio/[>=1.22.1]", transitive_headers=True)

    def validate(self):
        check_min_cppstd(self, 20)

    def package_id(self):
        self.info.settings.clear()

    def generate(self):
        toolchain = CMakeToolchain(self)
        toolchain.cache_variables["ASIO_CANCEL_SCOPE_BUILD_TESTS"] = False
        toolchain.cache_variables["ASIO_CANCEL_SCOPE_BUILD_EXAMPLES"] = False
        toolchain.cache_variables["ASIO_CANCEL_SCOPE_INSTALL"] = True
        toolchain.generate()
        CMakeDeps(self).generate()

    def build(self):
        CMake(self).configure()

    def package(self):
        CMake(self).install()
        copy(
            self,
            "LICENSE",
            src=self.source_folder,
            dst=os.path.join(self.package_folder, "licenses"),
        )
        rmdir(self, os.path.join(self.package_folder, "share", "doc"))

    def package_info(self):
        # CMake finds the package by the files that it installs itself, with both targets.
        self.cpp_info.set_property("cmake_find_mode", "none")
        self.cpp_info.builddirs = [os.path.join("share", "cmake", "asio_cancel_scope")]
        self.cpp_info.set_property("pkg_config_name", "asio_cancel_scope")
        self.cpp_info.bindirs = []
        self.cpp_info.libdirs = []
        if self.options.backend == "boost":
            self.cpp_info.defines = ["ASIO_CANCEL_SCOPE_USE_BOOST_ASIO"]
            self.cpp_info.requires = ["boost::headers"]
        else:
            self.cpp_info.requires = ["asio::asio"]
        if self.settings.os in ("Linux", "FreeBSD"):
            self.cpp_info.system_libs = ["pthread"]
