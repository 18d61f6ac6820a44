"""Generated from proto/function_stream.proto by scripts/generate_stubs.sh; not for editing."""

PROTO_SHA256 = "92b5ad9e2ad400deffa1cbd81ab10932f999e059846170dbef349f0d481cf7f4"
