"""What a second instance brings: MetricProcessor's work on two partitions of the embedded log, `parallelism: 2` against 1, exactly once.

Prints a table, then one line of JSON. Rates are taken between the first and the last tenth of the messages, both take turns, and the
ratio is of medians. Exits with 1 when two instances are less than 1.8 times as fast as one, where the machine has two cores to give.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import sys
import tempfile
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path[:0] = [str(HERE), str(HERE.parent / "tests" / "blackbox")]

from delivery_function import Metric  # noqa: E402
from fs_client import FsClient, Record  # noqa: E402
from fs_client.config import EmbeddedInput, EmbeddedOutput, WasmTaskBuilder  # noqa: E402
from rate import processing_rate  # noqa: E402
from support.server import Server  # noqa: E402

TARGET_RATIO = 1.8
PARTITIONS = 2


def measure(client: FsClient, name: str, parallelism: int, count: int) -> float:
    """Messages a second."""
    client.create_topic(f"out-{name}", PARTITIONS)
    config = (
        WasmTaskBuilder()
        .set_name(name)
        .set_parallelism(parallelism)
        .add_input_group([EmbeddedInput("events", name)])
        .add_output(EmbeddedOutput(f"out-{name}"))
        .build()
    )
    client.create_python_function_from_config(config, Metric)
    rate = processing_rate(client, name, count)
    client.stop_function(name)
    client.drop_function(name)
    client.delete_topic(f"out-{name}")
    return rate


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--messages", type=int, default=600_000)
    parser.add_argument("--rounds", type=int, default=5)
    arguments = parser.parse_args()

    rates: dict[int, list[float]] = {1: [], 2: []}
    with tempfile.TemporaryDirectory() as folder, Server(Path(folder) / "server") as server, server.client() as client:
        client.create_topic("events", PARTITIONS)
        for partition in range(PARTITIONS):
            client.publish(
                "events",
                (
                    Record(json.dumps({"sensor": f"sensor-{i % 100}", "value": i % 977, "ts": 1700000000123 + i}).encode())
                    for i in range(arguments.messages // PARTITIONS)
                ),
                partition=partition,
            )
        measure(client, "warm-up", PARTITIONS, arguments.messages)
        for round_number in range(arguments.rounds):
            for parallelism in rates:
                rates[parallelism].append(measure(client, f"f{round_number}-{parallelism}", parallelism, arguments.messages))

    medians = {parallelism: statistics.median(found) for parallelism, found in rates.items()}
    ratio = medians[2] / medians[1]
    load = os.getloadavg()[0]
    print("| parallelism | messages/s | lowest | highest |")
    print("|---|---|---|---|")
    for parallelism, found in rates.items():
        print(f"| {parallelism} | {medians[parallelism]:,.0f} | {min(found):,.0f} | {max(found):,.0f} |")
    print(f"\n{ratio:.2f} times as fast (target {TARGET_RATIO}); {os.cpu_count()} cores, load {load:.1f} at the end")
    print(json.dumps({"rates": rates, "ratio": ratio, "cores": os.cpu_count(), "load": load}))
    return 0 if ratio >= TARGET_RATIO or (os.cpu_count() or 1) < 2 else 1


if __name__ == "__main__":
    sys.exit(main())
