# Clang for WASI preview 1, out of the machine's clang-19 and the WASI C library of sources.sh. Source it.
#
# Nothing is installed: the compilers are small wrappers in a folder of the caller, which hold what Debian's clang does
# not find by itself (the C library, compiler-rt under the name that clang 19 asks for, wasm-ld without its version).

# wasi_toolchain FOLDER SOURCES: makes FOLDER/bin with cc, c++, cpp, ar, ranlib and puts it first on PATH.
# Never pass it -O when linking: clang then runs whatever wasm-opt is on PATH.
wasi_toolchain() {
  local bin=$1/bin resources=$1/resources sysroot=$2/wasi llvm tool builtins
  for tool in clang-19 clang++-19 clang-cpp-19 wasm-ld-19 llvm-ar-19 llvm-ranlib-19; do
    command -v "$tool" >/dev/null || { echo "$tool is missing: install clang-19, lld-19 and llvm-19" >&2; return 1; }
  done
  llvm=$(clang-19 -print-resource-dir)
  builtins=$llvm/lib/wasi/libclang_rt.builtins-wasm32.a
  [ -e "$builtins" ] || { echo "$builtins is missing: install libclang-rt-19-dev-wasm32" >&2; return 1; }
  mkdir -p "$bin" "$resources/lib/wasm32-unknown-wasip1"
  ln -sfn "$llvm/include" "$resources/include"
  ln -sf "$builtins" "$resources/lib/wasm32-unknown-wasip1/libclang_rt.builtins.a"
  ln -sf "$(command -v wasm-ld-19)" "$bin/wasm-ld"
  ln -sf "$(command -v llvm-ar-19)" "$bin/ar"
  ln -sf "$(command -v llvm-ranlib-19)" "$bin/ranlib"
  local name
  for name in cc:clang-19 c++:clang++-19 cpp:clang-cpp-19; do
    printf '#!/bin/sh\nexec %s --target=wasm32-wasip1 --sysroot=%q -resource-dir=%q -B%q "$@"\n' \
      "${name#*:}" "$sysroot" "$resources" "$bin" >"$bin/wasi-${name%%:*}"
    chmod +x "$bin/wasi-${name%%:*}"
  done
  export PATH=$bin:$PATH
}
