"""One run: a system starts, reads the whole input, is stopped, and what it wrote is counted."""

from __future__ import annotations

import math
import shutil
import time
from dataclasses import asdict, dataclass
from pathlib import Path

from confluent_kafka import KafkaException

from .broker import Broker
from .figures import cpu_per_message_us, window_of
from .machine import Usage
from .processes import Process
from .products import Environments, Task
from .systems import System
from .verify import Expectation, Verdict, due, verify
from .workloads import Workload

POLL_S = 0.05
# A system that has written nothing for so long has never started, or has stopped.
START_S = 180.0
STALL_S = 60.0


@dataclass
class Result:
    """Figures are None where there were too few outputs to tell; `failure` says why, with the end of the program's log.

    `others_cores`: how many of the machine's cores were busy with what is no part of the run.
    """

    system: str
    workload: str
    messages: int
    outputs: int = 0
    lost: int = 0
    duplicates: int = 0
    wrong: int = 0
    rate: float | None = None
    cpu_us: float | None = None
    start_s: float | None = None
    memory_mib: float | None = None
    others_cores: float = 0.0
    failure: str = ""

    def as_dict(self) -> dict[str, object]:
        return asdict(self)


class Runner:
    """Runs systems one after the other against one broker; each workload's input is written once, and what it must give worked out once."""

    def __init__(self, broker: Broker, environments: Environments, folder: Path) -> None:
        self._broker = broker
        self._environments = environments
        self._folder = folder
        self._filled: set[str] = set()
        self._expectations: dict[str, Expectation] = {}
        self._runs = 0

    def prepare(self, wanted: dict[Workload, int]) -> None:
        """Writes the inputs: a topic that several workloads read with the most messages that any of them asks for."""
        for workload in wanted:
            messages = max(many for other, many in wanted.items() if other.topic == workload.topic)
            if workload.topic not in self._filled:
                self._broker.fill(workload.topic, workload.generate(messages))
                self._filled.add(workload.topic)
            self._expectations[workload.name] = workload.expect(messages)

    def run(self, system: System, workload: Workload, messages: int) -> Result:
        self._runs += 1
        name = f"{system.key}-{workload.name}-{self._runs}"
        folder = self._folder / name
        (folder / "state").mkdir(parents=True)
        task = Task(self._broker.address, workload.topic, f"out-{name}", f"group-{name}", folder / "state", workload)
        self._broker.create_output(task.target)
        result = Result(system.key, workload.name, messages)
        expectation = self._expectations[workload.name]
        environment = {**system.product.environment(self._environments, task), **system.settings}
        before = Usage.now(self._broker.pid)
        started = time.time()
        process = Process(system.product.command(self._environments, task), environment, folder)
        try:
            result.failure = self._wait(process, task.target, expectation, messages)
        finally:
            process.end()
        result.others_cores = Usage.now(self._broker.pid).cores_of_others_since(before, process.cpu_s)
        try:
            verdict = verify(self._broker.read(task.target), expectation, messages)
        except (AssertionError, KafkaException) as error:
            verdict = Verdict()
            result.failure = f"what it wrote could not be read: {error}"
        result.outputs, result.lost, result.duplicates, result.wrong = verdict.outputs, verdict.lost, verdict.duplicates, verdict.wrong
        result.memory_mib = process.peak_memory_bytes / (1 << 20)
        if verdict.appended:
            result.start_s = verdict.appended[0][0] - started
        window = window_of(verdict.appended, messages)
        if window is not None:
            result.rate = window.rate
            result.cpu_us = cpu_per_message_us(process.samples, window)
        if result.failure:
            result.failure += f"; the end of its log:\n{process.log_tail()}"
        self._broker.delete(task.target)
        shutil.rmtree(folder, ignore_errors=True)
        return result

    def _wait(self, process: Process, topic: str, expectation: Expectation, messages: int) -> str:
        """Returns when the last output that is due can be read, or with the reason why it will not come."""
        expected = due(expectation, messages)
        seen = -1
        moved = time.monotonic()
        while True:
            end = self._broker.visible_end(topic)
            if end > seen:
                seen, moved = end, time.monotonic()
                if end >= expected and self._has_last(self._broker.tail(topic, end), expectation, expected):
                    return ""
            if process.exit_code is not None:
                return f"it ended with code {process.exit_code}"
            limit = STALL_S if seen > 0 else START_S
            if time.monotonic() - moved > limit:
                return f"no {'new ' if seen > 0 else ''}output for {limit:.0f} s"
            time.sleep(POLL_S)

    @staticmethod
    def _has_last(values: list[bytes], expectation: Expectation, expected: int) -> bool:
        numbers = (expectation.number_of(value) for value in values)
        return any(number is not None and number >= expected - 1 for number in numbers)


def messages_for(system: System, workload: Workload, messages: int) -> int:
    """A system's share of MetricProcessor's, in whole hundreds; of the other workloads' all."""
    if workload.name != "metric":
        return messages
    return max(1000, math.ceil(messages * system.share / 100) * 100)
