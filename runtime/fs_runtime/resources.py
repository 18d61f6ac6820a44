"""importlib.resources over a package in memory."""

import io
from collections.abc import Iterator
from importlib.resources.abc import Traversable, TraversableResources
from typing import Any

from .package import Package


class PackageResources(TraversableResources):
    """The resources of one package: the folder it is, with everything below."""

    def __init__(self, package: Package, folder: str) -> None:
        self.package = package
        self.folder = folder

    def files(self) -> "PackageEntry":
        return PackageEntry(self.package, self.folder)


class PackageEntry(Traversable):
    """A file or folder of the package, there or not."""

    def __init__(self, package: Package, path: str) -> None:
        self.package = package
        self.path = path

    @property
    def name(self) -> str:
        return self.path.rpartition("/")[2]

    def __str__(self) -> str:
        return self.path

    def __repr__(self) -> str:
        return f"PackageEntry({self.path!r})"

    def is_dir(self) -> bool:
        return self.path in self.package.folders

    def is_file(self) -> bool:
        return self.path in self.package.files

    def iterdir(self) -> Iterator["PackageEntry"]:
        if not self.is_dir():
            raise NotADirectoryError(f"{self.path!r} is no folder of the function's package")
        for name in sorted(self.package.folders[self.path]):
            yield self.joinpath(name)

    def joinpath(self, *descendants: Any) -> "PackageEntry":
        parts = self.path.split("/") if self.path else []
        for descendant in descendants:
            for part in str(descendant).split("/"):
                if part == ".." and parts:
                    parts.pop()
                elif part not in ("", "."):
                    parts.append(part)
        return PackageEntry(self.package, "/".join(parts))

    def __truediv__(self, child: Any) -> "PackageEntry":
        return self.joinpath(child)

    def read_bytes(self) -> bytes:
        try:
            return self.package.files[self.path]
        except KeyError:
            error = IsADirectoryError if self.is_dir() else FileNotFoundError
            raise error(f"the function's package has no file {self.path!r}") from None

    def read_text(self, encoding: str | None = None, errors: str | None = None) -> str:
        with self.open("r", encoding=encoding, errors=errors) as text:
            content: str = text.read()
        return content

    def open(self, mode: str = "r", *_args: Any, encoding: str | None = None, errors: str | None = None, **_: Any) -> Any:
        if mode not in ("r", "rt", "rb"):
            raise ValueError(f"the function's package can only be read: mode {mode!r}")
        binary = io.BytesIO(self.read_bytes())
        if mode == "rb":
            return binary
        return io.TextIOWrapper(binary, encoding=encoding or "utf-8", errors=errors)
