"""Fixtures of the black-box tests: a server of the test's own, and its client."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from fs_client import FsClient
from support.server import Server, ends_what_it_starts

pytest_plugins = ["support.kafka"]


@pytest.fixture(autouse=True)
def _no_server_is_left_behind() -> Iterator[None]:
    """Whatever a test fails at; what fixtures of a module or the session started is theirs to end."""
    with ends_what_it_starts():
        yield


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Server]:
    """A running server, which the test may stop or kill, and start again."""
    with Server(tmp_path / "server") as running:
        yield running


@pytest.fixture
def client(server: Server) -> Iterator[FsClient]:
    with server.client() as connected:
        yield connected
