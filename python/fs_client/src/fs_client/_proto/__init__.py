"""Generated from proto/function_stream.proto by scripts/generate_stubs.sh; not for editing."""

PROTO_SHA256 = "cf694efe63a65687168dc8dd49ae7aceb33a03d2bf5771248d7f4736808844a1"
