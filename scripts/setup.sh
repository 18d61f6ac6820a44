#!/usr/bin/env bash
# Installs what the build and the tests need on Debian 12: Debian's packages, and a Python environment in the cache.
# Prints the folder of the Python environment. Does nothing, in a second, where everything is there.
set -euo pipefail
. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"

packages=(
  # tools
  build-essential ca-certificates ccache cmake git libfaketime ninja-build patch pkg-config python3 python3-venv xz-utils
  # the server's libraries
  libabsl-dev libbrotli-dev libcli11-dev libcpp-httplib-dev libcurl4-openssl-dev libfmt-dev libgmock-dev libgrpc++-dev libgtest-dev liblz4-dev libprotobuf-dev
  librocksdb-dev libsasl2-dev libsimdjson-dev libspdlog-dev libssl-dev libyaml-cpp-dev libzip-dev libzstd-dev nlohmann-json3-dev protobuf-compiler
  protobuf-compiler-grpc zlib1g-dev
  # the interpreter for WASI, sanitizers and fuzzers, and style
  clang-19 clang-format-19 clang-tidy-19 libclang-rt-19-dev libclang-rt-19-dev-wasm32 lld-19 llvm-19
)

install_packages() {
  local missing=() package
  for package in "${packages[@]}"; do
    dpkg-query -W -f '${db:Status-Abbrev}' "$package" 2>/dev/null | grep -q '^ii' || missing+=("$package")
  done
  # A newer JDK or Node from elsewhere serves as well as Debian's.
  command -v java >/dev/null && command -v javac >/dev/null || missing+=(openjdk-17-jdk-headless)
  command -v mvn >/dev/null || missing+=(maven)
  command -v npm >/dev/null || missing+=(npm)
  [ ${#missing[@]} -gt 0 ] || return 0
  command -v apt-get >/dev/null || die "this needs Debian 12 (apt-get): missing ${missing[*]}"
  say "installing ${#missing[@]} Debian packages"
  as_root apt-get update -qq >"$FS_CACHE/log/apt.log" 2>&1 || { tail -n 20 "$FS_CACHE/log/apt.log" >&2; die "apt-get update failed"; }
  as_root env DEBIAN_FRONTEND=noninteractive apt-get install -y --no-install-recommends "${missing[@]}" >>"$FS_CACHE/log/apt.log" 2>&1 \
    || { tail -n 20 "$FS_CACHE/log/apt.log" >&2; die "apt-get install failed; the log is $FS_CACHE/log/apt.log"; }
}

check_rust() {
  command -v cargo >/dev/null || die "Rust is missing: install 1.95 or newer with rustup (https://rustup.rs), then run this again"
  local version
  version=$(rustc --version | cut -d' ' -f2)
  printf '1.95.0\n%s\n' "$version" | sort -V -C || die "Rust $version is too old: run 'rustup update stable' to get 1.95 or newer"
}

build_python_env() {
  /usr/bin/python3 -m venv "$1"
  "$1/bin/pip" install --quiet --disable-pip-version-check -r "$ROOT/scripts/requirements.txt"
}

mkdir -p "$FS_CACHE/log"
install_packages
check_rust
cached python-env build_python_env "$ROOT/scripts/requirements.txt" "$(/usr/bin/python3 --version)"
