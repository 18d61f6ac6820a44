"""Generated from proto/function_stream.proto by scripts/generate_stubs.sh; not for editing."""

PROTO_SHA256 = "b9b762a7aff91589a9b7903c018e54d20a39d5877d7bcec9e4072c8bb31240b7"
