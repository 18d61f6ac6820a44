"""SIGKILL at each named point of the checkpoint protocol: whatever was in doubt, every message counts exactly once afterwards.

The server is a build with failpoints (base/failpoint.h): it kills itself at the n-th pass of the named point.
"""

from __future__ import annotations

import contextlib
import json
import os
import signal
from pathlib import Path

import pytest
from fs_client.errors import ServerError
from functions.counting import Counter
from support.server import Server
from support.topics import create, read, read_all
from test_exactly_once import expected_outputs, make_events

POINTS = ("checkpoint-begin", "sinks-flushed", "state-prepared", "outputs-committed", "state-committed")


@pytest.mark.parametrize("passes", [1, 3])
@pytest.mark.parametrize("point", POINTS)
def test_death_at_a_point_of_the_protocol_leaves_everything_exact(tmp_path: Path, point: str, passes: int) -> None:
    events = make_events(20_000)
    binary = Path(os.environ["FS_FAILPOINT_SERVER"])
    server = Server(tmp_path / "server", binary=binary).start()
    with server.client() as client:
        client.publish("in", events)
    assert server.stop() == 0

    server.env["FS_FAILPOINT"] = f"{point}:{passes}"
    server.start()
    with server.client() as client, contextlib.suppress(ServerError):
        # The server may be gone before it answers.
        create(client, "counter", Counter, checkpoint_interval_seconds=0.01)
    assert server.wait_dead() == -signal.SIGKILL

    del server.env["FS_FAILPOINT"]
    with server:
        with server.client() as client:
            outputs = [json.loads(value) for value in read(client, "out", len(events), timeout=60)]
            client.stop_function("counter")
            assert len(read_all(client, "out")) == len(events), "more outputs than inputs"
        assert outputs == expected_outputs(events)
