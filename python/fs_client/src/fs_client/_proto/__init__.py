"""Generated from proto/function_stream.proto by scripts/generate_stubs.sh; not for editing."""

PROTO_SHA256 = "46ce1bc4d4b111538fe6af9b1df754371c4f1b58ed73e290337aa460f6f81088"
