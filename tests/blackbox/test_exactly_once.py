"""SIGKILL in the middle of a stream: afterwards nothing is lost, nothing counted twice, neither in state nor in the output."""

from __future__ import annotations

import json
import random
import threading
from pathlib import Path

import pytest
from functions.counting import Counter, Remembering
from support.server import Server
from support.topics import create, read, read_all
from support.wait import wait_for

KEYS = 7


def make_events(count: int) -> list[bytes]:
    chance = random.Random(count)
    return [json.dumps({"key": f"k{chance.randrange(KEYS)}", "value": chance.randrange(100)}).encode() for _ in range(count)]


def expected_outputs(events: list[bytes]) -> list[dict[str, object]]:
    counts: dict[str, tuple[int, int]] = {}
    outputs: list[dict[str, object]] = []
    for event in map(json.loads, events):
        count, total = counts.get(event["key"], (0, 0))
        counts[event["key"]] = (count + 1, total + event["value"])
        outputs.append({"key": event["key"], "count": count + 1, "sum": total + event["value"]})
    return outputs


@pytest.mark.parametrize("kills", [1, 5])
def test_sigkill_mid_stream_leaves_totals_and_outputs_exact(tmp_path: Path, kills: int) -> None:
    events = make_events(30_000)
    server = Server(tmp_path / "server").start()
    try:
        with server.client() as client:
            create(client, "counter", Counter, checkpoint_interval_seconds=0.02)
            client.publish("in", events)
        for kill in range(kills):
            with server.client() as client:
                # Some of it done, not all of it.
                wait_for(lambda: len(read_all(client, "out")) > kill * 500, "progress")  # noqa: B023 (waits within the turn)
            server.kill()
            server.start()
        with server.client() as client:
            outputs = [json.loads(value) for value in read(client, "out", len(events), timeout=60)]
            client.stop_function("counter")
            assert len(read_all(client, "out")) == len(events), "more outputs than inputs"
        assert outputs == expected_outputs(events)
    finally:
        if server.is_running():
            server.kill()


def test_sigkill_while_publishing_loses_nothing_acknowledged(tmp_path: Path) -> None:
    server = Server(tmp_path / "server").start()
    acknowledged: list[bytes] = []
    with server.client() as client:

        def publish() -> None:
            try:
                for number in range(100_000):
                    value = str(number).encode()
                    client.publish("in", [value])
                    acknowledged.append(value)
            except Exception:  # the server is gone
                return

        publisher = threading.Thread(target=publish)
        publisher.start()
        wait_for(lambda: len(acknowledged) > 50, "some are published")
        server.kill()
        publisher.join()
    try:
        server.start()
        with server.client() as client:
            stored = read_all(client, "in")
        assert stored[: len(acknowledged)] == acknowledged
        # One more may have been durable without its acknowledgement having arrived.
        assert len(stored) - len(acknowledged) in (0, 1)
    finally:
        if server.is_running():
            server.kill()


def test_sigkill_restores_what_take_checkpoint_returned(tmp_path: Path) -> None:
    server = Server(tmp_path / "server").start()
    try:
        with server.client() as client:
            create(client, "sum", Remembering)
            client.publish("in", [str(number).encode() for number in range(1, 101)])
            assert read(client, "out", 100)[-1] == b"5050"
        server.kill()
        server.start()
        with server.client() as client:
            client.publish("in", [b"1000"])
            assert read(client, "out", 101)[-1] == b"6050"
    finally:
        if server.is_running():
            server.kill()


def test_sigterm_commits_what_was_done_and_exits_cleanly(tmp_path: Path) -> None:
    events = make_events(2000)
    server = Server(tmp_path / "server").start()
    try:
        with server.client() as client:
            # An hour between checkpoints: only the final one can have written anything.
            create(client, "counter", Counter, checkpoint_interval_seconds=3600)
            client.publish("in", events)
            wait_for(lambda: client.describe_function("counter").processed == len(events), "all are processed")
        assert server.stop() == 0
        server.start()
        with server.client() as client:
            assert [json.loads(value) for value in read_all(client, "out")] == expected_outputs(events)
    finally:
        if server.is_running():
            server.kill()
