"""The demonstrations that ./dev demo runs, as they are."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

EXAMPLES = Path(__file__).parents[2] / "examples"


@pytest.mark.parametrize("example", ["demo.py", "demo_kafka.py"])
def test_the_demonstration_ends_with_exact_totals(example: str) -> None:
    # Twice: each starts from a clean place.
    for _ in range(2):
        done = subprocess.run(
            [sys.executable, str(EXAMPLES / example), "--server", os.environ["FS_SERVER"]],
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )
        assert done.returncode == 0, done.stdout + done.stderr
        assert "exact: the total 24335 is the sum over all 5000 events" in done.stdout
