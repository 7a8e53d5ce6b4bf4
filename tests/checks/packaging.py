#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Compares the vcpkg manifest and the Conan recipe with the library and with what it installs.

    packaging.py SOURCE PREFIX      PREFIX holds what `cmake --install` has put down

Neither vcpkg nor Conan is needed: the recipe's methods run with stand-ins for what they use.
"""

import json
import pathlib
import re
import sys
import types


def version_of(source):
    text = (source / "include/asio_cancel_scope/version.hpp").read_text(encoding="utf-8")
    return re.search(r'VERSION_STRING "([0-9.]+)"', text).group(1)


def installed_targets(prefix):
    targets = set()
    for path in sorted(prefix.glob("share/cmake/asio_cancel_scope/*.cmake")):
        text = path.read_text(encoding="utf-8")
        targets |= set(re.findall(r"add_library\((asio_cancel_scope::\w+) INTERFACE", text))
    return targets


def vcpkg_problems(source, prefix):
    folder = source / "packaging/vcpkg"
    manifest = json.loads((folder / "vcpkg.json").read_text(encoding="utf-8"))
    for field in ("name", "version", "description", "license", "dependencies", "features"):
        if not manifest.get(field):
            yield f"vcpkg.json: no {field}"
    if manifest["version"] != version_of(source):
        yield f"vcpkg.json: version {manifest['version']}, but the library's is {version_of(source)}"
    if not re.fullmatch(r"[a-z0-9]+(-[a-z0-9]+)*", manifest["name"]):
        yield f"vcpkg.json: vcpkg allows no name like {manifest['name']}"
    for feature in manifest["default-features"]:
        if feature not in manifest["features"]:
            yield f"vcpkg.json: no feature {feature}"

    usage = (folder / "usage").read_text(encoding="utf-8")
    named = set(re.findall(r"asio_cancel_scope::\w+", usage))
    if named != installed_targets(prefix):
        yield f"usage: names {sorted(named)}, installed are {sorted(installed_targets(prefix))}"


class StandIn:
    """Takes any call and any attribute, and notes files that are asked for."""

    def __init__(self, *_arguments, **_named):
        self.cache_variables = {}

    def __getattr__(self, _name):
        return StandIn()

    def __call__(self, *_arguments, **_named):
        return StandIn()


def stand_in_modules(copied):
    def load(_recipe, path):
        return pathlib.Path(path).read_text(encoding="utf-8")

    def copy(_recipe, pattern, src, dst):
        copied.append((pattern, str(src), str(dst)))

    modules = {
        "conan": {"ConanFile": object},
        "conan.tools": {},
        "conan.tools.build": {"check_min_cppstd": StandIn(), "can_run": StandIn()},
        "conan.tools.cmake": {
            name: StandIn for name in ("CMake", "CMakeDeps", "CMakeToolchain", "cmake_layout")
        },
        "conan.tools.files": {"copy": copy, "load": load, "rmdir": StandIn()},
    }
    for name, content in modules.items():
        module = types.ModuleType(name)
        vars(module).update(content)
        sys.modules[name] = module


def recipe_of(path):
    scope = {"__name__": path.stem, "__file__": str(path)}
    exec(compile(path.read_text(encoding="utf-8"), str(path), "exec"), scope)
    classes = [v for v in scope.values() if isinstance(v, type) and v.__module__ == path.stem]
    (found,) = classes
    return found


def make_recipe(recipe, path, backend):
    made = recipe()
    made.recipe_folder = str(path.parent)
    made.export_sources_folder = "export"
    made.source_folder = made.package_folder = "folder"
    made.options = types.SimpleNamespace(backend=backend)
    made.settings = types.SimpleNamespace(os="Linux")
    made.info = StandIn()
    made.cpp_info = StandIn()
    made.required = []
    made.requires = lambda what, **_named: made.required.append(what)
    return made


def conan_problems(source, prefix):
    copied = []
    stand_in_modules(copied)
    path = source / "packaging/conan/conanfile.py"
    recipe = recipe_of(path)
    recipe_of(path.parent / "test_package/conanfile.py")

    for field in ("name", "description", "license", "package_type", "settings", "options"):
        if not getattr(recipe, field, None):
            yield f"conanfile.py: no {field}"
    for backend, wanted in (("standalone", "asio/"), ("boost", "boost/")):
        made = make_recipe(recipe, path, backend)
        for step in (
            "set_version export_sources layout requirements validate package_id generate build "
            "package package_info"
        ).split():
            getattr(made, step)()
        if made.version != version_of(source):
            yield f"conanfile.py: version {made.version}, but the library's is {version_of(source)}"
        if [r.split("/")[0] + "/" for r in made.required] != [wanted]:
            yield f"conanfile.py: with {backend} it requires {made.required}"
        for folder in made.cpp_info.builddirs:
            if not (prefix / folder / f"{recipe.name}-config.cmake").exists():
                yield f"conanfile.py: nothing installs {folder}/{recipe.name}-config.cmake"
    for pattern, src, _ in copied:
        if src != "folder" and not list(pathlib.Path(src).glob(pattern)):
            yield f"conanfile.py: exports {pattern}, which is not in {src}"

    options = set(re.findall(r"option\((\w+)", (source / "CMakeLists.txt").read_text()))
    for option in re.findall(r'"(ASIO_CANCEL_SCOPE_(?:BUILD|INSTALL)\w*)"', path.read_text()):
        if option not in options:
            yield f"conanfile.py: the project has no option {option}"

    test = (path.parent / "test_package/CMakeLists.txt").read_text(encoding="utf-8")
    for target in re.findall(r"asio_cancel_scope::\w+", test):
        if target not in installed_targets(prefix):
            yield f"test_package: nothing installs {target}"
    for name in re.findall(r"\S+\.cpp", test):
        if not (path.parent / "test_package" / name).exists():
            yield f"test_package: there is no {name}"


def main(arguments):
    source, prefix = (pathlib.Path(argument) for argument in arguments)
    found = [*vcpkg_problems(source, prefix), *conan_problems(source, prefix)]
    for problem in found:
        print(f"packaging/{problem}")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
