"""Writes events.jsonl: clicks and views of a small shop over one day, the same at every run.

One JSON object a line: event (str), user (str), page (str), value (int, how much the event counts), ts (ms since the epoch). A few have no
value and count as 1, as MetricProcessor has it.
"""

from __future__ import annotations

import json
import random
from pathlib import Path

COUNT = 5000
DAY_START_MS = 1_767_225_600_000
PAGES = ["/", "/search", "/cart", "/checkout", "/account", *(f"/product/{number}" for number in range(1, 40))]


def main() -> None:
    source = random.Random(20260101)
    ts = DAY_START_MS
    with Path(__file__).with_name("events.jsonl").open("w", encoding="utf-8") as out:
        for _ in range(COUNT):
            ts += int(source.expovariate(1 / 17_000))
            event: dict[str, object] = {
                "event": source.choices(["user_click", "page_view", "add_to_cart"], weights=[70, 25, 5])[0],
                "user": f"u-{source.randrange(1, 800):04d}",
                "page": source.choice(PAGES),
                "ts": ts,
            }
            if source.random() < 0.97:
                event["value"] = source.randrange(1, 10)
            out.write(json.dumps(event, separators=(",", ":")) + "\n")


if __name__ == "__main__":
    main()
