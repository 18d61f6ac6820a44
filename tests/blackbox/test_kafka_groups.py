"""Two servers in one consumer group: who owns which partition, and what becomes of it on a stop, a kill, a drop and a reset."""

from __future__ import annotations

import itertools
import time
from collections import Counter as Count
from collections.abc import Iterator
from pathlib import Path

import pytest
from confluent_kafka import ConsumerGroupTopicPartitions, KafkaError, KafkaException, Producer, TopicPartition
from confluent_kafka.admin import AdminClient
from fs_client import FsClient
from fs_client.config import KafkaInput, KafkaOutput, WasmTaskBuilder, WasmTaskConfig
from functions.counting import Counter
from functions.forwarding import Forward
from support.kafka import Kafka
from support.server import Server
from support.topics import status
from support.wait import wait_for

PARTITIONS = 4
TOPICS = itertools.count()


@pytest.fixture
def topic(kafka: Kafka) -> str:
    name = f"groups-{next(TOPICS)}"
    kafka.create_topic(name, PARTITIONS)
    kafka.create_topic(f"{name}-out", 1)
    return name


@pytest.fixture
def servers(tmp_path: Path) -> Iterator[list[Server]]:
    """Two servers on data folders of their own."""
    both = [Server(tmp_path / name).start() for name in ("first", "second")]
    yield both
    for server in both:
        if server.is_running():
            server.kill()


def job(kafka: Kafka, topic: str, session_ms: int = 6000) -> WasmTaskConfig:
    given = KafkaInput(kafka.bootstrap_servers, topic, f"{topic}-group")
    given.data["session.timeout.ms"] = session_ms
    config = (
        WasmTaskBuilder()
        .set_name("job")
        .add_input_group([given])
        .add_output(KafkaOutput(kafka.bootstrap_servers, f"{topic}-out", 0))
        .build()
    )
    # Readers wait for a killed server's transaction as long as one of its checkpoints may take.
    config.options["limits"] = {"process_timeout_ms": 1000}
    return config


def produce(kafka: Kafka, topic: str, numbers: range) -> None:
    """Each number once, over all partitions."""
    producer = Producer({"bootstrap.servers": kafka.bootstrap_servers, "enable.idempotence": True})
    for number in numbers:
        producer.produce(topic, value=str(number).encode(), partition=number % PARTITIONS)
    assert producer.flush(30) == 0


def outputs(kafka: Kafka, topic: str, count: int) -> Count[int]:
    """At least `count` committed outputs, and all that came with them. What a killed server left open holds readers up for a minute."""
    return Count(int(value or b"") for value in kafka.consume(f"{topic}-out", count, timeout=120))


def reads(client: FsClient) -> set[int]:
    """The partitions for which the function has a position."""
    return {position.partition for position in client.describe_function("job").positions}


def reason(client: FsClient) -> str:
    return client.describe_function("job").reason


def reset(kafka: Kafka, topic: str, offset: int) -> None:
    """As an administrator does, once the group has no member."""
    admin = AdminClient({"bootstrap.servers": kafka.bootstrap_servers})
    places = [TopicPartition(topic, partition, offset) for partition in range(PARTITIONS)]

    def try_it() -> bool:
        answer = admin.alter_consumer_group_offsets([ConsumerGroupTopicPartitions(f"{topic}-group", places)])
        try:
            return all(place.error is None for place in next(iter(answer.values())).result().topic_partitions)
        except KafkaException as error:
            if error.args[0].code() in (KafkaError.UNKNOWN_MEMBER_ID, KafkaError.NON_EMPTY_GROUP):
                return False
            raise

    wait_for(try_it, "the group to have no member", timeout=30)


@pytest.mark.parametrize("how", ["stop", "kill"])
def test_partitions_of_a_function_without_state_move_and_return(kafka: Kafka, servers: list[Server], topic: str, how: str) -> None:
    first, second = servers
    first.client().create_python_function_from_config(job(kafka, topic), Forward)
    second.client().create_python_function_from_config(job(kafka, topic), Forward)
    sent = 0

    def send(count: int) -> None:
        nonlocal sent
        produce(kafka, topic, range(sent, sent + count))
        sent += count

    def both_read() -> bool:
        send(PARTITIONS * 5)
        return all(server.client().describe_function("job").processed > 0 for server in servers)

    def first_reads() -> bool:
        send(PARTITIONS)
        return first.client().describe_function("job").processed > 0

    wait_for(both_read, "both servers to have partitions", timeout=30)
    send(400)
    getattr(first, how)()
    send(400)
    assert set(outputs(kafka, topic, sent)) == set(range(sent)), "lost while one server was away"
    first.start()
    wait_for(first_reads, "the first server to read again", timeout=60)
    send(100)
    seen = outputs(kafka, topic, sent)
    assert set(seen) == set(range(sent)), f"lost {sorted(set(range(sent)) - set(seen))[:10]}"
    assert {number: times for number, times in seen.items() if times > 1} == {}, "repeated"
    for server in servers:
        assert status(server.client(), "job") == "RUNNING", reason(server.client())


def counted(partitions: int, each: int) -> list[tuple[str, bytes, int]]:
    return [(f"k{n % partitions}", b'{"key": "k%d", "value": 1}' % (n % partitions), n % partitions) for n in range(partitions * each)]


def produce_counted(kafka: Kafka, topic: str, each: int) -> None:
    producer = Producer({"bootstrap.servers": kafka.bootstrap_servers, "enable.idempotence": True})
    for key, value, partition in counted(PARTITIONS, each):
        producer.produce(topic, key=key, value=value, partition=partition)
    assert producer.flush(30) == 0


def test_a_function_with_state_is_refused_on_a_second_server(kafka: Kafka, servers: list[Server], topic: str) -> None:
    first, second = (server.client() for server in servers)
    first.create_python_function_from_config(job(kafka, topic), Counter)
    produce_counted(kafka, topic, 10)
    kafka.consume(f"{topic}-out", PARTITIONS * 10)
    second.create_python_function_from_config(job(kafka, topic), Counter)
    wait_for(lambda: status(second, "job") == "FAILED", "the second server to refuse", timeout=30)
    assert "job-" in reason(second) and topic in reason(second) and "one server" in reason(second), reason(second)
    produce_counted(kafka, topic, 10)
    # The refused member's partitions return when its session is over.
    assert len(kafka.consume(f"{topic}-out", PARTITIONS * 20, timeout=60)) == PARTITIONS * 20
    assert status(first, "job") == "RUNNING", reason(first)


def test_a_killed_server_has_its_partitions_back_at_once(kafka: Kafka, servers: list[Server], topic: str) -> None:
    first, other = servers
    other.kill()
    first.client().create_python_function_from_config(job(kafka, topic, session_ms=60_000), Counter)
    produce_counted(kafka, topic, 10)
    kafka.consume(f"{topic}-out", PARTITIONS * 10)
    first.kill()
    produce_counted(kafka, topic, 1)
    started = time.monotonic()
    first.start()
    assert len(kafka.consume(f"{topic}-out", PARTITIONS * 11)) == PARTITIONS * 11
    took = time.monotonic() - started
    print(f"from the restart after SIGKILL to the last output: {took:.2f} s")
    assert took < 30, "the group made its static member wait"


def test_an_administrators_reset_is_not_followed_and_the_group_is_set_right(kafka: Kafka, servers: list[Server], topic: str) -> None:
    first, other = servers
    other.kill()
    client = first.client()
    client.create_python_function_from_config(job(kafka, topic), Counter)
    produce_counted(kafka, topic, 10)
    kafka.consume(f"{topic}-out", PARTITIONS * 10)
    client.stop_function("job")
    reset(kafka, topic, 0)
    client.start_function("job")
    produce_counted(kafka, topic, 1)
    values = [value or b"" for value in kafka.consume(f"{topic}-out", PARTITIONS * 11)]
    assert sum(b'"count": 11' in value for value in values) == PARTITIONS, "the reset rewound or lost something"
    wait_for(lambda: kafka.committed(f"{topic}-group", topic, 0) == 11, "the group's offset to be set right")
    assert "group's offset is 0" in "".join(path.read_text() for path in first.home.rglob("functions/job*"))


def test_a_function_dropped_and_created_anew_goes_on_at_the_groups_offset(kafka: Kafka, servers: list[Server], topic: str) -> None:
    first, second = (server.client() for server in servers)
    first.create_python_function_from_config(job(kafka, topic), Counter)
    produce_counted(kafka, topic, 3)
    kafka.consume(f"{topic}-out", PARTITIONS * 3)
    for client, total in ((first, 6), (second, 9)):
        first.drop_function("job")
        client.create_python_function_from_config(job(kafka, topic), Counter)
        produce_counted(kafka, topic, 3)
        values = [value or b"" for value in kafka.consume(f"{topic}-out", PARTITIONS * total, timeout=60)]
        assert status(client, "job") == "RUNNING", reason(client)
        assert sum(b'"count": 1,' in value or b'"count": 1}' in value for value in values) == PARTITIONS * total // 3, (
            "the new state is not empty"
        )
