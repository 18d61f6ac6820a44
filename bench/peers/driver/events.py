"""Small events, 60 bytes of JSON each, and what the workloads over them must answer. Event i is the same in every run."""

from __future__ import annotations

import json
from collections.abc import Iterator

START_MS = 1_700_000_000_000
USERS = 100
WINDOW_MS = 1000


def value_of(i: int) -> int:
    """1 to 9, without a pattern that a parser or branch predictor could learn."""
    return (i * 2_654_435_761 >> 11) % 9 + 1


def user_of(i: int) -> str:
    return f"user-{(i * 40_503 >> 5) % USERS:010d}"


def event(i: int) -> bytes:
    return f'{{"value": {value_of(i)}, "user": "{user_of(i)}", "ts": {START_MS + i}}}'.encode()


def generate(count: int) -> Iterator[bytes]:
    """One event a millisecond of event time."""
    return map(event, range(count))


class Totals:
    """MetricProcessor's: after each event the sum of all values so far."""

    def __init__(self, count: int) -> None:
        self.positions = range(1, count + 1)
        self._numbers: dict[int, int] = {}
        total = 0
        for i in range(count):
            total += value_of(i)
            self._numbers[total] = i

    def number_of(self, value: bytes) -> int | None:
        try:
            answer = json.loads(value)
            return self._numbers.get(answer["total"]) if answer["metric"] == "user_click" else None
        except (ValueError, KeyError, TypeError):
            return None


class Copies:
    """Each event as it came."""

    def __init__(self, count: int) -> None:
        self.positions = range(1, count + 1)

    def number_of(self, value: bytes) -> int | None:
        try:
            i = int(value[-14:-1]) - START_MS
        except ValueError:
            return None
        return i if 0 <= i < len(self.positions) and value == event(i) else None


class OnePercent:
    """The events whose time is a multiple of 100 ms, as they came."""

    def __init__(self, count: int) -> None:
        self._copies = Copies(count)
        self.positions = range(1, count + 1, 100)

    def number_of(self, value: bytes) -> int | None:
        i = self._copies.number_of(value)
        return i // 100 if i is not None and i % 100 == 0 else None


class WindowedCounts:
    """Of each window of event time that a later event has ended: the number of events of each user."""

    def __init__(self, count: int) -> None:
        counts: dict[tuple[int, str], int] = {}
        for i in range(count):
            key = (START_MS + i) // WINDOW_MS * WINDOW_MS, user_of(i)
            counts[key] = counts.get(key, 0) + 1
        closed = [(key, many) for key, many in sorted(counts.items()) if key[0] + WINDOW_MS < START_MS + count]
        self.positions = [window + WINDOW_MS - START_MS + 1 for (window, _), _ in closed]
        self._numbers = {(window, user, many): number for number, ((window, user), many) in enumerate(closed)}

    def number_of(self, value: bytes) -> int | None:
        try:
            answer = json.loads(value)
            return self._numbers.get((answer["window"], answer["user"], answer["count"]))
        except (ValueError, KeyError, TypeError):
            return None
