#!/usr/bin/env bash
# Prints the folder of Wasmtime's archive (lib/libwasmtime_static.a) and C headers (include/); builds it where the cache has none.
set -euo pipefail
. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"

build_wasmtime() {
  local out=$1
  cd "$ROOT/third_party/wasmtime"
  CARGO_TARGET_DIR=$out/target WASMTIME_INCLUDE_OUT=$out/include cargo build --release --locked --jobs "$FS_JOBS"
  mkdir -p "$out/lib"
  mv "$out/target/release/libwasmtime_static.a" "$out/lib/"
  rm -rf "$out/target"
}

command -v cargo >/dev/null || die "cargo is missing: install Rust 1.95 or newer (https://rustup.rs)"
cached wasmtime build_wasmtime "$ROOT/third_party/wasmtime" "$(rustc --version)"
