"""The guide's example from end to end against a real Kafka broker, which scripts/kafka.sh runs for the length of the demonstration."""

from __future__ import annotations

import argparse
import contextlib
import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

from confluent_kafka import Consumer, Producer
from confluent_kafka.admin import AdminClient, NewTopic
from demo import EVENTS, TICKS, TIMEOUT_S, expected_total, status_table
from fs_client import FsClient
from fs_client.config import KafkaInput, KafkaOutput, WasmTaskBuilder
from local_server import local_server
from metric_processor import MetricProcessor
from rich.console import Console

KAFKA = Path(__file__).parent.parent / "scripts" / "kafka.sh"


@contextlib.contextmanager
def local_kafka() -> Iterator[str]:
    """A broker of its own; yields its bootstrap servers."""
    with tempfile.TemporaryDirectory(prefix="function-stream-kafka-") as folder:
        subprocess.run([str(KAFKA), "start", folder, "auto"], check=True, stdout=subprocess.DEVNULL)
        try:
            port = (Path(folder) / "port").read_text(encoding="utf-8").strip()
            yield f"127.0.0.1:{port}"
        finally:
            subprocess.run([str(KAFKA), "stop", folder], check=True, stdout=subprocess.DEVNULL)


def watch_totals(console: Console, kafka: str, count: int) -> list[int]:
    """The totals that arrive in the output topic for `count` events, printed at every tenth of the way."""
    consumer = Consumer({"bootstrap.servers": kafka, "group.id": "demo", "auto.offset.reset": "earliest"})
    consumer.subscribe(["clean-data"])
    totals: list[int] = []
    deadline = time.monotonic() + TIMEOUT_S
    try:
        while len(totals) < count and time.monotonic() < deadline:
            message = consumer.poll(1.0)
            if message is None or message.error():
                continue
            totals.append(json.loads(message.value())["total"])
            if len(totals) % (count // TICKS) == 0:
                console.print(f"  after {len(totals):5d} events: total {totals[-1]}")
    finally:
        consumer.close()
    return totals


def main() -> int:
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--server", type=Path, required=True, help="the function-stream binary")
    server = arguments.parse_args().server
    console = Console(highlight=False)
    events = EVENTS.read_bytes().splitlines()

    console.print("kafka: starting a broker")
    with local_kafka() as kafka, local_server(server) as port, FsClient(host="127.0.0.1", port=port) as client:
        console.print(f"kafka: {kafka}; server: listening on 127.0.0.1:{port}")
        admin = AdminClient({"bootstrap.servers": kafka})
        for future in admin.create_topics([NewTopic("raw-data", 1), NewTopic("clean-data", 1)]).values():
            future.result()
        task_config = (
            WasmTaskBuilder()
            .set_name("python-etl-job")
            .add_init_config("metric_name", "user_click")
            .add_input_group([KafkaInput(bootstrap_servers=kafka, topic="raw-data", group_id="fs-group")])
            .add_output(KafkaOutput(bootstrap_servers=kafka, topic="clean-data", partition=0))
            .build()
        )
        client.create_python_function_from_config(task_config, MetricProcessor)
        client.start_function("python-etl-job")

        producer = Producer({"bootstrap.servers": kafka})
        for event in events:
            producer.produce("raw-data", event)
        producer.flush(TIMEOUT_S)
        console.print(f"events: {len(events)} produced from {EVENTS.name}")
        totals = watch_totals(console, kafka, len(events))
        console.print(status_table(client))
        client.stop_function("python-etl-job")
    console.print("server and broker: stopped")

    expected = expected_total(events)
    if not totals or len(totals) != len(events) or totals[-1] != expected:
        console.print(f"[bold red]WRONG[/]: {len(totals)} results ending in {totals[-1:]}, expected {len(events)} ending in {expected}")
        return 1
    console.print(f"[bold green]exact[/]: the total {totals[-1]} is the sum over all {len(events)} events")
    return 0


if __name__ == "__main__":
    sys.exit(main())
