"""Messages that fail between Kafka topics: dead letters as other clients read them, and what a consumer group sees of retries."""

from __future__ import annotations

import itertools
import json
from typing import Any

import pytest
from confluent_kafka import Consumer, Producer
from fs_client import FsClient
from fs_client.config import KafkaInput, KafkaOutput, WasmTaskBuilder, WasmTaskConfig
from functions.failing import Failing
from support.kafka import Kafka
from support.wait import wait_for
from test_on_error import LIMITS, counts, message

TOPICS = itertools.count()


@pytest.fixture
def topic(kafka: Kafka) -> str:
    """The start of the names of a test's topics: in, out and dead."""
    start = f"errors-{next(TOPICS)}"
    for end in ("in", "out", "dead"):
        kafka.create_topic(f"{start}-{end}", 2 if end == "in" else 1)
    return start


def job(kafka: Kafka, topic: str, on_error: dict[str, Any], partition: int | None = None) -> WasmTaskConfig:
    given = KafkaInput(kafka.bootstrap_servers, f"{topic}-in", f"{topic}-group", partition)
    given.data["session.timeout.ms"] = 6000
    builder = WasmTaskBuilder().set_name("job").add_input_group([given])
    for end in ("out", "dead"):
        builder.add_output(KafkaOutput(kafka.bootstrap_servers, f"{topic}-{end}"))
    config = builder.build()
    config.options.update({"limits": LIMITS, "on_error": on_error})
    return config


@pytest.mark.parametrize(
    ("how", "kind"), [("raise", "ValueError"), ("loop", "Timeout"), ("allocate", "OutOfMemory"), ("large", "OutputRefused")]
)
def test_a_dead_letter_reaches_other_clients_as_it_was(kafka: Kafka, client: FsClient, topic: str, how: str, kind: str) -> None:
    producer = Producer({"bootstrap.servers": kafka.bootstrap_servers})
    for number in range(10):
        if number in (4, 5):
            headers = [("trace", b"\xff"), ("trace", None)]
            value = message(number, how)
            producer.produce(f"{topic}-in", value, key=b"\x00k", partition=1, timestamp=1_700_000_000_123, headers=headers)
        else:
            producer.produce(f"{topic}-in", message(number), partition=1)
    assert producer.flush(30) == 0
    config = job(kafka, topic, {"policy": "dead-letter", "retries": 1, "backoff_ms": 1, "dead_letter_output": 1}, partition=1)
    client.create_python_function_from_config(config, Failing)

    good = [number for number in range(10) if number not in (4, 5)]
    wait_for(lambda: [at.offset for at in client.describe_function("job").positions] == [10], "all committed", timeout=60)
    described = client.describe_function("job")
    assert (described.status, described.dead_lettered, described.skipped) == ("RUNNING", 2, 0)
    outputs = [json.loads(value or b"") for value in kafka.consume(f"{topic}-out", len(good))]
    # At least once: a restart may repeat outputs, each as it was.
    assert [one for number, one in enumerate(outputs) if one not in outputs[:number]] == counts(good)

    letters = kafka.consume_messages(f"{topic}-dead", 2)
    for number, letter in zip((4, 5), letters):
        assert (letter.value(), letter.key(), letter.timestamp()[1]) == (message(number, how), b"\x00k", 1_700_000_000_123)
        headers = letter.headers()
        assert headers is not None and headers[:2] == [("trace", b"\xff"), ("trace", None)]
        told = {name.removeprefix("function-stream."): value for name, value in headers[2:]}
        assert told["error-type"] == kind.encode()
        assert (told["function"], told["topic"], told["partition"], told["offset"], told["attempt"]) == (
            b"job",
            f"{topic}-in".encode(),
            b"1",
            str(number).encode(),
            b"2",
        )


def test_a_tombstone_is_dead_lettered_as_a_tombstone(kafka: Kafka, client: FsClient, topic: str) -> None:
    kafka.produce(f"{topic}-in", [None], key=b"gone", partition=0)
    config = job(kafka, topic, {"policy": "dead-letter", "dead_letter_output": 1}, partition=0)
    # Its empty value is no JSON.
    client.create_python_function_from_config(config, Failing)
    (letter,) = kafka.consume_messages(f"{topic}-dead", 1)
    assert (letter.value(), letter.key()) == (None, b"gone")
    assert ("function-stream.error-type", b"json.decoder.JSONDecodeError") in (letter.headers() or [])


def test_a_waiting_retry_keeps_its_place_in_the_group_and_gives_up_a_partition_that_is_asked_for(
    kafka: Kafka, client: FsClient, topic: str
) -> None:
    kafka.produce(f"{topic}-in", [message(0), message(1, "raise"), message(2)], partition=0)
    kafka.produce(f"{topic}-in", [message(10), message(11, "raise"), message(12)], partition=1)
    config = job(kafka, topic, {"policy": "retry", "backoff_ms": 3_600_000, "backoff_max_ms": 3_600_000})
    client.create_python_function_from_config(config, Failing)
    wait_for(lambda: "attempt 1 failed" in client.describe_function("job").reason, "a message waits", timeout=60)

    # Another member gets a partition only when the function answers the group in the middle of its pause.
    other = Consumer(
        {
            "bootstrap.servers": kafka.bootstrap_servers,
            "group.id": f"{topic}-group",
            "auto.offset.reset": "earliest",
            "enable.auto.commit": False,
            "session.timeout.ms": 6000,
        }
    )
    try:
        other.subscribe([f"{topic}-in"])

        def has_partition() -> bool:
            other.poll(0.1)
            return len(other.assignment()) == 1

        wait_for(has_partition, "the other member has its partition", timeout=60)
        assert client.describe_function("job").status == "RUNNING"
    finally:
        other.close()
