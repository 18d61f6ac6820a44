"""The example of tumbling windows: exact under events out of order, late ones, and restarts."""

from __future__ import annotations

import json
import random
from collections import defaultdict
from pathlib import Path
from typing import Any

from fs_client import FsClient
from fs_client.config import WasmTaskConfig
from support.server import Server
from support.topics import read_all
from support.wait import wait_for

EXAMPLE = Path(__file__).parents[2] / "examples/windows"
SIZE_MS = 1000
BOUND_MS = 500


def start(client: FsClient) -> None:
    config = WasmTaskConfig.from_yaml((EXAMPLE / "job.yaml").read_text(encoding="utf-8"))
    client.create_python_function_from_source(config, EXAMPLE / "tumbling.py", "TumblingWindows")


def event(key: str, value: int, at: int) -> dict[str, Any]:
    return {"key": key, "value": value, "at": at}


def shuffled(count: int, seed: int) -> list[dict[str, Any]]:
    """Events of many keys, none further behind the newest before it than the bound."""
    chance = random.Random(seed)
    events = [event(f"k{chance.randrange(5)}", chance.randrange(100), 20 * n) for n in range(count)]
    return sorted(events, key=lambda one: one["at"] + chance.randrange(BOUND_MS))


def expected(events: list[dict[str, Any]]) -> list[dict[str, Any]]:
    windows: dict[tuple[int, str], list[int]] = defaultdict(lambda: [0, 0])
    for one in events:
        window = windows[one["at"] // SIZE_MS * SIZE_MS, one["key"]]
        window[0] += 1
        window[1] += one["value"]
    return [
        {"key": key, "start": begin, "end": begin + SIZE_MS, "count": count, "sum": total}
        for (begin, key), (count, total) in sorted(windows.items())
    ]


def publish(client: FsClient, events: list[dict[str, Any]]) -> None:
    client.publish("events", [json.dumps(one).encode() for one in events])


def results(client: FsClient, topic: str = "windows") -> list[Any]:
    return [json.loads(value) for value in read_all(client, topic)]


def wait_closed(client: FsClient, at: int) -> None:
    """Ends all windows before `at` with one event, and waits for it."""
    publish(client, [event("end", 0, at + BOUND_MS + 1)])
    wait_for(lambda: any(one["end"] == at for one in results(client)), f"the window that ends at {at}")


def test_windows_are_exact_under_events_out_of_order_stops_and_crashes(tmp_path: Path) -> None:
    events = shuffled(6000, seed=7)
    server = Server(tmp_path / "server").start()
    try:
        with server.client() as client:
            start(client)
        for number in range(6):
            with server.client() as client:
                part = events[1000 * number : 1000 * (number + 1)]
                publish(client, part[:500])
                seen = 80 * number
                wait_for(lambda least=seen: len(results(client)) > least, "windows of this part")
                publish(client, part[500:])
                if number % 2:
                    client.stop_function("windows")
                    client.start_function("windows")
            if not number % 2:
                server.kill()
                server.start()
        with server.client() as client:
            wait_closed(client, 120_000)
            assert results(client) == expected(events)
            assert results(client, "late") == []
    finally:
        server.kill()


def test_an_event_after_its_window_is_late_and_counts_nowhere_else(client: FsClient) -> None:
    start(client)
    publish(client, [event("a", 1, 100), event("a", 2, 900), event("b", 3, 1100)])
    wait_closed(client, 1000)
    late = [event("a", 10, 999), event("b", 10, 0)]
    publish(client, [*late, event("b", 4, 1050)])
    wait_closed(client, 2000)
    client.stop_function("windows")
    client.start_function("windows")
    # What was complete before the restart is complete after it.
    again = event("a", 10, 1999)
    publish(client, [again])
    wait_closed(client, 3000)
    assert results(client, "late") == [*late, again]
    ends = [event("end", 0, 1000 + BOUND_MS + 1), event("end", 0, 2000 + BOUND_MS + 1)]
    assert results(client) == expected([event("a", 1, 100), event("a", 2, 900), event("b", 3, 1100), event("b", 4, 1050), *ends])
