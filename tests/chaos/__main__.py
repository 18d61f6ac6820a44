"""./dev chaos: kills at random, from a seed.

Exit code 0: nothing differs. 1: something does; the report says what, and the folder with everything is kept. 2: it could not run.
"""

from __future__ import annotations

import argparse
import faulthandler
import os
import random
import shutil
import signal
import sys
import tempfile
import threading
from pathlib import Path
from types import FrameType

from .plan import random_plan
from .runner import KINDS, Run, RunnerFailed

# Beyond the minutes asked for: starting, putting everything out, looking at it.
_EXTRA_S = 420.0


def main() -> int:
    arguments = _arguments()
    signal.signal(signal.SIGTERM, _interrupt)
    seed = arguments.seed if arguments.seed is not None else random.SystemRandom().randrange(1 << 32)
    kinds = arguments.only or list(KINDS)
    folder = Path(tempfile.mkdtemp(prefix=f"chaos-{seed}-"))
    _say(f"chaos: seed {seed}, {arguments.minutes:g} minutes, {', '.join(kinds)}; logs in {folder}")
    plan = random_plan(seed, len(kinds), any(KINDS[kind].is_kafka for kind in kinds), arguments.sabotage)
    run = Run(plan, kinds, folder, arguments.minutes * 60, _say)
    watchdog = threading.Timer(arguments.minutes * 60 + _EXTRA_S, _give_up, (run,))
    watchdog.daemon = True
    watchdog.start()
    try:
        report = run.run()
    except KeyboardInterrupt:
        _say(f"interrupted; what there is: {folder}")
        return 130
    except (RunnerFailed, AssertionError) as error:
        _say(f"the run could not be finished: {error}\nlogs in {folder}")
        return 2
    finally:
        run.close()
        watchdog.cancel()
    _say(report.text())
    if report.is_clean and not arguments.keep:
        shutil.rmtree(folder, ignore_errors=True)
        return 0
    _say(f"again: ./dev chaos --seed {seed} --minutes {arguments.minutes:g}; logs, states and events.jsonl: {folder}")
    return 0 if report.is_clean else 1


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="./dev chaos", description=__doc__)
    parser.add_argument("--minutes", type=float, default=15.0, help="how long (default: 15)")
    parser.add_argument("--seed", type=int, help="the run to make again (default: a new one, printed)")
    parser.add_argument("--only", action="append", choices=list(KINDS), help="this kind of function; may be repeated (default: all)")
    names = "skip-prepare, commit-state-first, ignore-marker, restore-in-part"
    parser.add_argument("--sabotage", default="", help=f"break the protocol on purpose: {names}")
    parser.add_argument("--keep", action="store_true", help="keep the folder also where nothing differs")
    return parser.parse_args()


def _interrupt(number: int, frame: FrameType | None) -> None:
    raise KeyboardInterrupt


def _give_up(run: Run) -> None:
    """The last resort: whatever hangs, the run ends, and so does all that it started."""
    _say("the run is far over its time; where its threads are:")
    faulthandler.dump_traceback()
    try:
        run.close()
    finally:
        os._exit(2)


def _say(text: str) -> None:
    print(text, flush=True)


if __name__ == "__main__":
    sys.exit(main())
