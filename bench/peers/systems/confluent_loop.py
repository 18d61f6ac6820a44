"""The loop that one writes by hand with the reference client: read a batch, work, produce, commit. Runs until it is killed.

PEERS_DELIVERY: plain (offsets are committed by themselves, as the client does it by default) or transactional (offsets and outputs in
one Kafka transaction of PEERS_INTERVAL_S). State is a dict, or where it is large a RocksDB (PEERS_STORE); neither is part of the
transaction: that is what a loop by hand leaves to its author.
"""

from __future__ import annotations

import json
import os
import sys
import time
from collections.abc import Callable
from pathlib import Path

from confluent_kafka import Consumer, Producer

sys.path.insert(0, str(Path(__file__).resolve().parent))

Emit = Callable[[bytes], None]


def metric(emit: Emit) -> Callable[[bytes], None]:
    """MetricProcessor's work with nothing between it and Python: the quickest that it can be written by hand."""
    totals: dict[str, int] = {}

    def process(data: bytes) -> None:
        event = json.loads(data)
        key = "count:user_click"
        total = totals.get(key, 0) + event["value"]
        totals[key] = total
        emit(json.dumps({"metric": "user_click", "total": total}).encode())

    return process


def loop() -> None:
    environment = os.environ
    is_transactional = environment["PEERS_DELIVERY"] == "transactional"
    interval_s = float(environment.get("PEERS_INTERVAL_S", "1"))
    topic = environment["PEERS_OUT"]
    consumer = Consumer(
        {
            "bootstrap.servers": environment["PEERS_BROKER"],
            "group.id": environment["PEERS_GROUP"],
            "auto.offset.reset": "earliest",
            "enable.auto.commit": not is_transactional,
            "isolation.level": "read_committed",
        }
    )
    settings = {"bootstrap.servers": environment["PEERS_BROKER"], "queue.buffering.max.messages": 1_000_000}
    if is_transactional:
        settings["transactional.id"] = environment["PEERS_GROUP"]
    producer = Producer(settings)
    if is_transactional:
        producer.init_transactions()
    produce = producer.produce

    def emit(value: bytes) -> None:
        while True:
            try:
                produce(topic, value)
                return
            except BufferError:
                producer.poll(0.05)

    if environment["PEERS_CLASS"] == "MetricProcessor":
        process = metric(emit)
    else:
        from native_context import load

        process = load(Path(environment["PEERS_FUNCTION"]), environment["PEERS_CLASS"], emit)

    consumer.subscribe([environment["PEERS_IN"]])
    began = 0.0
    while True:
        messages = consumer.consume(1000, 0.1)
        if messages and is_transactional and not began:
            producer.begin_transaction()
            began = time.monotonic()
        for message in messages:
            if message.error():
                raise SystemExit(str(message.error()))
            process(message.value())
        producer.poll(0)
        if began and time.monotonic() - began >= interval_s:
            producer.send_offsets_to_transaction(consumer.position(consumer.assignment()), consumer.consumer_group_metadata())
            producer.commit_transaction()
            began = 0.0


if __name__ == "__main__":
    loop()
