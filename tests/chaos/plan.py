"""What happens in a run, all of it from the seed: lives of the server and their ends, and how fast the functions are fed.

Times are as near as a machine can keep them; what is done, in which order and to what, is the same for the same seed and source tree.
"""

from __future__ import annotations

import random
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

SOURCES = Path(__file__).resolve().parents[2] / "src"


def failpoints() -> list[str]:
    """The names in the server's sources, so that a new one is tried without being listed anywhere."""
    names = {name for file in SOURCES.rglob("*.cc") for name in re.findall(r'\bFailPoint\("([^"]+)"\)', file.read_text())}
    return sorted(names)


@dataclass(frozen=True)
class Action:
    """Within a life: `kind` is kill-broker, stop-start or restore; `pipeline` counts the functions."""

    at_s: float
    kind: str
    pipeline: int = 0
    pause_s: float = 0.0
    pick: float = 0.0  # which of what there is then: 0 the first, towards 1 the last


@dataclass(frozen=True)
class Life:
    """One run of the server process. It ends by the failpoint, if that is reached, at the latest after `seconds` from its start."""

    seconds: float
    end: str = "kill"  # kill (SIGKILL) | stop (SIGTERM)
    failpoint: str = ""
    actions: tuple[Action, ...] = ()


@dataclass(frozen=True)
class Plan:
    """`lives` may go on for ever; a run takes as many as its minutes allow."""

    seed: int
    lives: Iterable[Life]
    sabotage: str = ""
    faults: str = "FRX"
    fault_every: int = 2000
    messages_per_s: float = 300.0


def random_plan(seed: int, pipelines: int, has_broker: bool, sabotage: str = "") -> Plan:
    return Plan(seed, _lives(random.Random(f"{seed}/lives"), pipelines, has_broker), sabotage)


def _lives(chance: random.Random, pipelines: int, has_broker: bool) -> Iterator[Life]:
    names = failpoints()
    while True:
        # Some lives end while the server still starts or recovers; most are long enough to get somewhere.
        seconds = chance.uniform(0.02, 0.6) if chance.random() < 0.2 else chance.uniform(0.6, 4.0)
        end = "stop" if chance.random() < 0.12 else "kill"
        name = chance.choice(names) if chance.random() < 0.6 else ""
        passes = int(chance.expovariate(1 / 15)) + 1
        actions = []
        if name.startswith("restore-"):  # passed by a restore only, some of them once for each instance
            seconds, passes = seconds + 2.0, chance.choice((1, 1, 2))
            actions.append(Action(chance.uniform(0.0, 1.0), "restore", chance.randrange(pipelines), 0.0, chance.random()))
        elif name.startswith("retained-"):  # passed once a second
            seconds, passes = seconds + 1.0, passes % 3 + 1
        failpoint = f"{name}:{passes}" if name else ""
        if has_broker and chance.random() < 0.05:
            actions.append(Action(chance.uniform(0.0, seconds), "kill-broker", pause_s=chance.choice((0.0, 0.0, chance.uniform(0.0, 4.0)))))
        for kind in ("stop-start", "restore"):
            if chance.random() < 0.15:
                actions.append(
                    Action(chance.uniform(0.0, seconds / 2), kind, chance.randrange(pipelines), chance.uniform(0.0, 0.5), chance.random())
                )
        yield Life(seconds, end, failpoint, tuple(sorted(actions, key=lambda action: action.at_s)))


class Pace:
    """How many messages a function may have been sent by a time: bursts, pauses and quiet flow in turn, from the seed."""

    def __init__(self, seed: str, messages_per_s: float) -> None:
        self._chance = random.Random(seed)
        self._mean = messages_per_s
        self._until_s = 0.0
        self._rate = 0.0
        self._sent = 0.0  # by the beginning of the phase
        self._since_s = 0.0

    def allowed(self, elapsed_s: float) -> int:
        while elapsed_s >= self._until_s:
            self._sent += self._rate * (self._until_s - self._since_s)
            self._since_s = self._until_s
            self._until_s += self._chance.uniform(0.2, 3.0)
            self._rate = self._mean * self._chance.choice((0.0, 0.1, 0.5, 0.5, 1.0, 1.0, 4.0))
        return int(self._sent + self._rate * (elapsed_s - self._since_s))
