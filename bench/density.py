"""What a running function costs while nothing happens, a thousand of them in one server, and whether a hundred of them keep up.

Prints a table, then one line of JSON. Exits with 1 when a target is missed: 1,000 idle functions under 1.5 GiB resident and under 3 % of
one core; 100 of them at 100 messages a second each keep up; a server full of them stops within 10 s, with nothing lost.
"""

from __future__ import annotations

import argparse
import json
import statistics
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

HERE = Path(__file__).resolve().parent
sys.path[:0] = [str(HERE), str(HERE.parent / "tests" / "blackbox")]

import process  # noqa: E402
from density_function import Counter  # noqa: E402
from fs_client import FsClient  # noqa: E402
from fs_client.config import EmbeddedInput, EmbeddedOutput, WasmTaskBuilder  # noqa: E402
from load import latencies_ms  # noqa: E402
from support.server import Server  # noqa: E402

TARGET_RSS_BYTES = 1.5 * 1024 * process.MIB
TARGET_IDLE_CORE = 0.03
TARGET_STOP_S = 10.0
BUSY = 100
RATE = 100
SETTLE_S = 60.0


def create(client: FsClient, name: str) -> float:
    """Seconds until it runs."""
    builder = WasmTaskBuilder().set_name(name).add_input_group([EmbeddedInput(f"in-{name}", "bench")])
    config = builder.add_output(EmbeddedOutput(f"out-{name}")).build()
    started = time.monotonic()
    client.create_python_function_from_config(config, Counter)
    return time.monotonic() - started


def ends(client: FsClient) -> dict[str, int]:
    return {topic.name: topic.next_offset for topic in client.list_topics()}


def idle(pid: int, seconds: float) -> tuple[float, float]:
    """The share of one core, and how often a second a thread woke up."""
    cpu, wakeups, started = process.cpu_seconds(pid), process.wakeups(pid), time.monotonic()
    time.sleep(seconds)
    elapsed = time.monotonic() - started
    return (process.cpu_seconds(pid) - cpu) / elapsed, (process.wakeups(pid) - wakeups) / elapsed


def busy(server: Server, client: FsClient, names: list[str], seconds: int) -> dict[str, Any]:
    before = ends(client)
    cpu, started = process.cpu_seconds(server.pid), time.monotonic()
    sampled = [f"out-{name}" for name in names[:: max(1, len(names) // 5)]]
    latencies = list(latencies_ms(server.port, [f"in-{name}" for name in names], sampled, RATE * seconds, RATE, 5, senders=2))
    used = (process.cpu_seconds(server.pid) - cpu) / (time.monotonic() - started)
    # Behind a message of a sampled function others' may still be on their way, not more.
    deadline = time.monotonic() + 5
    while True:
        after = ends(client)
        late = [name for name in names if after.get(f"out-{name}", 0) - before.get(f"out-{name}", 0) < RATE * seconds]
        if not late or time.monotonic() > deadline:
            break
        time.sleep(0.1)
    return {
        "functions": len(names),
        "messages_per_second_each": RATE,
        "late": late,
        "p50_ms": round(statistics.median(latencies), 2),
        "p99_ms": round(process.percentile(latencies, 99), 2),
        "cores": round(used, 2),
    }


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--functions", type=int, default=1000)
    parser.add_argument("--idle-seconds", type=float, default=10)
    parser.add_argument("--busy-seconds", type=int, default=20)
    arguments = parser.parse_args()
    count = arguments.functions

    result: dict[str, Any] = {"functions": count}
    missed = []
    with tempfile.TemporaryDirectory() as folder, Server(Path(folder)) as server:
        with server.client() as client:
            create(client, "first")
            base = process.memory(server.pid)
            threads = process.threads(server.pid)
            names = [f"f{number}" for number in range(count)]
            created = [create(client, name) for name in names]
            tenth = max(1, count // 10)
            result["create_ms"] = {
                "p50": round(statistics.median(created) * 1e3, 1),
                "p95": round(process.percentile(created, 95) * 1e3, 1),
                "first_tenth": round(statistics.median(created[:tenth]) * 1e3, 1),
                "last_tenth": round(statistics.median(created[-tenth:]) * 1e3, 1),
            }
            core, wakeups = idle(server.pid, arguments.idle_seconds)
            full = process.memory(server.pid)
            result["resident_mib"] = round(full.rss / process.MIB, 1)
            result["each_kib"] = {
                "rss": round((full.rss - base.rss) / count / 1024),
                "pss": round((full.pss - base.pss) / count / 1024),
                "private": round((full.private - base.private) / count / 1024),
            }
            result["threads_each"] = round((process.threads(server.pid) - threads) / count, 2)
            result["idle"] = {"core": round(core, 4), "wakeups_per_second": round(wakeups, 1)}
            if arguments.busy_seconds:
                result["busy"] = busy(server, client, names[:BUSY], arguments.busy_seconds)
                result["busy_resident_mib"] = round(process.memory(server.pid).rss / process.MIB, 1)
        started = time.monotonic()
        code = server.stop()
        result["stop_s"] = round(time.monotonic() - started, 2)
        started = time.monotonic()
        server.start()
        with server.client() as client:
            while sum(one.status == "RUNNING" for one in client.show_functions().functions) <= count:
                assert time.monotonic() - started < SETTLE_S, "not all functions run again"
                time.sleep(0.05)
            result["restart_s"] = round(time.monotonic() - started, 2)
            result["restarted_resident_mib"] = round(process.memory(server.pid).rss / process.MIB, 1)

    print(
        f"{count} functions: create p50 {result['create_ms']['p50']} ms, p95 {result['create_ms']['p95']} ms "
        f"(the first tenth {result['create_ms']['first_tenth']}, the last {result['create_ms']['last_tenth']})"
    )
    print(
        f"idle: {result['resident_mib']} MiB resident, {result['each_kib']['private']} KiB private each, "
        f"{core:.2%} of a core, {wakeups:.1f} wake-ups a second"
    )
    if "busy" in result:
        print(
            f"{result['busy']['functions']} of them at {RATE} messages a second: p50 {result['busy']['p50_ms']} ms, "
            f"p99 {result['busy']['p99_ms']} ms, {result['busy']['cores']} cores; late: {result['busy']['late'] or 'none'}"
        )
        if result["busy"]["late"]:
            missed.append(f"{len(result['busy']['late'])} functions did not keep up")
    print(f"stopped in {result['stop_s']} s; all running {result['restart_s']} s after the start, {result['restarted_resident_mib']} MiB")
    if count >= 1000 and full.rss > TARGET_RSS_BYTES:
        missed.append(f"{result['resident_mib']} MiB resident, asked: {TARGET_RSS_BYTES / process.MIB:.0f}")
    if core > TARGET_IDLE_CORE:
        missed.append(f"{core:.2%} of a core while idle, asked: {TARGET_IDLE_CORE:.0%}")
    if code != 0 or result["stop_s"] > TARGET_STOP_S:
        missed.append(f"stop took {result['stop_s']} s with exit code {code}, asked: {TARGET_STOP_S} s")
    for one in missed:
        print(f"missed: {one}", file=sys.stderr)
    print(json.dumps(result))
    return 1 if missed else 0


if __name__ == "__main__":
    sys.exit(main())
