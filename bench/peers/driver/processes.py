"""A system as a tree of processes: started in a session of its own, its CPU and memory sampled from /proc, ended with all its children."""

from __future__ import annotations

import os
import signal
import subprocess
import threading
import time
from collections.abc import Iterator
from pathlib import Path

from .figures import Sample

PERIOD_S = 0.05
STOP_TIMEOUT_S = 10.0
_TICKS = os.sysconf("SC_CLK_TCK")
_PAGE = os.sysconf("SC_PAGE_SIZE")


class Process:
    """One run of a system's program. The sampler is a thread of its own; everything else is for the caller's thread."""

    def __init__(self, command: list[str], environment: dict[str, str], folder: Path) -> None:
        self.log = folder / "log"
        with self.log.open("wb") as log:
            self._child = subprocess.Popen(
                command, env=environment, cwd=folder, stdin=subprocess.DEVNULL, stdout=log, stderr=subprocess.STDOUT, start_new_session=True
            )
        self.samples: list[Sample] = []
        self.peak_memory_bytes = 0
        self._used: dict[tuple[int, int], float] = {}
        self._ends = threading.Event()
        self._sampler = threading.Thread(target=self._sample, name="sampler", daemon=True)
        self._sampler.start()

    @property
    def exit_code(self) -> int | None:
        """None: it runs."""
        return self._child.poll()

    @property
    def cpu_s(self) -> float:
        """Of all its processes, as last sampled."""
        return self.samples[-1].cpu_s if self.samples else 0.0

    def log_tail(self, lines: int = 15) -> str:
        return "\n".join(self.log.read_text(encoding="utf-8", errors="replace").splitlines()[-lines:])

    def end(self) -> None:
        """SIGTERM and, where that is not enough, SIGKILL; nothing of the session is left."""
        self._ends.set()
        self._sampler.join()
        members = [(pid, started) for pid, started, _, _ in self._members()]
        self._send(signal.SIGTERM)
        try:
            self._child.wait(STOP_TIMEOUT_S)
        except subprocess.TimeoutExpired:
            pass
        self._send(signal.SIGKILL)
        self._child.wait()
        for pid, started in members:  # also those that left the session
            fields = stat_of(pid)
            if fields is not None and int(fields[19]) == started:
                os.kill(pid, signal.SIGKILL)

    def _send(self, what: signal.Signals) -> None:
        try:
            os.killpg(self._child.pid, what)
        except ProcessLookupError:
            pass

    def _sample(self) -> None:
        while not self._ends.wait(PERIOD_S):
            memory = 0
            for pid, started, used, resident in self._members():
                self._used[pid, started] = used
                memory += resident
            self.samples.append(Sample(time.time(), sum(self._used.values())))
            self.peak_memory_bytes = max(self.peak_memory_bytes, memory)

    def _members(self) -> Iterator[tuple[int, int, float, int]]:
        """Of the child and all that descend from it: process number, start, CPU seconds, resident bytes."""
        stats = {}
        children: dict[int, list[int]] = {}
        for entry in os.scandir("/proc"):
            if entry.name.isdigit() and (fields := stat_of(int(entry.name))) is not None:
                stats[int(entry.name)] = fields
                children.setdefault(int(fields[1]), []).append(int(entry.name))
        waiting = [self._child.pid]
        while waiting:
            pid = waiting.pop()
            waiting.extend(children.get(pid, []))
            if pid in stats:
                fields = stats[pid]
                yield pid, int(fields[19]), (int(fields[11]) + int(fields[12])) / _TICKS, int(fields[21]) * _PAGE


def stat_of(pid: int) -> list[str] | None:
    """The fields of /proc/PID/stat from the third on; None: it is gone."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
    except (OSError, IndexError):
        return None
