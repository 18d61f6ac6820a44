#!/usr/bin/env bash
# native.sh [SOURCES]: prints the path of a native CPython 3.13, which cross-building and freezing need, and benchmarks
# compare with. Reuses one of this machine (python3.13 on PATH, pyenv's); else builds one from the same source, once.
set -euo pipefail
. "$(dirname "${BASH_SOURCE[0]}")/../scripts/lib.sh"

# usable PYTHON: it runs (a pyenv shim need not), is 3.13, and has what the scripts import. Prints its real path.
usable() {
  "$1" -I -c '
import sys, json, marshal, zlib, concurrent.futures, multiprocessing
assert sys.version_info[:2] == (3, 13) and sys.implementation.name == "cpython" and sys.abiflags == ""
print(sys.executable)' 2>/dev/null
}

find_native() {
  local python folder
  while read -r folder; do
    usable "$folder/python3.13" && return 0
  done < <(tr : '\n' <<<"$PATH")
  for python in "${PYENV_ROOT:-$HOME/.pyenv}"/versions/3.13*/bin/python3.13; do
    [ -x "$python" ] && usable "$python" && return 0
  done
  return 1
}

build_native() {
  mkdir "$1/work"
  cd "$1/work"
  cp -a "$SOURCES/python" source
  mkdir build
  cd build
  ../source/configure -q --prefix="$1" --disable-test-modules --with-ensurepip=no CFLAGS=-g0
  make -s -j"$FS_JOBS"
  make -s install
  rm -rf "$1/work"
}

find_native && exit 0
export SOURCES=${1:-}
[ -n "$SOURCES" ] || SOURCES=$("$ROOT/runtime/build.sh" sources)
folder=$(cached cpython-native build_native "$(cat "$SOURCES/versions")" "$(declare -f build_native)" "$(uname -m)")
echo "$folder/bin/python3.13"
