"""A system under measurement is all that descends from its program, and nothing of it outlives the run."""

import os
import sys
import time

from peers.driver.figures import Sample
from peers.driver.processes import Process, stat_of

# A child in a session of its own, as some launchers make them; both work, and neither ends by itself.
PROGRAM = """
import os, signal, sys
child = os.fork()
if child == 0:
    os.setsid()
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
else:
    print(child, flush=True)
while True:
    sum(range(100_000))
"""


def wait_until(condition, seconds=60):
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "it did not happen in time"
        time.sleep(0.01)


def is_alive(pid):
    fields = stat_of(pid)
    return fields is not None and fields[0] != "Z"


def test_cpu_of_all_descendants_counts_and_all_of_them_end(tmp_path):
    process = Process([sys.executable, "-c", PROGRAM], dict(os.environ), tmp_path)
    try:
        wait_until(lambda: process.log_tail().strip())
        child = int(process.log_tail())
        wait_until(lambda: process.cpu_s > 0.5)
        assert process.exit_code is None
        own = sum(map(int, stat_of(child)[11:13])) / os.sysconf("SC_CLK_TCK")
        wait_until(lambda: process.cpu_s > own + 0.2)  # more than the child's alone
    finally:
        process.end()
    wait_until(lambda: not is_alive(child))
    assert process.exit_code is not None
    assert process.peak_memory_bytes > 1 << 20
    assert all(isinstance(sample, Sample) for sample in process.samples)
    assert [sample.cpu_s for sample in process.samples] == sorted(sample.cpu_s for sample in process.samples)


def test_a_program_that_ends_tells_its_code_and_its_last_lines(tmp_path):
    process = Process([sys.executable, "-c", "print('first'); print('last'); raise SystemExit(3)"], dict(os.environ), tmp_path)
    try:
        wait_until(lambda: process.exit_code is not None)
        assert process.exit_code == 3
        assert process.log_tail(1) == "last"
    finally:
        process.end()
