"""Finds circular imports that would fail, by playing through the order in which an import runs the local modules.

A cycle alone is harmless and common. It fails where a module asks a half-imported one for a name that is bound further down.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field

from fs_client.analysis.imports import ImportRef, Scan
from fs_client.analysis.resolve import Found

log = logging.getLogger("fs_client")


@dataclass
class Edge:
    """One import as followed: `submodules` are those that a from-import names."""

    ref: ImportRef
    submodules: list[str] = field(default_factory=list)


class CycleCheck:
    """Plays imports over `modules` (local ones); `scan_of` gives a module's bindings."""

    def __init__(self, modules: Mapping[str, Found], edges: Mapping[str, list[Edge]], scan_of: Callable[[Found], Scan]) -> None:
        self._modules = modules
        self._edges = edges
        self._scan_of = scan_of
        self._problems: list[str] = []
        self._finished: set[str] = set()
        self._running: dict[str, ImportRef] = {}  # in the order of their start; the import that each is at

    def problems(self, entry: str) -> list[str]:
        """What fails when `entry` is imported, and then when its functions import what they import; file and line of each step."""
        self._import(entry)
        played: set[str] = set()
        while pending := [name for name in self._modules if name in self._finished and name not in played]:
            for name in pending:
                played.add(name)
                for edge in self._edges.get(name, []):
                    if edge.ref.is_deferred:
                        self._import_edge(edge)
        return self._problems

    def _import(self, dotted: str) -> None:
        parts = dotted.split(".")
        for end in range(1, len(parts) + 1):
            name = ".".join(parts[:end])
            if name not in self._modules or name in self._finished:
                continue
            if name in self._running:
                log.info("circular import, harmless so far: %s", " -> ".join([*self._running, name]))
                continue
            for edge in self._edges.get(name, []):
                if not edge.ref.is_deferred:
                    self._running[name] = edge.ref
                    self._import_edge(edge)
            self._running.pop(name, None)
            self._finished.add(name)

    def _import_edge(self, edge: Edge) -> None:
        ref = edge.ref
        self._import(ref.module)
        for submodule in edge.submodules:
            self._import(submodule)
        if ref.module not in self._running or ref.is_guarded:
            return
        target = self._modules[ref.module]
        scan = self._scan_of(target)
        for name in ref.names:
            if name == "*" or f"{ref.module}.{name}" in edge.submodules or scan.has_unknown_bindings:
                continue
            bound_at = scan.bindings.get(name)
            if bound_at is not None and bound_at >= self._running[ref.module].line:
                self._report(ref, name, target, bound_at)

    def _report(self, ref: ImportRef, name: str, target: Found, bound_at: int) -> None:
        steps = list(self._steps(target.name))
        problem = (
            f"{steps[-1]}: circular import: {name!r} is imported from {target.name} while that is still being imported, "
            f"and is defined only at {target.path}:{bound_at}; the way there: {' -> '.join(steps)}. "
            f"Import it inside the function that uses it, or move {name!r} to a module of its own"
        )
        if problem not in self._problems:
            self._problems.append(problem)

    def _steps(self, start: str) -> Iterator[str]:
        """file:line of each import that is under way, from the module at which the circle closes."""
        names = list(self._running)
        for name in names[names.index(start) :]:
            yield f"{self._modules[name].path}:{self._running[name].line}"
