"""Cost per message of the same functions in this very CPython, as one line of JSON. Run by bench/sandbox.py.

The context is as thin as Python allows: state is a dict whose own methods are get_state and put_state, output a list.
"""

import argparse
import importlib.util
import json
import pathlib
import statistics
import sys
import time
from typing import Any

# What is measured: the function's file, its class, the file of its events, and the number of messages. The same list is in
# sandbox_bench.cc.
CASES = {
    "empty": ("empty", "Empty", "small", 200_000),
    "echo": ("echo", "Echo", "small", 200_000),
    "metric": ("metric", "MetricProcessor", "small", 40_000),
    "json-1k": ("document", "Document", "1k", 10_000),
    "json-10k": ("document", "Document", "10k", 1_000),
}


class Store:
    def __init__(self) -> None:
        values: dict[bytes, bytes] = {}
        self.get_state = values.get
        self.put_state = values.__setitem__


class Context:
    def __init__(self) -> None:
        self.output: list[tuple[int, bytes]] = []
        self._stores: dict[str, Store] = {}

    def emit(self, data: bytes, channel: int = 0) -> None:
        self.output.append((channel, data))

    def getOrCreateKVStore(self, name: str) -> Store:
        store = self._stores.get(name)
        if store is None:
            store = self._stores[name] = Store()
        return store


def load(folder: pathlib.Path, name: str, class_name: str) -> Any:
    spec = importlib.util.spec_from_file_location(name, folder / f"{name}.py")
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return getattr(module, class_name)()


def measure(function: Any, batch: list[bytes], messages: int, rounds: int) -> tuple[float, float]:
    """Median and least nanoseconds a message."""
    context = Context()
    function.init(context, {"metric_name": "user_click"})
    process = function.process
    costs = []
    for _ in range(rounds + 1):
        done = 0
        begin = time.thread_time_ns()
        while done < messages:
            for data in batch:
                process(context, 0, data)
            context.output.clear()
            done += len(batch)
        costs.append((time.thread_time_ns() - begin) / done)
    return statistics.median(costs[1:]), min(costs[1:])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--functions", type=pathlib.Path, required=True)
    parser.add_argument("--events", type=pathlib.Path, required=True)
    parser.add_argument("--batch", type=int, default=1000)
    parser.add_argument("--rounds", type=int, default=9)
    arguments = parser.parse_args()
    sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent / "python" / "fs_api" / "src"))
    median, least = {}, {}
    for case, (name, class_name, events_name, messages) in CASES.items():
        events = (arguments.events / events_name).read_bytes().splitlines()
        batch = [events[i % len(events)] for i in range(min(arguments.batch, messages))]
        function = load(arguments.functions, name, class_name)
        median[case], least[case] = measure(function, batch, messages, arguments.rounds)
    print(json.dumps({"version": sys.version.split()[0], "ns_per_message": median, "least_ns_per_message": least}))


if __name__ == "__main__":
    main()
