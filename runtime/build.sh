#!/usr/bin/env bash
# The interpreter of the sandbox: python.wasm (CPython 3.13 for WASI with our guest, booted and snapshot) and manifest.json.
#
#   runtime/build.sh [OUT_DIR]     builds what the cache lacks; prints the folder of the product, and copies it to OUT_DIR
#   runtime/build.sh sources       only fetches the sources; prints their folder
#   runtime/build.sh native        only finds or builds a native CPython 3.13; prints its path
#
# A product per step, each in the cache under the hash of what went in (scripts/lib.sh); README.md lists the steps.
set -euo pipefail
. "$(dirname "${BASH_SOURCE[0]}")/../scripts/lib.sh"
export RUNTIME=$ROOT/runtime
export WIZER_PACKAGE=@bytecodealliance/wizer-linux-x64@11.0.3

fetch() { "$RUNTIME/sources.sh" "$1"; }
cross_build() { "$RUNTIME/cross.sh" "$1"; }
freeze() {
  "$NATIVE_PYTHON" -I "$RUNTIME/freeze.py" --stdlib "$CROSS/stdlib" --zoneinfo "$SOURCES/zoneinfo" --overlay "$RUNTIME/cpython/overlay" \
    --unavailable "$RUNTIME/cpython/unavailable.txt" --config-header "$CROSS/include/pyconfig.h" \
    --package "$ROOT/python/fs_api/src/fs_api" --package "$RUNTIME/fs_runtime" --out "$1"
}
# Only its C is used: yyjson itself, without the Python module around it.
fetch_yyjson() {
  /usr/bin/python3 -m venv "$1/venv"
  "$1/venv/bin/pip" download --quiet --disable-pip-version-check --no-deps --no-binary :all: --require-hashes \
    --dest "$1" -r "$ROOT/third_party/yyjson/requirements.txt"
  tar -xf "$1"/yyjson-*.tar.gz -C "$1" --strip-components=2 --wildcards '*/yyjson/yyjson.[ch]'
  rm -r "$1/venv" "$1"/yyjson-*.tar.gz
}
link() { "$RUNTIME/link.sh" "$1"; }
# The package carries the binary.
fetch_wizer() {
  command -v npm >/dev/null || { echo "npm is missing: install Debian's npm, or Node.js" >&2; return 1; }
  [ "$(uname -s)-$(uname -m)" = Linux-x86_64 ] || { echo "wizer is packaged for Linux on x86-64 only" >&2; return 1; }
  npm pack --silent --pack-destination "$1" "$WIZER_PACKAGE"
  tar -xf "$1"/*.tgz -C "$1" --strip-components=1
  rm "$1"/*.tgz
}
snapshot() { "$RUNTIME/snapshot.sh" "$1"; }

SOURCES=$(cached cpython-sources fetch "$RUNTIME/sources.sh")
export SOURCES
case ${1:-} in
  sources) echo "$SOURCES"; exit ;;
  native) exec "$RUNTIME/native.sh" "$SOURCES" ;;
esac
NATIVE_PYTHON=$("$RUNTIME/native.sh" "$SOURCES")
export NATIVE_PYTHON

# What came out of an earlier step is named by its folder, which carries the hash of that step's inputs.
versions=$(cat "$SOURCES/versions")
CROSS=$(cached cpython-wasi cross_build "$RUNTIME"/{cross.sh,toolchain.sh} "$RUNTIME"/cpython/{*.patch,fs_hash.c,fs_hash.h} "$versions" \
  "$(clang-19 --version 2>/dev/null | head -n 1)")
export CROSS
FROZEN=$(cached cpython-frozen freeze "$RUNTIME/freeze.py" "$RUNTIME"/cpython/{overlay,unavailable.txt} "$RUNTIME/fs_runtime" \
  "$ROOT/python/fs_api/src/fs_api" "$(basename "$CROSS")")
export FROZEN
YYJSON=$(cached yyjson fetch_yyjson "$ROOT/third_party/yyjson")
export YYJSON
LINKED=$(cached cpython-linked link "$RUNTIME"/{link.sh,toolchain.sh} "$RUNTIME"/{guest,json,abi,cpython} "$(basename "$FROZEN")" \
  "$(basename "$YYJSON")")
export LINKED
WIZER=$(cached wizer fetch_wizer "$WIZER_PACKAGE")
export WIZER
INPUTS=$(basename "$LINKED")
export INPUTS
PRODUCT=$(cached cpython-snapshot snapshot "$RUNTIME/snapshot.sh" "$INPUTS" "$WIZER_PACKAGE")

if [ -n "${1:-}" ]; then
  mkdir -p "$1"
  cp "$PRODUCT/python.wasm" "$PRODUCT/manifest.json" "$1/"
fi
echo "$PRODUCT"
