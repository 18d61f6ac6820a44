#!/usr/bin/env bash
# Writes fs_client's gRPC stubs from proto/function_stream.proto; with --check, says whether the committed ones are current.
#
# The generator is pinned to grpcio-tools 1.62.3 (protoc 4.25): the last line whose output asks nothing of the protobuf runtime's
# version, so that one wheel works with protobuf 4.25, 5, 6 and 7. It needs Python 3.8 to 3.12: PYTHON names one (default python3).
set -euo pipefail
. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"

GRPCIO_TOOLS=1.62.3
PYTHON=${PYTHON:-python3}
proto=$ROOT/proto/function_stream.proto
target=$ROOT/python/fs_client/src/fs_client/_proto

build_generator() {
  "$PYTHON" -m venv "$1/venv"
  "$1/venv/bin/pip" install --quiet --disable-pip-version-check "grpcio-tools==$GRPCIO_TOOLS" "protobuf<5" "setuptools<81"
}

generate() {
  local folder=$1 generator
  export PYTHON GRPCIO_TOOLS
  generator=$(cached fs-client-stubs build_generator "grpcio-tools $GRPCIO_TOOLS")
  "$generator/venv/bin/python" -W ignore -m grpc_tools.protoc -I "$ROOT/proto" --python_out="$folder" --pyi_out="$folder" \
    --grpc_python_out="$folder" "$proto"
  # protoc knows only absolute imports of the proto's own folder.
  sed -i 's/^import function_stream_pb2 as/from fs_client._proto import function_stream_pb2 as/' "$folder/function_stream_pb2_grpc.py"
  cat >"$folder/__init__.py" <<INIT
"""Generated from proto/function_stream.proto by scripts/generate_stubs.sh; not for editing."""

PROTO_SHA256 = "$(sha256sum <"$proto" | cut -d' ' -f1)"
INIT
}

export -f build_generator
fresh=$(mktemp -d)
trap 'rm -rf "$fresh"' EXIT
generate "$fresh"
if [ "${1:-}" = --check ]; then
  diff -r --exclude=__pycache__ "$fresh" "$target" || die "the stubs differ from proto/function_stream.proto: run scripts/generate_stubs.sh"
  say "stubs are current"
else
  mkdir -p "$target"
  cp "$fresh"/* "$target"/
  say "stubs written to ${target#"$ROOT"/}"
fi
