"""The generated stubs belong to the proto file that is here, and the wheel carries everything."""

from __future__ import annotations

import hashlib
from importlib.resources import files
from pathlib import Path

from fs_client import _proto

PROTO = Path(__file__).parents[3] / "proto" / "function_stream.proto"


def test_the_stubs_are_current() -> None:
    current = hashlib.sha256(PROTO.read_bytes()).hexdigest()
    assert current == _proto.PROTO_SHA256, "run scripts/generate_stubs.sh"


def test_the_package_is_typed() -> None:
    assert files("fs_client").joinpath("py.typed").is_file()
