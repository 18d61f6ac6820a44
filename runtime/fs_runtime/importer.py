"""Imports from a package in memory: finder, loader, and what the import system's other users ask for.

Tracebacks show source lines, because linecache asks the loader for them, and only once one is printed. `__file__` is the
path within the package, so pkgutil.get_data and importlib.resources work; open() on it does not: there are no files.
"""

import importlib.abc
import importlib.machinery
import importlib.util
from collections.abc import Iterable, Iterator, Sequence
from types import CodeType, ModuleType
from typing import TYPE_CHECKING, Any

from .package import Module, Package
from .resources import PackageResources
from .shadow import PREFIX

if TYPE_CHECKING:
    import importlib.metadata


class PackageLoader(importlib.abc.InspectLoader):
    """Loads one module, package or (without a module) namespace package."""

    def __init__(self, package: Package, module: Module | None, folder: str | None) -> None:
        self.package = package
        self.module = module
        self.folder = folder

    def exec_module(self, module: ModuleType) -> None:
        code = self.get_code(module.__name__)
        if code is not None:
            exec(code, module.__dict__)

    def get_code(self, fullname: str) -> CodeType | None:
        if self.module is None:
            return None
        code: CodeType = compile(self.module.source, self.module.path, "exec", dont_inherit=True)
        return code

    def get_source(self, fullname: str) -> str | None:
        return importlib.util.decode_source(self.module.source) if self.module is not None else None

    def is_package(self, fullname: str) -> bool:
        return self.folder is not None

    def get_filename(self, fullname: str) -> str:
        if self.module is None:
            raise ImportError(f"{fullname} is a namespace package: it has no file", name=fullname)
        return self.module.path

    def get_data(self, path: str) -> bytes:
        """The bytes of a file in the package; FileNotFoundError where there is none."""
        try:
            return self.package.files[_normalized(path)]
        except KeyError:
            raise FileNotFoundError(f"the function's package has no file {path!r}") from None

    def get_resource_reader(self, fullname: str) -> PackageResources:
        if self.folder is None and self.module is not None:
            return PackageResources(self.package, self.module.path.rpartition("/")[0])
        return PackageResources(self.package, self.folder or "")


class PackageFinder(importlib.abc.MetaPathFinder):
    """First on sys.meta_path. Names that shadow the standard library are found under shadow.PREFIX only."""

    def __init__(self, package: Package, shadowed: frozenset[str]) -> None:
        self.package = package
        self.shadowed = shadowed

    def find_spec(
        self, fullname: str, path: Sequence[str] | None = None, target: ModuleType | None = None
    ) -> importlib.machinery.ModuleSpec | None:
        name = fullname
        if fullname.startswith(PREFIX):
            name = fullname.removeprefix(PREFIX)
        elif fullname.partition(".")[0] in self.shadowed:
            return None
        module = self.package.modules.get(name)
        folder = self.package.folder_of(name) if module is None or module.is_package else None
        if module is None and folder is None:
            return None
        if module is None and self._is_found_elsewhere(name):
            return None
        loader = PackageLoader(self.package, module, folder)
        spec = importlib.machinery.ModuleSpec(fullname, loader, is_package=folder is not None)
        if module is not None:
            spec.origin = module.path
            spec.has_location = True
        if folder is not None:
            spec.submodule_search_locations = [folder]
        return spec

    def find_distributions(self, context: "importlib.metadata.DistributionFinder.Context") -> Iterable["importlib.metadata.Distribution"]:
        """Distributions whose *.dist-info the package carries, for importlib.metadata."""
        from .distributions import find

        return find(self.package, context.name)

    def path_hook(self, path: str) -> "PackagePath":
        """For sys.path_hooks, so that pkgutil.iter_modules(package.__path__) lists the package's modules."""
        if path not in self.package.folders or path == "":
            raise ImportError(f"{path!r} is not in the function's package", path=path)
        return PackagePath(self.package, path)

    def _is_found_elsewhere(self, name: str) -> bool:
        # A folder without code gives way to a real module of the same name, as it would on sys.path.
        return "." not in name and importlib.machinery.FrozenImporter.find_spec(name) is not None


class PackagePath:
    """One folder of the package as an entry of a path."""

    def __init__(self, package: Package, folder: str) -> None:
        self.package = package
        self.folder = folder

    def find_spec(self, fullname: str, target: ModuleType | None = None) -> None:
        """Nothing: PackageFinder has found it before."""

    def iter_modules(self, prefix: str = "") -> Iterator[tuple[str, bool]]:
        """(name, is a package) of each module right in the folder, in order of names."""
        parent = self.folder.replace("/", ".") + "."
        for name, module in sorted(self.package.modules.items()):
            child = name.removeprefix(parent)
            if name.startswith(parent) and "." not in child:
                yield prefix + child, module.is_package


def _normalized(path: Any) -> str:
    parts: list[str] = []
    for part in str(path).replace("\\", "/").split("/"):
        if part == "..":
            if not parts:
                raise FileNotFoundError(f"{path!r} lies outside the function's package")
            parts.pop()
        elif part not in ("", "."):
            parts.append(part)
    return "/".join(parts)
