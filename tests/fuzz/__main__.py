"""Runs the fuzz targets, two at once, and says what each did. Exit code 1: one found something.

A finding ends its target; the input is kept, and the command that shows it again is printed.
"""

from __future__ import annotations

import argparse
import os
import re
import subprocess
import sys
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from .seeds import ROOT, seeds, words

_FOUND = Path(__file__).resolve().parent / "corpus"  # inputs that once broke something, one folder a target
_PULSE = re.compile(r"^#(\d+)\s.*?cov: (\d+)(?: ft: (\d+))?(?: corp: (\d+))?.*?exec/s: (\d+)", re.MULTILINE)
# What one input may take under sanitizers on a machine that does other things as well. Sessions wait for threads.
_TIMEOUT_S = {"requests": 120}


@dataclass
class Outcome:
    target: str
    seconds: float
    runs: int
    coverage: int
    is_clean: bool
    report: str

    @property
    def line(self) -> str:
        rate = self.runs / self.seconds if self.seconds else 0.0
        return f"{self.target:14} {self.runs:>12,} {rate:>9,.0f} {self.coverage:>9,}   {'clean' if self.is_clean else 'FOUND SOMETHING'}"


def main() -> int:
    arguments = _arguments()
    build: Path = arguments.build
    there = sorted(path.name.removeprefix("fuzz_") for path in (build / "tests" / "fuzz").glob("fuzz_*") if path.is_file())
    targets: list[str] = arguments.target or there
    if not there or not set(targets) <= set(there):
        print(f"fuzz: {build} has {', '.join(there) or 'no fuzz targets'}; ./dev test fuzz builds them", file=sys.stderr)
        return 2
    with ThreadPoolExecutor(arguments.jobs) as pool:
        outcomes = list(pool.map(lambda target: _run(target, build, arguments.minutes * 60, arguments.seed), targets))
    for outcome in outcomes:
        if not outcome.is_clean:
            print(outcome.report)
    print(f"{'target':14} {'inputs':>12} {'a second':>9} {'coverage':>9}")
    for outcome in outcomes:
        print(outcome.line)
    return 0 if all(outcome.is_clean for outcome in outcomes) else 1


def _run(target: str, build: Path, seconds: float, seed: int) -> Outcome:
    folder = build / "fuzz" / target
    for name in ("seeds", "corpus", "found"):
        (folder / name).mkdir(parents=True, exist_ok=True)
    for name, data in seeds(target).items():
        (folder / "seeds" / name).write_bytes(data)
    dictionary = folder / "words"
    language = words(target)
    dictionary.write_text("".join(f'"{_escaped(word)}"\n' for word in language), encoding="ascii")
    binary = build / "tests" / "fuzz" / f"fuzz_{target}"
    command: list[str] = [
        str(binary),
        f"-max_total_time={max(1, int(seconds))}",
        f"-seed={seed}",
        f"-timeout={_TIMEOUT_S.get(target, 30)}",
        "-rss_limit_mb=3000",
        "-max_len=16384",
        "-print_final_stats=1",
        f"-artifact_prefix={folder / 'found'}/",
        *([f"-dict={dictionary}"] if language else []),
        # What broke once is tried before anything new; what is new goes to the first folder.
        str(folder / "corpus"),
        str(folder / "seeds"),
        *([str(_FOUND / target)] if (_FOUND / target).is_dir() else []),
    ]
    started = time.monotonic()
    done = subprocess.run(command, capture_output=True, check=False, env=_environment())
    output = done.stderr.decode("utf-8", "replace")
    pulses = _PULSE.findall(output)
    runs = int(pulses[-1][0]) if pulses else 0
    coverage = int(pulses[-1][1]) if pulses else 0
    report = ""
    if done.returncode != 0:
        inputs = re.findall(r"Test unit written to (\S+)", output)
        again = f"again with: {binary} {inputs[-1]}" if inputs else f"exit code {done.returncode}"
        report = f"{target}: {again}\n{_end_of(output)}\n"
    return Outcome(target, time.monotonic() - started, runs, coverage, done.returncode == 0, report)


def _end_of(output: str) -> str:
    """From what went wrong on, without the line that dumps the input."""
    lines = [line for line in output.splitlines() if not line.startswith(("0x", "\\", "Base64"))]
    begins = re.compile(r"== ?ERROR|broken promise|runtime error")  # not "ERROR" alone, which libraries say of bad input
    start = next((i for i, line in enumerate(lines) if begins.search(line)), max(0, len(lines) - 40))
    return "\n".join(lines[start : start + 60])


def _environment() -> dict[str, str]:
    # Wasmtime owns the signals of guests' memory, and a guest's reservation is no allocation.
    options = {
        "ASAN_OPTIONS": "handle_segv=1:allow_user_segv_handler=1:detect_leaks=1:allocator_may_return_null=1",
        "UBSAN_OPTIONS": "print_stacktrace=1",
    }
    return {**options, **os.environ}


def _escaped(word: str) -> str:
    return "".join(c if " " <= c <= "~" and c not in '"\\' else f"\\x{ord(c):02x}" for c in word)


def _arguments(argv: Sequence[str] | None = None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="./dev test fuzz", description=__doc__)
    parser.add_argument("target", nargs="*", help="which (all)")
    parser.add_argument("--minutes", type=float, default=1.0, help="for each target (1)")
    parser.add_argument("--jobs", type=int, default=2, help="at once (2)")
    parser.add_argument("--seed", type=int, default=0, help="of the chance that changes inputs; 0: another each time (0)")
    parser.add_argument("--build", type=Path, default=ROOT / "build" / "asan", help="the build with the targets")
    return parser.parse_args(argv)


if __name__ == "__main__":
    sys.exit(main())
