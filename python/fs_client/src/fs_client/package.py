"""Writes the package format (docs/package-format.md): a project's files and manifest, as the same bytes each time."""

from __future__ import annotations

import hashlib
import importlib
import io
import json
import platform
import re
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Optional

from fs_client._version import __version__
from fs_client.analysis import Project
from fs_client.analysis.resolve import Kind
from fs_client.errors import PackagingError
from fs_client.sandbox_stub import stand_in_source

FORMAT = 1
MANIFEST = "fs-package.json"
MAX_PACKAGE_BYTES = 64 * 1024 * 1024
_MAX_UNPACKED_BYTES = 256 * 1024 * 1024
_MAX_FILE_BYTES = 64 * 1024 * 1024
_MAX_FILES = 20_000
_MAX_PATH_BYTES = 512
_EPOCH = (1980, 1, 1, 0, 0, 0)
_SEGMENT = re.compile(r"[^\W\d]\w*")
_BAD_IN_PATH = re.compile(r"[\x00-\x1f\x7f\\:\ud800-\udfff]")


@dataclass(frozen=True)
class File:
    """One file of a package; `module` is empty for data."""

    path: str
    kind: str
    module: str
    content: bytes


@dataclass(frozen=True)
class Package:
    """A package as it goes to the server, with what it was made of."""

    content: bytes
    manifest: dict[str, Any]
    files: list[File]

    @property
    def sha256(self) -> str:
        return hashlib.sha256(self.content).hexdigest()


class _Reader:
    """Reads files up to the format's limits, which are checked first: a folder that the code names may be huge."""

    def __init__(self) -> None:
        self._total = 0

    def read(self, path: Path) -> bytes:
        try:
            size = path.stat().st_size
            self._total += size
            if size > _MAX_FILE_BYTES:
                raise PackagingError(f"{path}: {size} bytes; a file of a package may have {_MAX_FILE_BYTES}")
            if self._total > _MAX_UNPACKED_BYTES:
                raise PackagingError(f"{path}: with this file the package has more than {_MAX_UNPACKED_BYTES} bytes, which is the limit")
            return path.read_bytes()
        except OSError as error:
            raise PackagingError(f"{path}: cannot be read: {error.strerror or error}") from error


def build_package(project: Project) -> Package:
    """Reads the project's files and packs them. Raises PackagingError where a limit of the format is passed."""
    reader = _Reader()
    files = {file.path: file for file in _distribution_files(project, reader)}
    # The user's own files come last, so that they win over a distribution's stray top-level file of the same name.
    files.update({file.path: file for file in _own_files(project, reader)})
    ordered = sorted(files.values(), key=lambda file: file.path.encode(errors="surrogatepass"))
    _check(ordered)
    manifest = {
        "format": FORMAT,
        "entry_module": project.entry.module,
        "class_name": project.entry.class_name,
        "python_requires": "{}.{}".format(*project.python_requires),
        "client": f"fs_client {__version__}",
        "client_python": platform.python_version(),
        "distributions": sorted(({"name": one.name, "version": one.version} for one in project.distributions), key=lambda one: one["name"]),
        "files": [_described(file) for file in ordered],
    }
    return Package(_zipped(manifest, ordered), manifest, ordered)


def _own_files(project: Project, reader: _Reader) -> Iterator[File]:
    for path, file in project.data.items():
        yield File(path, "data", "", reader.read(file))
    for name in project.client_modules:
        yield from _stand_in(name)
    for name, found in project.modules.items():
        assert found.path is not None
        is_package = found.kind is Kind.PACKAGE
        path = name.replace(".", "/") + ("/__init__.py" if is_package else ".py")
        yield File(path, "package" if is_package else "module", name, reader.read(found.path))


def _stand_in(name: str) -> Iterator[File]:
    try:
        module = importlib.import_module(name)
    except ImportError as error:
        raise PackagingError(f"no module named {name!r} in fs_client {__version__}") from error
    names = sorted(one for one in vars(module) if not one.startswith("_"))
    path = name.replace(".", "/") + ("/__init__.py" if hasattr(module, "__path__") else ".py")
    yield File(path, "package" if hasattr(module, "__path__") else "module", name, stand_in_source(name, names))


def _distribution_files(project: Project, reader: _Reader) -> Iterator[File]:
    dotted_by_path: dict[str, str] = {}
    for distribution in sorted(project.distributions, key=lambda one: one.name):
        for relative, path in distribution.files.items():
            dotted = _dotted(relative)
            if relative in dotted_by_path:
                continue
            dotted_by_path[relative] = dotted or ""
            kind = "data" if dotted is None else "package" if relative.endswith("/__init__.py") else "module"
            yield File(relative, kind, dotted or "", reader.read(path))


def _dotted(relative: str) -> Optional[str]:
    """The module that a path can be imported as, if any."""
    if not relative.endswith(".py"):
        return None
    parts = relative[: -len(".py")].split("/")
    if len(parts) > 1 and parts[-1] == "__init__":
        parts.pop()
    return ".".join(parts) if all(_SEGMENT.fullmatch(part) for part in parts) else None


def _described(file: File) -> dict[str, Any]:
    described: dict[str, Any] = {"path": file.path, "kind": file.kind}
    if file.module:
        described["module"] = file.module
    described["size"] = len(file.content)
    described["sha256"] = hashlib.sha256(file.content).hexdigest()
    return described


def _check(files: list[File]) -> None:
    modules: dict[str, str] = {}
    for file in files:
        if len(file.path.encode(errors="surrogatepass")) > _MAX_PATH_BYTES or _BAD_IN_PATH.search(file.path):
            raise PackagingError(f"{file.path!r}: a path that a package cannot hold; rename the file")
        if file.module and modules.setdefault(file.module, file.path) != file.path:
            raise PackagingError(f"module {file.module} is there twice: {modules[file.module]} and {file.path}")
    if len(files) > _MAX_FILES:
        raise PackagingError(f"the package has {len(files)} files; the limit is {_MAX_FILES}")


def _zipped(manifest: dict[str, Any], files: list[File]) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED, compresslevel=6) as archive:
        text = json.dumps(manifest, ensure_ascii=False, indent=1).encode()
        for path, content in [(MANIFEST, text), *((file.path, file.content) for file in files)]:
            info = zipfile.ZipInfo(path, _EPOCH)
            info.compress_type = zipfile.ZIP_DEFLATED
            info.create_system = 3
            info.external_attr = 0o100644 << 16
            archive.writestr(info, content)
    return buffer.getvalue()
