"""The broker's own crashes: SIGKILL and a new start on the same folder and port, beside whatever the server does meanwhile."""

from __future__ import annotations

import threading
import traceback

from support.kafka import Kafka

_START_S = 120.0


class Broker:
    """Used by one thread; the restart runs on one of its own."""

    def __init__(self, kafka: Kafka) -> None:
        self.kafka = kafka
        self.trouble = ""
        self._restart: threading.Thread | None = None
        self._ends = threading.Event()

    @property
    def is_up(self) -> bool:
        return self._restart is None or not self._restart.is_alive()

    def crash(self, pause_s: float) -> bool:
        """False: it is away already."""
        if not self.is_up:
            return False
        self._restart = threading.Thread(target=self._crash, args=(pause_s,), name="broker", daemon=True)
        self._restart.start()
        return True

    def _crash(self, pause_s: float) -> None:
        try:
            self.kafka.kill9()
            self._ends.wait(pause_s)
            if not self._ends.is_set():
                self.kafka.start()
        except BaseException:
            self.trouble = f"broker: {traceback.format_exc()}"

    def wait_up(self) -> None:
        if self._restart is not None:
            self._restart.join(_START_S)
            assert not self._restart.is_alive(), f"the broker did not start within {_START_S} s"

    def close(self) -> None:
        self._ends.set()
        if self._restart is not None:
            self._restart.join(30)
        self.kafka.kill9()
