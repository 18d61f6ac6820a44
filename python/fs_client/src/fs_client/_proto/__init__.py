"""Generated from proto/function_stream.proto by scripts/generate_stubs.sh; not for editing."""

PROTO_SHA256 = "0553d811f098a71fd72bc0c86dc67795ec1bd158df43ff7d4be6b37fd551daf5"
