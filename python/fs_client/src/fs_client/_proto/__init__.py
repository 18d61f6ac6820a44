"""Generated from proto/function_stream.proto by scripts/generate_stubs.sh; not for editing."""

PROTO_SHA256 = "7ef3aff365c055d6f41994aa24224becec0431e309ad0b2a105f2d5dec884522"
