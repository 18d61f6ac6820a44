"""Event time: where watermarks come from, how they merge, and how they travel along chains of functions."""

from __future__ import annotations

import itertools
import json
from pathlib import Path
from typing import Any

import pytest
from fs_api import FSProcessorDriver
from fs_client import FsClient, Record
from fs_client.config import EmbeddedInput, EmbeddedOutput, Input, KafkaInput, KafkaOutput, Output, WasmTaskBuilder
from fs_client.errors import BadRequestError
from functions.event_time import Raising, Saying, Watching
from functions.forwarding import Forward
from support.kafka import Kafka
from support.server import Server
from support.topics import create, read, read_all, read_json, status
from support.wait import wait_for

NAMES = itertools.count()
QUICK = {"idle_timeout_ms": 300}
PATIENT = {"idle_timeout_ms": 3_600_000}
STAMP = "function-stream.watermark"


def job(
    client: FsClient,
    groups: list[list[Input]],
    outputs: list[Output],
    function: type[FSProcessorDriver] = Watching,
    name: str = "job",
    **options: Any,
) -> None:
    builder = WasmTaskBuilder().set_name(name)
    for group in groups:
        builder.add_input_group(group)
    for output in outputs:
        builder.add_output(output)
    config = builder.build()
    config.options.update(options)
    client.create_python_function_from_config(config, function)


def embedded(topic: str) -> EmbeddedInput:
    return EmbeddedInput(topic=topic, group_id="group")


def at(timestamp_ms: int, value: bytes = b"m") -> Record:
    return Record(value, timestamp_ms=timestamp_ms)


def watermarks(outputs: list[Any], source: int | None = None) -> list[int]:
    return [number for kind, of, number in outputs if kind == "w" and source in (None, of)]


def stamps(client: FsClient, topic: str) -> list[str]:
    """The watermarks that a topic's records carry."""
    records = client.subscribe(topic, offset=0, follow=False, timeout=30.0)
    return [(value or b"").decode().split()[0] for record in records for name, value in record.headers if name == STAMP]


def test_a_watermark_follows_the_message_that_advanced_it(client: FsClient) -> None:
    create(client, "job", Watching, watermark={"max_out_of_orderness_ms": 100})
    expected: list[list[object]] = []
    # Flink's bound: 5000 - 100 - 1. What is older, or not newer by more, advances nothing.
    for number, (time_ms, watermark) in enumerate([(5000, 4899), (4950, None), (5001, 4900), (9000, 8899), (100, None)]):
        client.publish("in", at(time_ms, b"%d" % number))
        expected.append(["m", 0, str(number)])
        if watermark is not None:
            expected.append(["w", 0, watermark])
        assert read_json(client, "out", len(expected)) == expected
    assert client.describe_function("job").watermark_ms == 8899
    client.stop_function("job")
    assert [json.loads(value) for value in read_all(client, "out")] == expected


def test_without_any_configuration_the_hook_is_called(client: FsClient) -> None:
    create(client, "job", Watching)
    client.publish("in", at(1000))
    assert read_json(client, "out", 2) == [["m", 0, "m"], ["w", 0, 999]]


def test_event_time_from_a_field(client: FsClient) -> None:
    create(client, "job", Watching, watermark={"source": "json:at"})
    values = ['{"at": 5}', '{"n": {"at": 900}, "at": 7.9}', "not json", '{"at": "text"}', '{"at": null}', '["at", 99]', "{}"]
    client.publish("in", [at(10_000, value.encode()) for value in values])
    read(client, "out", len(values) + 1)
    client.publish("in", b'{"x": [1, {"a": "}"}], "at": 100}')
    outputs = read_json(client, "out", len(values) + 3)
    assert watermarks(outputs)[-2:] == [6, 99]


def test_event_time_from_the_function(client: FsClient) -> None:
    create(client, "first", Saying, target="mid", watermark={"source": "function"})
    create(client, "second", Watching, source="mid")
    client.publish("in", [at(9_000_000, b"a"), b"wm 70", at(9_000_000, b"b"), b"wm 60", b"c", b"wm 80", b"d"])
    wait_for(lambda: 80 in watermarks([json.loads(value) for value in read_all(client, "out")]), "the last watermark arrives")
    # Nothing was made from the timestamps, neither by the first nor by the second, and it never goes back.
    assert set(watermarks(read_json(client, "out", 5))) <= {70, 80}


@pytest.mark.parametrize("is_one_group", [True, False])
def test_the_slowest_input_decides(client: FsClient, is_one_group: bool) -> None:
    groups: list[list[Input]] = [[embedded("a"), embedded("b")]] if is_one_group else [[embedded("a")], [embedded("b")]]
    job(client, groups, [EmbeddedOutput(topic="out")], watermark=PATIENT)
    create(client, "after", Watching, source="out", target="end")
    client.publish("a", at(5000))
    read(client, "out", 1 if is_one_group else 2)
    client.publish("b", at(3000))
    client.publish("a", at(6000))
    count = 4 if is_one_group else 6
    outputs = read_json(client, "out", count)
    if is_one_group:
        assert watermarks(outputs, 0) == [2999]
    else:
        assert (watermarks(outputs, 0), watermarks(outputs, 1)) == ([4999, 5999], [2999])
    # Downstream hears the minimum over all sources, with the next record.
    client.publish("a", at(6000, b"carries it"))
    end = wait_for(lambda: watermarks([json.loads(value) for value in read_all(client, "end")]), "it arrives")
    assert set(end) == {2999}


def test_a_quiet_input_stops_holding_back_the_others_and_returns(client: FsClient) -> None:
    job(client, [[embedded("a"), embedded("b")]], [EmbeddedOutput(topic="out")], watermark=QUICK)
    client.publish("a", at(5000))
    # No message comes any more: the function wakes by itself.
    assert read_json(client, "out", 2) == [["m", 0, "m"], ["w", 0, 4999]]
    client.publish("b", at(3000, b"late"))
    assert read_json(client, "out", 3)[2:] == [["m", 0, "late"]]
    client.publish("b", at(9000))
    client.publish("a", at(8000))
    assert max(watermarks(wait_for(lambda: _with_watermark(client, 7999), "it goes on"))) >= 7999


def _with_watermark(client: FsClient, watermark: int) -> list[Any]:
    outputs = [json.loads(value) for value in read_all(client, "out")]
    return outputs if any(number >= watermark for number in watermarks(outputs)) else []


def test_a_chain_keeps_event_time_and_plain_readers_see_only_data(client: FsClient) -> None:
    create(client, "first", Forward, target="one", watermark={"max_out_of_orderness_ms": 1000})
    create(client, "second", Forward, source="one", target="two")  # knows nothing of event time
    create(client, "third", Watching, source="two", target="out")
    for number in range(20):
        client.publish("in", at(10_000 + 1000 * number, b"%d" % number))
        read(client, "two", number + 1)
    # A watermark rides on the next record, at each step of the chain.
    outputs = wait_for(lambda: _with_watermark(client, 10_000 + 17_000 - 1001), "it arrives")
    # Made from its own input the watermarks would be a second further.
    marks = watermarks(outputs)
    assert marks == sorted(set(marks)) and all((mark + 1001) % 1000 == 0 for mark in marks) and marks[-1] == 25_999
    assert read_all(client, "one") == read_all(client, "two") == [b"%d" % number for number in range(20)]
    assert stamps(client, "one")[0] == "-"


def test_a_function_without_event_time_adds_nothing_to_its_outputs(client: FsClient) -> None:
    create(client, "job", Forward)
    client.publish("in", [at(1000 + n, b"%d" % n) for n in range(100)])
    read(client, "out", 100)
    assert stamps(client, "out") == []


def test_two_writers_of_a_topic_are_merged_and_one_that_is_gone_forgotten(client: FsClient) -> None:
    for name in ("a", "b"):
        create(client, name, Saying, source=f"{name}-in", target="mid", watermark={"source": "function"})
    create(client, "job", Watching, source="mid", watermark={"idle_timeout_ms": 2000})
    client.publish("b-in", [b"wm 100", b"b"])
    client.publish("a-in", b"a")
    read(client, "mid", 2)
    client.publish("a-in", [b"wm 500", b"a"])
    wait_for(lambda: _with_watermark(client, 100), "the slower of both")
    client.publish("a-in", [b"wm 600", b"a"])
    outputs = wait_for(lambda: _with_watermark(client, 600), "b is quiet")
    assert max(watermarks(outputs)[:1]) == 100


def test_a_copied_header_is_not_taken_for_our_own(client: FsClient) -> None:
    create(client, "first", Saying, target="mid", watermark={"source": "function"})
    create(client, "second", Saying, source="mid", target="out")  # emits its messages' headers
    client.publish("in", [b"wm 50", Record(b"x", headers=[("mine", b"kept"), (STAMP, b"999999 somebody")])])
    (record,) = list(_records(client, "out", 1))
    names = [name for name, _ in record.headers]
    assert names.count("mine") == 1 and names.count(STAMP) <= 1
    assert all(b"999999" not in (value or b"") for _, value in record.headers)


def _records(client: FsClient, topic: str, count: int) -> list[Record]:
    with client.subscribe(topic, offset=0, timeout=30.0) as records:
        return list(itertools.islice(records, count))


def test_watermarks_never_go_back_over_stop_and_crash(tmp_path: Path) -> None:
    server = Server(tmp_path / "server").start()
    try:
        with server.client() as client:
            create(client, "job", Watching, watermark=PATIENT)
            create(client, "after", Watching, source="out", target="end", watermark=PATIENT)
            client.publish("in", at(5000))
            assert read_json(client, "out", 2)[-1] == ["w", 0, 4999]
            client.stop_function("job")
            client.start_function("job")
            client.publish("in", at(4000, b"late"))
            read(client, "out", 3)
        server.kill()
        server.start()
        with server.client() as client:
            client.publish("in", [at(4500, b"late too"), at(7000, b"new")])
            outputs = read_json(client, "out", 6)
            assert watermarks(outputs) == [4999, 6999]
            client.publish("in", at(7000, b"carries it"))
            ends = wait_for(lambda: 6999 in (found := watermarks([json.loads(v) for v in read_all(client, "end")])) and found, "it arrives")
            assert ends == [4999, 6999]
    finally:
        server.kill()


def test_an_exception_in_the_hook_fails_the_function_and_undoes_the_hook(client: FsClient) -> None:
    create(client, "job", Raising)
    client.publish("in", at(500, b"a"))
    assert read(client, "out", 2) == [b"a 0", b"hook"]
    client.publish("in", at(2000, b"b"))
    wait_for(lambda: status(client, "job") == "FAILED", "it has failed")
    described = client.describe_function("job")
    for part in ("process_watermark() failed at watermark 1999 of source 0", "ValueError: too late for me", "event_time.py"):
        assert part in described.reason
    # The message before it counts, and nothing of the hook.
    assert read_all(client, "out") == [b"a 0", b"hook", b"b 1"]
    # The watermark is still due: it fails again, before any further message.
    since = described.since_ms
    client.publish("in", at(3000, b"c"))
    client.start_function("job")
    wait_for(lambda: (now := client.describe_function("job")).status == "FAILED" and now.since_ms > since, "it has failed again")
    assert read_all(client, "out") == [b"a 0", b"hook", b"b 1"]


@pytest.mark.parametrize("source", ["json:", "clock", "json", 5])
def test_a_source_that_is_none_is_refused(client: FsClient, source: Any) -> None:
    with pytest.raises(BadRequestError, match=r"watermark.source \(line \d+\): must be"):
        create(client, "job", Watching, watermark={"source": source})


def test_each_partition_of_kafka_hears_of_event_time_before_anything_else(client: FsClient, kafka: Kafka) -> None:
    topic = f"event-time-{next(NAMES)}"
    kafka.create_topic(topic, 4)
    options = {"checkpoint_interval_seconds": 3600, "watermark": PATIENT}
    job(client, [[embedded("in")]], [KafkaOutput(kafka.bootstrap_servers, topic)], Forward, **options)
    # Event time advances once, and few records are stamped. The client by itself keeps records without a key together for a while.
    for round in range(1, 21):
        client.publish("in", [at(1000)] * 100)
        wait_for(lambda round=round: client.describe_function("job").processed == 100 * round, "they are processed")
    client.stop_function("job")
    firsts = {}
    for message in kafka.consume_messages(topic, 2000):
        if message.offset() == 0:
            firsts[message.partition()] = [name for name, _ in message.headers() or []]
    assert firsts == {partition: [STAMP] for partition in range(4)}


def test_partitions_of_kafka_and_a_chain_through_it(client: FsClient, kafka: Kafka) -> None:
    name = f"event-time-{next(NAMES)}"
    kafka.create_topic(f"{name}-in", 3)
    kafka.create_topic(f"{name}-mid", 4)
    broker = kafka.bootstrap_servers

    def source(topic: str, group: str) -> KafkaInput:
        made = KafkaInput(broker, f"{name}-{topic}", f"{name}-{group}")
        made.data["auto.offset.reset"] = "earliest"
        return made

    events = {partition: [1000 * partition + 10 * n for n in range(200)] for partition in range(3)}
    for partition, times in events.items():
        kafka.produce(f"{name}-in", [b'{"at": %d, "key": "%d"}' % (t, t % 50) for t in times], partition=partition)
    job(
        client,
        [[source("in", "first")]],
        [KafkaOutput(broker, f"{name}-mid")],
        Forward,
        name="first",
        watermark={"source": "json:at", "max_out_of_orderness_ms": 100, **PATIENT},
    )
    job(client, [[source("mid", "second")]], [EmbeddedOutput(topic="out")], name="second", watermark=QUICK)
    # All partitions are waited for; partition 0 is the slowest.
    kafka.consume(f"{name}-mid", 600)
    more = [b'{"at": %d, "key": "%d"}' % (9000, n) for n in range(64)]
    for _ in range(2):
        for partition in range(3):
            kafka.produce(f"{name}-in", more, partition=partition)
        wait_for(lambda: status(client, "first") == "RUNNING", "runs")
    outputs = wait_for(lambda: _with_watermark(client, 1990 - 101), "it arrives through Kafka", timeout=60)
    marks = watermarks(outputs)
    # Made by the first function only, which had one number for all partitions: the slowest's.
    assert marks == sorted(set(marks)) and all((mark + 101) % 10 == 0 for mark in marks)
    assert {mark for mark in marks if mark > 1889} <= {2889, 3889, 8899}
    values = kafka.consume(f"{name}-mid", 600 + 2 * 3 * 64)
    assert all(value and value.startswith(b'{"at"') for value in values)
