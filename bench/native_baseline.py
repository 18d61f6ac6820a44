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

CLASSES = {"empty": ("Empty", 200_000), "echo": ("Echo", 200_000), "metric": ("MetricProcessor", 40_000)}


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


def load(folder: pathlib.Path, name: str) -> Any:
    spec = importlib.util.spec_from_file_location(name, folder / f"{name}.py")
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return getattr(module, CLASSES[name][0])()


def measure(function: Any, batch: list[bytes], messages: int, rounds: int) -> float:
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
    return statistics.median(costs[1:])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--functions", type=pathlib.Path, required=True)
    parser.add_argument("--events", type=pathlib.Path, required=True)
    parser.add_argument("--batch", type=int, default=1000)
    parser.add_argument("--rounds", type=int, default=9)
    arguments = parser.parse_args()
    sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent / "python" / "fs_api" / "src"))
    events = arguments.events.read_bytes().splitlines()
    batch = [events[i % len(events)] for i in range(arguments.batch)]
    costs = {name: measure(load(arguments.functions, name), batch, messages, arguments.rounds) for name, (_, messages) in CLASSES.items()}
    print(json.dumps({"version": sys.version.split()[0], "ns_per_message": costs}))


if __name__ == "__main__":
    main()
