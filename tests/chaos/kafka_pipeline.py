"""From Kafka to Kafka: several partitions, by the group's protocol, shared out among instances, or named one by one.

Outputs are read with read_committed.
"""

from __future__ import annotations

import logging
import random
import threading
from pathlib import Path
from typing import Callable

from confluent_kafka import Consumer, KafkaError, KafkaException, Message, Producer, TopicPartition
from fs_client import FsClient
from fs_client.config import KafkaInput, KafkaOutput, WasmTaskBuilder, WasmTaskConfig
from support.kafka import Kafka

from .oracle import Differences
from .pipeline import OPTIONS, Pipeline
from .plan import Plan
from .recoveries import Recoveries

OUTPUT_PARTITIONS = 3
_END = b"END"
# The broker is away often: nobody waits the default ten seconds before looking again.
_QUICK = {"reconnect.backoff.ms": 50, "reconnect.backoff.max.ms": 500}


class KafkaPipeline(Pipeline):
    has_broker = True

    def __init__(
        self,
        name: str,
        plan: Plan,
        partitions: int,
        connect: Callable[[], FsClient | None],
        differences: Differences,
        recoveries: Recoveries,
        broker: Kafka,
        is_by_group: bool,
        parallelism: int,
        log_file: Path,
    ) -> None:
        super().__init__(name, plan, partitions, connect, differences, recoveries)
        self._broker = broker
        self._is_by_group = is_by_group
        self._parallelism = parallelism
        self._chance = random.Random(f"{self.seed}/partitions")
        self._handed = [0] * partitions
        self._acknowledged = [0] * partitions
        self._ends_seen: set[int] = set()
        self._logger = logging.getLogger(f"chaos.{name}")
        self._logger.propagate = False
        self._logger.addHandler(logging.FileHandler(log_file))
        # Alive for the whole run: its sequence numbers are what keeps the input free of repeats when the broker dies.
        self._producer = Producer(
            {
                "bootstrap.servers": broker.bootstrap_servers,
                "enable.idempotence": True,
                "acks": "all",
                "message.timeout.ms": 0,
                "linger.ms": 2,
                **_QUICK,
            },
            logger=self._logger,
        )

    def prepare(self, client: FsClient) -> None:
        self._broker.create_topic(f"{self.name}-in", len(self.scripts))
        self._broker.create_topic(f"{self.name}-out", OUTPUT_PARTITIONS)

    def configuration(self) -> WasmTaskConfig:
        servers, topic, group = self._broker.bootstrap_servers, f"{self.name}-in", f"{self.name}-group"
        if self._is_by_group:
            inputs = [KafkaInput(servers, topic, group)]
        else:
            inputs = [KafkaInput(servers, topic, group, partition) for partition in range(len(self.scripts))]
        output = KafkaOutput(servers, f"{self.name}-out")
        for endpoint in (*inputs, output):
            endpoint.data.update(_QUICK)
        builder = WasmTaskBuilder().set_name(self.name).set_parallelism(self._parallelism)
        config = builder.add_input_group(inputs).add_output(output).build()
        config.options.update(OPTIONS, checkpoint_interval_seconds=0.1)
        return config

    def handed(self) -> list[int]:
        return self._handed

    def send(self, count: int) -> None:
        for _ in range(count):
            partition = self._chance.randrange(len(self.scripts))
            message = self.scripts[partition].message(self._handed[partition])
            self._produce(f"{self.name}-in", message.value, partition, message.key, self._delivered)
            self._handed[partition] += 1
        self._producer.poll(0)

    def _produce(
        self, topic: str, value: bytes, partition: int, key: bytes | None, delivered: Callable[[KafkaError | None, Message], None]
    ) -> None:
        while True:
            try:
                self._producer.produce(topic, value=value, key=key, partition=partition, on_delivery=delivered)
                return
            except BufferError:
                self._producer.poll(0.1)

    def _delivered(self, error: KafkaError | None, message: Message) -> None:
        if error is not None:
            self.differences.add("input", f"{self.name}: a message was not stored: {error}")
            return
        partition = message.partition()
        if message.offset() != self._acknowledged[partition]:
            expected = f"{self.name}: message {self._acknowledged[partition]} of partition {partition}"
            self.differences.add("input", f"{expected} is at {message.offset()}")
        self._acknowledged[partition] += 1

    def rest(self) -> None:
        self._producer.poll(0.02)

    def is_settled(self) -> bool:
        left: int = self._producer.flush(0.05)
        return left == 0

    def read(self, ends: threading.Event) -> None:
        consumer = Consumer(
            {
                "bootstrap.servers": self._broker.bootstrap_servers,
                "group.id": f"{self.name}-oracle",
                "enable.auto.commit": False,
                "auto.offset.reset": "error",
                "isolation.level": "read_committed",
                "fetch.wait.max.ms": 50,
                **_QUICK,
            },
            logger=self._logger,
        )
        try:
            consumer.assign([TopicPartition(f"{self.name}-out", partition, 0) for partition in range(OUTPUT_PARTITIONS)])
            while not ends.is_set():
                for message in consumer.consume(500, 0.1):
                    error = message.error()
                    if error is not None:
                        if error.fatal() or error.code() == KafkaError._AUTO_OFFSET_RESET:
                            raise KafkaException(error)
                    elif message.value() == _END:
                        self._ends_seen.add(message.partition())
                    else:
                        self.put_out(message.value() or b"", message.partition(), message.offset())
        finally:
            consumer.close()

    def ask(self) -> None:
        for partition, script in enumerate(self.scripts):
            self._write(f"{self.name}-in", b"?" + script.prefix, partition)

    def mark_end(self) -> None:
        for partition in range(OUTPUT_PARTITIONS):
            self._write(f"{self.name}-out", _END, partition)

    def is_read_out(self) -> bool:
        return len(self._ends_seen) == OUTPUT_PARTITIONS

    def _write(self, topic: str, value: bytes, partition: int) -> None:
        failures: list[KafkaError] = []
        self._produce(topic, value, partition, None, lambda error, _: failures.append(error) if error is not None else None)
        left = self._producer.flush(60)
        assert left == 0 and not failures, f"{topic}/{partition}: {left} not delivered, {failures}"

    def output_ends(self) -> dict[int, int]:
        return {partition: self._broker.end(f"{self.name}-out", partition) for partition in range(OUTPUT_PARTITIONS)}
