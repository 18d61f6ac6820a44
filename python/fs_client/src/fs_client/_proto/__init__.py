"""Generated from proto/function_stream.proto by scripts/generate_stubs.sh; not for editing."""

PROTO_SHA256 = "94e774213034805fd3c7712c92380374fca82209bb784826ed0bf7816b05b556"
