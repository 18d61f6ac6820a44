"""From one topic of the embedded log to another. The topics die and come back with the server."""

from __future__ import annotations

import threading

from fs_client import FsClient
from fs_client.config import EmbeddedInput, EmbeddedOutput, WasmTaskBuilder, WasmTaskConfig
from fs_client.errors import FsError

from .pipeline import OPTIONS, Pipeline

_CALL_S = 20.0


class EmbeddedPipeline(Pipeline):
    _stored = 0  # input messages known to be durable; the feeder's
    _next_offset = 0  # the reader's
    _end: int | None = None
    _subscription = None
    _is_sure = True  # whether _stored is all that the topic holds

    def configuration(self) -> WasmTaskConfig:
        config = (
            WasmTaskBuilder()
            .set_name(self.name)
            .add_input_group([EmbeddedInput(f"{self.name}-in", f"{self.name}-group")])
            .add_output(EmbeddedOutput(f"{self.name}-out"))
            .build()
        )
        config.options.update(OPTIONS, checkpoint_interval_seconds=0.05)
        return config

    def rest(self) -> None:
        self.wait_a_little()

    def handed(self) -> list[int]:
        return [self._stored]

    def send(self, count: int) -> None:
        client = self.connect()
        if client is None:
            self.wait_a_little()
            return
        try:
            if not self._is_sure:
                self._find_stored(client)
            messages = [self.scripts[0].message(index).value for index in range(self._stored, self._stored + count)]
            self._is_sure = False
            result = client.publish(f"{self.name}-in", messages, timeout=_CALL_S)
        except FsError:
            self.wait_a_little()
            return
        if result.first_offset != self._stored:
            self.differences.add("input", f"{self.name}: message {self._stored} was given offset {result.first_offset}")
        self._stored += count
        self._is_sure = True

    def _find_stored(self, client: FsClient) -> None:
        """After a publish without an answer: how much of it was stored."""
        end = self._next(client, f"{self.name}-in")
        if end < self._stored:
            self.differences.add("input", f"{self.name}: {self._stored} messages were acknowledged, the topic holds {end}")
        self._stored = end
        self._is_sure = True

    @staticmethod
    def _next(client: FsClient, topic: str) -> int:
        return next((one.next_offset for one in client.list_topics(timeout=_CALL_S) if one.name == topic), 0)

    def is_settled(self) -> bool:
        client = self.connect()
        if not self._is_sure and client is not None:
            self._find_stored(client)
        return self._is_sure

    def read(self, ends: threading.Event) -> None:
        while not ends.is_set():
            client = self.connect()
            if client is None:
                ends.wait(0.02)
                continue
            try:
                # It ends by itself now and then, so that the end of the run is noticed.
                with client.subscribe(f"{self.name}-out", offset=self._next_offset, timeout=_CALL_S) as records:
                    for record in records:
                        if record.offset != self._next_offset:
                            self.differences.add("lost", f"{self.name}: output {self._next_offset} is followed by {record.offset}")
                        self.put_out(record.value, 0, record.offset)
                        self._next_offset = record.offset + 1
                        if ends.is_set():
                            return
            except FsError:
                ends.wait(0.02)

    def ask(self) -> None:
        client = self.connect()
        assert client is not None
        client.publish(f"{self.name}-in", [b"?" + self.scripts[0].prefix], timeout=_CALL_S)

    def mark_end(self) -> None:
        self._end = self.output_ends()[0]

    def is_read_out(self) -> bool:
        return self._end is not None and self._next_offset >= self._end

    def output_ends(self) -> dict[int, int]:
        client = self.connect()
        assert client is not None
        return {0: self._next(client, f"{self.name}-out")}
