"""Trees of source files to analyse, and a client of a server that answers as a test says."""

from __future__ import annotations

import textwrap
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from answering_server import Server
from fs_client import FsClient
from fs_client.analysis import Entry, Project, analyze, entry_of_file

DRIVER = "from fs_api import FSProcessorDriver\nclass Job(FSProcessorDriver):\n    def process(self, ctx, source_id, data): pass\n"

Tree = dict[str, str]


@pytest.fixture
def plant(tmp_path: Path) -> Callable[[Tree], Path]:
    """Writes a tree of files; `DRIVER` in a file's text stands for a class Job."""

    def plant(tree: Tree) -> Path:
        for name, text in tree.items():
            path = tmp_path / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(textwrap.dedent(text).replace("DRIVER", DRIVER))
        return tmp_path

    return plant


@pytest.fixture
def analyzed(plant: Callable[[Tree], Path]) -> Callable[..., Project]:
    """Analyses the tree's `job.py` (or another entry) with the tree, and its site-packages, on the search path."""

    def analyzed(tree: Tree, entry: str = "job.py", **options: Any) -> Project:
        root = plant(tree)
        start = entry_of_file(root / entry, "Job")
        path = (*start.search_path[:1], str(root / "site-packages"), *start.search_path[1:])
        return analyze(Entry(start.module, "Job", start.file, path), **options)

    return analyzed


@pytest.fixture
def server() -> Iterator[Server]:
    server = Server()
    yield server
    server.server.stop(None)


@pytest.fixture
def client(server: Server) -> Iterator[FsClient]:
    with FsClient("127.0.0.1", server.port, default_timeout=10) as client:
        yield client
