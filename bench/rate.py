"""How fast a running function gets through what waits for it."""

from __future__ import annotations

import time

from fs_client import FsClient


def processing_rate(client: FsClient, name: str, count: int) -> float:
    """Messages a second between the first and the last tenth of `count`, so that neither start nor end counts."""
    first: tuple[float, int] | None = None
    while True:
        done = client.describe_function(name).processed
        now = time.monotonic()
        if first is None and done >= count / 10:
            first = (now, done)
        if done >= count * 0.9:
            break
        time.sleep(0.02)
    assert first is not None
    return (done - first[1]) / (now - first[0])
