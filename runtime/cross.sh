#!/usr/bin/env bash
# cross.sh FOLDER: CPython 3.13 and zlib as static libraries for WASI, from SOURCES, built with NATIVE_PYTHON.
#
# Fills FOLDER with lib/ (archives), include/ (public, internal and pyconfig.h), stdlib/ (Lib). What the sandbox cannot
# use is not built, sockets aside, which asyncio imports. Otherwise this CPython differs from upstream's WASI build by
# pymalloc, the hash function and hash sealing (cpython/hash_seal.md).
set -euo pipefail

HERE=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
FOLDER=$(realpath "${1:?usage: cross.sh FOLDER}")
: "${SOURCES:?folder of sources.sh}" "${NATIVE_PYTHON:?a native Python 3.13}"
JOBS=${FS_JOBS:-$(nproc)}
WORK=$FOLDER/work

. "$HERE/toolchain.sh"
mkdir -p "$WORK" "$FOLDER/lib" "$FOLDER/include"
wasi_toolchain "$WORK/toolchain" "$SOURCES"

# The source tree is a copy, because it is patched and because make writes its generated files into it.
cp -a "$SOURCES/python" "$WORK/python"
cp "$HERE/cpython/fs_hash.c" "$HERE/cpython/fs_hash.h" "$WORK/python/Python/"
for change in "$HERE"/cpython/*.patch; do
  patch -d "$WORK/python" -p1 -f -s <"$change" || { echo "cross.sh: $change does not apply" >&2; exit 1; }
done

build_zlib() {
  mkdir -p "$WORK/zlib"
  cd "$WORK/zlib"
  local source
  for source in adler32 compress crc32 deflate infback inffast inflate inftrees trees uncompr zutil; do
    wasi-cc -O3 -DNDEBUG -I"$SOURCES/zlib" -c "$SOURCES/zlib/$source.c"
  done
  ar rcs "$FOLDER/lib/libz.a" ./*.o
  cp "$SOURCES/zlib/zlib.h" "$SOURCES/zlib/zconf.h" "$FOLDER/include/"
}

configure_python() {
  mkdir -p "$WORK/build"
  cd "$WORK/build"
  local module
  # Modules that need what a sandbox does not have.
  for module in _lsprof _interpreters _interpchannels _interpqueues _posixsubprocess fcntl grp mmap pwd resource syslog \
    termios xxsubtype readline _uuid _bz2 _lzma _dbm _gdbm _ssl _hashlib _sqlite3 _ctypes _curses _curses_panel _tkinter; do
    export "py_cv_module_$module=n/a"
  done
  export CONFIG_SITE=$WORK/python/Tools/wasm/config.site-wasm32-wasi
  export CC=wasi-cc CXX=wasi-c++ CPP=wasi-cpp AR=ar RANLIB=ranlib PKG_CONFIG=false HOSTRUNNER=false
  # WebAssembly loads unaligned words; believing otherwise, configure would choose a hash function that can be flooded.
  export ac_cv_aligned_required=no
  # No -O in CFLAGS, which configure links with; OPT is for compiling only.
  export CFLAGS="-g0" OPT="-DNDEBUG -O3 -Wall" CPPFLAGS="-DFS_HASH_SEAL"
  export ZLIB_CFLAGS="-I$FOLDER/include" ZLIB_LIBS="-L$FOLDER/lib -lz"
  "$WORK/python/configure" -q --host=wasm32-unknown-wasip1 --build="$(cc -dumpmachine)" \
    --with-build-python="$NATIVE_PYTHON" --with-pymalloc --disable-test-modules --with-ensurepip=no --prefix=/usr
}

build_zlib
configure_python
cd "$WORK/build"
make -s -j"$JOBS" libpython3.13.a
make -s -j"$JOBS" Modules/_decimal/libmpdec/libmpdec.a Modules/expat/libexpat.a Modules/_hacl/libHacl_Hash_SHA2.a
cp libpython3.13.a Modules/_decimal/libmpdec/libmpdec.a Modules/expat/libexpat.a Modules/_hacl/libHacl_Hash_SHA2.a "$FOLDER/lib/"
cp -r "$WORK/python/Include/." pyconfig.h "$WORK/python/Python/fs_hash.h" "$FOLDER/include/"
rm -rf "$WORK/python/Lib/test" "$WORK/python/Lib/idlelib"
cp -r "$WORK/python/Lib" "$FOLDER/stdlib"
[ -n "${FS_KEEP_WORK:-}" ] || rm -rf "$WORK"
