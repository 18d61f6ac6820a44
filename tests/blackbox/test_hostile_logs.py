"""Whatever a function writes, its log is bounded, has a line for a line and drives no terminal, and the server's own has none of it."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator

import pytest
from functions.hostile.flooding import FLOODS, Flooding
from support.hostile import Arena, arena
from support.topics import read

LINE = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z (DEBUG|INFO|WARNING|ERROR|CRITICAL) ")
CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u2028-\u202e\u2066-\u2069]")
LIMIT_BYTES = 20 << 20


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Arena]:
    with arena(tmp_path_factory.mktemp("logs") / "server") as one:
        yield one
        for line in (one.server.home / "logs/app.log").read_text(encoding="utf-8").split("\n")[:-1]:
            assert "faked" not in json.loads(line)["message"] and not CONTROL.search(line)


@pytest.mark.parametrize("name", FLOODS)
def test_a_log_stays_a_log(shared: Arena, name: str) -> None:
    shared.clear()
    shared.create(Flooding, limits={"process_timeout_ms": 10_000})
    shared.client.publish(f"{shared.name}-in", name.encode())
    assert read(shared.client, f"{shared.name}-out", 1) == [name.encode()]
    assert (shared.about.status, shared.about.restarts) == ("RUNNING", 0)
    shared.client.stop_function(shared.name)
    files = sorted((shared.server.home / "logs/functions").glob(f"{shared.name}.log*"))
    assert sum(file.stat().st_size for file in files) <= LIMIT_BYTES
    lines = [line for file in files for line in file.read_bytes().decode("utf-8").split("\n")[:-1]]
    for line in lines:
        assert LINE.match(line) and not CONTROL.search(line), line[:300]
        assert len(line.encode()) < 100_000
    # The flood is either there to the end, or it is told how much is not.
    assert any(line.endswith("after the flood") for line in lines) or shared.about.log_lines_dropped > 0
    assert [one.text for one in shared.client.logs(shared.name)][-1] in lines[-1]
    shared.assert_unharmed()
    neighbours = (shared.server.home / "logs/functions/neighbour.log").read_text(encoding="utf-8")
    assert "flood" not in neighbours and "faked" not in neighbours
