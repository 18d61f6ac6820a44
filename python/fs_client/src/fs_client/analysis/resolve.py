"""Finds the file behind a dotted module name the way Python's import would, without importing anything.

importlib.util.find_spec imports the parents of a name, which would run the user's code; so the search along sys.path is done here.
"""

from __future__ import annotations

import importlib.machinery
import site
import sys
import sysconfig
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from enum import Enum
from pathlib import Path
from types import ModuleType
from typing import Any, Optional

SOURCE_SUFFIXES = tuple(importlib.machinery.SOURCE_SUFFIXES)
NATIVE_SUFFIXES = tuple(importlib.machinery.EXTENSION_SUFFIXES)
BYTECODE_SUFFIXES = tuple(importlib.machinery.BYTECODE_SUFFIXES)


class Kind(Enum):
    MODULE = "module"
    PACKAGE = "package"
    NAMESPACE = "namespace"  # a folder without __init__.py, or several
    NATIVE = "native"  # an extension module
    BYTECODE = "bytecode"  # compiled, its source is not there
    OPAQUE = "opaque"  # importable, but not from a file of its own: in an archive, or made while running


class Owner(Enum):
    STDLIB = "stdlib"
    LOCAL = "local"
    THIRD_PARTY = "third-party"


@dataclass(frozen=True)
class Found:
    """Where a module lives. `search` holds the folders of its submodules, for a package."""

    name: str
    kind: Kind
    owner: Owner
    path: Optional[Path] = None
    search: tuple[str, ...] = ()
    shadows_stdlib: bool = False

    @property
    def has_source(self) -> bool:
        return self.kind in (Kind.MODULE, Kind.PACKAGE)


class Resolver:
    """Resolves names against `search_path`; answers are kept.

    `pinned` gives names whose file is already known, such as the entry module. What this process has imported counts first, because that is
    what the user's class was built from, but for the standard library's names, where another package may have imported first.
    """

    def __init__(self, search_path: Optional[Sequence[str]] = None, pinned: Optional[dict[str, Path]] = None) -> None:
        self._search_path = tuple(sys.path if search_path is None else search_path)
        self._pinned = dict(pinned or {})
        self._known: dict[str, Optional[Found]] = {}
        self._site = _site_folders(self._search_path)
        self._stdlib = _stdlib_folders()

    def find(self, name: str) -> Optional[Found]:
        """The module, or None where an import would fail."""
        if name not in self._known:
            self._known[name] = self._find(name)
        return self._known[name]

    def site_folder(self, path: Path) -> Optional[Path]:
        """The folder of installed distributions that a file is in."""
        return next((folder for folder in self._site if folder in path.parents), None)

    def _find(self, name: str) -> Optional[Found]:
        if name in self._pinned:
            return self._from_file(name, self._pinned[name])
        parent, _, tail = name.rpartition(".")
        if not parent:
            return self._find_top(name)
        package = self.find(parent) or self._pinned_parent(parent)
        if package is None:
            return None
        if package.owner is Owner.STDLIB:
            return Found(name, Kind.OPAQUE, Owner.STDLIB)
        return self._in_folders(name, tail, package.search) or self._imported(name)

    def _find_top(self, name: str) -> Optional[Found]:
        stdlib = Found(name, Kind.OPAQUE, Owner.STDLIB)
        if name in sys.builtin_module_names or name == "__future__":
            return stdlib
        if self._is_stdlib_name(name):
            if importlib.machinery.FrozenImporter.find_spec(name) is not None:
                return stdlib
            found = self._in_folders(name, name, self._search_path)
            if found is None or found.owner is Owner.STDLIB:
                return stdlib
            return Found(name, found.kind, found.owner, found.path, found.search, shadows_stdlib=True)
        return (
            self._imported(name)
            or self._in_folders(name, name, self._search_path)
            or self._from_other_finders(name)
            or self._pinned_parent(name)
        )

    def _is_stdlib_name(self, name: str) -> bool:
        names = getattr(sys, "stdlib_module_names", None)
        if names is not None:
            return name in names
        found = self._in_folders(name, name, [str(folder) for folder in self._stdlib])
        return found is not None and found.owner is Owner.STDLIB

    def _in_folders(self, name: str, tail: str, folders: Iterable[str]) -> Optional[Found]:
        """Python's own search: in each folder a package, then a module; folders of that name without __init__ add up."""
        portions: list[str] = []
        for entry in folders:
            folder = Path(entry or ".").absolute()
            here = folder / tail
            for suffixes in (NATIVE_SUFFIXES, SOURCE_SUFFIXES, BYTECODE_SUFFIXES):
                for suffix in suffixes:
                    init = here / f"__init__{suffix}"
                    if init.is_file():
                        return self._from_file(name, init)
            for suffixes in (NATIVE_SUFFIXES, SOURCE_SUFFIXES, BYTECODE_SUFFIXES):
                for suffix in suffixes:
                    file = folder / f"{tail}{suffix}"
                    if file.is_file():
                        return self._from_file(name, file)
            if here.is_dir():
                portions.append(str(here))
        if portions:
            return Found(name, Kind.NAMESPACE, self._owner(Path(portions[0])), None, tuple(portions))
        return None

    def _from_file(self, name: str, file: Path) -> Found:
        owner = self._owner(file)
        is_package = file.name.split(".", 1)[0] == "__init__"
        search: tuple[str, ...] = ()
        if is_package:
            # A package may have widened its own __path__ when it ran.
            widened = [path for path in _path_of(_module(name)) if path != str(file.parent)]
            search = (str(file.parent), *widened)
        if file.name.endswith(SOURCE_SUFFIXES):
            kind = Kind.PACKAGE if is_package else Kind.MODULE
        elif file.name.endswith(NATIVE_SUFFIXES):
            source = file.with_name(file.name.split(".", 1)[0] + ".py")
            if source.is_file():  # compiled from Python that is still beside it
                return Found(name, Kind.PACKAGE if is_package else Kind.MODULE, owner, source, search)
            kind = Kind.NATIVE
        else:
            kind = Kind.BYTECODE
        return Found(name, kind, owner, file, search)

    def _imported(self, name: str) -> Optional[Found]:
        module = _module(name)
        if module is None:
            return None
        file = vars(module).get("__file__")
        search = tuple(_path_of(module))
        if isinstance(file, str) and Path(file).is_file():
            return self._from_file(name, Path(file).absolute())
        if search and all(Path(folder).is_dir() for folder in search):
            return Found(name, Kind.NAMESPACE, self._owner(Path(search[0])), None, search)
        if file is None and vars(module).get("__spec__") is None and not search:
            # Put into sys.modules by hand; whoever did that has to do it in the sandbox too.
            return Found(name, Kind.OPAQUE, Owner.THIRD_PARTY)
        return None

    def _from_other_finders(self, name: str) -> Optional[Found]:
        """Editable installs have finders of their own, which map names to folders."""
        standard = (
            importlib.machinery.BuiltinImporter,
            importlib.machinery.FrozenImporter,
            importlib.machinery.PathFinder,
        )
        for finder in sys.meta_path:
            find_spec = getattr(finder, "find_spec", None)
            if finder in standard or find_spec is None:
                continue
            try:
                spec = find_spec(name, None)
            except Exception:  # a foreign finder; what it cannot find, others may
                continue
            if spec is not None:
                if spec.origin and Path(spec.origin).is_file():
                    return self._from_file(name, Path(spec.origin).absolute())
                if spec.submodule_search_locations:
                    search = tuple(str(folder) for folder in spec.submodule_search_locations)
                    return Found(name, Kind.NAMESPACE, self._owner(Path(search[0])), None, search)
        spec = importlib.machinery.PathFinder.find_spec(name, list(self._search_path))
        if spec is not None and spec.origin:  # in an archive on sys.path
            return Found(name, Kind.OPAQUE, Owner.LOCAL, Path(spec.origin))
        return None

    def _pinned_parent(self, name: str) -> Optional[Found]:
        """The package of a pinned module that cannot be found by itself, as when sys.path no longer has its folder."""
        depth = name.count(".") + 1
        for pinned, file in self._pinned.items():
            parts = pinned.split(".")
            if not pinned.startswith(name + "."):
                continue
            folder = file.parent.parent if file.stem == "__init__" else file.parent
            for _ in range(len(parts) - 1 - depth):
                folder = folder.parent
            if folder.name != parts[depth - 1]:
                return Found(name, Kind.NAMESPACE, Owner.LOCAL)
            init = folder / "__init__.py"
            if init.is_file():
                return self._from_file(name, init)
            return Found(name, Kind.NAMESPACE, self._owner(folder), None, (str(folder),))
        return None

    def _owner(self, path: Path) -> Owner:
        if any(folder == path or folder in path.parents for folder in self._site):
            return Owner.THIRD_PARTY
        if any(folder in path.parents for folder in self._stdlib):
            return Owner.STDLIB
        return Owner.LOCAL


def _module(name: str) -> Optional[ModuleType]:
    module = sys.modules.get(name)
    return module if isinstance(module, ModuleType) else None


def _path_of(module: Optional[ModuleType]) -> list[str]:
    # Read from its dictionary, because the attribute access of a lazy module would run it.
    path: Any = object.__getattribute__(module, "__dict__").get("__path__") if module is not None else None
    try:
        return [folder for folder in path or () if isinstance(folder, str)]
    except (TypeError, KeyError):
        return []


def _site_folders(search_path: Sequence[str]) -> list[Path]:
    folders = [sysconfig.get_path("purelib"), sysconfig.get_path("platlib")]
    folders += getattr(site, "getsitepackages", list)()
    folders.append(site.getusersitepackages() if hasattr(site, "getusersitepackages") else "")
    folders += [entry for entry in search_path if Path(entry).name in ("site-packages", "dist-packages")]
    return list(dict.fromkeys(Path(folder).absolute() for folder in folders if folder))


def _stdlib_folders() -> list[Path]:
    folders = [Path(sysconfig.get_path(key)).absolute() for key in ("stdlib", "platstdlib")]
    return list(dict.fromkeys([*folders, *(folder.resolve() for folder in folders)]))
