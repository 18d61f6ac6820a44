"""Installed third-party distributions: which one a file belongs to, what to pack of it, and whether it needs native code."""

from __future__ import annotations

import importlib.metadata
import re
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from typing import Optional

from fs_client.analysis.resolve import Found, Resolver

_NATIVE_ENDINGS = (".so", ".pyd", ".dylib", ".dll")
# Of no use to running code: bytecode, sources of native parts, type stubs, path files.
_LEFT_OUT = (".pyc", ".pyo", ".pyi", ".pyx", ".pxd", ".c", ".cc", ".cpp", ".h", ".hpp", ".pth", ".egg-link")
_NAME = re.compile(r"\s*([\w.-]*).*", re.DOTALL)
_METADATA_KEPT = ("METADATA", "PKG-INFO", "entry_points.txt", "top_level.txt")


@dataclass(eq=False)
class Distribution:
    """A distribution's files, by their path below the folder it is installed in."""

    name: str
    version: str
    folder: Path
    files: dict[str, Path] = field(default_factory=dict)  # what would be packed
    native: dict[str, Path] = field(default_factory=dict)  # native code, but for what has its Python source beside it
    requires: Optional[frozenset[str]] = None  # distributions that it declares to need, extras aside; None where it does not say

    def may_use(self, other: Distribution) -> bool:
        """Whether an import that it can do without is meant to find the other one."""
        return self.requires is None or _normalized(other.name) in self.requires

    @property
    def title(self) -> str:
        return f"{self.name} {self.version}".strip()


class Distributions:
    """Answers which distribution owns a found module; each folder's records are read once."""

    def __init__(self, resolver: Resolver) -> None:
        self._resolver = resolver
        self._installed: dict[Path, list[importlib.metadata.Distribution]] = {}
        self._by_file: dict[Path, Distribution] = {}

    def owner(self, found: Found) -> Optional[Distribution]:
        """The distribution of a third-party module; one without records is taken to be its top-level package or module."""
        path = found.path
        if path is None:
            return None
        if path not in self._by_file:
            folder = self._resolver.site_folder(path)
            if folder is None:
                return None
            relative = path.relative_to(folder)
            recorded = self._recorded(folder, relative.as_posix())
            made = _from_record(recorded, folder) if recorded is not None else _from_folder(folder, relative.parts[0])
            for file in (*made.files.values(), *made.native.values(), path):
                self._by_file.setdefault(file, made)
        return self._by_file[path]

    def _recorded(self, folder: Path, relative: str) -> Optional[importlib.metadata.Distribution]:
        if folder not in self._installed:
            self._installed[folder] = list(importlib.metadata.distributions(path=[str(folder)]))
        for installed in self._installed[folder]:
            # The raw text first: parsing every record of a large environment takes seconds.
            record = installed.read_text("RECORD") or installed.read_text("installed-files.txt") or installed.read_text("SOURCES.txt")
            if record is not None and relative in record:
                for file in installed.files or ():
                    if PurePosixPath(file.as_posix()) == PurePosixPath(relative):
                        return installed
        return None


def _from_record(installed: importlib.metadata.Distribution, folder: Path) -> Distribution:
    made = Distribution(installed.metadata["Name"] or "", installed.version or "", folder)
    needs = [need.partition(";") for need in installed.requires or ()]
    made.requires = frozenset(_normalized(_NAME.sub(r"\1", name)) for name, _, marker in needs if "extra" not in marker)
    for file in installed.files or ():
        relative = file.as_posix()
        if not relative.startswith(("/", "../")):
            _add(made, relative, folder / relative)
    return _settle(made)


def _from_folder(folder: Path, top: str) -> Distribution:
    made = Distribution(top.split(".", 1)[0], "", folder)
    root = folder / top
    for path in sorted(root.rglob("*")) if root.is_dir() else [root]:
        _add(made, path.relative_to(folder).as_posix(), path)
    return _settle(made)


def _add(made: Distribution, relative: str, path: Path) -> None:
    parts = relative.split("/")
    if "__pycache__" in parts or relative.endswith(_LEFT_OUT) or not path.is_file():
        return
    if parts[0].endswith((".dist-info", ".egg-info")):
        if parts[-1] in _METADATA_KEPT or "licen" in relative.lower():
            made.files[relative] = path
    elif relative.endswith(_NATIVE_ENDINGS) or ".so." in parts[-1]:
        made.native[relative] = path
    else:
        made.files[relative] = path


def _normalized(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


def _settle(made: Distribution) -> Distribution:
    """Drops native files that were compiled from Python which is there as well: that Python serves."""
    compiled = {
        relative
        for relative in made.native
        if str(PurePosixPath(relative).with_name(PurePosixPath(relative).name.split(".", 1)[0] + ".py")) in made.files
    }
    if compiled:
        # mypyc puts what several modules share into one more native file.
        compiled |= {relative for relative in made.native if "__mypyc." in relative}
    for relative in compiled:
        del made.native[relative]
    return made
