"""What a system wrote against what it should have written: every output counted as right, repeated, missing or wrong."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Protocol


class Expectation(Protocol):
    """The outputs that a workload must have, numbered from 0 in the order in which they become due."""

    @property
    def positions(self) -> range | list[int]:
        """For each output, how many input messages it needs; ascending."""

    def number_of(self, value: bytes) -> int | None:
        """Which output this is; None: none that the workload has."""


@dataclass
class Verdict:
    """Counts of outputs among those due after the messages of the run, and the time and position of each right one."""

    outputs: int = 0
    lost: int = 0
    duplicates: int = 0
    wrong: int = 0
    appended: list[tuple[float, int]] = field(default_factory=list)

    @property
    def is_exact(self) -> bool:
        return self.lost == 0 and self.duplicates == 0 and self.wrong == 0


def due(expectation: Expectation, messages: int) -> int:
    """How many outputs are due after so many messages."""
    return bisect_right(expectation.positions, messages)


def verify(outputs: Iterable[tuple[float, bytes]], expectation: Expectation, messages: int) -> Verdict:
    """Outputs beyond `messages` are left out: a system may go on reading while it is being stopped. A wrong one always counts."""
    expected = due(expectation, messages)
    seen = bytearray(expected)
    verdict = Verdict()
    positions = expectation.positions
    for time_s, value in outputs:
        number = expectation.number_of(value)
        if number is None:
            verdict.wrong += 1
            verdict.outputs += 1
        elif number < expected:
            verdict.outputs += 1
            if seen[number]:
                verdict.duplicates += 1
            else:
                seen[number] = 1
                verdict.appended.append((time_s, positions[number]))
    verdict.lost = expected - sum(seen)
    return verdict
