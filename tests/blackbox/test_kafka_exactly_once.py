"""Exactly once to Kafka, on a real broker: what a reader of committed records sees after SIGKILL at any point is exact, with no repeats."""

from __future__ import annotations

import contextlib
import itertools
import json
import os
import signal
import time
from collections import defaultdict
from collections.abc import Iterable, Iterator
from pathlib import Path
from threading import Event, Thread
from typing import Any

import pytest
from confluent_kafka import Producer
from fs_client import FsClient
from fs_client.config import EmbeddedInput, EmbeddedOutput, KafkaInput, KafkaOutput, WasmTaskBuilder, WasmTaskConfig
from fs_client.errors import BadRequestError, ServerError
from functions.counting import Counter, Remembering
from functions.forwarding import Forward
from support.kafka import Kafka
from support.server import Server
from support.topics import read_all
from support.wait import wait_for
from test_kafka import expected_by_key, job, make_events, nobody, produce_keyed

TOPICS = itertools.count()
POINTS = (
    "checkpoint-begin",
    "transaction-begun",
    "sinks-flushed",
    "state-prepared",
    "offsets-sent",
    "outputs-committed",
    "state-committed",
)


@pytest.fixture
def topic() -> str:
    return f"exact-{next(TOPICS)}"


def assert_exact(values: list[bytes | None], events: list[tuple[bytes, bytes]]) -> None:
    """Each key's counts and sums, all of them, once and in order."""
    seen: dict[str, list[tuple[int, int]]] = defaultdict(list)
    for value in values:
        output = json.loads(value or b"")
        seen[output["key"]].append((output["count"], output["sum"]))
    assert seen == expected_by_key(events)


def all_there(kafka: Kafka, topic: str, events: list[tuple[bytes, bytes]]) -> list[bytes | None]:
    """What the topic holds once it has as many records as there are events; a moment later it has no more."""
    wait_for(lambda: len(kafka.read_all(topic)) >= len(events), f"{len(events)} outputs in {topic}", timeout=60)
    return kafka.read_all(topic)


def endless_events() -> Iterator[tuple[bytes, bytes]]:
    return itertools.chain.from_iterable(make_events(1000) for _ in itertools.count())


class Stream:
    """Events that come, some thousand a second, for as long as the block runs; `sent` is what came."""

    def __init__(self, kafka: Kafka, topic: str, events: Iterable[tuple[bytes, bytes]]) -> None:
        self.sent: list[tuple[bytes, bytes]] = []
        self._kafka, self._topic, self._events = kafka, topic, events
        self._is_enough = Event()
        self._thread = Thread(target=self._produce)

    def _produce(self) -> None:
        producer = Producer({"bootstrap.servers": self._kafka.bootstrap_servers, "enable.idempotence": True})
        for key, value in self._events:
            producer.produce(self._topic, value=value, key=key)
            self.sent.append((key, value))
            if len(self.sent) % 10 == 0 and self._is_enough.wait(0.005):
                break
        assert producer.flush(30) == 0

    def __enter__(self) -> Stream:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._is_enough.set()
        self._thread.join()


@pytest.mark.parametrize("partition", [0, None], ids=["explicit partition", "group-assigned"])
@pytest.mark.parametrize("passes", [1, 3])
@pytest.mark.parametrize("point", POINTS)
def test_death_at_a_point_of_the_protocol_leaves_everything_exact(
    kafka: Kafka, tmp_path: Path, topic: str, point: str, passes: int, partition: int | None
) -> None:
    kafka.create_topic(f"{topic}-in", 1 if partition is not None else 3)
    kafka.create_topic(f"{topic}-out")
    waiting = make_events(6000)
    produce_keyed(kafka, f"{topic}-in", waiting)
    server = Server(tmp_path / "server", binary=Path(os.environ["FS_FAILPOINT_SERVER"]), env={"FS_FAILPOINT": f"{point}:{passes}"}).start()
    config = job(kafka, "counter", f"{topic}-in", f"{topic}-out", partition, checkpoint_interval_seconds=0.01)
    # What waits may be done in one checkpoint: events come until the server has died.
    with Stream(kafka, f"{topic}-in", endless_events()) as stream:
        with server.client() as client, contextlib.suppress(ServerError):
            # The server may be gone before it answers.
            client.create_python_function_from_config(config, Counter)
        assert server.wait_dead() == -signal.SIGKILL
    events = waiting + stream.sent

    del server.env["FS_FAILPOINT"]
    with server, server.client() as client:
        all_there(kafka, f"{topic}-out", events)
        client.stop_function("counter")
        assert_exact(kafka.read_all(f"{topic}-out"), events)


@pytest.mark.parametrize("partition", [0, None], ids=["explicit partition", "group-assigned"])
def test_sigkill_in_the_middle_again_and_again_leaves_outputs_and_totals_exact(
    kafka: Kafka, server: Server, topic: str, partition: int | None, record_property: Any
) -> None:
    kafka.create_topic(f"{topic}-in", 1 if partition is not None else 3)
    kafka.create_topic(f"{topic}-out")
    with server.client() as client:
        config = job(kafka, "counter", f"{topic}-in", f"{topic}-out", partition, checkpoint_interval_seconds=0.05)
        client.create_python_function_from_config(config, Counter)
    seconds_to_output = []
    with Stream(kafka, f"{topic}-in", endless_events()) as stream:
        for _ in range(4):
            working = kafka.end(f"{topic}-out") + 100
            wait_for(lambda: kafka.end(f"{topic}-out") > working, "it is at work", timeout=60)  # noqa: B023
            server.kill()
            left = kafka.end(f"{topic}-out")
            killed = time.monotonic()
            server.start()
            # The first record after the death may be the end of the transaction that was open.
            wait_for(lambda: kafka.end(f"{topic}-out") > left + 1, "the first new output", timeout=60)  # noqa: B023
            seconds_to_output.append(round(time.monotonic() - killed, 2))
    events = stream.sent
    record_property("seconds from SIGKILL to new output", seconds_to_output)
    print(f"seconds from SIGKILL to new output, {partition=}: {seconds_to_output}")
    assert_exact(all_there(kafka, f"{topic}-out", events), events)
    # What is counted from here on shows the state itself: each key's total.
    last = [(key.encode(), json.dumps({"key": key, "value": 0}).encode()) for key in expected_by_key(events)]
    produce_keyed(kafka, f"{topic}-in", last)
    events = events + last
    assert_exact(all_there(kafka, f"{topic}-out", events), events)
    with server.client() as client:
        client.stop_function("counter")
    assert_exact(kafka.read_all(f"{topic}-out"), events)


def test_a_clean_end_leaves_no_transaction_open(kafka: Kafka, client: FsClient, topic: str) -> None:
    kafka.create_topic(f"{topic}-in")
    kafka.create_topic(f"{topic}-out")
    client.create_python_function_from_config(job(kafka, "sum", f"{topic}-in", f"{topic}-out", 0), Remembering)
    kafka.produce(f"{topic}-in", [b"1"] * 100)
    kafka.consume(f"{topic}-out", 100)
    client.drop_function("sum")
    # Whoever writes after it is read at once: nothing holds the end of the committed records back.
    kafka.produce(f"{topic}-out", [b"another"])
    # Far below the 40 s after which the broker would end what was left open.
    assert kafka.consume(f"{topic}-out", 101, timeout=20)[-1] == b"another"


def sums(count: int) -> list[bytes]:
    return [str(number).encode() for number in range(1, count + 1)]


def test_from_the_embedded_log_to_kafka(kafka: Kafka, server: Server, topic: str) -> None:
    kafka.create_topic(topic)
    config = (
        WasmTaskBuilder()
        .set_name("sum")
        .add_input_group([EmbeddedInput("in", "g")])
        .add_output(KafkaOutput(kafka.bootstrap_servers, topic))
        .build()
    )
    with server.client() as client:
        client.create_python_function_from_config(config, Remembering)
    for turn in range(1, 4):
        with server.client() as client:
            client.publish("in", [b"1"] * 2000)
        wait_for(lambda: len(kafka.read_all(topic)) > (turn - 1) * 2000 + 10, "some are done")  # noqa: B023
        server.kill()
        server.start()
    wait_for(lambda: len(kafka.read_all(topic)) >= 6000, "all are done", timeout=40)
    assert kafka.read_all(topic) == sums(6000)


def test_from_kafka_to_the_embedded_log(kafka: Kafka, server: Server, topic: str) -> None:
    kafka.create_topic(topic)
    config = (
        WasmTaskBuilder()
        .set_name("sum")
        .add_input_group([KafkaInput(kafka.bootstrap_servers, topic, f"{topic}-group", 0)])
        .add_output(EmbeddedOutput("out"))
        .build()
    )
    with server.client() as client:
        client.create_python_function_from_config(config, Remembering)
    for turn in range(1, 4):
        kafka.produce(topic, [b"1"] * 2000)
        with server.client() as client:
            wait_for(lambda: len(read_all(client, "out")) > (turn - 1) * 2000 + 10, "some are done")  # noqa: B023
        server.kill()
        server.start()
    with server.client() as client:
        wait_for(lambda: len(read_all(client, "out")) >= 6000, "all are done", timeout=40)
        assert read_all(client, "out") == sums(6000)


def uncommitted_and_committed(kafka: Kafka, topic: str) -> tuple[int, int]:
    return kafka.end(topic), len(kafka.read_all(topic))


def test_exactly_once_is_what_happens_by_itself_and_at_least_once_on_request(kafka: Kafka, client: FsClient, topic: str) -> None:
    kafka.create_topic(f"{topic}-in")
    kafka.produce(f"{topic}-in", [b"1"] * 10)
    for name, options in (("exact", {}), ("plain", {"delivery": "at-least-once"})):
        kafka.create_topic(f"{topic}-{name}")
        client.create_python_function_from_config(job(kafka, name, f"{topic}-in", f"{topic}-{name}", 0, **options), Remembering)
        assert kafka.consume(f"{topic}-{name}", 10) == sums(10)
    # A transaction's end is a record of its own, which nobody is given.
    end, there = uncommitted_and_committed(kafka, f"{topic}-exact")
    assert there == 10 < end
    assert uncommitted_and_committed(kafka, f"{topic}-plain") == (10, 10)


def with_outputs(*outputs: KafkaOutput | EmbeddedOutput, **options: Any) -> WasmTaskConfig:
    builder = WasmTaskBuilder().set_name("job").add_input_group([EmbeddedInput("in", "g")])
    for output in outputs:
        builder = builder.add_output(output)
    config = builder.build()
    config.options.update(options)
    return config


def output(servers: str, topic: str, **properties: Any) -> KafkaOutput:
    made = KafkaOutput(servers, topic)
    made.data.update({name.replace("_", "."): value for name, value in properties.items()})
    return made


REFUSED: dict[str, tuple[list[KafkaOutput | EmbeddedOutput], str]] = {
    "two clusters": (
        [output("a:9092", "x"), output("b:9092", "y")],
        r"outputs\[0\] \(line \d+\) and outputs\[1\] \(line \d+\).*one cluster",
    ),
    "two sets of properties": ([output("a:9092", "x"), output("a:9092", "y", linger_ms=9)], r"equal client properties"),
    "Kafka and embedded": ([output("a:9092", "x"), EmbeddedOutput("y")], r"outputs\[1\] \(line \d+\).*one type"),
    "acks": ([output("a:9092", "x", acks=1)], r"outputs\[0\].*acks"),
    "no idempotence": ([output("a:9092", "x", enable_idempotence=False)], r"outputs\[0\].*idempotence"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_exactly_once_that_cannot_be_kept_is_refused_with_the_reason(client: FsClient, name: str) -> None:
    outputs, reason = REFUSED[name]
    with pytest.raises(BadRequestError, match=rf"delivery \(line \d+\): exactly-once cannot be kept: .*{reason}") as error:
        client.create_python_function_from_config(with_outputs(*outputs, delivery="exactly-once"), Forward)
    assert error.value.status_code == 400
    assert "at-least-once" in error.value.message
    assert client.show_functions().functions == []
    client.create_python_function_from_config(with_outputs(*outputs, delivery="at-least-once"), Forward)
    client.drop_function("job")


@pytest.mark.parametrize("name", ["transactional.id", "transaction.timeout.ms"])
def test_the_properties_of_transactions_are_not_the_users(client: FsClient, name: str) -> None:
    target = KafkaOutput("a:9092", "x")
    target.data[name] = 1
    with pytest.raises(BadRequestError, match=rf"outputs\[0\]\.{name} \(line \d+\): set by Function Stream"):
        client.create_python_function_from_config(with_outputs(target), Forward)


def test_two_deciders_without_a_word_are_at_least_once(kafka: Kafka, client: FsClient, topic: str) -> None:
    kafka.create_topic(topic)
    client.create_python_function_from_config(with_outputs(output(kafka.bootstrap_servers, topic), EmbeddedOutput("y")), Forward)
    client.publish("in", [b"1", b"2"])
    assert kafka.consume(topic, 2) == [b"1", b"2"]
    assert kafka.end(topic) == 2


def test_a_package_that_cannot_be_loaded_is_told_also_while_the_broker_is_away(client: FsClient) -> None:
    with pytest.raises(BadRequestError, match="Absent"):
        client.create_python_function("Absent", [("job", b"x = 1")], with_outputs(KafkaOutput(nobody(), "x")).to_yaml())
    assert client.show_functions().functions == []
