"""A protocol broken on purpose is caught by the runner, and the same run over the whole protocol finds nothing.

Each case dies once at the point where the breakage tells, so that nothing depends on luck. A broken protocol shows itself either in the
outputs or in that the function refuses to go on with a state that cannot be right; where that guard is switched off too (ignore-marker),
the outputs show it.
"""

from __future__ import annotations

from pathlib import Path

import pytest

from .plan import Action, Life, Plan
from .report import Report
from .runner import Run


def run_life(folder: Path, sabotage: str, life: Life, kind: str) -> Report:
    run = Run(Plan(seed=7, lives=[life], sabotage=sabotage), [kind], folder, 60, print)
    try:
        return run.run()
    finally:
        run.close()


def run_once(folder: Path, sabotage: str, point: str, kind: str = "embedded") -> Report:
    return run_life(folder, sabotage, Life(60, failpoint=f"{point}:10"), kind)


@pytest.mark.parametrize(
    ("sabotage", "point", "kinds"),
    [
        ("skip-prepare", "outputs-committed", {"failed", "lost"}),
        ("skip-prepare,ignore-marker", "outputs-committed", {"duplicated", "wrong"}),
        ("commit-state-first", "state-prepared", {"failed", "lost"}),
        ("commit-state-first,ignore-marker", "state-prepared", {"lost"}),
        ("ignore-marker", "state-prepared", {"lost"}),
    ],
)
def test_a_broken_protocol_is_caught(tmp_path: Path, sabotage: str, point: str, kinds: set[str]) -> None:
    report = run_once(tmp_path, sabotage, point)
    assert report.kills == {f"failpoint {point}": 1}
    assert kinds & set(report.differences.counts), report.text()
    assert not report.is_clean and sabotage in report.text()


@pytest.mark.parametrize("kind", ["embedded", "embedded-parallel"])
@pytest.mark.parametrize("point", ["state-prepared", "outputs-committed"])
def test_the_whole_protocol_passes_the_same_runs(tmp_path: Path, point: str, kind: str) -> None:
    report = run_once(tmp_path, "", point, kind)
    assert report.kills == {f"failpoint {point}": 1}
    assert report.is_clean, report.text()
    assert report.messages[kind] == report.outputs[kind] > 0


def test_a_protocol_broken_in_several_instances_is_caught(tmp_path: Path) -> None:
    report = run_once(tmp_path, "skip-prepare,ignore-marker", "outputs-committed", "embedded-parallel")
    assert {"duplicated", "wrong"} & set(report.differences.counts), report.text()


@pytest.mark.parametrize("sabotage", ["", "restore-in-part"])
def test_a_restore_of_some_instances_only_is_caught(tmp_path: Path, sabotage: str) -> None:
    life = Life(8, end="stop", actions=(Action(4.0, "restore"),))
    report = run_life(tmp_path, sabotage, life, "embedded-parallel")
    assert report.others["restores that were answered"] == 1
    if sabotage:
        assert {"lost", "wrong"} & set(report.differences.counts), report.text()
    else:
        assert report.is_clean, report.text()
        assert report.outputs["embedded-parallel"] > report.messages["embedded-parallel"], "nothing came again"
