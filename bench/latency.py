"""How long a message takes from the call that sends it to the one that receives its answer: MetricProcessor, at-least-once.

Under a steady load, and one message at a time to a function that is idle; through Kafka and through the embedded log. Sender and
receiver are processes of their own, so the figures hold both clients. Prints a table; exits with 1 when a target is missed: p50
and p99 at 5,000 messages a second under 3 and 15 ms, p50 of a single message under 5 ms.
"""

from __future__ import annotations

import argparse
import json
import multiprocessing
import os
import statistics
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import asdict, dataclass
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Callable, Protocol

HERE = Path(__file__).resolve().parent
sys.path[:0] = [str(HERE), str(HERE.parent / "tests" / "blackbox")]

from confluent_kafka import Consumer, Producer, TopicPartition  # noqa: E402
from fs_client import FsClient  # noqa: E402
from fs_client.config import EmbeddedInput, EmbeddedOutput, KafkaInput, KafkaOutput, WasmTaskBuilder, WasmTaskConfig  # noqa: E402
from support.kafka import Kafka  # noqa: E402
from support.server import Server  # noqa: E402

RATE = 5000
TARGET_P50_MS = 3.0
TARGET_P99_MS = 15.0
TARGET_SINGLE_MS = 5.0
PAUSE_S = 0.1
TIMEOUT_S = 120.0


def event(i: int) -> bytes:
    return f'{{"value": {i % 9 + 1}, "user": "user-{i % 100:010d}", "ts": {1_700_000_000_000 + i}}}'.encode()


class Way(Protocol):
    """To a function and back; goes to the sending process as it was made, so clients are made where they are used."""

    @property
    def name(self) -> str: ...

    def config(self) -> WasmTaskConfig: ...

    def sender(self, ends: ExitStack) -> Callable[[list[bytes]], None]:
        """Hands messages over at once; nothing is held back to be sent with later ones."""

    def received(self, ends: ExitStack) -> Iterator[bytes]:
        """The function's outputs, from the first on."""


@dataclass(frozen=True)
class ThroughKafka:
    name: str
    address: str

    def config(self) -> WasmTaskConfig:
        source, target = KafkaInput(self.address, f"{self.name}-in", f"{self.name}-group"), KafkaOutput(self.address, f"{self.name}-out")
        return WasmTaskBuilder().set_name(self.name).add_input_group([source]).add_output(target).build()

    def sender(self, ends: ExitStack) -> Callable[[list[bytes]], None]:
        producer = Producer({"bootstrap.servers": self.address, "linger.ms": 0})
        ends.callback(producer.flush, TIMEOUT_S)

        def send(values: list[bytes]) -> None:
            for value in values:
                producer.produce(f"{self.name}-in", value)
            producer.poll(0)

        return send

    def received(self, ends: ExitStack) -> Iterator[bytes]:
        consumer = Consumer({"bootstrap.servers": self.address, "group.id": "latency", "isolation.level": "read_committed"})
        ends.callback(consumer.close)
        consumer.assign([TopicPartition(f"{self.name}-out", 0, 0)])
        while True:
            message = consumer.poll(TIMEOUT_S)
            if message is None or message.error() is not None:
                raise TimeoutError(f"{self.name}: no output within {TIMEOUT_S:.0f} s: {message and message.error()}")
            yield message.value()


@dataclass(frozen=True)
class ThroughEmbeddedLog:
    name: str
    server_port: int

    def config(self) -> WasmTaskConfig:
        source, target = EmbeddedInput(f"{self.name}-in", f"{self.name}-group"), EmbeddedOutput(f"{self.name}-out")
        return WasmTaskBuilder().set_name(self.name).add_input_group([source]).add_output(target).build()

    def sender(self, ends: ExitStack) -> Callable[[list[bytes]], None]:
        client = ends.enter_context(FsClient(host="127.0.0.1", port=self.server_port))

        def send(values: list[bytes]) -> None:
            client.publish(f"{self.name}-in", values)

        return send

    def received(self, ends: ExitStack) -> Iterator[bytes]:
        client = ends.enter_context(FsClient(host="127.0.0.1", port=self.server_port))
        records = ends.enter_context(client.subscribe(f"{self.name}-out", offset=0))
        return (record.value for record in records)


def send_steadily(way: Way, count: int, rate: int, answer: Connection) -> None:
    """In a process of its own. Answers with the time of each message's call, in seconds of the clock that all processes share."""
    with ExitStack() as ends:
        send = way.sender(ends)
        times: list[float] = []
        begin = time.monotonic()
        while len(times) < count:
            now = time.monotonic()
            due = min(count, int((now - begin) * rate) + 1)
            if due > len(times):
                values = [event(i) for i in range(len(times), due)]
                times += [time.monotonic()] * len(values)
                send(values)
            time.sleep(0.0005)
    answer.send(times)


@dataclass(frozen=True)
class Figures:
    way: str
    rate: float
    p50_ms: float
    p99_ms: float
    max_ms: float
    single_p50_ms: float
    single_p99_ms: float

    def missed(self) -> list[str]:
        asked = (
            ("p50", self.p50_ms, TARGET_P50_MS),
            ("p99", self.p99_ms, TARGET_P99_MS),
            ("single p50", self.single_p50_ms, TARGET_SINGLE_MS),
        )
        return [f"{self.way}: {what} {measured:.1f} ms, asked: under {limit:g}" for what, measured, limit in asked if measured >= limit]


def percentile(sorted_values: list[float], share: float) -> float:
    return sorted_values[min(len(sorted_values) - 1, int(len(sorted_values) * share))]


def measure(way: Way, client: FsClient, seconds: float, singles: int) -> Figures:
    config = way.config()
    config.options["delivery"] = "at-least-once"
    config.init_config["metric_name"] = "user_click"
    client.create_python_function_from_source(config, HERE / "functions" / "metric.py", "MetricProcessor")
    count = int(seconds * RATE)
    warm_up = count // 5
    with ExitStack() as ends:
        outputs = way.received(ends)
        theirs, ours = multiprocessing.get_context("spawn").Pipe(duplex=False)
        sender = multiprocessing.get_context("spawn").Process(target=send_steadily, args=(way, count, RATE, ours), daemon=True)
        sender.start()
        received: list[float] = []
        total = 0
        for i in range(count):
            value = next(outputs)
            received.append(time.monotonic())
            total += i % 9 + 1
            assert json.loads(value)["total"] == total, f"{way.name}: output {i} is {value!r}, not {total}"
        sent = theirs.recv()
        sender.join()
        steady = sorted((end - begin) * 1000 for begin, end in zip(sent[warm_up:], received[warm_up:], strict=True))
        rate = (count - warm_up) / (received[-1] - received[warm_up])

        send = way.sender(ends)
        alone: list[float] = []
        for i in range(singles):
            time.sleep(PAUSE_S)  # the load: one message now and then
            begin = time.monotonic()
            send([event(i)])
            next(outputs)
            alone.append((time.monotonic() - begin) * 1000)
    client.drop_function(way.name)
    alone.sort()
    return Figures(
        way.name, rate, percentile(steady, 0.5), percentile(steady, 0.99), steady[-1], statistics.median(alone), percentile(alone, 0.99)
    )


def markdown(figures: list[Figures]) -> list[str]:
    lines = [
        "MetricProcessor, at-least-once, from the call that sends a message to the one that receives its answer, clients included.",
        f"Steady: {RATE:,} messages a second; single: one message to an idle function each {PAUSE_S * 1000:.0f} ms. Asked: steady p50",
        f"under {TARGET_P50_MS:g} ms and p99 under {TARGET_P99_MS:g} ms, single p50 under {TARGET_SINGLE_MS:g} ms.",
        "",
        "| through | messages/s | steady p50 | p99 | worst | single p50 | p99 |",
        "|---|---:|---:|---:|---:|---:|---:|",
    ]
    lines += [
        f"| {one.way} | {one.rate:,.0f} | {one.p50_ms:.1f} ms | {one.p99_ms:.1f} ms | {one.max_ms:.1f} ms "
        f"| {one.single_p50_ms:.1f} ms | {one.single_p99_ms:.1f} ms |"
        for one in figures
    ]
    return lines


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=float, default=10.0, help="of steady load, of which the first fifth does not count")
    parser.add_argument("--singles", type=int, default=50)
    parser.add_argument("--json", type=Path, help="writes the figures there, for ./dev bench peers")
    arguments = parser.parse_args()
    os.environ.setdefault("FS_KAFKA_JIT", "full")
    with tempfile.TemporaryDirectory(prefix="latency-") as folder:
        kafka = Kafka(Path(folder) / "kafka")
        try:
            kafka.start()
            with Server(Path(folder) / "server") as server, server.client() as client:
                ways: list[Way] = [ThroughKafka("kafka", kafka.bootstrap_servers), ThroughEmbeddedLog("embedded", server.port)]
                for topic in ("kafka-in", "kafka-out"):
                    kafka.create_topic(topic)
                figures = [measure(way, client, arguments.seconds, arguments.singles) for way in ways]
        finally:
            kafka.kill9()
    lines = markdown(figures)
    print("\n".join(lines))
    if arguments.json:
        arguments.json.write_text(
            json.dumps({"lines": lines, "figures": [asdict(one) for one in figures]}, indent=1) + "\n", encoding="utf-8"
        )
    missed = [line for one in figures for line in one.missed()]
    for line in missed:
        print(f"missed: {line}", file=sys.stderr)
    return 1 if missed else 0


if __name__ == "__main__":
    sys.exit(main())
