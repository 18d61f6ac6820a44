"""Generated from proto/function_stream.proto by scripts/generate_stubs.sh; not for editing."""

PROTO_SHA256 = "89cdfeb5bf87dbced4410be0c0aa020770b5188755f19b473bb0d98e987cbd9d"
