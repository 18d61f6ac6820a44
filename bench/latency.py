"""How soon a message comes out: on its own and at 5,000 a second, embedded and over Kafka; and how soon a function does, from its creation.

All through the Python client. At a rate over Kafka: medians of some runs, after one that warms the broker up, as one collection of its
garbage decides a run's 99th percentile. "Kafka alone" is what the broker takes of it, which an output adds a second time. Prints a
table, then one line of JSON. Exits with 1 when a target is missed: a single message to an idle function within 5 ms (p50); 5,000 a second
at least once within 3 ms (p50) and 15 ms (p99); create, upload included, to first output within 50 ms.
"""

from __future__ import annotations

import argparse
import json
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

HERE = Path(__file__).resolve().parent
sys.path[:0] = [str(HERE), str(HERE.parent / "tests" / "blackbox")]

import process  # noqa: E402
from confluent_kafka import Consumer, Producer, TopicPartition  # noqa: E402
from density_function import Counter  # noqa: E402
from fs_client import FsClient  # noqa: E402
from fs_client.config import EmbeddedInput, EmbeddedOutput, KafkaInput, KafkaOutput, WasmTaskBuilder  # noqa: E402
from load import latencies_ms, message  # noqa: E402
from peers.driver.broker import start_for_throughput  # noqa: E402
from support.kafka import Kafka  # noqa: E402
from support.server import Server  # noqa: E402

DELIVERIES = ("at-least-once", "exactly-once")
QUIET_S = 0.3
RATE = 5000
TARGETS_MS = {"single p50": 5.0, "steady p50": 3.0, "steady p99": 15.0, "create p50": 50.0}


def create(client: FsClient, name: str, source: Any, target: Any, delivery: str) -> None:
    config = WasmTaskBuilder().set_name(name).add_input_group([source]).add_output(target).build()
    config.options["delivery"] = delivery
    client.create_python_function_from_config(config, Counter)


def summary(latencies: list[float]) -> dict[str, float]:
    return {"p50": round(statistics.median(latencies), 2), "p99": round(process.percentile(latencies, 99), 2)}


def singles(send: Callable[[], object], receive: Callable[[], object], count: int) -> list[float]:
    """Milliseconds from sending one message to reading what became of it, each after a quiet while."""
    latencies = []
    for _ in range(count):
        time.sleep(QUIET_S)
        started = time.monotonic()
        send()
        receive()
        latencies.append((time.monotonic() - started) * 1e3)
    return latencies[1:]


def embedded_single(client: FsClient, name: str, count: int) -> list[float]:
    with client.subscribe(f"out-{name}") as records:
        return singles(lambda: client.publish(f"in-{name}", message()), lambda: next(records), count)


def kafka_single(kafka: Kafka, source: str, target: str, count: int) -> list[float]:
    producer = Producer({"bootstrap.servers": kafka.bootstrap_servers, "linger.ms": 0})
    reader = kafka_reader(kafka, target)

    def send() -> None:
        producer.produce(source, value=message(), partition=0)
        producer.flush(10)

    try:
        return singles(send, lambda: kafka_next(reader), count)
    finally:
        reader.close()


def kafka_reader(kafka: Kafka, topic: str) -> Consumer:
    reader = Consumer({"bootstrap.servers": kafka.bootstrap_servers, "group.id": "bench", "isolation.level": "read_committed"})
    reader.assign([TopicPartition(topic, 0, kafka.end(topic))])
    return reader


def kafka_next(reader: Consumer) -> bytes:
    deadline = time.monotonic() + 30
    while True:
        record = reader.poll(1.0)
        assert record is not None or time.monotonic() < deadline, "no output within 30 s"
        if record is not None and record.error() is None:
            return bytes(record.value())


def kafka_steady(kafka: Kafka, source: str, target: str, count: int) -> list[float]:
    """Sender and reader in this process: both are threads of the client library's, in C."""
    producer = Producer({"bootstrap.servers": kafka.bootstrap_servers, "linger.ms": 0.5})
    reader = kafka_reader(kafka, target)
    latencies: list[float] = []
    started, sent = time.monotonic(), 0
    try:
        while len(latencies) < count:
            due = min(count, int((time.monotonic() - started) * RATE) + 1)
            while sent < due:
                producer.produce(source, value=message(), partition=0)
                sent += 1
            producer.poll(0)
            for record in reader.consume(1000, 0.0005):
                if record.error() is None:
                    latencies.append((time.monotonic_ns() - json.loads(record.value())["sent"]) / 1e6)
            assert time.monotonic() - started < count / RATE + 60, f"{len(latencies)} of {count} came"
        producer.flush(10)
        return latencies
    finally:
        reader.close()


def steady_runs(run: Callable[[], list[float]], runs: int) -> dict[str, float]:
    run()
    rows = [summary(run()) for _ in range(runs)]
    return {key: statistics.median(row[key] for row in rows) for key in rows[0]}


def first_output(client: FsClient, number: int) -> tuple[float, float]:
    """Milliseconds from the call that creates to the first output, and to the call's return."""
    name = f"new-{number}"
    client.publish(f"in-{name}", message())
    with client.subscribe(f"out-{name}") as records:
        started = time.monotonic()
        create(client, name, EmbeddedInput(f"in-{name}", "bench"), EmbeddedOutput(f"out-{name}"), "exactly-once")
        created = time.monotonic()
        next(records)
        return (time.monotonic() - started) * 1e3, (created - started) * 1e3


def restart(client: FsClient, name: str, count: int) -> list[float]:
    times = []
    for _ in range(count):
        client.stop_function(name)
        started = time.monotonic()
        client.start_function(name)
        times.append((time.monotonic() - started) * 1e3)
    return times


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--singles", type=int, default=40)
    parser.add_argument("--seconds", type=int, default=10)
    parser.add_argument("--runs", type=int, default=3, help="of the steady rate over Kafka, after one that does not count")
    parser.add_argument("--creates", type=int, default=30)
    parser.add_argument("--embedded-only", action="store_true")
    arguments = parser.parse_args()
    result: dict[str, dict[str, float]] = {}
    with tempfile.TemporaryDirectory() as folder, Server(Path(folder) / "server") as server, server.client() as client:
        outputs = [first_output(client, number) for number in range(arguments.creates)][1:]
        result["create to first output"] = summary([output for output, _ in outputs])
        result["create"] = summary([created for _, created in outputs])
        result["start again"] = summary(restart(client, "new-0", 10))
        for delivery in DELIVERIES:
            name = f"embedded-{delivery}"
            create(client, name, EmbeddedInput(f"in-{name}", "bench"), EmbeddedOutput(f"out-{name}"), delivery)
            result[f"{name}, single"] = summary(embedded_single(client, name, arguments.singles))
        name = "embedded-at-least-once"
        count = RATE * arguments.seconds
        steady = list(latencies_ms(server.port, [f"in-{name}"], [f"out-{name}"], count, RATE, 5))
        result[f"{name}, steady"] = summary(steady[len(steady) // 10 :])
        if not arguments.embedded_only:
            start_for_throughput()
            kafka = Kafka(Path(folder) / "kafka")
            try:
                kafka.start()
                kafka.create_topic("alone")
                result["kafka alone, one way, steady"] = steady_runs(lambda: kafka_steady(kafka, "alone", "alone", count), arguments.runs)
                result["kafka alone, one way, single"] = summary(kafka_single(kafka, "alone", "alone", arguments.singles))
                for delivery in DELIVERIES:
                    name = f"kafka-{delivery}"
                    kafka.create_topic(f"in-{name}")
                    kafka.create_topic(f"out-{name}")
                    source = KafkaInput(kafka.bootstrap_servers, f"in-{name}", f"{name}-group", 0)
                    create(client, name, source, KafkaOutput(kafka.bootstrap_servers, f"out-{name}", 0), delivery)
                    result[f"{name}, single"] = summary(kafka_single(kafka, f"in-{name}", f"out-{name}", arguments.singles))
                name = "kafka-at-least-once"
                result[f"{name}, steady"] = steady_runs(lambda: kafka_steady(kafka, f"in-{name}", f"out-{name}", count), arguments.runs)
            finally:
                kafka.kill9()

    print(f"{'milliseconds':<34}{'p50':>10}{'p99':>10}")
    for what, row in result.items():
        print(f"{what:<34}{row['p50']:>10.2f}{row['p99']:>10.2f}")
    missed = []
    for what, row in result.items():
        kind = "create" if what == "create to first output" else what.partition("at-least-once, ")[2]
        for key in ("p50", "p99"):
            target = TARGETS_MS.get(f"{kind} {key}")
            if target is not None and row[key] > target:
                missed.append(f"{what}: {key} {row[key]} ms, asked: {target}")
    for one in missed:
        print(f"missed: {one}", file=sys.stderr)
    print(json.dumps(result))
    return 1 if missed else 0


if __name__ == "__main__":
    sys.exit(main())
