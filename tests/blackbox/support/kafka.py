"""A real Apache Kafka broker for the length of the test session, run by scripts/kafka.sh on free ports."""

from __future__ import annotations

import os
import subprocess
import time
from collections.abc import Iterable, Iterator
from pathlib import Path

import pytest
from confluent_kafka import Consumer, KafkaError, KafkaException, Message, Producer, TopicPartition
from confluent_kafka.admin import AdminClient, NewTopic

SCRIPT = Path(__file__).resolve().parents[3] / "scripts" / "kafka.sh"
TIMEOUT_S = 30.0
# The first start ever fetches the broker.
START_TIMEOUT_S = 300.0


class Kafka:
    """One broker and its folder. Data stays in the folder: a broker that was stopped or killed starts again with it, on the same port."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self.bootstrap_servers = ""

    def start(self, **properties: int) -> None:
        """Returns when the broker answers; nothing to do where it runs. `properties`: the broker's for this start, `_` for each dot."""
        given = " ".join(f"{name.replace('_', '.')}={value}" for name, value in properties.items())
        self.bootstrap_servers = self._run("start", "auto", timeout=START_TIMEOUT_S, env={"FS_KAFKA_PROPERTIES": given})

    def stop(self) -> None:
        self._run("stop")

    def kill9(self) -> None:
        """SIGKILL: the crash of the crash tests."""
        self._run("kill9")

    def _run(self, command: str, *arguments: str, timeout: float = 60.0, env: dict[str, str] | None = None) -> str:
        try:
            done = subprocess.run(
                [str(SCRIPT), command, str(self._folder), *arguments],
                capture_output=True,
                text=True,
                timeout=timeout,
                check=True,
                env={**os.environ, **(env or {})},
            )
        except subprocess.CalledProcessError as error:
            raise AssertionError(f"kafka.sh {command}: {error.stderr}") from error
        return done.stdout.strip()

    def create_topic(self, name: str, partitions: int = 1, config: dict[str, str] | None = None) -> None:
        """Returns when the topic can be used; it must not exist."""
        admin = self._admin()
        admin.create_topics([NewTopic(name, partitions, 1, config=config or {})])[name].result(TIMEOUT_S)
        self._partitions(admin, name, partitions)

    def delete_topic(self, name: str) -> None:
        # Held by name: an admin client that nobody refers to ends, and its answers with it.
        admin = self._admin()
        admin.delete_topics([name])[name].result(TIMEOUT_S)

    def _admin(self) -> AdminClient:
        return AdminClient({"bootstrap.servers": self.bootstrap_servers})

    def produce(self, topic: str, values: Iterable[bytes | None], key: bytes | None = None, partition: int | None = None) -> None:
        """Returns when all are stored, in order per partition. None is a tombstone."""
        producer = Producer({"bootstrap.servers": self.bootstrap_servers, "enable.idempotence": True, "partitioner": "murmur2_random"})
        failures: list[KafkaError] = []

        def on_delivery(error: KafkaError | None, message: Message) -> None:
            if error is not None:
                failures.append(error)

        place = {} if partition is None else {"partition": partition}
        for value in values:
            while True:
                try:
                    producer.produce(topic, value=value, key=key, on_delivery=on_delivery, **place)
                    break
                except BufferError:
                    producer.poll(0.1)
        left = producer.flush(TIMEOUT_S)
        assert left == 0 and not failures, f"{left} records not delivered to {topic}; errors: {failures[:3]}"

    def consume(self, topic: str, count: int, timeout: float = TIMEOUT_S) -> list[bytes | None]:
        """The first `count` values of a topic over all its partitions, waiting for them; AssertionError with what came instead."""
        return [message.value() for message in self.consume_messages(topic, count, timeout)]

    def consume_messages(self, topic: str, count: int, timeout: float = TIMEOUT_S) -> list[Message]:
        """As consume(), whole messages; only what was committed."""
        consumer = self._consumer("function-stream-tests")
        try:
            partitions = self._partitions(consumer, topic)
            consumer.assign([TopicPartition(topic, partition, 0) for partition in partitions])
            messages: list[Message] = []
            deadline = time.monotonic() + timeout
            while len(messages) < count:
                left = deadline - time.monotonic()
                assert left > 0, f"{len(messages)} of {count} messages in {topic} within {timeout} s: {[m.value() for m in messages[-5:]]}"
                for message in consumer.consume(count - len(messages), min(left, 0.5)):
                    error = message.error()
                    if error is not None and not error.retriable():
                        raise KafkaException(error)
                    if error is None:
                        messages.append(message)
            return messages
        finally:
            consumer.close()

    def read_all(self, topic: str) -> list[bytes | None]:
        """The values of a topic up to its end, partition after partition as they come; only what was committed."""
        consumer = self._consumer("function-stream-tests", **{"enable.partition.eof": True})
        try:
            partitions = self._partitions(consumer, topic)
            consumer.assign([TopicPartition(topic, partition, 0) for partition in partitions])
            values: list[bytes | None] = []
            unfinished = set(partitions)
            deadline = time.monotonic() + TIMEOUT_S
            while unfinished:
                assert time.monotonic() < deadline, f"the end of {topic} was not reached within {TIMEOUT_S} s"
                for message in consumer.consume(1000, 0.5):
                    error = message.error()
                    if error is None:
                        values.append(message.value())
                    elif error.code() == KafkaError._PARTITION_EOF:
                        unfinished.discard(message.partition())
                    elif not error.retriable():
                        raise KafkaException(error)
            return values
        finally:
            consumer.close()

    def end(self, topic: str, partition: int = 0) -> int:
        """The offset after the partition's last record, whether it is committed or not."""
        # A reader of committed records is told where the first open transaction begins: what others committed behind it would be left out.
        consumer = self._consumer("function-stream-tests", **{"isolation.level": "read_uncommitted"})
        deadline = time.monotonic() + TIMEOUT_S
        try:
            while True:
                try:
                    end: int = consumer.get_watermark_offsets(TopicPartition(topic, partition), TIMEOUT_S)[1]
                    return end
                except KafkaException as error:
                    if error.args[0].code() != KafkaError.NOT_LEADER_FOR_PARTITION or time.monotonic() > deadline:
                        raise
                    time.sleep(0.02)  # a broker that has just started
        finally:
            consumer.close()

    @staticmethod
    def _partitions(client: AdminClient | Consumer, topic: str, count: int | None = None) -> list[int]:
        """Waits for them, for `count` where it is given: a broker that has just started, or made the topic, knows none with a leader."""
        deadline = time.monotonic() + TIMEOUT_S
        while True:
            described = client.list_topics(topic, TIMEOUT_S).topics[topic]
            partitions = described.partitions
            is_whole = len(partitions) == count if count is not None else len(partitions) > 0
            if described.error is None and is_whole and all(one.leader >= 0 for one in partitions.values()):
                return list(partitions)
            assert time.monotonic() < deadline, f"topic {topic} has no leaders after {TIMEOUT_S} s: {described.error}"
            time.sleep(0.02)

    def committed(self, group: str, topic: str, partition: int = 0) -> int | None:
        """The position that a group committed; None: none yet."""
        consumer = self._consumer(group)
        try:
            offset: int = consumer.committed([TopicPartition(topic, partition)], TIMEOUT_S)[0].offset
            return offset if offset >= 0 else None
        finally:
            consumer.close()

    def _consumer(self, group: str, **properties: object) -> Consumer:
        return Consumer(
            {
                "bootstrap.servers": self.bootstrap_servers,
                "group.id": group,
                "enable.auto.commit": False,
                "auto.offset.reset": "earliest",
                "isolation.level": "read_committed",
                **properties,
            }
        )


@pytest.fixture(scope="session")
def kafka(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Kafka]:
    broker = Kafka(tmp_path_factory.mktemp("kafka"))
    try:
        broker.start()
        yield broker
    finally:
        broker.kill9()
