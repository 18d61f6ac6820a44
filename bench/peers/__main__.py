"""./dev bench peers: Function Stream and its peers side by side. docs/benchmarks.md is what it writes; README.md says more.

Exit code 0: measured. 1: a system of ours lost, repeated or got wrong what it must not. 2: it could not run.
"""

from __future__ import annotations

import argparse
import json
import os
import signal
import sys
import tempfile
import time
from datetime import datetime, timezone
from pathlib import Path
from types import FrameType

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "tests" / "blackbox"))

from .driver import machine, report  # noqa: E402
from .driver.broker import Broker  # noqa: E402
from .driver.environments import Environment, prepare  # noqa: E402
from .driver.measure import Result, Runner, messages_for  # noqa: E402
from .driver.systems import SYSTEMS, systems_for  # noqa: E402
from .driver.workloads import WORKLOADS  # noqa: E402

QUICK_SHARE = 0.25
WARM_UP_MESSAGES = 1_000_000
OURS = tuple(key for key in SYSTEMS if key.startswith("function-stream"))


def say(text: str) -> None:
    print(f"[{time.strftime('%H:%M:%S')}] {text}", file=sys.stderr, flush=True)


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="./dev bench peers", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--systems", nargs="+", choices=list(SYSTEMS), metavar="KEY", help=f"only these: {', '.join(SYSTEMS)}")
    parser.add_argument("--payload", nargs="+", choices=list(WORKLOADS), metavar="NAME", help=f"only these: {', '.join(WORKLOADS)}")
    parser.add_argument("--messages", type=int, help="of each payload, instead of its own number; slow systems get a part of it")
    parser.add_argument("--rounds", type=int, default=3, help="how often each system runs (3)")
    parser.add_argument(
        "--quick",
        action="store_true",
        help="one round with a quarter of the messages, of MetricProcessor where nothing else is said: 3 minutes",
    )
    parser.add_argument("--json", type=Path, help="writes every run and figure there")
    parser.add_argument("--markdown", type=Path, help="writes the tables there, else to stdout")
    parser.add_argument("--latency", type=Path, help="what bench/latency.py printed, for the tables")
    parser.add_argument("--install-only", action="store_true", help="makes the peers' environments and ends")
    return parser.parse_args()


def environments(keys: list[str]) -> dict[str, Environment]:
    made: dict[str, Environment] = {}
    for name in dict.fromkeys(name for key in keys for name in SYSTEMS[key].product.needs):
        made[name] = prepare(name)
        if made[name].reason:
            say(f"{name} cannot be had: {made[name].reason}")
    return made


def show(result: Result) -> None:
    rate = "no rate" if result.rate is None else f"{result.rate:,.0f}/s"
    cpu = "" if result.cpu_us is None else f", {result.cpu_us:.2f} us CPU"
    exact = f"lost {result.lost}, repeated {result.duplicates}, wrong {result.wrong}"
    say(f"{result.workload:<13}{result.system:<26}{rate:>12}{cpu}, {exact}, others {result.others_cores:.2f} cores")
    if result.failure:
        say(f"  {result.failure}")


def is_broken(result: Result) -> bool:
    return result.system in OURS and bool(result.failure or result.lost or result.duplicates or result.wrong)


def options_told(words: list[str]) -> list[str]:
    """Without those that say only where to read and write."""
    told: list[str] = []
    is_place = False
    for word in words:
        if word.startswith("--"):
            is_place = word.split("=")[0] in ("--json", "--markdown", "--latency")
        if not is_place:
            told.append(word)
    return told


def interrupt(_signal: int, _frame: FrameType | None) -> None:
    raise KeyboardInterrupt


def main() -> int:
    options = arguments()
    signal.signal(signal.SIGTERM, interrupt)
    if "FS_SERVER" not in os.environ:
        say("FS_SERVER must name the server's binary: ./dev bench peers does that")
        return 2
    names = options.payload or (["metric"] if options.quick else list(WORKLOADS))
    plan = {name: [key for key in systems_for(name) if not options.systems or key in options.systems] for name in names}
    keys = list(dict.fromkeys(key for keys in plan.values() for key in keys))
    made = environments(keys)
    if options.install_only:
        return 2 if any(one.reason for one in made.values()) else 0
    missing = {key: reason for key in keys if (reason := SYSTEMS[key].product.missing(made))}
    share = QUICK_SHARE if options.quick else 1.0
    chosen = [WORKLOADS[name] for name in names]
    wanted = {workload: max(workload.least, options.messages or int(workload.messages * share)) for workload in chosen}

    rounds = 1 if options.quick else options.rounds
    runs = [(SYSTEMS[key], WORKLOADS[name]) for name in names for key in plan[name] if key not in missing]
    results: list[Result] = []
    is_whole = True
    try:
        with tempfile.TemporaryDirectory(prefix="peers-") as folder, Broker(Path(folder) / "kafka") as broker:
            runner = Runner(broker, made, Path(folder) / "runs")
            say("writing the inputs")
            runner.prepare(wanted)
            longest = max(wanted, key=lambda workload: wanted[workload])
            # The broker compiles itself on this; else the first system would pay for it.
            runner.run(SYSTEMS["function-stream"], longest, min(wanted[longest], WARM_UP_MESSAGES))
            for system, workload in runs * rounds:
                result = runner.run(system, workload, messages_for(system, workload, wanted[workload]))
                show(result)
                results.append(result)
    except KeyboardInterrupt:
        say("interrupted; what there is:")
        is_whole = False

    about = machine.describe()
    date = datetime.now(timezone.utc).strftime("%Y-%m-%d %H:%M UTC")
    latency = report.latency_table(options.latency.read_text(encoding="utf-8")) if options.latency else []
    command = " ".join(["./dev bench peers", *options_told(sys.argv[1:])])
    versions = {key: SYSTEMS[key].product.version(made) for key in keys if key not in missing}
    text = report.document(results, about, date, command, versions, missing, latency)
    if options.markdown and is_whole:
        options.markdown.write_text(text, encoding="utf-8")
    else:
        print(text)
    if options.json:
        whole = {"date": date, "machine": about, "versions": versions, "missing": missing, "runs": [one.as_dict() for one in results]}
        options.json.write_text(json.dumps(whole, indent=1) + "\n", encoding="utf-8")
    if not is_whole:
        return 130
    return 1 if any(map(is_broken, results)) else 0


if __name__ == "__main__":
    sys.exit(main())
