#!/usr/bin/env bash
# snapshot.sh FOLDER: runs the linked guest's boot once and keeps its memory: FOLDER/python.wasm and manifest.json.
# From LINKED (link.sh), FROZEN (freeze.py), SOURCES, WIZER (its folder), and INPUTS, a name for all that went in.
set -euo pipefail

FOLDER=$(realpath "${1:?usage: snapshot.sh FOLDER}")
HERE=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
: "${LINKED:?folder of link.sh}" "${FROZEN:?folder of freeze.py}" "${SOURCES:?folder of sources.sh}" "${WIZER:?}" "${INPUTS:?}"

"$WIZER/wizer" --allow-wasi --init-func wizer.initialize -o "$FOLDER/python.wasm" "$LINKED/reactor.wasm"

version=$(sed -n 's/^#define PY_VERSION *"\(.*\)".*/\1/p' "$SOURCES/python/Include/patchlevel.h")
abi=$(sed -n 's/^#define FS_ABI_VERSION \([0-9]*\)u.*/\1/p' "$HERE/abi/fs_abi.h")
[ -n "$version" ] && [ -n "$abi" ] || { echo "snapshot.sh: no Python or ABI version found in the headers" >&2; exit 1; }
{
  printf '{\n  "python_version": "%s",\n  "abi_version": %s,\n  "inputs": "%s",\n' "$version" "$abi" "$INPUTS"
  printf '  "sha256": "%s",\n' "$(sha256sum <"$FOLDER/python.wasm" | cut -d' ' -f1)"
  printf '  "sources": {\n%s\n  },\n' "$(sed 's/^\(\S*\) \(.*\)$/    "\1": "\2"/; $!s/$/,/' "$SOURCES/versions")"
  printf '  "modules": %s\n}\n' "$(cat "$FROZEN/modules.json")"
} >"$FOLDER/manifest.json"
