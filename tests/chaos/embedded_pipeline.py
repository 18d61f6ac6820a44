"""From one topic of the embedded log to another, each with one partition or several. The topics die and come back with the server."""

from __future__ import annotations

import random
import threading
from typing import Callable

from fs_client import FsClient
from fs_client.config import EmbeddedInput, EmbeddedOutput, WasmTaskBuilder, WasmTaskConfig
from fs_client.errors import FsError

from .oracle import Differences
from .pipeline import OPTIONS, Pipeline
from .plan import Plan
from .recoveries import Recoveries

_CALL_S = 20.0


class EmbeddedPipeline(Pipeline):
    def __init__(
        self,
        name: str,
        plan: Plan,
        partitions: int,
        connect: Callable[[], FsClient | None],
        differences: Differences,
        recoveries: Recoveries,
        parallelism: int,
    ) -> None:
        super().__init__(name, plan, partitions, connect, differences, recoveries)
        self._parallelism = parallelism
        self._chance = random.Random(f"{self.seed}/partitions")
        # By partition: input messages known to be durable, whether they are all that the topic holds, the reader's next offset.
        self._stored = [0] * partitions
        self._is_sure = [True] * partitions
        self._next_offset = [0] * partitions
        self._ends: dict[int, int] | None = None

    def prepare(self, client: FsClient) -> None:
        for topic in (f"{self.name}-in", f"{self.name}-out"):
            client.create_topic(topic, len(self.scripts), timeout=_CALL_S)

    def configuration(self) -> WasmTaskConfig:
        config = (
            WasmTaskBuilder()
            .set_name(self.name)
            .set_parallelism(self._parallelism)
            .add_input_group([EmbeddedInput(f"{self.name}-in", f"{self.name}-group")])
            .add_output(EmbeddedOutput(f"{self.name}-out"))
            .build()
        )
        config.options.update(OPTIONS, checkpoint_interval_seconds=0.05)
        return config

    def rest(self) -> None:
        self.wait_a_little()

    def handed(self) -> list[int]:
        return self._stored

    def send(self, count: int) -> None:
        client = self.connect()
        if client is None:
            self.wait_a_little()
            return
        shares = [0] * len(self.scripts)
        for _ in range(count):
            shares[self._chance.randrange(len(shares))] += 1
        for partition, share in enumerate(shares):
            if share > 0 and not self._publish(client, partition, share):
                self.wait_a_little()
                return

    def _publish(self, client: FsClient, partition: int, count: int) -> bool:
        begin = self._stored[partition]
        try:
            if not self._is_sure[partition]:
                self._find_stored(client, partition)
                begin = self._stored[partition]
            messages = [self.scripts[partition].message(index).value for index in range(begin, begin + count)]
            self._is_sure[partition] = False
            result = client.publish(f"{self.name}-in", messages, partition=partition, timeout=_CALL_S)
        except FsError:
            return False
        if result.first_offset != begin:
            self.differences.add("input", f"{self.name}: message {begin} of partition {partition} was given offset {result.first_offset}")
        self._stored[partition] += count
        self._is_sure[partition] = True
        return True

    def _find_stored(self, client: FsClient, partition: int) -> None:
        """After a publish without an answer: how much of it was stored."""
        end = self._nexts(client, f"{self.name}-in")[partition]
        if end < self._stored[partition]:
            about = f"{self._stored[partition]} messages of partition {partition} were acknowledged, the topic holds {end}"
            self.differences.add("input", f"{self.name}: {about}")
        self._stored[partition] = end
        self._is_sure[partition] = True

    @staticmethod
    def _nexts(client: FsClient, topic: str) -> list[int]:
        """Where each partition ends."""
        return next([part.next_offset for part in one.partitions] for one in client.list_topics(timeout=_CALL_S) if one.name == topic)

    def is_settled(self) -> bool:
        client = self.connect()
        if client is not None:
            for partition, is_sure in enumerate(self._is_sure):
                if not is_sure:
                    self._find_stored(client, partition)
        return all(self._is_sure)

    def read(self, ends: threading.Event) -> None:
        others = [
            threading.Thread(target=self.guarded, args=(self._follow, partition, ends), name=f"{self.name} read {partition}", daemon=True)
            for partition in range(1, len(self.scripts))
        ]
        for thread in others:
            thread.start()
        self._follow(0, ends)
        for thread in others:
            thread.join()

    def _follow(self, partition: int, ends: threading.Event) -> None:
        while not ends.is_set():
            client = self.connect()
            if client is None:
                ends.wait(0.02)
                continue
            next_offset = self._next_offset[partition]
            try:
                # It ends by itself now and then, so that the end of the run is noticed.
                with client.subscribe(f"{self.name}-out", partition=partition, offset=next_offset, timeout=_CALL_S) as records:
                    for record in records:
                        if record.offset != next_offset:
                            about = f"output {partition}/{next_offset} is followed by {record.offset}"
                            self.differences.add("lost", f"{self.name}: {about}")
                        self.put_out(record.value, partition, record.offset)
                        next_offset = self._next_offset[partition] = record.offset + 1
                        if ends.is_set():
                            return
            except FsError:
                ends.wait(0.02)

    def ask(self) -> None:
        client = self.connect()
        assert client is not None
        for partition, script in enumerate(self.scripts):
            client.publish(f"{self.name}-in", [b"?" + script.prefix], partition=partition, timeout=_CALL_S)

    def mark_end(self) -> None:
        self._ends = self.output_ends()

    def is_read_out(self) -> bool:
        return self._ends is not None and all(self._next_offset[partition] >= end for partition, end in self._ends.items())

    def output_ends(self) -> dict[int, int]:
        client = self.connect()
        assert client is not None
        return dict(enumerate(self._nexts(client, f"{self.name}-out")))
