"""Messages that touch ten of a million counters each, after as many messages as it takes to make the counters."""

from __future__ import annotations

import json
from collections.abc import Iterator

KEYS = 1_000_000
KEYS_A_MESSAGE = 10
# One message makes so many counters; all of them are made before the first tenth of a run is over.
MADE_A_MESSAGE = 500
MAKING = KEYS // MADE_A_MESSAGE
_64_BITS = (1 << 64) - 1


def _mixed(number: int) -> int:
    """SplitMix64 (Steele, Lea, Flood 2014): as good as chance, so a cache has what its size lets it have, whatever it drops first."""
    number = number + 0x9E3779B97F4A7C15 & _64_BITS
    number = (number ^ number >> 30) * 0xBF58476D1CE4E5B9 & _64_BITS
    number = (number ^ number >> 27) * 0x94D049BB133111EB & _64_BITS
    return number ^ number >> 31


def keys_of(i: int) -> list[int]:
    return [_mixed(i * KEYS_A_MESSAGE + n) % KEYS for n in range(KEYS_A_MESSAGE)]


def generate(count: int) -> Iterator[bytes]:
    for i in range(count):
        if i < MAKING:
            yield json.dumps({"id": i, "first": i * MADE_A_MESSAGE, "many": MADE_A_MESSAGE}).encode()
        else:
            yield json.dumps({"id": i, "keys": keys_of(i)}).encode()


class Sums:
    """After each message the sum of the counters it touched, itself counted; 0 for one that makes counters."""

    def __init__(self, count: int) -> None:
        self.positions = range(1, count + 1)
        counters: dict[int, int] = {}
        self._sums = []
        for i in range(count):
            total = 0
            for key in keys_of(i) if i >= MAKING else ():
                counters[key] = counters.get(key, 0) + 1
                total += counters[key]
            self._sums.append(total)

    def number_of(self, value: bytes) -> int | None:
        try:
            answer = json.loads(value)
            i = answer["id"]
            return i if isinstance(i, int) and 0 <= i < len(self._sums) and answer["sum"] == self._sums[i] else None
        except (ValueError, KeyError, TypeError):
            return None
