"""A function that takes all it can get of memory, stack, time, state and output gets its own share, and the server keeps its own."""

from __future__ import annotations

import os
from collections.abc import Iterator

import pytest
from functions.hostile.exhausting import STATE, Exhausting
from support.hostile import Arena, arena

LIMITS = {"memory_mb": 64, "process_timeout_ms": 1000}
# What one of these may make the server take: the guest's memory, what it writes, and what writing that takes.
LIMIT_GROWTH_MB = 768
if "FS_SANITIZED_SERVER" in os.environ:
    LIMIT_GROWTH_MB += 256  # AddressSanitizer keeps that much of what was freed


@pytest.fixture(scope="module")
def ring(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Arena]:
    with arena(tmp_path_factory.mktemp("bombs") / "server") as one:
        one.create(Exhausting, limits=LIMITS)
        yield one


@pytest.mark.parametrize("name", Exhausting.attempts)
def test_a_bomb_takes_its_own_share_only(ring: Arena, name: str) -> None:
    ring.forget_peak()
    before = ring.peak_mb()
    outcome = ring.ask(name)
    ring.assert_ended_as(Exhausting.attempts[name], outcome)
    ring.assert_unharmed()
    if name in STATE:  # what it has written is gone with it
        ring.clear()
        ring.create(Exhausting, limits=LIMITS)
    ring.restart()
    assert ring.peak_mb() - before < LIMIT_GROWTH_MB, outcome
