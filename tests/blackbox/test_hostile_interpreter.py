"""A function may break its own interpreter as it likes: it ends alone, says why, and begins anew."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from functions.hostile.tampering import Tampering
from support.hostile import Arena, arena

LIMITS = {"memory_mb": 64, "process_timeout_ms": 500}


@pytest.fixture(scope="module")
def ring(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Arena]:
    with arena(tmp_path_factory.mktemp("interpreter") / "server") as one:
        one.create(Tampering, limits=LIMITS)
        yield one


@pytest.mark.parametrize("name", Tampering.attempts)
def test_a_broken_interpreter_harms_nobody_else(ring: Arena, name: str) -> None:
    ring.assert_ended_as(Tampering.attempts[name], ring.ask(name))
    ring.assert_unharmed()
    ring.assert_nothing_got_out()
    ring.restart()
