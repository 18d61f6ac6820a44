"""importlib.metadata for distributions whose *.dist-info folder came with the package as data."""

import importlib.metadata
import re
from collections.abc import Iterator
from os import PathLike

from .package import Package
from .resources import PackageEntry

_SUFFIX = ".dist-info"


class PackageDistribution(importlib.metadata.Distribution):
    """One distribution of the function's package."""

    def __init__(self, package: Package, folder: str) -> None:
        self._package = package
        self._folder = folder

    def read_text(self, filename: str) -> str | None:
        content = self._package.files.get(f"{self._folder}/{filename}")
        return content.decode("utf-8") if content is not None else None

    def locate_file(self, path: "str | PathLike[str]") -> PackageEntry:  # type: ignore[override]
        return PackageEntry(self._package, str(path))


def _normalized(name: str) -> str:
    return re.sub(r"[-_.]+", "_", name).lower()


def find(package: Package, name: str | None) -> Iterator[PackageDistribution]:
    """Distributions of that name; all where it is None."""
    for entry in sorted(package.folders[""]):
        if entry.endswith(_SUFFIX) and entry in package.folders:
            project = entry.removesuffix(_SUFFIX).partition("-")[0]
            if name is None or _normalized(project) == _normalized(name):
                yield PackageDistribution(package, entry)
