"""Generated from proto/function_stream.proto by scripts/generate_stubs.sh; not for editing."""

PROTO_SHA256 = "fabe6b89de0676e2f2f577ab48d5fc23e854e722c43cf744feca8a5c21dca67f"
