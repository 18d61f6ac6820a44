"""Generated from proto/function_stream.proto by scripts/generate_stubs.sh; not for editing."""

PROTO_SHA256 = "9a045b966c33d479dfdd8faed8111dc218a6379b2242048dd2ec60e4c3a21fb6"
