"""The guide's example from end to end, on the server's own topics: upload, events, totals, and a check that each was counted once."""

from __future__ import annotations

import argparse
import json
import sys
import time
from pathlib import Path

from fs_client import FsClient
from fs_client.config import EmbeddedInput, EmbeddedOutput, WasmTaskBuilder
from local_server import local_server
from metric_processor import MetricProcessor
from rich.console import Console
from rich.table import Table

EVENTS = Path(__file__).with_name("events.jsonl")
TIMEOUT_S = 60.0
TICKS = 10


def expected_total(events: list[bytes]) -> int:
    return sum(json.loads(event).get("value", 1) for event in events)


def status_table(client: FsClient) -> Table:
    table = Table("name", "type", "status", "processed", "emitted", "checkpoint")
    for function in client.show_functions().functions:
        about = client.describe_function(function.name)
        table.add_row(
            function.name, function.task_type, function.status, str(about.processed), str(about.emitted), str(about.checkpoint_id)
        )
    return table


def watch_totals(console: Console, client: FsClient, count: int) -> list[int]:
    """The totals that the function emits for `count` events, printed at every tenth of the way."""
    totals: list[int] = []
    for record in client.subscribe("clean-data", timeout=TIMEOUT_S):
        totals.append(json.loads(record.value)["total"])
        if len(totals) % (count // TICKS) == 0:
            console.print(f"  after {len(totals):5d} events: total {totals[-1]}")
        if len(totals) == count:
            break
    return totals


def main() -> int:
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--server", type=Path, required=True, help="the function-stream binary")
    server = arguments.parse_args().server
    console = Console(highlight=False)
    events = EVENTS.read_bytes().splitlines()

    with local_server(server) as port, FsClient(host="127.0.0.1", port=port) as client:
        console.print(f"server: listening on 127.0.0.1:{port}")
        task_config = (
            WasmTaskBuilder()
            .set_name("python-etl-job")
            .add_init_config("metric_name", "user_click")
            .add_input_group([EmbeddedInput(topic="raw-data", group_id="fs-group")])
            .add_output(EmbeddedOutput(topic="clean-data"))
            .build()
        )
        started = time.monotonic()
        client.create_python_function_from_config(task_config, MetricProcessor)
        client.start_function("python-etl-job")
        console.print(f"function: python-etl-job uploaded and running after {(time.monotonic() - started) * 1000:.0f} ms")

        client.publish("raw-data", events)
        console.print(f"events: {len(events)} published from {EVENTS.name}")
        totals = watch_totals(console, client, len(events))
        console.print(status_table(client))

        client.stop_function("python-etl-job")
        left_over = client.list_topics()
    console.print("server: stopped")

    emitted = next(topic.next_offset for topic in left_over if topic.name == "clean-data")
    expected = expected_total(events)
    if totals[-1] != expected or emitted != len(events):
        console.print(f"[bold red]WRONG[/]: total {totals[-1]} and {emitted} results, expected {expected} and {len(events)}")
        return 1
    console.print(f"[bold green]exact[/]: the total {totals[-1]} is the sum over all {len(events)} events, one result for each")
    return 0


if __name__ == "__main__":
    sys.exit(main())
