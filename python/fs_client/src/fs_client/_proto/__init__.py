"""Generated from proto/function_stream.proto by scripts/generate_stubs.sh; not for editing."""

PROTO_SHA256 = "5a00d64950ef6865e67c6b1e63c8a31aaed9763cb2b5b6e1803e3e4e25acfb97"
