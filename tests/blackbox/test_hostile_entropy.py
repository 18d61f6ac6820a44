"""All instances start from one snapshot, and share nothing that is random: not with each other, not with their own earlier lives."""

from __future__ import annotations

import json
from pathlib import Path

from functions.hostile.revealing import SOURCES, Revealing
from support.hostile import arena

MOMENTS = ["import", "class", "constructor", "init", "call"]


def test_no_two_instances_share_anything_random(tmp_path: Path) -> None:
    lives: list[list[dict[str, str]]] = []
    names = [f"instance-{number}" for number in range(4)]
    with arena(tmp_path / "server") as ring:
        for name in names:
            ring.create(Revealing, name)
        for _ in range(2):
            lives += [json.loads(ring.client.call_function(name)) for name in names]
            for name in names:
                ring.client.stop_function(name)
                ring.client.start_function(name)
        ring.server.stop()
        ring.server.start()
        with ring.server.client() as client:
            lives += [json.loads(client.call_function(name)) for name in names]
    assert len(lives) == 12
    for at, moment in enumerate(MOMENTS):
        for source in SOURCES:
            found = [life[at][source] for life in lives]
            assert len(set(found)) == len(lives), f"{source} at {moment}: {found}"
    # Within a life only what is fixed for it comes again.
    for life in lives:
        for source in SOURCES:
            again = len({moment[source] for moment in life}) == 1
            assert again == (source.startswith("hash of") or source == "uuid1's node"), (source, [moment[source] for moment in life])
