"""Generated from proto/function_stream.proto by scripts/generate_stubs.sh; not for editing."""

PROTO_SHA256 = "1e9274156c8ec74dcf9a01756dc68cbf7a35b286d49521a7824bc07eb8ec0dc2"
