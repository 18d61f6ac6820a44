"""No way out of the sandbox: files, environment, network, processes, native code, other functions' state and modules."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from functions.hostile.escaping import Escaping
from support.hostile import Arena, arena


@pytest.fixture(scope="module")
def ring(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Arena]:
    with arena(tmp_path_factory.mktemp("escapes") / "server") as one:
        (one.server.home / "server_secret.py").write_text("SECRET = 'imported from outside'\n", encoding="utf-8")
        one.remember_files()
        one.create(Escaping)
        yield one
        one.assert_nothing_got_out()
        about = one.about
        assert (about.status, about.restarts) == ("RUNNING", 0)


@pytest.mark.parametrize("name", Escaping.attempts)
def test_a_way_out_leads_nowhere(ring: Arena, name: str) -> None:
    ring.assert_ended_as(Escaping.attempts[name], ring.ask(name))
    ring.assert_unharmed()
    ring.assert_nothing_got_out()
