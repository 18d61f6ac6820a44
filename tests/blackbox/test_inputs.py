"""Several inputs: which is next, by selector; and outputs that are away hold back the inputs instead of filling the memory."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path

import pytest
from fs_client import FsClient
from fs_client.config import EmbeddedInput, EmbeddedOutput, KafkaOutput, WasmTaskBuilder
from functions.forwarding import Forward
from functions.selecting import Slowly
from support.kafka import Kafka
from support.server import Server
from support.topics import read, read_all
from support.wait import wait_for

# The first batch of an instance is 64 messages; later ones are what takes 20 ms.
FIRST_BATCH = 64
MiB = 1 << 20
# How long a stalled function is watched for growth.
OBSERVED_S = 3.0


def fill(client: FsClient, counts: dict[str, int], start: int = 0) -> None:
    for topic, count in counts.items():
        client.publish(topic, [b"%d" % number for number in range(start, start + count)])


def start(client: FsClient, selector: str, groups: list[list[str]]) -> None:
    builder = WasmTaskBuilder().set_name("job").add_output(EmbeddedOutput(topic="out"))
    for topics in groups:
        builder.add_input_group([EmbeddedInput(topic=topic, group_id="group") for topic in topics])
    config = builder.build()
    config.options.update({"input-selector": selector, "checkpoint_interval_seconds": 0.02})
    client.create_python_function_from_config(config, Slowly)


def topics_of(values: list[bytes]) -> list[str]:
    return [value.split()[1].decode() for value in values]


def check_order(values: list[bytes]) -> None:
    """Each input's own order is kept, whatever the selector."""
    for topic in set(topics_of(values)):
        numbers = [int(value.split()[2]) for value in values if value.split()[1] == topic.encode()]
        assert numbers == list(range(len(numbers)))


def last(values: list[str], topic: str) -> int:
    return len(values) - values[::-1].index(topic)


def test_every_input_of_a_group_has_its_source_id(client: FsClient) -> None:
    groups = [["a", "b"], ["c"], ["d", "e", "f"]]
    fill(client, dict.fromkeys("abcdef", 20))
    start(client, "round-robin", groups)
    values = read(client, "out", 120)
    check_order(values)
    assert {(int(v.split()[0]), v.split()[1].decode()) for v in values} == {
        (number, topic) for number, topics in enumerate(groups) for topic in topics
    }


def test_round_robin_lets_a_small_input_through_between_large_ones(client: FsClient) -> None:
    fill(client, {"a": 1000, "b": 1000, "c": 100})
    start(client, "round-robin", [["a", "b"], ["c"]])
    values = read(client, "out", 2100)
    check_order(values)
    topics = topics_of(values)
    until_c = topics[: last(topics, "c")]
    # Turns are equal in time, and so, here, nearly in messages.
    assert until_c.count("a") <= 100 + 4 * FIRST_BATCH and until_c.count("b") <= 100 + 4 * FIRST_BATCH


@pytest.mark.parametrize(("selector", "is_fair_to_groups"), [("round-robin", False), ("group-parallel", True)])
def test_group_parallel_gives_groups_the_same_however_many_inputs(client: FsClient, selector: str, is_fair_to_groups: bool) -> None:
    fill(client, {**dict.fromkeys("abcd", 1000), "single": 1000})
    start(client, selector, [["a", "b", "c", "d"], ["single"]])
    values = read(client, "out", 5000, timeout=60)
    check_order(values)
    topics = topics_of(values)
    until_single = topics[: last(topics, "single")]
    of_group = len(until_single) - 1000
    assert (of_group < 2000) == is_fair_to_groups, of_group
    # Within the group the inputs are equal either way.
    shares = [until_single.count(topic) for topic in "abcd"]
    assert max(shares) - min(shares) <= 4 * FIRST_BATCH, shares


@pytest.mark.parametrize(
    ("selector", "is_first_at_once"),
    [("priority", True), ("sequential", False)],
)
def test_strict_selectors_drain_the_first_input_and_differ_in_going_back(client: FsClient, selector: str, is_first_at_once: bool) -> None:
    fill(client, {"a": 500, "b": 3000, "c": 100})
    start(client, selector, [["a"], ["b"], ["c"]])
    # While b is read, a gets more.
    wait_for(lambda: len(read_all(client, "out")) > 600, "b is being read")
    fill(client, {"a": 100}, start=500)
    values = read(client, "out", 3700, timeout=60)
    check_order(values)
    topics = topics_of(values)
    assert set(topics[:500]) == {"a"}
    assert set(topics[500:600]) == {"b"}
    # c starves until all before it are dry.
    first_c = topics.index("c")
    assert topics[:first_c].count("b") == 3000
    assert (last(topics, "a") < last(topics, "b")) == is_first_at_once
    assert (last(topics, "a") < last(topics, "c")) == is_first_at_once


def memory_bytes(server: Server) -> int:
    status = Path(f"/proc/{server.pid}/status").read_text(encoding="utf-8")
    return next(int(line.split()[1]) * 1024 for line in status.splitlines() if line.startswith("VmRSS:"))


def peak_until(server: Server, done: Callable[[], bool]) -> int:
    """The largest memory that was seen until then."""
    peak = memory_bytes(server)

    def look() -> bool:
        nonlocal peak
        peak = max(peak, memory_bytes(server))
        return done()

    wait_for(look, "done", timeout=120)
    return peak


@pytest.mark.parametrize("delivery", ["exactly-once", "at-least-once"])
def test_an_output_that_is_away_holds_back_the_input_not_the_memory(
    server: Server, client: FsClient, tmp_path: Path, delivery: str
) -> None:
    kafka = Kafka(tmp_path / "kafka")
    kafka.start()
    try:
        kafka.create_topic("out", 1)
        config = (
            WasmTaskBuilder()
            .set_name("job")
            .add_input_group([EmbeddedInput(topic="in", group_id="group")])
            .add_output(KafkaOutput(kafka.bootstrap_servers, "out"))
            .build()
        )
        config.options.update({"delivery": delivery, "checkpoint_interval_seconds": 60})
        client.create_python_function_from_config(config, Forward)
        client.publish("in", b"first")
        kafka.consume("out", 1)
        kafka.stop()

        size, count = 50_000, 8_000
        client.publish("in", (b"%08d" % number + bytes(size) for number in range(count)))
        before = memory_bytes(server)
        # It takes what fits and stops; 400 MB wait.
        wait_for(lambda: client.describe_function("job").reason != "", "it says what it waits for", timeout=60)
        watched_until = time.monotonic() + OBSERVED_S
        peak = peak_until(server, lambda: time.monotonic() > watched_until)
        stalled = client.describe_function("job").processed
        assert stalled < count / 2, stalled
        assert peak - before < 250 * MiB, (peak // MiB, before // MiB)
        kafka.start()
        peak = peak_until(server, lambda: client.describe_function("job").positions[0].offset == count + 1 or _commit(client))
        assert peak - before < 350 * MiB, (peak // MiB, before // MiB)
        numbers = [int(value[:8]) for value in kafka.read_all("out")[1:] if value is not None]
        if delivery == "at-least-once":
            # What was sent and not committed when it was stopped comes again: from where it was, in order.
            assert all(later <= earlier + 1 for earlier, later in zip(numbers, numbers[1:]))
            numbers = sorted(set(numbers))
        assert numbers == list(range(count))
    finally:
        kafka.kill9()


def _commit(client: FsClient) -> bool:
    """What is processed is committed at the end of a long interval, or when somebody asks."""
    if client.describe_function("job").processed == 8_001:
        client.stop_function("job")
        client.start_function("job")
    return False
