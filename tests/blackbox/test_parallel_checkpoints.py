"""Retained checkpoints of a function with several instances: one of the function is one of each instance, there and restored as a whole."""

from __future__ import annotations

import itertools
import json
import os
import shutil
import signal
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from fs_client import FsClient, Record, RetainedCheckpoint
from fs_client.config import KafkaInput, KafkaOutput, WasmTaskBuilder
from fs_client.errors import FunctionStreamTimeoutError, NetworkError, NotFoundError, ServerError
from functions.counting import Remembering
from functions.parallel import Breaking, Tagging
from support.kafka import Kafka
from support.server import Server
from support.wait import wait_for
from test_parallelism import PARTITIONS, config, outputs, prepare, produce, records, size

TOPICS = itertools.count()


def positions(checkpoint: RetainedCheckpoint) -> dict[int, int]:
    return {at.partition: at.offset for at in checkpoint.positions}


def inputs(client: FsClient) -> list[list[Record]]:
    return [list(client.subscribe("in", partition=partition, offset=0, follow=False)) for partition in range(PARTITIONS)]


def expected(told: list[list[tuple[str, str]]], *runs: tuple[dict[int, int], dict[int, int]]) -> dict[str, list[tuple[str, int]]]:
    """By key, the values and counts of runs over the inputs, each by partition from the positions of a checkpoint to where it got."""
    result: dict[str, list[tuple[str, int]]] = defaultdict(list)
    for begin, end in runs:
        for partition, messages in enumerate(told):
            counts: dict[str, int] = defaultdict(int)
            for offset, (key, value) in enumerate(messages[: end.get(partition, 0)]):
                counts[key] += 1
                if offset >= begin.get(partition, 0):
                    result[key].append((value, counts[key]))
    return result


def assert_runs(client: FsClient, *runs: tuple[dict[int, int], dict[int, int]]) -> None:
    """The outputs are those of the runs, one after the other, exactly."""
    told = [[((one.key or b"").decode(), one.value.decode()) for one in partition] for partition in inputs(client)]
    wanted = expected(told, *runs)
    found: dict[str, list[tuple[str, int]]] = defaultdict(list)
    for partition in outputs(client, sum(map(len, wanted.values()))):
        for one in partition:
            found[one["key"]].append((one["value"], one["count"]))
    assert found == wanted


def ends(client: FsClient) -> dict[int, int]:
    return {partition: len(messages) for partition, messages in enumerate(inputs(client))}


def restore(client: FsClient, checkpoint: RetainedCheckpoint, name: str = "tag") -> None:
    client.stop_function(name)
    client.start_function(name, checkpoint_id=checkpoint.id)


def folder_of(server: Server) -> Path:
    """Of the retained checkpoints of the server's only function."""
    (folder,) = (server.home / "data" / "checkpoints").iterdir()
    return folder


def test_all_instances_go_back_together_and_process_what_came_after_again(client: FsClient) -> None:
    prepare(client, 1000)
    client.create_python_function_from_config(config("tag"), Tagging)
    outputs(client, 1000)
    checkpoint = client.create_checkpoint("tag")
    then = ends(client)
    assert (checkpoint.reason, checkpoint.problem) == ("requested", "") and checkpoint.bytes > 0
    assert positions(checkpoint) == then
    assert {at.partition: at.instance for at in checkpoint.positions} == {0: 0, 1: 1, 2: 0, 3: 1}
    assert [at.partition for at in checkpoint.positions] == [0, 1, 2, 3]
    assert client.list_checkpoints("tag") == [checkpoint]
    client.publish("in", records(500, 1000))
    outputs(client, 1500)
    later = ends(client)
    restore(client, checkpoint)
    assert_runs(client, ({}, later), (then, later))
    client.publish("in", records(300, 1500))
    assert_runs(client, ({}, later), (then, ends(client)))
    # What was replaced was retained first, of all instances, so the restore can be undone.
    replaced = client.list_checkpoints("tag")[-1]
    assert (replaced.reason, positions(replaced)) == ("before-restore", later)
    wait_for(lambda: sum(at.offset for at in client.describe_function("tag").positions) == 1800, "the last checkpoint")
    restore(client, replaced)
    assert_runs(client, ({}, later), (then, ends(client)), (later, ends(client)))


def test_parts_made_at_different_moments_are_one_exact_state(tmp_path: Path) -> None:
    with Server(tmp_path / "server") as server:
        with server.client() as client:
            prepare(client, 20_000)
            client.create_python_function_from_config(config("tag", 3, checkpoint_interval_seconds=0.02), Tagging)
            made = [client.create_checkpoint("tag") for _ in range(3)]
        server.kill()
        server.start()
        with server.client() as client:
            runs: list[tuple[dict[int, int], dict[int, int]]] = [({}, ends(client))]
            assert_runs(client, *runs)
            for checkpoint in made:
                restore(client, checkpoint)
                runs.append((positions(checkpoint), ends(client)))
                assert_runs(client, *runs)


def test_what_take_checkpoint_returned_is_restored_to_each_instance(client: FsClient) -> None:
    client.create_topic("in", 2)
    client.create_topic("out", PARTITIONS)
    client.create_python_function_from_config(config("sum"), Remembering)
    for partition, value in ((0, b"1"), (1, b"10")):
        client.publish("in", value, partition=partition)
    wait_for(lambda: size(client, "out") == 2, "two sums")
    checkpoint = client.create_checkpoint("sum")
    for partition, value in ((0, b"5"), (1, b"50")):
        client.publish("in", value, partition=partition)
    wait_for(lambda: size(client, "out") == 4, "two more")
    restore(client, checkpoint, "sum")
    wait_for(lambda: size(client, "out") == 6, "the same two again")
    told = sorted(int(one.value) for p in range(PARTITIONS) for one in client.subscribe("out", partition=p, offset=0, follow=False))
    assert told == [1, 6, 6, 10, 60, 60]


def test_they_are_retained_at_intervals_pruned_and_removed_with_the_function(server: Server, client: FsClient) -> None:
    prepare(client, 100)
    retained = {"count": 2, "interval_seconds": 1}
    # The third instance has no partition with a message, and takes part all the same.
    client.create_python_function_from_config(config("tag", 3, enable_checkpoint=True, retained_checkpoints=retained), Tagging)
    sent = itertools.count(100)

    def periodic() -> list[int]:
        client.publish("in", Record(str(next(sent)).encode()), partition=0)
        return [one.id for one in client.list_checkpoints("tag") if one.reason == "periodic"]

    wait_for(lambda: len(periodic()) == 2, "two are there")
    first = periodic()[0]
    wait_for(lambda: (ids := periodic()) and ids[0] > first and len(ids) == 2, "the first is pruned")
    newest = client.list_checkpoints("tag")[-1]
    assert client.delete_checkpoint("tag", newest.id)
    assert newest.id not in [one.id for one in client.list_checkpoints("tag")]
    with pytest.raises(NotFoundError, match=f"checkpoint {newest.id}: there is none"):
        client.delete_checkpoint("tag", newest.id)
    client.drop_function("tag")
    assert list((server.home / "data" / "checkpoints").iterdir()) == []
    assert list((server.home / "data" / "state").iterdir()) == []


def test_a_stopped_and_a_failed_function_can_be_retained_also_where_an_instance_had_nothing_to_do(client: FsClient) -> None:
    client.create_topic("in", PARTITIONS)
    client.create_topic("out", PARTITIONS)
    built = config("tag", 3, checkpoint_interval_seconds=60)
    built.init_config["poison"] = "bad"
    client.create_python_function_from_config(built, Tagging)
    client.publish("in", [b"a", b"b"], partition=0)
    wait_for(lambda: client.describe_function("tag").processed == 2, "two messages")
    client.stop_function("tag")
    stopped = client.create_checkpoint("tag")
    assert positions(stopped).get(0) == 2
    client.start_function("tag")
    client.publish("in", [b"c", b"bad"], partition=1)
    wait_for(lambda: client.describe_function("tag").status == "FAILED", "the failure")
    failed = client.create_checkpoint("tag")
    assert {p: o for p, o in positions(failed).items() if o > 0} == {0: 2, 1: 1}
    client.start_function("tag", checkpoint_id=stopped.id)
    wait_for(lambda: client.describe_function("tag").status == "FAILED", "it comes to the bad message again")
    assert [one.reason for one in client.list_checkpoints("tag")] == ["requested", "requested", "before-restore"]


def test_an_instance_that_is_between_restarts_is_waited_for_and_named(server: Server, client: FsClient) -> None:
    client.create_topic("in", 2)
    client.create_topic("out", PARTITIONS)
    built = config("frail", heartbeat_interval_ms=200, checkpoint_interval_seconds=0.02)
    built.options["restart"] = {"backoff_ms": 8000, "backoff_max_ms": 8000}
    client.create_python_function_from_config(built, Breaking)
    client.publish("in", b"break", partition=1)
    wait_for(lambda: client.describe_function("frail").status == "RESTARTING", "the failure")
    with pytest.raises((FunctionStreamTimeoutError, ServerError), match="no checkpoint was completed in time by instance 1"):
        client.create_checkpoint("frail", timeout=2)
    assert client.list_checkpoints("frail") == []
    assert [path.name for path in folder_of(server).iterdir()] == ["index"], "what was given up is still there"
    made = client.create_checkpoint("frail", timeout=60)
    assert positions(made) == {0: 0, 1: 1} and client.describe_function("frail").restarts == 1
    assert client.list_checkpoints("frail") == [made]


def test_a_stop_in_the_middle_leaves_none(server: Server, client: FsClient) -> None:
    client.create_topic("in", 2)
    client.create_topic("out", PARTITIONS)
    built = config("frail", heartbeat_interval_ms=200, checkpoint_interval_seconds=0.02, enable_checkpoint=True)
    built.options["restart"] = {"backoff_ms": 600_000, "backoff_max_ms": 600_000}
    built.options["retained_checkpoints"] = {"interval_seconds": 1}
    client.create_python_function_from_config(built, Breaking)
    client.publish("in", b"break", partition=1)
    wait_for(lambda: client.describe_function("frail").status == "RESTARTING", "the failure")

    def has_begun() -> bool:
        client.publish("in", b"more", partition=0)
        return any((server.home / "data" / "checkpoints").glob("*/*.making"))

    wait_for(has_begun, "one that waits for the other instance")
    client.stop_function("frail")
    wait_for(lambda: all(p.name == "index" or p.name.isdigit() for p in folder_of(server).iterdir()), "what was begun is removed")
    assert all(not one.problem for one in client.list_checkpoints("frail"))


def test_one_damaged_part_spoils_the_whole_and_leaves_all_states(server: Server, client: FsClient) -> None:
    prepare(client, 400)
    client.create_python_function_from_config(config("tag"), Tagging)
    outputs(client, 400)
    checkpoint = client.create_checkpoint("tag")
    client.publish("in", records(100, 400))
    outputs(client, 500)
    client.stop_function("tag")
    part = folder_of(server) / str(checkpoint.id) / "1"
    for spoil, words in (("cut", "damaged"), ("remove", "incomplete")):
        kept = server.home / "kept"
        shutil.copytree(part, kept)
        if spoil == "remove":
            shutil.rmtree(part)
        else:
            table = next(part.glob("database/*.sst"))
            content = table.read_bytes()
            table.unlink()  # the state has it too
            table.write_bytes(content[:-1])
        with pytest.raises(NotFoundError, match=rf"checkpoint {checkpoint.id}: instance 1: {words}"):
            client.start_function("tag", checkpoint_id=checkpoint.id)
        assert client.list_checkpoints("tag")[0].problem.startswith(f"instance 1: {words}")
        shutil.rmtree(part, ignore_errors=True)
        shutil.move(kept, part)
    client.start_function("tag")
    client.publish("in", records(100, 500))
    assert_runs(client, ({}, ends(client)))


@pytest.mark.parametrize("made_with", [1, 3])
def test_one_of_another_number_of_instances_is_refused_and_says_so(server: Server, client: FsClient, made_with: int) -> None:
    prepare(client, 200)
    client.create_python_function_from_config(config("other", made_with), Tagging)
    outputs(client, 200)
    checkpoint = client.create_checkpoint("other")
    client.create_python_function_from_config(config("tag", 2), Tagging)
    outputs(client, 400)
    client.create_checkpoint("tag")
    client.stop_function("tag")
    # As an operator would try it.
    folders = {path.name.split("-")[0]: path for path in (server.home / "data" / "checkpoints").iterdir()}
    shutil.copytree(folders["other"] / str(checkpoint.id), folders["tag"] / "7")
    with pytest.raises(NotFoundError, match=rf"checkpoint 7: made with {made_with} instance.*the function has 2.*parallelism: {made_with}"):
        client.start_function("tag", checkpoint_id=7)
    assert f"made with {made_with} instance" in client.list_checkpoints("tag")[-1].problem
    client.start_function("tag")
    assert client.describe_function("tag").status == "RUNNING"


def test_kafka_partitions_go_back_with_their_states(kafka: Kafka, client: FsClient) -> None:
    topic = f"retained-{next(TOPICS)}"
    kafka.create_topic(topic, PARTITIONS)
    kafka.create_topic(f"{topic}-out", PARTITIONS)
    built = (
        WasmTaskBuilder()
        .set_name("job")
        .set_parallelism(2)
        .add_input_group([KafkaInput(kafka.bootstrap_servers, topic, f"{topic}-group")])
        .add_output(KafkaOutput(kafka.bootstrap_servers, f"{topic}-out"))
        .build()
    )
    client.create_python_function_from_config(built, Tagging)

    def told(count: int) -> dict[str, list[tuple[int, int]]]:
        """By key, in order: which of the inputs, and which of its key it was to the function."""
        kafka.consume(f"{topic}-out", count, timeout=120)
        by_key: dict[str, list[tuple[int, int]]] = defaultdict(list)
        for message in kafka.consume_messages(f"{topic}-out", count):
            one: dict[str, Any] = json.loads(message.value() or b"")
            by_key[one["key"]].append((int(one["value"]), one["count"]))
        assert len(kafka.read_all(f"{topic}-out")) == count, "more outputs than inputs"
        return by_key

    produce(kafka, topic, 1000)
    told(1000)
    checkpoint = client.create_checkpoint("job")
    assert sum(at.offset for at in checkpoint.positions) == 1000
    produce(kafka, topic, 400, 1000)
    once = told(1400)
    restore(client, checkpoint, "job")
    twice = told(1800)
    produce(kafka, topic, 200, 1400)
    for key, seen in told(2000).items():
        again = [one for one in once[key] if one[0] >= 1000]
        assert once[key] == [(number, place + 1) for place, (number, _) in enumerate(once[key])]
        assert twice[key] == once[key] + again
        assert seen[: len(twice[key])] == twice[key]
        assert [count for _, count in seen[len(twice[key]) :]] == list(range(len(once[key]) + 1, len(once[key]) + 6))


# ---- SIGKILL between the steps of making and restoring one.


@pytest.fixture
def failing(tmp_path: Path) -> Iterator[Server]:
    server = Server(tmp_path / "server", binary=Path(os.environ["FS_FAILPOINT_SERVER"]))
    yield server
    if server.is_running():
        server.kill()


def assert_clean(server: Server) -> None:
    folder = folder_of(server)
    wait_for(lambda: all(path.name == "index" or path.name.isdigit() for path in folder.iterdir()), "leftovers are removed")


@pytest.mark.parametrize("point", ["retained-filled:1", "retained-filled:2", "retained-made:1"])
def test_death_while_making_one_leaves_a_whole_one_or_none(failing: Server, point: str) -> None:
    failing.env["FS_FAILPOINT"] = point
    failing.start()
    with failing.client() as client:
        prepare(client, 1000)
        client.create_python_function_from_config(config("tag"), Tagging)
        outputs(client, 1000)
        with pytest.raises((ServerError, NetworkError)):
            client.create_checkpoint("tag")
    assert failing.wait_dead() == -signal.SIGKILL
    del failing.env["FS_FAILPOINT"]
    failing.start()
    with failing.client() as client:
        found = client.list_checkpoints("tag")
        assert [(one.id, one.problem) for one in found] == ([(1, "")] if point == "retained-made:1" else [])
        assert_clean(failing)
        for one in found:
            assert positions(one) == ends(client)
        assert client.create_checkpoint("tag").id == 2
        client.publish("in", records(500, 1000))
        assert_runs(client, ({}, ends(client)))


@pytest.mark.parametrize(
    ("point", "is_restored"),
    [
        ("restore-staged:1", False),
        ("restore-staged:2", False),
        ("retained-filled:1", False),
        ("retained-filled:2", False),
        ("retained-made:1", False),
        ("restore-decided:1", True),
        ("restore-replaced:1", True),
        ("restore-replaced:2", True),
        ("restore-done:1", True),
    ],
)
def test_death_while_restoring_leaves_all_old_or_all_restored(failing: Server, point: str, is_restored: bool) -> None:
    failing.start()
    with failing.client() as client:
        prepare(client, 600)
        client.create_python_function_from_config(config("tag"), Tagging)
        outputs(client, 600)
        checkpoint = client.create_checkpoint("tag")
        then = ends(client)
        client.publish("in", records(400, 600))
        outputs(client, 1000)
        client.stop_function("tag")
        later = ends(client)
    assert failing.stop() == 0
    failing.env["FS_FAILPOINT"] = point
    failing.start()
    with failing.client() as client, pytest.raises((ServerError, NetworkError)):
        client.start_function("tag", checkpoint_id=checkpoint.id)
    assert failing.wait_dead() == -signal.SIGKILL
    del failing.env["FS_FAILPOINT"]
    failing.start()
    with failing.client() as client:
        client.start_function("tag")
        client.publish("in", records(200, 1000))
        runs = [({}, later), (then, ends(client))] if is_restored else [({}, ends(client))]
        assert_runs(client, *runs)
        client.stop_function("tag")
        assert_clean(failing)
        # What it was to replace is there as well, if it came that far.
        kept = 1 if point.startswith(("restore-staged", "retained-filled")) else 2
        assert [one.problem for one in client.list_checkpoints("tag")] == [""] * kept
        # It can be done again.
        client.start_function("tag", checkpoint_id=checkpoint.id)
        assert_runs(client, *runs, (then, ends(client)))
