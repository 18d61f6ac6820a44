"""From what was seen of a run to its figures. Pure functions of lists, so that tests can ask them for what they know."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Sequence
from dataclasses import dataclass

FIRST_TENTH = 0.1
LAST_TENTH = 0.9


@dataclass(frozen=True)
class Sample:
    """What a system's processes had used at a time."""

    time_s: float
    cpu_s: float


@dataclass(frozen=True)
class Window:
    """The part of a run that counts: between the first and the last tenth of its messages, so that neither start nor end is in it."""

    begin_s: float
    end_s: float
    messages: int

    @property
    def rate(self) -> float:
        """Messages a second."""
        return self.messages / (self.end_s - self.begin_s)


def window_of(appended: Sequence[tuple[float, int]], messages: int) -> Window | None:
    """Of outputs in the order of the log: (time of append, input messages that were needed for it). None: too few to tell."""
    first = _first_at(appended, messages * FIRST_TENTH)
    last = _first_at(appended, messages * LAST_TENTH)
    if first is None or last is None or last[0] <= first[0]:
        return None
    return Window(first[0], last[0], last[1] - first[1])


def _first_at(appended: Sequence[tuple[float, int]], messages: float) -> tuple[float, int] | None:
    return next((one for one in appended if one[1] >= messages), None)


def cpu_per_message_us(samples: Sequence[Sample], window: Window) -> float | None:
    """Microseconds of CPU a message within the window; None where the samples do not cover it."""
    begin, end = _cpu_at(samples, window.begin_s), _cpu_at(samples, window.end_s)
    if begin is None or end is None:
        return None
    return (end - begin) / window.messages * 1e6


def _cpu_at(samples: Sequence[Sample], time_s: float) -> float | None:
    after = bisect_left([sample.time_s for sample in samples], time_s)
    if after == len(samples) or (after == 0 and samples[0].time_s > time_s):
        return None
    if samples[after].time_s == time_s:
        return samples[after].cpu_s
    before = samples[after - 1]
    share = (time_s - before.time_s) / (samples[after].time_s - before.time_s)
    return before.cpu_s + share * (samples[after].cpu_s - before.cpu_s)
