"""Generated from proto/function_stream.proto by scripts/generate_stubs.sh; not for editing."""

PROTO_SHA256 = "670be52e3c8cb9a2792749ee80f0107139920b82572d93c300a4b7eed09c07f1"
