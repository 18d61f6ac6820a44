"""Kafka to Kafka, on a real broker: what is carried, what is exact after a crash, and what happens while the broker is away."""

from __future__ import annotations

import itertools
import json
import random
import socket
import time
from collections import defaultdict
from pathlib import Path
from typing import Any

import pytest
from confluent_kafka import Producer
from fs_api import FSProcessorDriver
from fs_client import FsClient
from fs_client.config import EmbeddedInput, KafkaInput, KafkaOutput, WasmTaskBuilder, WasmTaskConfig
from fs_client.errors import BadRequestError
from fs_client.models import FunctionDescription
from functions.counting import Counter, Remembering
from functions.forwarding import Describe, Forward
from support.kafka import Kafka
from support.server import Server
from support.topics import status
from support.wait import wait_for

KEYS = 7
TOPICS = itertools.count()


@pytest.fixture
def topic() -> str:
    """The start of a test's topic names, its own: the broker serves the whole session."""
    return f"test-{next(TOPICS)}"


def job(kafka: Kafka, name: str, source: str, target: str, partition: int | None = None, group: str = "", **options: Any) -> WasmTaskConfig:
    """A function between two Kafka topics; `options` are further top-level keys."""
    given = KafkaInput(kafka.bootstrap_servers, source, group or f"{source}-group", partition)
    given.data["session.timeout.ms"] = 6000
    config = WasmTaskBuilder().set_name(name).add_input_group([given]).add_output(KafkaOutput(kafka.bootstrap_servers, target, 0)).build()
    config.options.update(options)
    return config


def make_events(count: int) -> list[tuple[bytes, bytes]]:
    """(key, value) as Counter takes them."""
    chance = random.Random(count)
    keys = [f"k{chance.randrange(KEYS)}" for _ in range(count)]
    return [(key.encode(), json.dumps({"key": key, "value": chance.randrange(100)}).encode()) for key in keys]


def produce_keyed(kafka: Kafka, topic: str, events: list[tuple[bytes, bytes]]) -> None:
    producer = Producer({"bootstrap.servers": kafka.bootstrap_servers, "enable.idempotence": True})
    for key, value in events:
        producer.produce(topic, value=value, key=key)
    assert producer.flush(30) == 0


def expected_by_key(events: list[tuple[bytes, bytes]]) -> dict[str, list[tuple[int, int]]]:
    """Each key's (count, sum) after each of its events."""
    expected: dict[str, list[tuple[int, int]]] = defaultdict(list)
    for _, value in events:
        event = json.loads(value)
        count, total = expected[event["key"]][-1] if expected[event["key"]] else (0, 0)
        expected[event["key"]].append((count + 1, total + event["value"]))
    return expected


def stored(kafka: Kafka, topic: str) -> int:
    """How many messages are there to be read now."""
    return len(kafka.read_all(topic))


def assert_every_output_in_order_up_to_repeats(kafka: Kafka, topic: str, events: list[tuple[bytes, bytes]]) -> None:
    """Each key's counts and sums are exact, all are there, and a repeat only ever goes back to what was there before."""
    seen: dict[str, list[tuple[int, int]]] = defaultdict(list)
    expected = expected_by_key(events)
    for value in kafka.read_all(topic):
        output = json.loads(value or b"")
        count, total = output["count"], output["sum"]
        assert count <= max((one for one, _ in seen[output["key"]]), default=0) + 1, f"{output} came before the one it follows"
        assert (count, total) == expected[output["key"]][count - 1], "the state lost or repeated an event"
        seen[output["key"]].append((count, total))
    assert {key: max(one) for key, one in seen.items()} == {key: one[-1] for key, one in expected.items()}


def all_processed(kafka: Kafka, topic: str, expected: dict[str, list[tuple[int, int]]]) -> bool:
    """Whether each key's last output is there."""
    last: dict[str, int] = {}
    for value in kafka.read_all(topic):
        output = json.loads(value or b"")
        last[output["key"]] = max(output["count"], last.get(output["key"], 0))
    return last == {key: len(one) for key, one in expected.items()}


def test_totals_over_three_partitions_are_exact(kafka: Kafka, client: FsClient, topic: str) -> None:
    kafka.create_topic(f"{topic}-in", 3)
    kafka.create_topic(f"{topic}-out")
    events = make_events(3000)
    produce_keyed(kafka, f"{topic}-in", events)
    client.create_python_function_from_config(job(kafka, "counter", f"{topic}-in", f"{topic}-out"), Counter)
    kafka.consume(f"{topic}-out", len(events))
    client.stop_function("counter")
    assert stored(kafka, f"{topic}-out") == len(events)
    assert_every_output_in_order_up_to_repeats(kafka, f"{topic}-out", events)
    about = client.describe_function("counter")
    assert about.processed == about.emitted == len(events)
    ends = {number: kafka.end(f"{topic}-in", number) for number in range(3)}
    assert {one.partition: one.offset for one in about.positions} == {number: end for number, end in ends.items() if end}
    # The group is told too, for monitoring.
    for number, end in ends.items():
        if end:
            wait_for(lambda: kafka.committed(f"{topic}-in-group", f"{topic}-in", number) == end, "the group's position")  # noqa: B023


def test_the_context_tells_all_of_a_message_and_emit_sets_all(kafka: Kafka, client: FsClient, topic: str) -> None:
    kafka.create_topic(f"{topic}-in", 2)
    kafka.create_topic(f"{topic}-out")
    producer = Producer({"bootstrap.servers": kafka.bootstrap_servers})
    producer.produce(f"{topic}-in", value=b"one", partition=1, timestamp=1_700_000_000_001)
    producer.flush(30)
    producer.produce(
        f"{topic}-in", value=b"two", key=b"k", partition=1, timestamp=1_700_000_000_002, headers=[("h", b"1"), ("h", None), ("", b"")]
    )
    assert producer.flush(30) == 0
    client.create_python_function_from_config(job(kafka, "describe", f"{topic}-in", f"{topic}-out", partition=1), Describe)
    messages = kafka.consume_messages(f"{topic}-out", 2)
    common = {"topic": f"{topic}-in", "partition": 1}
    assert [json.loads(message.value()) for message in messages] == [
        {"value": "one", "key": None, "headers": [], "timestamp": 1_700_000_000_001, "offset": 0, **common},
        {"value": "two", "key": "k", "headers": [["h", "1"], ["h", None], ["", ""]], "timestamp": 1_700_000_000_002, "offset": 1, **common},
    ]
    for message in messages:
        assert message.key() == b"own key"
        assert message.headers() == [("own", b"header"), ("empty", None)]
        assert message.timestamp()[1] == 1_000_000_000_123


def test_forwarding_keeps_key_headers_timestamp_and_tombstones(kafka: Kafka, client: FsClient, topic: str) -> None:
    kafka.create_topic(f"{topic}-in")
    kafka.create_topic(f"{topic}-out")
    sent: list[tuple[bytes | None, bytes | None, list[tuple[str, bytes | None]], int]] = [
        (b"value", b"key", [("a", b"\x00\xff"), ("b", None)], 1_700_000_000_001),
        (b"", b"", [], 1_700_000_000_002),
        (b"no key", None, [], 1_700_000_000_003),
        (None, b"deleted", [], 1_700_000_000_004),
        (b"x" * 900_000, b"large", [], 1_700_000_000_005),
    ]
    producer = Producer({"bootstrap.servers": kafka.bootstrap_servers})
    for value, key, headers, timestamp in sent:
        producer.produce(f"{topic}-in", value=value, key=key, headers=headers, timestamp=timestamp)
    assert producer.flush(30) == 0
    client.create_python_function_from_config(job(kafka, "forward", f"{topic}-in", f"{topic}-out", partition=0), Forward)
    messages = kafka.consume_messages(f"{topic}-out", len(sent))
    assert [(one.value(), one.key(), one.headers() or [], one.timestamp()[1]) for one in messages] == sent


def test_the_key_decides_the_partition_where_the_output_names_none(kafka: Kafka, client: FsClient, topic: str) -> None:
    kafka.create_topic(f"{topic}-in")
    kafka.create_topic(f"{topic}-out", 3)
    events = [(f"key-{number % 20}".encode(), f"{number}".encode()) for number in range(200)]
    produce_keyed(kafka, f"{topic}-in", events)
    config = job(kafka, "forward", f"{topic}-in", f"{topic}-out", partition=0)
    del config.outputs[0]["partition"]
    client.create_python_function_from_config(config, Forward)
    partitions: dict[bytes, set[int]] = defaultdict(set)
    values: dict[bytes, list[bytes]] = defaultdict(list)
    for message in kafka.consume_messages(f"{topic}-out", len(events)):
        partitions[message.key()].add(message.partition())
        values[message.key()].append(message.value())
    assert all(len(one) == 1 for one in partitions.values())
    assert len({next(iter(one)) for one in partitions.values()}) == 3
    assert values == {key: [value for other, value in events if other == key] for key, _ in events}


@pytest.mark.parametrize("partition", [0, None], ids=["explicit partition", "group-assigned"])
def test_sigkill_leaves_the_state_exact_and_every_output_there(kafka: Kafka, server: Server, topic: str, partition: int | None) -> None:
    # Where the group assigns, the dead member's session must end first: one crash shows it, several would only wait longer.
    kills = 4 if partition is not None else 1
    kafka.create_topic(f"{topic}-in", 1 if partition is not None else 3)
    kafka.create_topic(f"{topic}-out")
    events = make_events(20_000)
    with server.client() as client:
        config = job(kafka, "counter", f"{topic}-in", f"{topic}-out", partition, checkpoint_interval_seconds=0.02)
        client.create_python_function_from_config(config, Counter)
    portion = len(events) // kills
    for kill in range(kills):
        before = stored(kafka, f"{topic}-out")
        produce_keyed(kafka, f"{topic}-in", events[kill * portion : (kill + 1) * portion])
        wait_for(lambda: stored(kafka, f"{topic}-out") > before + 100, "some of it is done", timeout=40)  # noqa: B023
        server.kill()
        server.start()
    expected = expected_by_key(events)
    wait_for(lambda: all_processed(kafka, f"{topic}-out", expected), "every key's last output", timeout=60)
    with server.client() as client:
        client.stop_function("counter")
        # What is counted from here on shows the state itself: each key's total, exact.
        client.start_function("counter")
    events += [(key.encode(), json.dumps({"key": key, "value": 0}).encode()) for key in expected]
    produce_keyed(kafka, f"{topic}-in", events[20_000:])
    wait_for(lambda: all_processed(kafka, f"{topic}-out", expected_by_key(events)), "the totals", timeout=40)
    assert_every_output_in_order_up_to_repeats(kafka, f"{topic}-out", events)


def what_it_waits_for(client: FsClient, name: str, what: str = "") -> FunctionDescription:
    """The function's description, once it has a reason that names `what`; it may have waited for something else before."""
    seen = [client.describe_function(name)]

    def has_reason() -> bool:
        seen.append(client.describe_function(name))
        return bool(seen[-1].reason) and what in seen[-1].reason

    wait_for(has_reason, f"a reason in describe that names {what!r}", timeout=40)
    return seen[-1]


def numbers(kafka: Kafka, topic: str) -> list[int]:
    return [int(value or b"") for value in kafka.read_all(topic)]


def sums(count: int) -> list[int]:
    """What Remembering emits for `count` messages of b"1"."""
    return list(range(1, count + 1))


def test_functions_of_one_group_and_partition_do_not_disturb_each_other(kafka: Kafka, client: FsClient, topic: str) -> None:
    kafka.create_topic(f"{topic}-in")
    for name in ("one", "two", "three"):
        kafka.create_topic(f"{topic}-{name}")

    def create(name: str) -> None:
        client.create_python_function_from_config(job(kafka, name, f"{topic}-in", f"{topic}-{name}", 0, group="shared"), Remembering)

    def wait(name: str, count: int) -> None:
        wait_for(lambda: stored(kafka, f"{topic}-{name}") >= count, f"{count} outputs of {name}")

    create("one")
    create("two")
    kafka.produce(f"{topic}-in", [b"1"] * 50)
    wait("one", 50)
    wait("two", 50)
    client.stop_function("one")
    kafka.produce(f"{topic}-in", [b"1"] * 50)
    wait("two", 100)
    client.start_function("one")
    wait("one", 100)
    client.stop_function("two")
    # The group stands at 100 by now; who comes later reads from the beginning all the same.
    create("three")
    wait("three", 100)
    kafka.produce(f"{topic}-in", [b"1"] * 50)
    wait("one", 150)
    client.drop_function("one")
    client.start_function("two")
    wait("two", 150)
    wait("three", 150)
    for name in ("one", "two", "three"):
        assert numbers(kafka, f"{topic}-{name}") == sums(150), name
    assert [client.describe_function(name).restarts for name in ("two", "three")] == [0, 0]


@pytest.mark.parametrize("partition", [0, None], ids=["explicit partition", "group-assigned"])
def test_stop_and_start_neither_lose_nor_repeat(kafka: Kafka, client: FsClient, topic: str, partition: int | None) -> None:
    kafka.create_topic(f"{topic}-in")
    kafka.create_topic(f"{topic}-out")
    client.create_python_function_from_config(job(kafka, "sum", f"{topic}-in", f"{topic}-out", partition), Remembering)
    for turn in range(3):
        kafka.produce(f"{topic}-in", [b"1"] * 1000)
        # In the middle of it.
        wait_for(lambda: stored(kafka, f"{topic}-out") > turn * 1000, "some are done")  # noqa: B023
        client.stop_function("sum")
        assert status(client, "sum") == "STOPPED"
        client.start_function("sum")
    wait_for(lambda: stored(kafka, f"{topic}-out") >= 3000, "all are done")
    client.stop_function("sum")
    assert numbers(kafka, f"{topic}-out") == sums(3000)


def test_a_server_restart_neither_loses_nor_repeats(kafka: Kafka, server: Server, topic: str) -> None:
    kafka.create_topic(f"{topic}-in")
    kafka.create_topic(f"{topic}-out")
    with server.client() as client:
        client.create_python_function_from_config(job(kafka, "sum", f"{topic}-in", f"{topic}-out", 0), Remembering)
    kafka.produce(f"{topic}-in", [b"1"] * 2000)
    wait_for(lambda: stored(kafka, f"{topic}-out") > 0, "some are done")
    assert server.stop() == 0
    kafka.produce(f"{topic}-in", [b"1"] * 500)
    server.start()
    wait_for(lambda: stored(kafka, f"{topic}-out") >= 2500, "all are done")
    assert numbers(kafka, f"{topic}-out") == sums(2500)


@pytest.mark.parametrize("partition", [0, None], ids=["explicit partition", "group-assigned"])
def test_a_broker_that_dies_and_returns_is_waited_for(kafka: Kafka, client: FsClient, topic: str, partition: int | None) -> None:
    kafka.create_topic(f"{topic}-in")
    kafka.create_topic(f"{topic}-out")
    client.create_python_function_from_config(job(kafka, "counter", f"{topic}-in", f"{topic}-out", partition), Counter)
    events = make_events(2000)
    produce_keyed(kafka, f"{topic}-in", events[:1000])
    kafka.consume(f"{topic}-out", 1000)
    # On disk everywhere: a single broker that is killed may lose what it had acknowledged from memory.
    kafka.stop()
    try:
        about = what_it_waits_for(client, "counter")
        assert about.status == "RUNNING"
        assert kafka.bootstrap_servers in about.reason and f"{topic}-in" in about.reason, about.reason
    finally:
        kafka.start()
    produce_keyed(kafka, f"{topic}-in", events[1000:])
    expected = expected_by_key(events)
    wait_for(lambda: all_processed(kafka, f"{topic}-out", expected), "it goes on by itself", timeout=60)
    kafka.kill9()
    kafka.start()
    events += make_events(300)
    produce_keyed(kafka, f"{topic}-in", events[2000:])
    wait_for(lambda: all_processed(kafka, f"{topic}-out", expected_by_key(events)), "it goes on after a crash too", timeout=60)
    assert_every_output_in_order_up_to_repeats(kafka, f"{topic}-out", events)
    about = client.describe_function("counter")
    assert (about.status, about.reason, about.restarts) == ("RUNNING", "", 0)


def test_waiting_for_a_broker_that_is_gone_costs_next_to_nothing(kafka: Kafka, server: Server, client: FsClient, topic: str) -> None:
    # librdkafka looked for the broker on two threads without a pause, for as long as a question of ours was open.
    kafka.create_topic(f"{topic}-in")
    kafka.create_topic(f"{topic}-out")
    names = {"by-group": None, "by-partition": 0}
    for name, partition in names.items():
        config = job(kafka, name, f"{topic}-in", f"{topic}-out", partition, group=f"{topic}-{name}")
        client.create_python_function_from_config(config, Remembering)
    kafka.produce(f"{topic}-in", [b"1"])
    assert len(kafka.consume(f"{topic}-out", 2)) == 2
    kafka.stop()
    try:
        for name in names:
            what_it_waits_for(client, name)
        before = server.cpu_seconds()
        time.sleep(2)
        assert server.cpu_seconds() - before < 0.4
    finally:
        kafka.start()
    wait_for(lambda: not any(client.describe_function(name).reason for name in names), "both are back", timeout=60)
    kafka.produce(f"{topic}-in", [b"1"])
    assert len(kafka.consume(f"{topic}-out", 4)) == 4


def test_a_topic_that_is_not_there_is_waited_for(kafka: Kafka, client: FsClient, topic: str) -> None:
    kafka.create_topic(f"{topic}-out")
    client.create_python_function_from_config(job(kafka, "sum", f"{topic}-in", f"{topic}-out"), Remembering)
    about = what_it_waits_for(client, "sum", f"{topic}-in")
    assert about.status == "RUNNING"
    kafka.create_topic(f"{topic}-in")
    kafka.produce(f"{topic}-in", [b"1", b"2"])
    assert kafka.consume(f"{topic}-out", 2) == [b"1", b"3"]
    assert client.describe_function("sum").reason == ""


BAD_PROPERTIES = {
    "misspelt": ("auto.ofset.reset", "earliest", r"`auto\.offset\.reset`"),
    "ill-typed": ("session.timeout.ms", "soon", "session.timeout.ms"),
    "out of range": ("fetch.wait.max.ms", -5, "fetch.wait.max.ms"),
    "no such word": ("auto.offset.reset", "middle", "auto.offset.reset"),
    "of a producer": ("linger.ms", 5, "producers"),
    "ours": ("group.id", "other", "group_id"),
    "the checkpoint's": ("enable.auto.commit", True, "checkpoint"),
    "loads code": ("plugin.library.paths", "/tmp/evil.so", "load code"),
    "partition": ("partition", -1, "partition"),
    "partition as text": ("partition", "first", "partition"),
    "broker": ("bootstrap_servers", "kafka", "host:port"),
    "topic": ("topic", "a b", "letters, digits"),
    "group": ("group_id", "", "group_id"),
}


@pytest.mark.parametrize("name", BAD_PROPERTIES)
def test_a_bad_property_is_a_bad_request_naming_it(client: FsClient, name: str) -> None:
    key, value, expected = BAD_PROPERTIES[name]
    source = KafkaInput("127.0.0.1:9092", "in", "group")
    source.data[key] = value
    config = WasmTaskBuilder().set_name("job").add_input_group([source]).add_output(KafkaOutput("127.0.0.1:9092", "out")).build()
    with pytest.raises(BadRequestError, match=expected) as error:
        client.create_python_function_from_config(config, Forward)
    assert f"input-groups[0].inputs[0].{key} (line " in error.value.message
    assert client.show_functions().functions == []


def test_a_bad_property_of_an_output_is_a_bad_request_naming_it(client: FsClient) -> None:
    target = KafkaOutput("127.0.0.1:9092", "out")
    target.data["compression.type"] = "zipp"
    config = WasmTaskBuilder().set_name("job").add_input_group([EmbeddedInput("in", "g")]).add_output(target).build()
    with pytest.raises(BadRequestError, match=r"outputs\[0\]\.compression\.type \(line \d+\)"):
        client.create_python_function_from_config(config, Forward)


def nobody() -> str:
    """An address where nobody listens."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return f"127.0.0.1:{probe.getsockname()[1]}"


def quick(call: Any, *arguments: Any) -> None:
    """A call that waits for nobody: a server that is slow is given 10 s, one that is away is not."""
    call(*arguments, timeout=8.0)


@pytest.mark.parametrize("partition", [0, None], ids=["explicit partition", "group-assigned"])
def test_a_broker_that_is_not_there_is_waited_for_by_name(client: FsClient, partition: int | None) -> None:
    address = nobody()
    config = (
        WasmTaskBuilder()
        .set_name("waits")
        .add_input_group([KafkaInput(address, "in", "group", partition)])
        .add_output(KafkaOutput(address, "out"))
        .build()
    )
    quick(client.create_python_function_from_config, config, Forward)
    about = what_it_waits_for(client, "waits")
    assert about.status == "RUNNING" and address in about.reason
    quick(client.stop_function, "waits")
    assert status(client, "waits") == "STOPPED"
    quick(client.start_function, "waits")
    quick(client.drop_function, "waits")
    assert client.show_functions().functions == []


@pytest.mark.parametrize("function", [Forward, Remembering], ids=lambda one: one.__name__)
def test_an_output_whose_broker_is_not_there_holds_the_function_up(client: FsClient, function: type[FSProcessorDriver]) -> None:
    address = nobody()
    config = WasmTaskBuilder().set_name("waits").add_input_group([EmbeddedInput("in", "g")]).add_output(KafkaOutput(address, "out")).build()
    client.create_python_function_from_config(config, function)
    client.publish("in", [b"1", b"2"])
    about = what_it_waits_for(client, "waits")
    assert about.status == "RUNNING" and address in about.reason
    quick(client.stop_function, "waits")
    quick(client.start_function, "waits")
    quick(client.drop_function, "waits")


def test_an_output_whose_broker_returns_gets_everything_once(kafka: Kafka, client: FsClient, topic: str) -> None:
    kafka.create_topic(topic)
    target = KafkaOutput(kafka.bootstrap_servers, topic)
    config = WasmTaskBuilder().set_name("sum").add_input_group([EmbeddedInput("in", "g")]).add_output(target).build()
    client.create_python_function_from_config(config, Remembering)
    client.publish("in", [b"1"] * 100)
    assert len(kafka.consume(topic, 100)) == 100
    kafka.stop()
    try:
        client.publish("in", [b"1"] * 100)
        about = what_it_waits_for(client, "sum")
        assert about.status == "RUNNING" and "outputs[0]" in about.reason and kafka.bootstrap_servers in about.reason
    finally:
        kafka.start()
    wait_for(lambda: stored(kafka, topic) >= 200, "what was held up", timeout=60)
    client.publish("in", [b"1"])
    wait_for(lambda: stored(kafka, topic) >= 201, "it goes on")
    assert numbers(kafka, topic) == sums(201)
    about = client.describe_function("sum")
    assert (about.status, about.reason, about.restarts) == ("RUNNING", "", 0)


def test_a_broker_that_may_not_serve_for_a_while_is_asked_again(client: FsClient, tmp_path: Path) -> None:
    """A bug once: told of topics without any broker, as by one that has just started, the client had nobody to ask any more."""
    kafka = Kafka(tmp_path / "kafka")
    kafka.start()
    try:
        kafka.create_topic("out")
        target = KafkaOutput(kafka.bootstrap_servers, "out")
        config = WasmTaskBuilder().set_name("sum").add_input_group([EmbeddedInput("in", "g")]).add_output(target).build()
        client.create_python_function_from_config(config, Remembering)
        kafka.stop()
        # It is late with every heartbeat: for half of the time its controller fences it.
        kafka.start(broker_heartbeat_interval_ms=3000, broker_session_timeout_ms=1500)
        count = 0

        def is_held_up() -> bool:
            nonlocal count
            client.publish("in", [b"1"])
            count += 1
            return client.describe_function("sum").reason != ""

        for _ in range(3):
            wait_for(is_held_up, "it is held up", timeout=60)
            wait_for(lambda: not is_held_up(), "it goes on", timeout=60)
        kafka.stop()
        kafka.start()
        wait_for(lambda: stored(kafka, "out") >= count, "all is there", timeout=60)
        assert numbers(kafka, "out") == sums(count)
    finally:
        kafka.kill9()
