"""How long a function needs from the server's SIGKILL to its first output made after it."""

from __future__ import annotations

import threading
from dataclasses import dataclass, field

SLOW_S = 2.0  # what no recovery should take


@dataclass
class _Watched:
    seen: set[str] = field(default_factory=set)
    known: set[str] = field(default_factory=set)
    killed_at: float | None = None


class Recoveries:
    """Samples by function. A kill counts where work was waiting, the broker was up, and no other kill came before the first output."""

    def __init__(self, names: list[str]) -> None:
        self._lock = threading.Lock()
        self._watched = {name: _Watched() for name in names}
        self.seconds: dict[str, list[float]] = {name: [] for name in names}
        self.slow: list[tuple[float, str, float]] = []  # when, who, seconds; to be looked up in the logs

    def killed(self, name: str, now: float, is_counted: bool) -> None:
        with self._lock:
            watched = self._watched[name]
            watched.known = set(watched.seen)
            watched.killed_at = now if is_counted else None

    def dismiss(self, name: str) -> None:
        """Something else holds the function up now."""
        with self._lock:
            self._watched[name].killed_at = None

    def put_out(self, name: str, incarnation: str, now: float) -> None:
        watched = self._watched[name]
        if watched.killed_at is None and incarnation in watched.seen:
            return
        with self._lock:
            watched.seen.add(incarnation)
            if watched.killed_at is not None and incarnation not in watched.known:
                self.seconds[name].append(now - watched.killed_at)
                if now - watched.killed_at > SLOW_S:
                    self.slow.append((watched.killed_at, name, now - watched.killed_at))
                watched.killed_at = None


def quantiles(seconds: list[float]) -> tuple[float, float, float]:
    """Median, 95th percentile and maximum; zeros where there is nothing."""
    ordered = sorted(seconds)
    if not ordered:
        return 0.0, 0.0, 0.0
    return ordered[len(ordered) // 2], ordered[min(int(len(ordered) * 0.95), len(ordered) - 1)], ordered[-1]
