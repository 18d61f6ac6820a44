"""The one broker that all systems share: filling a topic, and reading what a system wrote."""

from __future__ import annotations

import os
import time
from collections.abc import Iterable, Iterator
from pathlib import Path

from confluent_kafka import Consumer, KafkaError, KafkaException, Message, Producer, TopicPartition
from confluent_kafka.admin import AdminClient
from support.kafka import Kafka

TIMEOUT_S = 60.0
# Read at the end of the output to see how far a system has come: duplicates and markers of transactions may stand there too.
TAIL_RECORDS = 50
_QUIET = 2  # the broker goes away before its clients do


def start_for_throughput() -> None:
    """Has brokers started from here with the heap and the compiler that Kafka's own start script gives them, not for a quick start."""
    os.environ.setdefault("FS_KAFKA_JIT", "full")
    os.environ.setdefault("FS_KAFKA_HEAP", "1g")


class Broker:
    """A broker for throughput, up within `with`. One partition a topic, so that the order of the output is the order of the work."""

    def __init__(self, folder: Path) -> None:
        start_for_throughput()
        self._folder = folder
        self._kafka = Kafka(folder)

    def __enter__(self) -> Broker:
        try:
            self._kafka.start()
        except BaseException:  # Ctrl-C: it may have started
            self._kafka.kill9()
            raise
        self._reader = self._consumer("peers-reader")
        self._admin = AdminClient({"bootstrap.servers": self.address, "log_level": _QUIET})
        return self

    @property
    def address(self) -> str:
        return self._kafka.bootstrap_servers

    @property
    def pid(self) -> int:
        return int((self._folder / "pid").read_text())

    def __exit__(self, *_: object) -> None:
        self._reader.close()
        self._kafka.kill9()

    def fill(self, topic: str, values: Iterable[bytes]) -> None:
        """Makes the topic and writes the values, all with the key that systems keep their state by."""
        self._kafka.create_topic(topic)
        producer = Producer(
            {"bootstrap.servers": self.address, "enable.idempotence": True, "linger.ms": 20, "queue.buffering.max.messages": 1_000_000}
        )
        for value in values:
            while True:
                try:
                    producer.produce(topic, value=value, key=b"user_click", partition=0)
                    break
                except BufferError:
                    producer.poll(0.1)
        left = producer.flush(TIMEOUT_S)
        assert left == 0, f"{left} messages could not be written to {topic}"

    def create_output(self, topic: str) -> None:
        """Its records carry the time at which the broker appended them, whatever a system would have them say."""
        self._kafka.create_topic(topic, config={"message.timestamp.type": "LogAppendTime"})

    def delete(self, topic: str) -> None:
        self._admin.delete_topics([topic])[topic].result(TIMEOUT_S)

    def visible_end(self, topic: str) -> int:
        """The offset up to which a reader of committed records may read; -1 when the broker does not answer in time."""
        try:
            end: int = self._reader.get_watermark_offsets(TopicPartition(topic, 0), 5.0)[1]
        except KafkaException:
            return -1
        return end

    def tail(self, topic: str, end: int) -> list[bytes]:
        return [message.value() or b"" for message in self._read(self._reader, topic, max(0, end - TAIL_RECORDS))]

    def read(self, topic: str) -> Iterator[tuple[float, bytes]]:
        """Everything committed: when the broker appended it (seconds since the epoch), and the value."""
        consumer = self._consumer("peers-verifier")
        try:
            for message in self._read(consumer, topic, 0):
                yield message.timestamp()[1] / 1000, message.value() or b""
        finally:
            consumer.close()

    @staticmethod
    def _read(consumer: Consumer, topic: str, start: int) -> Iterator[Message]:
        consumer.assign([TopicPartition(topic, 0, start)])
        deadline = time.monotonic() + TIMEOUT_S
        try:
            while True:
                assert time.monotonic() < deadline, f"the end of {topic} was not reached within {TIMEOUT_S} s"
                for message in consumer.consume(20_000, 0.5):
                    error = message.error()
                    if error is None:
                        yield message
                    elif error.code() == KafkaError._PARTITION_EOF:
                        return
                    elif not error.retriable():
                        raise KafkaException(error)
        finally:
            consumer.unassign()

    def _consumer(self, group: str) -> Consumer:
        return Consumer(
            {
                "bootstrap.servers": self.address,
                "group.id": group,
                "enable.auto.commit": False,
                "enable.partition.eof": True,
                "isolation.level": "read_committed",
                "fetch.wait.max.ms": 10,
                "log_level": _QUIET,
            }
        )
