"""Generated from proto/function_stream.proto by scripts/generate_stubs.sh; not for editing."""

PROTO_SHA256 = "91544eb8fce12124d093b1200b552735be69514585bd966a2729d22fc7e1c457"
