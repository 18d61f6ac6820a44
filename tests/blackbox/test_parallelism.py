"""`parallelism`: several instances of a function, each with partitions, state, transactions and restarts of its own."""

from __future__ import annotations

import contextlib
import itertools
import json
import os
import signal
from collections import defaultdict
from pathlib import Path
from typing import Any

import pytest
from confluent_kafka import Producer
from fs_client import FsClient, Record
from fs_client.config import EmbeddedInput, EmbeddedOutput, FileOutput, KafkaInput, KafkaOutput, WasmTaskBuilder, WasmTaskConfig
from fs_client.errors import BadRequestError, ConflictError, ServerError
from functions.event_time import Watching
from functions.forwarding import Forward
from functions.parallel import Breaking, Joining, Tagging
from support.kafka import Kafka
from support.server import Server
from support.topics import create, read_all, status
from support.wait import wait_for

PARTITIONS = 4
KEYS = 40
TOPICS = itertools.count()


def config(name: str, parallelism: int | str = 2, partitions: int | None = None, **options: Any) -> WasmTaskConfig:
    """From `in` to `out`."""
    built = (
        WasmTaskBuilder()
        .set_name(name)
        .set_parallelism(parallelism)
        .add_input_group([EmbeddedInput("in", f"{name}-group", partitions)])
        .add_output(EmbeddedOutput("out"))
        .build()
    )
    built.options.update(options)
    return built


def records(count: int, first: int = 0) -> list[Record]:
    return [Record(str(n).encode(), key=f"k{n % KEYS}".encode()) for n in range(first, first + count)]


def prepare(client: FsClient, count: int = 2000) -> None:
    client.create_topic("in", PARTITIONS)
    client.create_topic("out", PARTITIONS)
    client.publish("in", records(count))


def size(client: FsClient, topic: str) -> int:
    return next((one.next_offset - one.first_offset for one in client.list_topics() if one.name == topic), 0)


def outputs(client: FsClient, count: int, topic: str = "out") -> list[list[dict[str, Any]]]:
    """All outputs, by partition; as many as are expected, and no more."""
    wait_for(lambda: size(client, topic) >= count, f"{count} outputs", timeout=60)
    found = [
        [json.loads(record.value) for record in client.subscribe(topic, partition=partition, offset=0, follow=False)]
        for partition in range(PARTITIONS)
    ]
    assert sum(map(len, found)) == count, "more outputs than inputs"
    return found


def assert_exact(found: list[list[dict[str, Any]]], count: int) -> None:
    """Each input once, each key's messages in order with its count in state, and each key in one partition."""
    told: dict[str, list[dict[str, Any]]] = defaultdict(list)
    partitions: dict[str, set[int]] = defaultdict(set)
    for partition, outputs_here in enumerate(found):
        for one in outputs_here:
            told[one["key"]].append(one)
            partitions[one["key"]].add(partition)
    for key, seen in told.items():
        wanted = [str(n) for n in range(count) if f"k{n % KEYS}" == key]
        assert [one["value"] for one in seen] == wanted, f"{key}: lost, repeated or out of order"
        assert [one["count"] for one in seen] == list(range(1, len(wanted) + 1)), f"{key}: its state is not exact"
    assert len(told) == min(KEYS, count)
    assert all(len(where) == 1 for where in partitions.values())


def test_each_instance_has_its_own_partitions_in_order_and_its_own_state(client: FsClient) -> None:
    prepare(client)
    client.create_python_function_from_config(config("tag"), Tagging)
    assert_exact(outputs(client, 2000), 2000)
    described = client.describe_function("tag")
    assert [one.index for one in described.instances] == [0, 1]
    assert [one.status for one in described.instances] == ["RUNNING", "RUNNING"]
    assert {position.partition: position.instance for position in described.positions} == {0: 0, 1: 1, 2: 0, 3: 1}
    assert described.processed == 2000 == sum(one.processed for one in described.instances)
    assert all(one.processed > 0 for one in described.instances)
    assert described.inputs[0].messages == 2000
    assert all(position.lag == 0 for position in described.positions)
    # Each key is in the state of one instance.
    keys = [int(client.call_function("tag", instance=instance)) for instance in (0, 1)]
    assert sum(keys) == KEYS and all(keys)
    with pytest.raises(BadRequestError, match="no instance 2: it has 2"):
        client.call_function("tag", instance=2)


def test_partitions_means_as_many_instances_as_the_largest_input_has(client: FsClient) -> None:
    prepare(client)
    client.create_topic("small", 2)
    built = config("tag", "partitions")
    built.input_groups.append([EmbeddedInput("small", "g").data])
    client.create_python_function_from_config(built, Tagging)
    assert len(client.describe_function("tag").instances) == PARTITIONS
    client.publish("small", b"x", partition=1)
    found = [one for partition in outputs(client, 2001) for one in partition]
    assert [(one["source"], one["partition"]) for one in found if one["value"] == "x"] == [(1, 1)]


def test_a_topic_that_is_made_later_with_more_partitions_is_read_by_all(client: FsClient) -> None:
    client.create_topic("out", PARTITIONS)
    client.create_python_function_from_config(config("tag", 3), Tagging)
    client.create_topic("in", PARTITIONS)
    client.publish("in", records(400))
    assert_exact(outputs(client, 400), 400)
    described = client.describe_function("tag")
    assert {position.partition: position.instance for position in described.positions} == {0: 0, 1: 1, 2: 2, 3: 0}


def test_stop_start_and_a_restart_of_the_server_go_on_with_each_instances_own_state(server: Server) -> None:
    with server.client() as client:
        prepare(client, 1000)
        client.create_python_function_from_config(config("tag", 3), Tagging)
        outputs(client, 1000)
        client.stop_function("tag")
        assert [one.status for one in client.describe_function("tag").instances] == ["STOPPED"] * 3
        client.publish("in", records(1000, 1000))
        client.start_function("tag")
        outputs(client, 2000)
    assert server.stop() == 0
    server.start()
    with server.client() as client:
        client.publish("in", records(1000, 2000))
        assert_exact(outputs(client, 3000), 3000)
        assert len(client.describe_function("tag").instances) == 3


def test_a_drop_leaves_nothing_of_any_instance_and_frees_the_name_for_another_number(server: Server, client: FsClient) -> None:
    prepare(client, 200)
    client.create_python_function_from_config(config("tag", 3), Tagging)
    outputs(client, 200)
    folders = [entry.name for entry in server.home.rglob("data/state/*")]
    assert len(folders) == 3 and len([name for name in folders if name.endswith((".1", ".2"))]) == 2
    client.drop_function("tag")
    assert list(server.home.rglob("data/state/*")) == []
    client.create_python_function_from_config(config("tag", 2), Tagging)
    client.publish("in", records(200, 200))
    assert sum(one["count"] == 1 for partition in outputs(client, 400) for one in partition) == 2 * KEYS, "an old state came back"


def test_sigkill_in_the_middle_of_a_stream_leaves_all_exact(tmp_path: Path) -> None:
    server = Server(tmp_path / "server").start()
    try:
        with server.client() as client:
            prepare(client, 20_000)
            client.create_python_function_from_config(config("tag", checkpoint_interval_seconds=0.02), Tagging)
        for kill in range(3):
            with server.client() as client:
                wait_for(lambda: size(client, "out") > kill * 500, "progress")  # noqa: B023 (waits within the turn)
            server.kill()
            server.start()
        with server.client() as client:
            assert_exact(outputs(client, 20_000), 20_000)
    finally:
        server.kill()


@pytest.mark.parametrize("passes", [1, 4])
@pytest.mark.parametrize("point", ["checkpoint-begin", "sinks-flushed", "state-prepared", "outputs-committed", "state-committed"])
def test_death_at_a_point_of_either_instances_protocol_leaves_all_exact(tmp_path: Path, point: str, passes: int) -> None:
    server = Server(tmp_path / "server", binary=Path(os.environ["FS_FAILPOINT_SERVER"])).start()
    with server.client() as client:
        prepare(client, 4000)
    assert server.stop() == 0
    server.env["FS_FAILPOINT"] = f"{point}:{passes}"
    server.start()
    with server.client() as client, contextlib.suppress(ServerError):
        # The server may be gone before it answers.
        client.create_python_function_from_config(config("tag", checkpoint_interval_seconds=0.01), Tagging)
    assert server.wait_dead() == -signal.SIGKILL
    del server.env["FS_FAILPOINT"]
    with server, server.client() as client:
        if not client.show_functions("tag").functions:
            client.create_python_function_from_config(config("tag", checkpoint_interval_seconds=0.01), Tagging)
        assert_exact(outputs(client, 4000), 4000)


def test_an_instance_that_fails_restarts_alone(client: FsClient) -> None:
    client.create_topic("in", 2)
    client.create_topic("out", PARTITIONS)
    built = config("frail", heartbeat_interval_ms=200, checkpoint_interval_seconds=0.02)
    client.create_python_function_from_config(built, Breaking)
    client.publish("in", [b"a", b"break", b"b"], partition=1)
    wait_for(lambda: client.describe_function("frail").restarts == 1, "the restart")
    wait_for(lambda: status(client, "frail") == "RUNNING", "all to run again")
    client.publish("in", b"c", partition=1)
    client.publish("in", b"d", partition=0)
    wait_for(lambda: size(client, "out") == 5, "all outputs")
    first, second = client.describe_function("frail").instances
    assert (first.restarts, second.restarts) == (0, 1)
    assert "check_heartbeat" in second.last_error and client.describe_function("frail").last_error.startswith("instance 1: ")
    lines = [line.text for line in client.logs("frail")]
    assert any(line.startswith("[1] ") and "saw break" in line for line in lines)
    assert any(line.startswith("[0] ") and "saw d" in line for line in lines)


def test_one_that_fails_for_good_ends_the_function_after_the_others_final_checkpoint(client: FsClient) -> None:
    client.create_topic("in", 2)
    client.create_topic("out", PARTITIONS)
    built = config("fragile", checkpoint_interval_seconds=60)
    built.init_config["poison"] = "bad"
    client.create_python_function_from_config(built, Tagging)
    client.publish("in", [b"1", b"2", b"3"], partition=0)
    wait_for(lambda: client.describe_function("fragile").processed == 3, "the good ones")
    client.publish("in", b"bad", partition=1)
    wait_for(lambda: sorted(one.status for one in client.describe_function("fragile").instances) == ["FAILED", "STOPPED"], "the end")
    described = client.describe_function("fragile")
    assert described.status == "FAILED"
    assert described.reason.startswith("instance 1: ") and "poisoned in partition 1" in described.reason
    assert size(client, "out") == 3, "the other instance's work was not committed"
    client.drop_function("fragile")


def test_a_start_after_a_failure_starts_all_again(client: FsClient) -> None:
    client.create_topic("in", 2)
    client.create_topic("out", PARTITIONS)
    built = config("fragile")
    built.init_config["poison"] = "bad"
    client.create_python_function_from_config(built, Tagging)
    client.publish("in", b"bad", partition=0)
    for attempts in (1, 2, 3):
        wait_for(lambda: client.describe_function("fragile").exceptions == attempts, "the failure")  # noqa: B023 (waits within the turn)
        wait_for(
            lambda: sorted(one.status for one in client.describe_function("fragile").instances) == ["FAILED", "STOPPED"],
            "all to end",
        )
        # It may have failed again before all of it ran, and then says so.
        with contextlib.suppress(BadRequestError):
            client.start_function("fragile")


def test_co_partitioned_inputs_meet_in_one_instance(client: FsClient) -> None:
    for topic in ("left", "right", "out"):
        client.create_topic(topic, PARTITIONS)
    built = (
        WasmTaskBuilder()
        .set_name("join")
        .set_parallelism("partitions")
        .add_input_group([EmbeddedInput("left", "g")])
        .add_input_group([EmbeddedInput("right", "g")])
        .add_output(EmbeddedOutput("out"))
        .build()
    )
    client.create_python_function_from_config(built, Joining)
    client.publish("left", [Record(b"l%d" % n, key=b"k%d" % n) for n in range(200)])
    client.publish("right", [Record(b"r%d" % n, key=b"k%d" % n) for n in reversed(range(200))])
    wait_for(lambda: size(client, "out") >= 200, "all pairs", timeout=60)
    pairs = [r.value for p in range(PARTITIONS) for r in client.subscribe("out", partition=p, offset=0, follow=False)]
    assert sorted(pairs) == sorted(b"k%d|l%d|r%d" % (n, n, n) for n in range(200))


def test_each_instance_has_event_time_of_its_own_and_readers_the_least(client: FsClient) -> None:
    client.create_topic("in", PARTITIONS)
    patient = {"idle_timeout_ms": 3_600_000}
    client.create_python_function_from_config(config("watch", watermark=patient), Watching)
    create(client, "after", Watching, source="out", target="end", watermark=patient)

    def publish(*times_ms: tuple[int, int]) -> None:
        for partition, time_ms in times_ms:
            client.publish("in", Record(b"m", timestamp_ms=time_ms), partition=partition)

    def of_instances(*watermarks_ms: int | None) -> None:
        def told() -> bool:
            return tuple(one.watermark_ms for one in client.describe_function("watch").instances) == watermarks_ms

        wait_for(told, f"watermarks {watermarks_ms}")

    def of_reader(*watermarks_ms: int) -> None:
        def told() -> bool:
            heard = [number for kind, _, number in map(json.loads, read_all(client, "end")) if kind == "w"]
            return heard == list(watermarks_ms)

        wait_for(told, f"watermarks {watermarks_ms} downstream")

    publish((1, 3000), (3, 9000))
    of_instances(None, 2999)
    publish((1, 3000))  # carries it
    of_reader(2999)
    publish((0, 5000), (2, 7000))
    of_instances(4999, 2999)
    publish((0, 5000))
    described = client.describe_function("watch")
    assert (described.watermark_ms, described.source_watermarks_ms) == (2999, {0: 2999})
    publish((1, 6000))
    of_instances(4999, 5999)
    assert client.describe_function("watch").source_watermarks_ms == {0: 4999}
    publish((1, 6000))
    of_reader(2999, 4999)


def test_what_cannot_be_is_refused_by_name(client: FsClient) -> None:
    to_file = config("job")
    to_file.outputs[:] = [FileOutput("out.txt").data]
    with pytest.raises(BadRequestError, match=r"parallelism \(line \d+\): 2 instances cannot write outputs\[0\]"):
        client.create_python_function_from_config(to_file, Forward)
    client.create_python_function_from_config(config("job"), Forward)
    client.create_topic("in", PARTITIONS)
    client.create_topic("in", PARTITIONS)
    with pytest.raises(ConflictError, match="with 4 partition"):
        client.create_topic("in", 2)
    with pytest.raises(BadRequestError, match="there is no 7"):
        client.publish("in", b"x", partition=7)
    with pytest.raises(BadRequestError, match="there is no 4"):
        list(client.subscribe("in", partition=4, follow=False))


# Kafka


@pytest.fixture
def topic(kafka: Kafka) -> str:
    name = f"parallel-{next(TOPICS)}"
    kafka.create_topic(name, PARTITIONS)
    kafka.create_topic(f"{name}-out", PARTITIONS)
    return name


def kafka_config(kafka: Kafka, topic: str, parallelism: int | str, partition: int | None = None) -> WasmTaskConfig:
    built = (
        WasmTaskBuilder()
        .set_name("job")
        .set_parallelism(parallelism)
        .add_input_group([KafkaInput(kafka.bootstrap_servers, topic, f"{topic}-group", partition)])
        .add_output(KafkaOutput(kafka.bootstrap_servers, f"{topic}-out"))
        .build()
    )
    # Readers wait for a killed server's transaction as long as one of its checkpoints may take.
    built.options["limits"] = {"process_timeout_ms": 1000}
    return built


def produce(kafka: Kafka, topic: str, count: int, first: int = 0) -> None:
    producer = Producer({"bootstrap.servers": kafka.bootstrap_servers, "enable.idempotence": True, "partitioner": "murmur2_random"})
    for number in range(first, first + count):
        producer.produce(topic, value=str(number).encode(), key=f"k{number % KEYS}".encode())
    assert producer.flush(30) == 0


def kafka_outputs(kafka: Kafka, topic: str, count: int) -> list[list[dict[str, Any]]]:
    kafka.consume(f"{topic}-out", count, timeout=120)
    found: list[list[dict[str, Any]]] = [[] for _ in range(PARTITIONS)]
    for message in kafka.consume_messages(f"{topic}-out", count):
        found[message.partition() or 0].append(json.loads(message.value() or b""))
    assert len(kafka.read_all(f"{topic}-out")) == count, "more outputs than inputs"
    return found


@pytest.mark.parametrize("kills", [0, 2])
def test_kafka_partitions_are_split_and_stay_with_their_state(kafka: Kafka, tmp_path: Path, topic: str, kills: int) -> None:
    with Server(tmp_path / "server") as server:
        with server.client() as client:
            client.create_python_function_from_config(kafka_config(kafka, topic, 2), Tagging)
        sent = 0
        for kill in range(kills + 1):
            produce(kafka, topic, 1000, sent)
            sent += 1000
            if kill < kills:
                with server.client() as client:
                    wait_for(lambda: client.describe_function("job").processed > 0, "progress")
                server.kill()
                server.start()
        assert_exact(kafka_outputs(kafka, topic, sent), sent)
        with server.client() as client:
            described = client.describe_function("job")
            assert {position.partition: position.instance for position in described.positions} == {0: 0, 1: 1, 2: 0, 3: 1}
            assert [one.status for one in described.instances] == ["RUNNING", "RUNNING"], described.reason
            group = f"{topic}-group"
            wait_for(lambda: all(kafka.committed(group, topic, p) == kafka.end(topic, p) for p in range(PARTITIONS)), "the group to know")
            # Anew with another number: where the group stands, with empty states.
            client.drop_function("job")
            client.create_python_function_from_config(kafka_config(kafka, topic, "partitions"), Tagging)
            assert len(client.describe_function("job").instances) == PARTITIONS
            produce(kafka, topic, 400, sent)
            found = [one for partition in kafka_outputs(kafka, topic, sent + 400) for one in partition]
            assert sum(one["count"] == 1 for one in found) == 2 * KEYS


def test_another_function_of_the_same_group_is_refused_partitions_that_have_state_here(kafka: Kafka, client: FsClient, topic: str) -> None:
    client.create_python_function_from_config(kafka_config(kafka, topic, 2), Tagging)
    produce(kafka, topic, 100)
    kafka_outputs(kafka, topic, 100)
    wait_for(lambda: all(kafka.committed(f"{topic}-group", topic, p) for p in range(PARTITIONS)), "the group to know")
    other = kafka_config(kafka, topic, 2)
    other.name = "other"
    client.create_python_function_from_config(other, Tagging)
    wait_for(lambda: status(client, "other") == "FAILED", "the refusal")
    assert "was last read by function job-" in client.describe_function("other").reason
    assert status(client, "job") == "RUNNING"


def test_an_explicit_partition_is_that_of_one_instance(kafka: Kafka, client: FsClient, topic: str) -> None:
    client.create_python_function_from_config(kafka_config(kafka, topic, 2, partition=3), Tagging)
    kafka.produce(topic, [b"x"] * 10, partition=3)
    kafka.produce(topic, [b"y"] * 10, partition=1)
    kafka_outputs(kafka, topic, 10)
    described = client.describe_function("job")
    assert [(position.partition, position.instance) for position in described.positions] == [(3, 1)]
    assert [one.processed for one in described.instances] == [0, 10]


def test_partitions_of_a_topic_that_does_not_exist_are_refused(kafka: Kafka, client: FsClient) -> None:
    with pytest.raises(BadRequestError, match=r"parallelism \(line \d+\): partitions: .*does not exist.*make the topic first"):
        client.create_python_function_from_config(kafka_config(kafka, "nowhere", "partitions"), Tagging)
