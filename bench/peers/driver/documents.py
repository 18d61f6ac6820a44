"""Orders of about 1 and 10 KiB of JSON, and the totals that the workload must add. Order i is the same in every run."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

VARIANTS = 64
_WORDS = "alder birch cedar dogwood elm fir gum hazel ivy juniper larch maple".split()


def order(variant: int, items: int) -> dict[str, Any]:
    """Numbers, texts with and without escapes, nested objects and lists: what documents of services are made of."""
    return {
        "customer": {"id": 1000 + variant, "name": f"Zoë {_WORDS[variant % 12].title()}", "is_new": variant % 3 == 0, "referrer": None},
        "address": {"street": f'{variant + 1} "{_WORDS[variant % 7]}" Street', "city": "Göteborg", "zip": f"{10_000 + 37 * variant}"},
        "items": [
            {
                "sku": f"{_WORDS[(variant + n) % 12]}-{n:04d}",
                "price": round(0.99 + (variant * 31 + n * 17) % 10_000 / 100, 2),
                "quantity": (variant + n) % 5 + 1,
                "tags": [_WORDS[n % 12], _WORDS[(n + variant) % 12]],
            }
            for n in range(items)
        ],
    }


def total_of(document: dict[str, Any]) -> float:
    total: float = round(sum(item["price"] * item["quantity"] for item in document["items"]), 2)
    return total


def _generate(count: int, items: int) -> Iterator[bytes]:
    bodies = [json.dumps(order(variant, items))[1:] for variant in range(VARIANTS)]
    for i in range(count):
        yield f'{{"id": {i}, {bodies[i % VARIANTS]}'.encode()


ITEMS_1K = 10
ITEMS_10K = 125


def generate_1k(count: int) -> Iterator[bytes]:
    return _generate(count, ITEMS_1K)


def generate_10k(count: int) -> Iterator[bytes]:
    return _generate(count, ITEMS_10K)


class _Totals:
    """Each order with its total added, and nothing else changed."""

    def __init__(self, count: int, items: int) -> None:
        self.positions = range(1, count + 1)
        self._orders = [order(variant, items) for variant in range(VARIANTS)]
        for one in self._orders:
            one["total"] = total_of(one)

    def number_of(self, value: bytes) -> int | None:
        try:
            answer = json.loads(value)
            i = answer.pop("id")
        except (ValueError, KeyError, TypeError, AttributeError):
            return None
        is_right = isinstance(i, int) and 0 <= i < len(self.positions) and answer == self._orders[i % VARIANTS]
        return i if is_right else None


class Totals1k(_Totals):
    def __init__(self, count: int) -> None:
        super().__init__(count, ITEMS_1K)


class Totals10k(_Totals):
    def __init__(self, count: int) -> None:
        super().__init__(count, ITEMS_10K)
