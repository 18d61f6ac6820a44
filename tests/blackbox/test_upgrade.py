"""Data that a later version wrote: refused by folder, found and known format, and not touched. Each format's own tests are unit tests."""

from __future__ import annotations

from pathlib import Path

import pytest
from fs_client.errors import ServerError
from functions.counting import Counter
from support.rocksdb import put
from support.server import Server, ServerFailed
from support.topics import create, read, status
from support.wait import wait_for

NEWER = b"\x08\x02\x12\x059.1.0"  # a StoredFormat or StoredLogFormat: version 2, written by 9.1.0


def names_and_sizes(folder: Path) -> dict[str, int]:
    return {path.name: path.stat().st_size for path in folder.iterdir() if path.name not in ("LOCK", "LOG") and "LOG.old" not in path.name}


@pytest.mark.parametrize(
    ("setting", "folder", "key", "value"),
    [("task_storage.db_path", "data/task", b"@format", b"2"), ("embedded.base_dir", "data/embedded", b"f", NEWER)],
)
def test_a_server_does_not_start_on_a_later_servers_data(tmp_path: Path, setting: str, folder: str, key: bytes, value: bytes) -> None:
    with Server(tmp_path / "server") as server:
        with server.client() as client:
            create(client, "counter", Counter)
        assert server.stop() == 0
    place = server.home / folder
    put(place, key, value)
    for _ in range(2):
        with pytest.raises(ServerFailed) as failed, server:
            pass
        assert failed.value.code == 1
        for part in (setting, str(place), "format 2", "newer server", "1"):
            assert part in str(failed.value), failed.value


def test_a_state_of_a_later_server_fails_its_function_alone(tmp_path: Path) -> None:
    with Server(tmp_path / "server") as server:
        with server.client() as client:
            create(client, "healthy", Counter, target="other")
            create(client, "counter", Counter)
            client.publish("in", [b'{"key": "a", "value": 1}'])
            read(client, "out", 1)
            read(client, "other", 1)
        assert server.stop() == 0
        [place] = [path for path in (server.home / "data" / "state").iterdir() if path.name.startswith("counter")]
        put(place, b"\0\0\0\0f", NEWER)
        server.start()
        with server.client() as client:
            wait_for(lambda: status(client, "counter") == "FAILED", "the format is found")
            reason = client.describe_function("counter").reason
            for part in (str(place), "9.1.0", "format 2", "newer server", "up to 1"):
                assert part in reason, reason
            with pytest.raises(ServerError, match=r"9\.1\.0, format 2"):
                client.start_function("counter")
            wait_for(lambda: status(client, "healthy") == "RUNNING", "the other one runs")
            client.drop_function("counter")
