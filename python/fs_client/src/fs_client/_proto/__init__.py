"""Generated from proto/function_stream.proto by scripts/generate_stubs.sh; not for editing."""

PROTO_SHA256 = "063ca48de15f42359fac15c86e5445c59e544c18ae7c2beb267ad5f5e8e82dd0"
