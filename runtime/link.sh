#!/usr/bin/env bash
# link.sh FOLDER: the guest's C sources, JSON in C, the frozen library and CPython as one WASI reactor, FOLDER/reactor.wasm.
# From SOURCES, CROSS (cross.sh), FROZEN (freeze.py) and YYJSON (yyjson's sources). GUEST: the guest's folder, runtime/guest unless set.
set -euo pipefail

HERE=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
FOLDER=$(realpath "${1:?usage: link.sh FOLDER}")
: "${SOURCES:?folder of sources.sh}" "${CROSS:?folder of cross.sh}" "${FROZEN:?folder of freeze.py}" "${YYJSON:?folder of yyjson.c}"
GUEST=${GUEST:-$HERE/guest}
# Linear-memory stack: CPython's limits on recursion are met with the measures in README.md ("Stacks").
STACK_SIZE=$((6 * 1024 * 1024))

. "$HERE/toolchain.sh"
wasi_toolchain "$FOLDER/toolchain" "$SOURCES"
cd "$FROZEN"
# Across files (-flto), because a message goes through most of them: 4 to 7 % less time with MetricProcessor.
compile() {
  wasi-cc -O3 -flto -DNDEBUG -Wall -Wextra -Werror -Wno-unused-parameter -Wno-missing-field-initializers \
    -I"$CROSS/include" -I"$CROSS/include/internal" -I"$HERE/cpython" -I"$HERE/abi" -I"$GUEST" -I"$HERE/json" \
    -isystem "$YYJSON" -D_WASI_EMULATED_SIGNAL "$@"
}
objects=()
for source in "$GUEST"/*.c "$HERE"/json/*.c "$HERE/cpython/no_system.c"; do
  object=$FOLDER/$(basename "$(dirname "$source")")-$(basename "$source" .c).o
  compile -c "$source" -o "$object"
  objects+=("$object")
done
compile -c frozen.c -o "$FOLDER/frozen_table.o"
wasi-cc -c frozen.S -o "$FOLDER/frozen_code.o"

wasi-cc -mexec-model=reactor -Wl,-O2 -Wl,--strip-debug -Wl,--fatal-warnings -Wl,--gc-sections \
  -Wl,-z,stack-size=$STACK_SIZE -Wl,--stack-first -o "$FOLDER/reactor.wasm" \
  "${objects[@]}" "$FOLDER/frozen_table.o" "$FOLDER/frozen_code.o" \
  -L"$CROSS/lib" -lpython3.13 -lmpdec -lexpat -lHacl_Hash_SHA2 -lz \
  -ldl -lwasi-emulated-signal -lwasi-emulated-getpid -lwasi-emulated-process-clocks -lm
rm -rf "$FOLDER/toolchain" "$FOLDER"/*.o
