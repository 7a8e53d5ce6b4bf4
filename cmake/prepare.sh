# SPDX-License-Identifier: MIT
#
# Sourced by tests/run and examples/run: names what they need and installs what is missing.

say() { printf '== %s\n' "$*"; }

die() {
  printf 'error: %s\n' "$*" >&2
  exit 1
}

missing_packages=()
missing_things=()

# need PACKAGE WHAT COMMAND...: the Debian package PACKAGE is wanted unless COMMAND succeeds.
need() {
  local package=$1 what=$2
  shift 2
  [[ " ${missing_packages[*]} " != *" $package "* ]] || return 0
  if ! "$@" >/dev/null 2>&1; then
    missing_packages+=("$package")
    missing_things+=("$what")
  fi
}

has_command() { command -v "$1"; }
has_file() { [ -e "$1" ]; }
has_either_command() { has_command "$1" || has_command "$2"; }

at_least() { # at_least COMMAND VERSION
  local have
  have=$("$1" --version 2>/dev/null | grep -oE '[0-9]+(\.[0-9]+)+' | head -n 1) || return 1
  [ -n "$have" ] && [ "$(printf '%s\n%s\n' "$2" "$have" | sort -V | head -n 1)" = "$2" ]
}

# has_header HEADER: a C++ compiler finds it, or the folder given in ASIO_INCLUDE_DIR holds it.
has_header() {
  [ -e "/usr/include/$1" ] || [ -e "/usr/local/include/$1" ] || {
    [ -n "${ASIO_INCLUDE_DIR:-}" ] && [ -e "$ASIO_INCLUDE_DIR/$1" ]
  } || echo "#include <$1>" | "${CXX:-g++}" -std=c++20 -E -x c++ - -o /dev/null
}

has_either_header() { has_header "$1" || has_header "$2"; }

has_boost() { # has_boost NUMBER, as BOOST_VERSION is written
  printf '#include <boost/version.hpp>\n#if BOOST_VERSION < %s\n#error old\n#endif\n' "$1" |
    "${CXX:-g++}" -E -x c++ - -o /dev/null
}

install_missing() {
  [ ${#missing_packages[@]} -gt 0 ] || return 0
  local list what=${missing_things[0]} thing
  for thing in "${missing_things[@]:1}"; do what+=", $thing"; done
  list=${missing_packages[*]}
  command -v apt-get >/dev/null ||
    die "missing: $what. There is no apt-get here to install them; on Debian they are: $list"
  local as_root=()
  if [ "$(id -u)" -ne 0 ]; then
    command -v sudo >/dev/null ||
      die "missing: $what. Run this as root: apt-get install $list"
    as_root=(sudo)
  fi
  say "installing with apt: $list"
  export DEBIAN_FRONTEND=noninteractive
  "${as_root[@]}" apt-get update -q </dev/null >/dev/null ||
    say "apt-get update failed; trying with the package lists that are there"
  "${as_root[@]}" apt-get install -q -y --no-install-recommends "${missing_packages[@]}" \
    </dev/null >/dev/null ||
    die "apt-get could not install: $list. Install them in another way ($what) and run this again"
  hash -r
}

# Shared by all: a compiler and the build tools.
need_build_tools() {
  need g++ "g++ 12 or later" at_least g++ 12
  need cmake "cmake 3.25 or later" at_least cmake 3.25
  need ninja-build ninja has_command ninja
}

jobs() {
  printf '%s' "${CMAKE_BUILD_PARALLEL_LEVEL:-$(nproc 2>/dev/null || echo 2)}"
}

# configure_and_build PRESET [TARGET...]
configure_and_build() {
  local preset=$1 log
  shift
  log=$(mktemp)
  local folder=build/$preset${ASIO_CANCEL_SCOPE_BUILD_SUFFIX:-}
  say "$preset: configuring $folder"
  cmake --preset "$preset" ${ASIO_INCLUDE_DIR:+"-DASIO_INCLUDE_DIR=$ASIO_INCLUDE_DIR"} \
    </dev/null >"$log" 2>&1 || {
    cat "$log" >&2
    rm -f "$log"
    die "$preset: cmake could not configure $folder (a stale one may be deleted)"
  }
  rm -f "$log"
  say "$preset: building with $(jobs) jobs"
  cmake --build --preset "$preset" --parallel "$(jobs)" ${1:+--target "$@"} </dev/null ||
    die "$preset: the build failed"
}
