"""What a run was and found, as text and as JSON."""

from __future__ import annotations

import json
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path

from .oracle import Differences
from .recoveries import quantiles


@dataclass
class Report:
    seed: int
    differences: Differences
    sabotage: str = ""
    seconds: float = 0.0
    lives: int = 0
    kills: Counter[str] = field(default_factory=Counter)  # by what killed: "failpoint NAME", "random time", "broker"
    others: Counter[str] = field(default_factory=Counter)  # SIGTERM, stop-start, restore, heartbeats and what came too late
    messages: dict[str, int] = field(default_factory=dict)
    outputs: dict[str, int] = field(default_factory=dict)
    recoveries: dict[str, list[float]] = field(default_factory=dict)
    server_starts: list[float] = field(default_factory=list)

    @property
    def is_clean(self) -> bool:
        return self.differences.total == 0

    @property
    def kill_count(self) -> int:
        return sum(self.kills.values())

    def text(self) -> str:
        kills_per_minute = self.kill_count / max(self.seconds / 60, 1e-9)
        kills = f"{self.kill_count} kills ({kills_per_minute:.0f} a minute)"
        lines = [f"seed {self.seed}, {self.seconds:.0f} s, {self.lives} lives of the server, {kills}"]
        if self.sabotage:
            lines.append(f"sabotaged: {self.sabotage}")
        lines += [f"  {count:5d}  SIGKILL: {kind}" for kind, count in sorted(self.kills.items())]
        lines += [f"  {count:5d}  {kind}" for kind, count in sorted(self.others.items())]
        for name, sent in self.messages.items():
            lines.append(f"{name}: {sent} messages, {self.outputs.get(name, 0)} outputs")
        for name, seconds in self.recoveries.items():
            median, high, longest = quantiles(seconds)
            lines.append(
                f"{name}: SIGKILL to first new output: median {median:.2f} s, p95 {high:.2f} s, max {longest:.2f} s ({len(seconds)} kills)"
            )
        median, high, longest = quantiles(self.server_starts)
        lines.append(f"server's start until it listens: median {median:.2f} s, p95 {high:.2f} s, max {longest:.2f} s")
        if self.is_clean:
            lines.append("differences: none; no message lost, duplicated or reordered, every total and the state itself as they have to be")
        else:
            lines.append("differences: " + ", ".join(f"{count} {kind}" for kind, count in sorted(self.differences.counts.items())))
            lines += [f"  {text}" for text in self.differences.first]
        return "\n".join(lines)

    def write(self, folder: Path) -> None:
        (folder / "report.txt").write_text(self.text() + "\n", encoding="utf-8")
        values = {**self.__dict__, "differences": dict(self.differences.counts), "first": self.differences.first}
        (folder / "report.json").write_text(json.dumps(values, indent=1), encoding="utf-8")
