#!/usr/bin/env bash
# Prints the folder of librdkafka's archive (lib/librdkafka.a) and C header (include/librdkafka/rdkafka.h); builds it where
# the cache has none, from the source that the crate of third_party/librdkafka carries (Debian's 2.0.2 is too old for transactions).
set -euo pipefail
. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"

build_librdkafka() {
  local out=$1 source change
  local work=$out/work
  mkdir "$work"
  cp "$ROOT"/third_party/librdkafka/{Cargo.toml,Cargo.lock,empty.rs} "$work"
  (cd "$work" && cargo vendor --locked vendor >/dev/null)
  source=$work/vendor/rdkafka-sys/librdkafka
  # Each says at its head what it is for.
  for change in "$ROOT"/third_party/librdkafka/*.patch; do patch --directory "$source" --strip 1 --input "$change"; done
  # Its CMake build forgets to say which atomics there are (configure says it), and then rd_atomic32_set returns the new value for the old:
  # that all brokers are down was never noticed, and the bootstrap servers never tried again.
  local atomics="-DHAVE_ATOMICS_32_ATOMIC=1 -DHAVE_ATOMICS_64_ATOMIC=1"
  # No plugins: a property of a function's configuration must not load code into the server.
  cmake -S "$source" -B "$work/build" -DCMAKE_BUILD_TYPE=Release -DCMAKE_C_FLAGS_RELEASE="-O2 -DNDEBUG" -DCMAKE_C_FLAGS="$atomics" \
    -DCMAKE_POSITION_INDEPENDENT_CODE=ON -DRDKAFKA_BUILD_STATIC=ON -DRDKAFKA_BUILD_EXAMPLES=OFF -DRDKAFKA_BUILD_TESTS=OFF \
    -DWITH_SSL=ON -DWITH_SASL=ON -DWITH_CURL=ON -DWITH_ZLIB=ON -DWITH_ZSTD=ON -DENABLE_LZ4_EXT=ON -DWITH_PLUGINS=OFF
  cmake --build "$work/build" --target rdkafka --parallel "$FS_JOBS"
  mkdir -p "$out/lib" "$out/include/librdkafka"
  cp "$work/build/src/librdkafka.a" "$out/lib/"
  cp "$source"/src/{rdkafka.h,rdkafka_mock.h} "$out/include/librdkafka/"
  cp "$source/LICENSES.txt" "$out/"
  rm -rf "$work"
}

command -v cargo >/dev/null || die "cargo is missing: install Rust 1.95 or newer (https://rustup.rs)"
cached librdkafka build_librdkafka "$ROOT/third_party/librdkafka" "$ROOT/scripts/librdkafka.sh" "$(cc --version | head -n 1)"
