"""Where outputs end, against a real broker: an instance's open transaction hides nothing that another one has committed behind it."""

from __future__ import annotations

from pathlib import Path

from confluent_kafka import Producer
from support.kafka import Kafka

from .kafka_pipeline import OUTPUT_PARTITIONS, KafkaPipeline
from .oracle import Differences
from .plan import Plan
from .recoveries import Recoveries

TIMEOUT_S = 30.0


def transactional(broker: Kafka, name: str) -> Producer:
    producer = Producer({"bootstrap.servers": broker.bootstrap_servers, "transactional.id": name})
    producer.init_transactions(TIMEOUT_S)
    producer.begin_transaction()
    return producer


def test_what_is_committed_behind_an_open_transaction_lies_before_the_end(tmp_path: Path) -> None:
    broker = Kafka(tmp_path / "kafka")
    broker.start()
    try:
        pipeline = KafkaPipeline(
            "ends", Plan(seed=1, lives=[]), 3, lambda: None, Differences(), Recoveries(["ends"]), broker, False, 2, tmp_path / "log"
        )
        broker.create_topic("ends-out", OUTPUT_PARTITIONS)
        left_open, other = transactional(broker, "left open"), transactional(broker, "other")
        for producer in (left_open, other):
            producer.produce("ends-out", b"value", partition=1)
            assert producer.flush(TIMEOUT_S) == 0
        other.commit_transaction(TIMEOUT_S)
        # Both values, and perhaps the end of one transaction by now.
        assert pipeline.output_ends()[1] in (2, 3)
        left_open.abort_transaction(TIMEOUT_S)
    finally:
        broker.kill9()
