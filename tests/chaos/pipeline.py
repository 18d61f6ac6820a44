"""One function with what feeds it and what reads it: a thread each, which outlive every server and broker that dies under them."""

from __future__ import annotations

import threading
import time
import traceback
from abc import ABC, abstractmethod
from typing import Callable

from fs_client import FsClient
from fs_client.config import WasmTaskConfig

from .oracle import Differences, Oracle
from .plan import Pace, Plan
from .recoveries import Recoveries
from .script import Script

KEYS = 8  # of a partition
# Messages that may be on their way: a feeder waits for the outputs rather than run away from a function that is down.
_WINDOW = 4000
_BURST = 200
# What tells a function to work on through any number of crashes in a row, and to notice its faults soon.
OPTIONS = {
    "restart": {"max_attempts": 1_000_000, "backoff_ms": 20, "backoff_max_ms": 500},
    "heartbeat_interval_ms": 200,
    "on_error": {"policy": "retry", "backoff_ms": 5, "backoff_max_ms": 50},
    "enable_checkpoint": True,
    "retained_checkpoints": {"count": 4, "interval_seconds": 1},
}


class Pipeline(ABC):
    """`connect` gives a client of the server that listens now, None while there is none."""

    has_broker = False

    def __init__(
        self,
        name: str,
        plan: Plan,
        partitions: int,
        connect: Callable[[], FsClient | None],
        differences: Differences,
        recoveries: Recoveries,
    ) -> None:
        seed = f"{plan.seed}/{name}"
        self.name = name
        self.connect = connect
        self.differences = differences
        self.scripts = [Script(seed, partition, KEYS, plan.faults, plan.fault_every) for partition in range(partitions)]
        self.oracle = Oracle(name, self.scripts, differences)
        self.is_dead = False  # FAILED or stuck: nothing more is to be waited for
        self.trouble = ""  # what ended one of the threads
        self.seed = seed
        self._recoveries = recoveries
        self._pace = Pace(f"{seed}/pace", plan.messages_per_s)
        self._feeding_ends = threading.Event()
        self._reading_ends = threading.Event()
        self._threads = [
            threading.Thread(target=self.guarded, args=(run,), name=f"{name} {what}", daemon=True)
            for what, run in (("feed", self._feed), ("read", self._read))
        ]

    # What the kinds do.

    @abstractmethod
    def prepare(self, client: FsClient) -> None:
        """Before the function is created."""

    @abstractmethod
    def configuration(self) -> WasmTaskConfig: ...

    @abstractmethod
    def send(self, count: int) -> None:
        """Hands on the next messages; may send fewer."""

    @abstractmethod
    def rest(self) -> None:
        """Called while there is nothing to send: waits a little."""

    @abstractmethod
    def handed(self) -> list[int]:
        """How many messages each partition was given."""

    @abstractmethod
    def is_settled(self) -> bool:
        """Everything that was handed on is stored. Called again and again."""

    @abstractmethod
    def read(self, ends: threading.Event) -> None:
        """Reads outputs into put_out() until `ends`."""

    @abstractmethod
    def ask(self) -> None:
        """Puts a question behind the last message."""

    @abstractmethod
    def mark_end(self) -> None:
        """Marks the present end of the outputs, after the function stopped."""

    @abstractmethod
    def is_read_out(self) -> bool:
        """The reader has reached the mark."""

    @abstractmethod
    def output_ends(self) -> dict[int, int]:
        """Of the stopped function: where the next output of each partition will lie, or later than the last that is there."""

    # What they have in common.

    def begin(self) -> None:
        for thread in self._threads:
            thread.start()

    def end_feeding(self) -> None:
        self._feeding_ends.set()

    def close(self) -> None:
        self._feeding_ends.set()
        self._reading_ends.set()
        for thread in self._threads:
            if thread.ident is not None:
                thread.join(10)

    @property
    def sent(self) -> int:
        return sum(self.handed())

    def put_out(self, value: bytes, partition: int, offset: int) -> None:
        incarnation = self.oracle.take(value, partition, offset)
        if incarnation is not None:
            self._recoveries.put_out(self.name, incarnation, time.monotonic())

    def _feed(self) -> None:
        began = time.monotonic()
        while not self._feeding_ends.is_set():
            sent = self.sent
            room = min(self._pace.allowed(time.monotonic() - began) - sent, _WINDOW - (sent - self.oracle.done()), _BURST)
            if room > 0:
                self.send(room)
            else:
                self.rest()

    def wait_a_little(self) -> None:
        self._feeding_ends.wait(0.02)

    def _read(self) -> None:
        self.read(self._reading_ends)

    def guarded(self, run: Callable[..., None], *arguments: object) -> None:
        """The body of a thread."""
        try:
            run(*arguments)
        except BaseException:
            self.trouble = f"{threading.current_thread().name}: {traceback.format_exc()}"
