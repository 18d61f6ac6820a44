"""Generated from proto/function_stream.proto by scripts/generate_stubs.sh; not for editing."""

PROTO_SHA256 = "ee4c0e36b95f22c87bb20e9981e86e61f67f7d16ef8283bfbc468a5f377b4312"
