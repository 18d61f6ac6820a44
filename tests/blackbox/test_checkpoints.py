"""Retained checkpoints: a function goes back to one of them exactly, and an unusable one changes nothing."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import signal
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from fs_client import FsClient, RetainedCheckpoint
from fs_client.config import EmbeddedInput, FileOutput, WasmTaskBuilder
from fs_client.errors import ConflictError, FsError, NotFoundError, ServerError
from functions.counting import Counter, Remembering
from support.server import Server
from support.topics import create, read, read_all, read_json
from support.wait import wait_for
from test_exactly_once import expected_outputs, make_events


def publish_and_read(client: FsClient, values: list[bytes], total: int) -> None:
    client.publish("in", values)
    assert len(read(client, "out", total)) == total


def restore(client: FsClient, name: str, checkpoint: RetainedCheckpoint) -> None:
    client.stop_function(name)
    assert client.start_function(name, checkpoint_id=checkpoint.id)


def folder_of(server: Server, checkpoint: RetainedCheckpoint) -> Path:
    """Of a retained checkpoint of the server's only function."""
    (folder,) = (server.home / "data" / "checkpoints").iterdir()
    return folder / str(checkpoint.id)


def test_a_restored_function_has_the_totals_of_then_and_processes_what_came_after_again(client: FsClient) -> None:
    events = make_events(1500)
    expected = expected_outputs(events)
    create(client, "counter", Counter)
    publish_and_read(client, events[:700], 700)
    checkpoint = client.create_checkpoint("counter")
    assert (checkpoint.reason, checkpoint.problem) == ("requested", "")
    assert [(at.source_id, at.topic, at.offset) for at in checkpoint.positions] == [(0, "in", 700)]
    assert checkpoint.bytes > 0
    publish_and_read(client, events[700:1200], 1200)

    for round in range(2):
        restore(client, "counter", checkpoint)
        repeated = read_json(client, "out", 1200 + 500 * (round + 1))
        assert repeated[-500:] == expected[700:1200]
    client.publish("in", events[1200:])
    assert read_json(client, "out", 2500)[-300:] == expected[1200:]
    client.stop_function("counter")
    assert len(read_all(client, "out")) == 2500


@pytest.mark.parametrize("has_topic", [False, True])
def test_what_was_unread_at_the_checkpoint_is_read_again_by_a_restored_function(client: FsClient, has_topic: bool) -> None:
    if has_topic:
        client.create_topic("in", 2)
    create(client, "sum", Remembering)
    checkpoint = client.create_checkpoint("sum")
    assert {at.partition: at.offset for at in checkpoint.positions} == ({0: 0, 1: 0} if has_topic else {0: 0})
    if not has_topic:
        client.create_topic("in", 2)
    client.publish("in", [b"1", b"2"], partition=0)
    client.publish("in", [b"4"], partition=1)
    assert read(client, "out", 3)[-1] == b"7"
    restore(client, "sum", checkpoint)
    assert read(client, "out", 6)[-1] == b"7"


def test_what_take_checkpoint_returned_is_restored_with_it(client: FsClient) -> None:
    create(client, "sum", Remembering)
    publish_and_read(client, [b"1", b"2", b"3"], 3)
    checkpoint = client.create_checkpoint("sum")
    publish_and_read(client, [b"1000"], 4)
    restore(client, "sum", checkpoint)
    assert read(client, "out", 5)[-1] == b"1006"


@pytest.mark.parametrize("has_own_checkpoint", [False, True])
def test_a_restored_function_survives_a_crash_before_and_after_its_first_checkpoint(tmp_path: Path, has_own_checkpoint: bool) -> None:
    server = Server(tmp_path / "server").start()
    try:
        with server.client() as client:
            create(client, "sum", Remembering)
            publish_and_read(client, [b"1", b"2"], 2)
            checkpoint = client.create_checkpoint("sum")
            if has_own_checkpoint:
                publish_and_read(client, [b"10"], 3)
            restore(client, "sum", checkpoint)
            # Without further input the restored run has nothing to commit.
            outputs = 4 if has_own_checkpoint else 2
            assert len(read(client, "out", outputs)) == outputs
        server.kill()
        server.start()
        with server.client() as client:
            client.publish("in", [b"100"])
            assert read(client, "out", outputs + 1)[-1] == (b"113" if has_own_checkpoint else b"103")
            restore(client, "sum", checkpoint)
            assert client.describe_function("sum").status == "RUNNING"
    finally:
        if server.is_running():
            server.kill()


def damage(file: Path) -> None:
    content = bytearray(file.read_bytes())
    if not content:
        file.write_bytes(b"x")
        return
    content[len(content) // 2] ^= 0xFF
    # A new file: the state and other checkpoints share the old one.
    file.unlink()
    file.write_bytes(content)


def test_a_damaged_or_incomplete_checkpoint_is_refused_and_the_state_stays(server: Server, client: FsClient) -> None:
    events = make_events(400)
    create(client, "counter", Counter)
    publish_and_read(client, events[:200], 200)
    checkpoint = client.create_checkpoint("counter")
    publish_and_read(client, events[200:300], 300)
    client.stop_function("counter")
    folder = folder_of(server, checkpoint)
    intact = folder.parent / "intact"
    shutil.copytree(folder, intact)
    files = [path.relative_to(folder) for path in sorted(folder.rglob("*")) if path.is_file()]
    assert any(path.suffix == ".sst" for path in files)
    for path in files:
        for spoil in (damage, Path.unlink):
            shutil.rmtree(folder)
            shutil.copytree(intact, folder)
            spoil(folder / path)
            with pytest.raises(NotFoundError) as refused:
                client.start_function("counter", checkpoint_id=checkpoint.id)
            assert f"checkpoint {checkpoint.id}" in str(refused.value)
            assert path.name in str(refused.value)
            assert client.describe_function("counter").status == "STOPPED"
    assert client.list_checkpoints("counter")[0].problem
    client.start_function("counter")
    client.publish("in", events[300:])
    assert read_json(client, "out", 400) == expected_outputs(events)


def test_unknown_names_and_numbers_are_told_apart_and_a_running_function_is_left_alone(client: FsClient) -> None:
    for call in (client.list_checkpoints, client.create_checkpoint):
        with pytest.raises(NotFoundError, match="function nobody"):
            call("nobody")
    create(client, "sum", Remembering)
    assert client.list_checkpoints("sum") == []
    with pytest.raises(ConflictError, match="stop it first"):
        client.start_function("sum", checkpoint_id=1)
    client.stop_function("sum")
    for number in (1, 2**63 - 1):
        with pytest.raises(NotFoundError, match=f"checkpoint {number}: there is none"):
            client.start_function("sum", checkpoint_id=number)
        with pytest.raises(NotFoundError, match=f"checkpoint {number}: there is none"):
            client.delete_checkpoint("sum", number)


def test_numbers_are_not_given_again_after_delete_restore_and_restart(server: Server, client: FsClient) -> None:
    create(client, "sum", Remembering)
    publish_and_read(client, [b"1"], 1)
    ids = [client.create_checkpoint("sum").id for _ in range(3)]
    for number in ids[1:]:
        client.delete_checkpoint("sum", number)
    assert [one.id for one in client.list_checkpoints("sum")] == ids[:1]
    restore(client, "sum", client.list_checkpoints("sum")[0])
    assert server.stop() == 0
    server.start()
    with server.client() as again:
        fresh = again.create_checkpoint("sum").id
        listed = again.list_checkpoints("sum")
    assert fresh > max(ids)
    assert [one.reason for one in listed] == ["requested", "before-restore", "requested"]
    assert len({one.id for one in listed}) == 3


def test_a_checkpoint_can_be_made_while_messages_flow_and_of_a_stopped_or_failed_function(client: FsClient) -> None:
    events = make_events(20_000)
    create(client, "counter", Counter, checkpoint_interval_seconds=0.05)
    client.publish("in", events)
    made = []
    while len(made) < 3:
        made.append(client.create_checkpoint("counter"))
    outputs = read_json(client, "out", len(events), timeout=60)
    assert outputs == expected_outputs(events)
    client.publish("in", [b"not json"])
    wait_for(lambda: client.describe_function("counter").status == "FAILED", "it fails")
    of_failed = client.create_checkpoint("counter")
    assert of_failed.positions[0].offset == len(events)

    # Each holds the state of its own position.
    for checkpoint in made:
        position = checkpoint.positions[0].offset if checkpoint.positions else 0
        before = len(read_all(client, "out"))
        assert client.start_function("counter", checkpoint_id=checkpoint.id)
        wait_for(lambda: client.describe_function("counter").status == "FAILED", "it comes to the bad message again")
        repeated = [json.loads(value) for value in read_all(client, "out")[before:]]
        assert repeated == expected_outputs(events)[position:]


def test_checkpoints_are_retained_at_intervals_and_pruned_by_count_and_age(client: FsClient) -> None:
    retained = {"count": 2, "interval_seconds": 1, "max_age_seconds": 3600}
    create(client, "sum", Remembering, enable_checkpoint=True, retained_checkpoints=retained)
    kept = client.create_checkpoint("sum")

    def periodic() -> list[int]:
        client.publish("in", [b"1"])
        return [one.id for one in client.list_checkpoints("sum") if one.reason == "periodic"]

    def newer_than(first: int) -> Any:
        return lambda: (ids := periodic()) and len(ids) == 2 and ids[0] > first

    wait_for(newer_than(0), "two are there")
    first = periodic()[0]
    wait_for(newer_than(first), "the first is pruned")
    assert len(periodic()) == 2
    assert kept.id in [one.id for one in client.list_checkpoints("sum")]
    client.drop_function("sum")

    retained = {"count": 100, "interval_seconds": 1, "max_age_seconds": 2}
    create(client, "sum", Remembering, enable_checkpoint=True, retained_checkpoints=retained)
    wait_for(lambda: periodic(), "one is there")
    first = periodic()[0]
    wait_for(lambda: first not in periodic(), "it is too old")
    assert len(periodic()) <= 4


def test_without_enable_checkpoint_none_is_retained_by_itself(client: FsClient) -> None:
    create(client, "sum", Remembering, retained_checkpoints={"count": 2, "interval_seconds": 1})
    publish_and_read(client, [b"1"], 1)
    # One that is asked for tells that time has passed for others.
    created = client.create_checkpoint("sum").created_ms
    later = wait_for(lambda: (made := client.create_checkpoint("sum")).created_ms - created > 1500 and made, "more than an interval passes")
    assert later.reason == "requested"
    assert {one.reason for one in client.list_checkpoints("sum")} == {"requested"}


def test_an_output_file_is_cut_back_to_the_checkpoint(server: Server, client: FsClient) -> None:
    config = (
        WasmTaskBuilder()
        .set_name("sum")
        .add_input_group([EmbeddedInput(topic="in", group_id="g")])
        .add_output(FileOutput(path="out.txt"))
        .build()
    )
    client.create_python_function_from_config(config, Remembering)

    def lines() -> list[str]:
        found = list(server.home.rglob("out.txt"))
        return found[0].read_text().split() if found else []

    client.publish("in", [b"1", b"2"])
    wait_for(lambda: lines() == ["1", "3"], "two lines")
    checkpoint = client.create_checkpoint("sum")
    client.publish("in", [b"10"])
    wait_for(lambda: lines() == ["1", "3", "13"], "a third line")
    restore(client, "sum", checkpoint)
    wait_for(lambda: client.describe_function("sum").positions[0].offset == 3, "it is processed again")
    assert lines() == ["1", "3", "13"]


def test_a_restore_can_be_undone(client: FsClient) -> None:
    create(client, "sum", Remembering)
    publish_and_read(client, [b"1"], 1)
    checkpoint = client.create_checkpoint("sum")
    publish_and_read(client, [b"2"], 2)
    restore(client, "sum", checkpoint)
    assert read(client, "out", 3)[-1] == b"3"
    replaced = client.list_checkpoints("sum")[-1]
    assert (replaced.reason, replaced.positions[0].offset) == ("before-restore", 2)
    restore(client, "sum", replaced)
    client.publish("in", [b"4"])
    assert read(client, "out", 4)[-1] == b"7"
    for _ in range(3):
        restore(client, "sum", checkpoint)
    assert [one.reason for one in client.list_checkpoints("sum")].count("before-restore") == 2


def test_drop_removes_them(server: Server, client: FsClient) -> None:
    create(client, "sum", Remembering)
    client.create_checkpoint("sum")
    assert any((server.home / "data" / "checkpoints").iterdir())
    client.drop_function("sum")
    assert not any((server.home / "data" / "checkpoints").iterdir())


def test_one_that_cannot_be_made_is_told_and_harms_nothing(server: Server, client: FsClient) -> None:
    create(client, "sum", Remembering, enable_checkpoint=True, retained_checkpoints={"interval_seconds": 1})
    publish_and_read(client, [b"1"], 1)
    (state,) = (server.home / "data" / "state").iterdir()
    checkpoints = server.home / "data" / "checkpoints" / state.name
    shutil.rmtree(checkpoints, ignore_errors=True)
    checkpoints.write_text("in the way")
    with pytest.raises(ServerError, match=state.name):
        client.create_checkpoint("sum")
    publish_and_read(client, [b"2"], 2)
    description = client.describe_function("sum")
    assert (description.status, description.restarts) == ("RUNNING", 0)
    checkpoints.unlink()
    assert client.create_checkpoint("sum").problem == ""


def test_in_memory_states_cannot_be_retained(tmp_path: Path) -> None:
    with Server(tmp_path / "server", config={"state_storage": {"storage_type": "memory"}}) as server, server.client() as client:
        create(client, "sum", Remembering, enable_checkpoint=True, retained_checkpoints={"interval_seconds": 1})
        publish_and_read(client, [b"1"], 1)
        with pytest.raises(ServerError, match="storage_type: memory") as refused:
            client.create_checkpoint("sum")
        assert refused.value.status_code == 501
        assert client.list_checkpoints("sum") == []
        client.stop_function("sum")
        with pytest.raises(ServerError, match="storage_type: memory"):
            client.start_function("sum", checkpoint_id=1)


def test_calls_at_once_leave_a_function_that_runs_and_whole_checkpoints(client: FsClient) -> None:
    create(client, "sum", Remembering)
    publish_and_read(client, [b"1", b"2"], 2)
    first = client.create_checkpoint("sum")
    failures: list[BaseException] = []

    def repeat(action: Any) -> None:
        for _ in range(15):
            try:
                action()
            except (NotFoundError, ConflictError):
                pass  # somebody else was there before
            except FsError as error:
                failures.append(error)

    def delete_newest() -> None:
        client.delete_checkpoint("sum", max(one.id for one in client.list_checkpoints("sum") if one.id != first.id))

    def delete_any() -> None:
        with contextlib.suppress(ValueError):
            delete_newest()

    actions = [
        lambda: client.create_checkpoint("sum"),
        lambda: client.create_checkpoint("sum"),
        delete_any,
        lambda: restore(client, "sum", first),
        lambda: client.publish("in", [b"1"]),
    ]
    threads = [threading.Thread(target=repeat, args=(action,)) for action in actions]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failures == []
    assert all(not one.problem for one in client.list_checkpoints("sum"))
    restore(client, "sum", first)
    count = len(read_all(client, "in"))
    wait_for(lambda: client.describe_function("sum").positions[0].offset == count, "all is processed")
    assert read_all(client, "out")[-1] == str(3 + count - 2).encode()


# ---- SIGKILL at each step of making and restoring one.


@pytest.fixture
def failing(tmp_path: Path) -> Iterator[Server]:
    server = Server(tmp_path / "server", binary=Path(os.environ["FS_FAILPOINT_SERVER"]))
    yield server
    if server.is_running():
        server.kill()


@pytest.mark.parametrize(
    "point", ["restore-staged", "retained-filled", "retained-made", "restore-decided", "restore-replaced", "restore-done"]
)
def test_death_while_restoring_leaves_the_old_state_or_the_restored_one(failing: Server, point: str) -> None:
    failing.start()
    with failing.client() as client:
        create(client, "sum", Remembering)
        publish_and_read(client, [b"1"], 1)
        checkpoint = client.create_checkpoint("sum")
        publish_and_read(client, [b"10"], 2)
        client.stop_function("sum")
    assert failing.stop() == 0
    failing.env["FS_FAILPOINT"] = f"{point}:1"
    failing.start()
    with failing.client() as client, pytest.raises(ServerError):
        client.start_function("sum", checkpoint_id=checkpoint.id)
    assert failing.wait_dead() == -signal.SIGKILL

    is_restored = point in ("restore-decided", "restore-replaced", "restore-done")
    del failing.env["FS_FAILPOINT"]
    failing.start()
    with failing.client() as client:
        client.start_function("sum")
        client.publish("in", [b"100"])
        expected = [b"1", b"11", b"11", b"111"] if is_restored else [b"1", b"11", b"111"]
        assert read(client, "out", len(expected)) == expected
        client.stop_function("sum")
        # It is still there, and still good; nothing half made is.
        assert [one.problem for one in client.list_checkpoints("sum")] == [""] * (
            1 if point in ("restore-staged", "retained-filled") else 2
        )
        folder = folder_of(failing, checkpoint).parent
        wait_for(lambda: all(path.name == "index" or path.name.isdigit() for path in folder.iterdir()), "leftovers are removed")
        assert client.start_function("sum", checkpoint_id=checkpoint.id)
        assert read(client, "out", len(expected) + 2)[-1] == b"111"


def test_death_while_making_one_leaves_none_and_its_number_unused(failing: Server) -> None:
    failing.env["FS_FAILPOINT"] = "retained-filled:1"
    failing.start()
    with failing.client() as client:
        create(client, "sum", Remembering)
        publish_and_read(client, [b"1"], 1)
        with pytest.raises(ServerError):
            client.create_checkpoint("sum")
    assert failing.wait_dead() == -signal.SIGKILL
    del failing.env["FS_FAILPOINT"]
    failing.start()
    with failing.client() as client:
        assert client.list_checkpoints("sum") == []
        assert client.create_checkpoint("sum").id == 2
        publish_and_read(client, [b"2"], 2)
        assert read_all(client, "out")[-1] == b"3"
