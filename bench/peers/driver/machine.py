"""The machine that was measured on, and how busy it was with other things."""

from __future__ import annotations

import os
import platform
import time
from dataclasses import dataclass
from pathlib import Path

from .processes import stat_of

_TICKS = os.sysconf("SC_CLK_TCK")


@dataclass(frozen=True)
class Usage:
    """CPU seconds: of the whole machine, and of what belongs to the measuring itself (the broker and this program)."""

    time_s: float
    machine_s: float
    own_s: float

    @classmethod
    def now(cls, broker_pid: int) -> Usage:
        fields = Path("/proc/stat").read_text().splitlines()[0].split()[1:]
        user, nice, system, _idle, _wait, irq, soft_irq, steal = (int(one) for one in fields[:8])
        times = os.times()
        broker = stat_of(broker_pid)
        broker_s = 0.0 if broker is None else (int(broker[11]) + int(broker[12])) / _TICKS
        return cls(time.monotonic(), (user + nice + system + irq + soft_irq + steal) / _TICKS, times.user + times.system + broker_s)

    def cores_of_others_since(self, before: Usage, system_s: float) -> float:
        """Cores that were busy with neither the system nor the measuring."""
        busy = (self.machine_s - before.machine_s) - (self.own_s - before.own_s) - system_s
        return max(0.0, busy / (self.time_s - before.time_s))


def describe() -> dict[str, str]:
    cpu = next(
        (line.split(":", 1)[1].strip() for line in Path("/proc/cpuinfo").read_text().splitlines() if line.startswith("model name")), ""
    )
    memory = int(Path("/proc/meminfo").read_text().split()[1]) / (1 << 20)
    release = next(
        (line.split("=", 1)[1].strip('"') for line in Path("/etc/os-release").read_text().splitlines() if line.startswith("PRETTY_NAME")),
        "",
    )
    return {
        "cores": str(os.cpu_count()),
        "memory": f"{memory:.0f} GiB",
        "cpu": cpu or platform.machine(),
        "system": f"{release}, Linux {platform.release().split('-')[0]}",
    }
