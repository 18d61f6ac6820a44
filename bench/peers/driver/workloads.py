"""What is done to messages: the input of each workload, the function that does it, and the outputs it must have."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from . import documents, events, key_values
from .verify import Expectation

BENCH = Path(__file__).resolve().parents[2]
FUNCTIONS = BENCH / "peers" / "functions"


@dataclass(frozen=True)
class Workload:
    """One kind of work. Workloads of one `topic` read the same messages.

    `least`: messages without which nothing can be told. `has_large_state`: native Python keeps it in RocksDB, not in a dict.
    """

    name: str
    about: str
    topic: str
    source: Path
    class_name: str
    messages: int
    generate: Callable[[int], Iterator[bytes]]
    expect: Callable[[int], Expectation]
    has_large_state: bool = False
    least: int = 1000


WORKLOADS = {
    workload.name: workload
    for workload in (
        Workload(
            "metric",
            "MetricProcessor: 60 bytes of JSON in, a total in durable state, JSON out",
            "events",
            BENCH / "functions" / "metric.py",
            "MetricProcessor",
            1_000_000,
            events.generate,
            events.Totals,
        ),
        Workload(
            "pass-through",
            "60 bytes in, the same bytes out",
            "events",
            BENCH / "functions" / "echo.py",
            "Echo",
            600_000,
            events.generate,
            events.Copies,
        ),
        Workload(
            "filter",
            "60 bytes of JSON in, one in a hundred goes on as it is",
            "events",
            FUNCTIONS / "one_percent.py",
            "OnePercent",
            600_000,
            events.generate,
            events.OnePercent,
        ),
        Workload(
            "windows",
            "60 bytes of JSON in, counts of 100 users a second of event time out",
            "events",
            FUNCTIONS / "windowed_counts.py",
            "WindowedCounts",
            300_000,
            events.generate,
            events.WindowedCounts,
            has_large_state=True,
        ),
        Workload(
            "json-1k",
            "1 KiB of JSON in, a sum over its items added, JSON out",
            "documents-1k",
            FUNCTIONS / "order_total.py",
            "OrderTotal",
            150_000,
            documents.generate_1k,
            documents.Totals1k,
        ),
        Workload(
            "json-10k",
            "10 KiB of JSON in, a sum over its items added, JSON out",
            "documents-10k",
            FUNCTIONS / "order_total.py",
            "OrderTotal",
            20_000,
            documents.generate_10k,
            documents.Totals10k,
        ),
        Workload(
            "kv-heavy",
            "10 gets and 10 puts of 600 bytes a message, over a million keys: more than the caches hold",
            "key-values",
            FUNCTIONS / "ten_counters.py",
            "TenCounters",
            40_000,
            key_values.generate,
            key_values.Sums,
            has_large_state=True,
            least=20 * key_values.MAKING,
        ),
    )
}
