"""Faults that are no crashes: each has an outcome that docs/delivery.md names. The broker's are in test_kafka*.py."""

from __future__ import annotations

import json
import os
import resource
from pathlib import Path

import pytest
from fs_client.errors import ServerError
from functions.counting import Counter
from support.kafka import Kafka
from support.server import Server
from support.topics import create, read, status
from support.wait import wait_for
from test_exactly_once import expected_outputs, make_events
from test_kafka import all_processed, assert_every_output_in_order_up_to_repeats, expected_by_key, job, produce_keyed
from test_kafka import make_events as make_keyed_events

FAKETIME = Path("/usr/lib/x86_64-linux-gnu/faketime/libfaketime.so.1")


def let_files_grow(server: Server, limit: int) -> None:
    """What the server may write at most to a file from now on: below what is there, its disk is as good as full."""
    resource.prlimit(server.pid, resource.RLIMIT_FSIZE, (limit, resource.RLIM_INFINITY))


def state_files(server: Server, pattern: str) -> list[Path]:
    return [file for file in sorted((server.home / "data" / "state").glob(f"**/{pattern}")) if file.stat().st_size > 0]


def damage(file: Path) -> None:
    """Turns bytes over in the middle, where no end of the file was ever cut short."""
    content = bytearray(file.read_bytes())
    middle = len(content) // 2
    content[middle : middle + 16] = bytes(byte ^ 0xFF for byte in content[middle : middle + 16])
    file.write_bytes(content)


@pytest.mark.skipif("FS_SANITIZED_SERVER" in os.environ, reason="libfaketime and a sanitizer stand in front of the same functions")
def test_a_jump_of_the_clock_holds_nothing_up(tmp_path: Path) -> None:
    """libfaketime sets the date that the server sees; the steady clock goes on, as it does when somebody sets the machine's."""
    assert FAKETIME.exists(), "libfaketime is missing: scripts/setup.sh installs it"
    date = tmp_path / "date"
    date.write_text("+0")
    faked = {
        "LD_PRELOAD": str(FAKETIME),
        "FAKETIME_TIMESTAMP_FILE": str(date),
        "FAKETIME_NO_CACHE": "1",
        "FAKETIME_DONT_FAKE_MONOTONIC": "1",
    }
    events = make_events(3_000)
    with Server(tmp_path / "server", env=faked) as server, server.client() as client:
        create(client, "counter", Counter, checkpoint_interval_seconds=0.05)
        for step, shift in enumerate(["+0", "-3h", "+2d", "-400d"]):
            date.write_text(shift)
            client.publish("in", events[step * 750 : (step + 1) * 750])
            outputs = [json.loads(value) for value in read(client, "out", (step + 1) * 750)]
            assert outputs == expected_outputs(events)[: (step + 1) * 750]
        client.stop_function("counter")
        dates = [record.timestamp_ms or 0 for record in client.subscribe("in", offset=0, follow=False)]
        assert max(dates) - min(dates) > 401 * 24 * 3_600_000, "the server did not see the dates"
        assert server.stop() == 0


def test_a_full_disk_below_the_state_is_waited_out(server: Server, kafka: Kafka) -> None:
    """The function restarts with back-off and goes on by itself when there is room again."""
    kafka.create_topic("full-disk-in", 2)
    kafka.create_topic("full-disk-out")
    events = make_keyed_events(4_000)
    with server.client() as client:
        config = job(kafka, "counter", "full-disk-in", "full-disk-out", restart={"max_attempts": 100, "backoff_max_ms": 200})
        client.create_python_function_from_config(config, Counter)
        produce_keyed(kafka, "full-disk-in", events[:2_000])
        wait_for(lambda: client.describe_function("counter").processed == 2_000, "the first half")
        let_files_grow(server, 1)
        produce_keyed(kafka, "full-disk-in", events[2_000:])
        wait_for(lambda: status(client, "counter") == "RESTARTING", "a checkpoint that cannot be written")
        assert "File too large" in client.describe_function("counter").last_error
        assert str(server.home / "data" / "state") in client.describe_function("counter").last_error
        let_files_grow(server, resource.RLIM_INFINITY)
        wait_for(lambda: all_processed(kafka, "full-disk-out", expected_by_key(events)), "everything", 40)
        assert_every_output_in_order_up_to_repeats(kafka, "full-disk-out", events)
        assert status(client, "counter") == "RUNNING"


@pytest.mark.parametrize("restarted", [False, True], ids=["fresh", "restarted"])
def test_a_full_disk_below_the_embedded_log_is_waited_out(server: Server, restarted: bool) -> None:
    """Writes are refused with the reason, what is there can be read, and both go on when there is room again."""
    events = make_events(3_000)
    with server.client() as client:
        create(client, "counter", Counter, restart={"max_attempts": 100, "backoff_max_ms": 200})
        client.publish("in", events[:1_000])
        assert len(read(client, "out", 1_000)) == 1_000
    if restarted:
        # Then all that is there lies in tables, and the log that the write fails in is empty.
        server.stop()
        server.start()
    with server.client() as client:
        let_files_grow(server, 1)
        for _ in range(2):
            with pytest.raises(ServerError, match="none is taken until .* can be written again") as refused:
                client.publish("in", events[1_000:2_000])
            assert str(server.home / "data" / "embedded") in str(refused.value)
        assert len(read(client, "out", 1_000)) == 1_000
        let_files_grow(server, resource.RLIM_INFINITY)

        def published() -> bool:
            try:
                client.publish("in", events[1_000:2_000])
            except ServerError:
                return False
            return True

        wait_for(published, "it takes writes again")
        assert [json.loads(value) for value in read(client, "out", 2_000)] == expected_outputs(events[:2_000])
        assert status(client, "counter") == "RUNNING"
    server.kill()
    with server.start().client() as client:
        client.publish("in", events[2_000:])
        assert [json.loads(value) for value in read(client, "out", 3_000)] == expected_outputs(events)


@pytest.mark.parametrize("pattern", ["*.sst", "MANIFEST-*", "CURRENT", "*.log"])
def test_a_damaged_state_fails_its_function_alone(server: Server, pattern: str) -> None:
    """FAILED, with a reason that says which folder and what to do; nothing is guessed, and others go on."""
    events = make_events(500)
    with server.client() as client:
        create(client, "healthy", Counter, target="other")
        client.stop_function("healthy")
        create(client, "counter", Counter)
        client.publish("in", events)
        assert len(read(client, "out", 500)) == 500
    if pattern != "*.log":
        # A start writes into a table what the write-ahead log holds.
        assert server.stop() == 0
        server.start()
        assert server.stop() == 0
    server.kill()
    files = [file for file in state_files(server, pattern) if "counter" in str(file.parent)]
    assert files, f"no {pattern} to damage"
    for file in files:
        damage(file)
    with server.start().client() as client:
        wait_for(lambda: status(client, "counter") == "FAILED", "the damage is found")
        reason = client.describe_function("counter").reason
        assert "drop the function" in reason and "checkpoint" in reason
        client.start_function("healthy")
        assert len(read(client, "other", 500)) == 500
        client.drop_function("counter")
        create(client, "counter", Counter)
