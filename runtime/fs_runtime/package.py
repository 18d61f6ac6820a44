"""A function's package as it came in the load image: modules and data by name and by path, without a file system."""

from collections.abc import Iterable
from dataclasses import dataclass

from .errors import BadPackage

# These come with the runtime; what a package brings under the same name is not used.
_PROVIDED = frozenset(["fs_api"])
_RESERVED = frozenset(["__main__", "_fs_guest", "builtins", "fs_runtime", "fs_user", "sys"])


@dataclass(frozen=True)
class Module:
    """One module's source. `path` is what tracebacks and __file__ show."""

    name: str
    path: str
    source: bytes
    is_package: bool


class Package:
    """Modules by dotted name, and one tree of files and folders by slash-separated path from the package's root ("")."""

    def __init__(self, files: Iterable[tuple[str, str, bytes]]) -> None:
        """Takes the load image's triples (kind, path, bytes). Raises BadPackage for a name that cannot be."""
        self.modules: dict[str, Module] = {}
        self.files: dict[str, bytes] = {}
        self.folders: dict[str, set[str]] = {"": set()}
        sources: dict[str, tuple[bool, bytes]] = {}
        for kind, path, content in files:
            if kind == "d":
                self._add_file(_checked_path(path), content)
            elif path.partition(".")[0] not in _PROVIDED:
                name = _checked_name(path)
                if name in sources:
                    raise BadPackage(f"the package holds module {name!r} twice")
                sources[name] = (kind == "p", content)
        parents = {name.rpartition(".")[0] for name in sources}
        for name, (is_package, content) in sources.items():
            # A plain module with submodules can only be meant as a package: nothing else makes them importable.
            is_package = is_package or name in parents
            path = name.replace(".", "/") + ("/__init__.py" if is_package else ".py")
            self.modules[name] = Module(name, path, content, is_package)
            self._add_file(path, content)

    def folder_of(self, name: str) -> str | None:
        """The folder that a dotted name is in the tree; None where there is none."""
        folder = name.replace(".", "/")
        return folder if folder in self.folders else None

    def top_level_names(self) -> set[str]:
        """Names that `import` finds in this package first, folders without code left out."""
        return {name.partition(".")[0] for name in self.modules}

    def _add_file(self, path: str, content: bytes) -> None:
        if path in self.folders or path in self.files:
            raise BadPackage(f"the package holds {path!r} twice")
        self.files[path] = content
        while path:
            folder, _, name = path.rpartition("/")
            if folder in self.files:
                raise BadPackage(f"the package holds {folder!r} as a file and as a folder")
            self.folders.setdefault(folder, set()).add(name)
            path = folder


def _checked_name(name: str) -> str:
    if not all(name.split(".")) or "/" in name or "\\" in name or "\0" in name:
        raise BadPackage(f"{name!r} is no module name: it must be names joined by dots")
    top = name.partition(".")[0]
    if top in _RESERVED:
        raise BadPackage(f"a module of a package cannot be named {top!r}: rename it")
    return name


def _checked_path(path: str) -> str:
    if not path or any(part in ("", ".", "..") for part in path.split("/")) or "\0" in path or "\\" in path:
        raise BadPackage(f"{path!r} is no path of package data: it must be relative, with single slashes, without '..'")
    return path
