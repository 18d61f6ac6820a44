"""Finds the data files that a module's code names: by importlib.resources, pkgutil.get_data, or a path built from __file__.

Paths are followed through literals, pathlib, os.path and simple variables. A folder that is named, with a file in it that is computed,
is taken whole; a computed path beside the module itself is not: that could be anything.
"""

from __future__ import annotations

import ast
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Optional, Union

from fs_client.analysis.resolve import Found, Kind

Finder = Callable[[str], Optional[Found]]

_SAME_PATH = {
    "resolve",
    "absolute",
    "abspath",
    "realpath",
    "normpath",
    "expanduser",
    "fspath",
    "str",
    "Path",
    "PurePath",
    "PosixPath",
}
_RESOURCE_READERS = {"read_text", "read_binary", "open_text", "open_binary", "get_data", "is_resource"}


@dataclass(frozen=True)
class DataFile:
    """A file to pack at `package_path`; without a `path` it cannot be, and `problem` says why. `package` is the one it was read through."""

    line: int
    path: Optional[Path] = None
    package_path: str = ""
    problem: str = ""
    package: str = ""


@dataclass(frozen=True)
class _Location:
    """A place on disk and the same place in the package (None above its root). It is named once the code spelt out a part of it."""

    path: Path
    parts: Optional[tuple[str, ...]]
    is_named: bool = False
    package: str = ""

    def up(self) -> _Location:
        return replace(self, path=self.path.parent, parts=self.parts[:-1] if self.parts else None, is_named=False)

    def down(self, relative: str) -> _Location:
        here = self
        for part in relative.replace("\\", "/").split("/"):
            if part == "..":
                here = here.up()
            elif part not in ("", "."):
                here = replace(
                    here,
                    path=here.path / part,
                    parts=None if here.parts is None else (*here.parts, part),
                    is_named=True,
                )
        return here


_Value = Union[_Location, str, None]


def find_data_files(found: Found, tree: ast.Module, find: Finder) -> list[DataFile]:
    """The data files that the module names; existing ones, and those that should exist because a resource reader names them."""
    finder = _Finder(found, tree, find)
    return list(dict.fromkeys(finder.files()))


class _Finder:
    def __init__(self, found: Found, tree: ast.Module, find: Finder) -> None:
        assert found.path is not None
        self.found = found
        self.tree = tree
        self.find = find
        parts = found.name.split(".")
        is_package = found.kind is Kind.PACKAGE
        self.package = found.name if is_package else found.name.rpartition(".")[0]
        self.file = _Location(found.path, (*parts, "__init__.py") if is_package else (*parts[:-1], f"{parts[-1]}.py"))
        self.imported = dict(_imported_names(tree, self.package))
        self.variables: dict[str, _Value] = {}
        self.skipped: set[ast.AST] = set()
        self.collect_variables()

    def collect_variables(self) -> None:
        loaded = {node.id for node in ast.walk(self.tree) if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Load)}
        for node in ast.walk(self.tree):
            if isinstance(node, ast.Assign) and len(node.targets) == 1:
                target: ast.expr = node.targets[0]
            elif isinstance(node, ast.AnnAssign) and node.value is not None:
                target = node.target
            else:
                continue
            if not isinstance(target, ast.Name) or node.value is None:
                continue
            value = self.value_or_none(node.value)
            if target.id in self.variables and self.variables[target.id] != value:
                value = None
            self.variables[target.id] = value
            # What becomes of a folder in a variable is seen where the variable is used, if it is used here.
            if isinstance(value, _Location) and target.id in loaded and value.path.is_dir():
                self.skipped.add(node.value)

    def files(self) -> Iterator[DataFile]:
        pending: list[ast.AST] = [self.tree]
        while pending:
            node = pending.pop()
            if node in self.skipped:
                continue
            if isinstance(node, ast.Call):
                resource = self.resource(node)
                if resource is not None:
                    yield from self.required(resource, node.lineno)
                    continue
            value = self.value_or_none(node) if isinstance(node, ast.expr) else None
            if isinstance(value, _Location):
                yield from self.taken(value, getattr(node, "lineno", 1))
            else:
                pending += ast.iter_child_nodes(node)

    def required(self, location: _Location, line: int) -> Iterator[DataFile]:
        if location.path.exists():
            yield from self.taken(location, line)
        else:
            yield DataFile(line, problem=f"names the data file {location.path}, which does not exist")

    def taken(self, location: _Location, line: int) -> Iterator[DataFile]:
        path = location.path
        if path == self.found.path:
            return
        if path.is_file():
            yield self.data_file(location, line)
        elif path.is_dir() and location.is_named:
            for inner in sorted(path.rglob("*")):
                relative = inner.relative_to(path)
                is_hidden = any(part.startswith(".") or part == "__pycache__" for part in relative.parts)
                is_code = inner.suffix in (".pyc", ".py") and bool(location.package)
                if inner.is_file() and not is_hidden and not is_code:
                    yield self.data_file(location.down(relative.as_posix()), line)

    def data_file(self, location: _Location, line: int) -> DataFile:
        if location.parts is None:
            return DataFile(
                line,
                problem=f"names {location.path}, which lies outside the folder that the package is made from; it is left out",
            )
        return DataFile(line, location.path, "/".join(location.parts), package=location.package)

    # Evaluating

    def value_or_none(self, node: ast.expr) -> _Value:
        try:
            return self.value(node)
        except RecursionError:  # a generated expression, and no path
            return None

    def value(self, node: ast.AST) -> _Value:
        if isinstance(node, ast.Constant):
            return node.value if isinstance(node.value, str) else None
        if isinstance(node, ast.Name):
            if not isinstance(node.ctx, ast.Load):
                return None
            return self.file if node.id == "__file__" else self.variables.get(node.id)
        if isinstance(node, ast.Attribute):
            if node.attr == "__file__" and (module := self.module(node.value)) is not None:
                return self.file_of(module)
            base = self.value(node.value)
            return base.up() if isinstance(base, _Location) and node.attr == "parent" else None
        if isinstance(node, ast.Subscript):
            return self.subscript(node)
        if isinstance(node, ast.BinOp) and isinstance(node.op, (ast.Div, ast.Add)):
            return _joined(self.value(node.left), self.value(node.right), isinstance(node.op, ast.Add))
        if isinstance(node, ast.JoinedStr):
            return self.joined_text(node)
        if isinstance(node, ast.Call):
            return self.call(node)
        return None

    def subscript(self, node: ast.Subscript) -> _Value:
        index = node.slice
        if not isinstance(index, ast.Constant) or not isinstance(index.value, int) or not isinstance(node.value, ast.Attribute):
            return None
        if node.value.attr == "parents":
            base = self.value(node.value.value)
            for _ in range(index.value + 1):
                base = base.up() if isinstance(base, _Location) else None
            return base
        if node.value.attr == "__path__" and (module := self.module(node.value.value)) is not None:
            return self.folder_of(module)
        return None

    def joined_text(self, node: ast.JoinedStr) -> _Value:
        total: _Value = None
        for part in node.values:
            piece = self.value(part.value if isinstance(part, ast.FormattedValue) else part)
            if piece is None:
                return None
            total = piece if total is None else _joined(total, piece, True)
        return total

    def call(self, node: ast.Call) -> _Value:
        function = node.func
        name = function.attr if isinstance(function, ast.Attribute) else function.id if isinstance(function, ast.Name) else ""
        arguments = [self.value(argument) for argument in node.args]
        if name == "files" and len(node.args) <= 1 and not node.keywords:
            module = self.module(node.args[0]) if node.args else self.package
            folder = self.folder_of(module) if module else None
            return replace(folder, is_named=True, package=module or "") if folder is not None else None
        if name == "join" or (name in _SAME_PATH and node.args):
            return _joined_all(arguments)
        if name == "dirname" and len(arguments) == 1:
            return arguments[0].up() if isinstance(arguments[0], _Location) else None
        base = self.value(function.value) if isinstance(function, ast.Attribute) else None
        if isinstance(base, _Location):
            if name in _SAME_PATH:
                return base
            if name == "joinpath":
                return _joined_all([base, *arguments])
            if name == "with_name" and len(arguments) == 1 and isinstance(arguments[0], str):
                return base.up().down(arguments[0])
            if name == "with_suffix" and len(arguments) == 1 and isinstance(arguments[0], str):
                return base.up().down(base.path.stem + arguments[0])
        return None

    def resource(self, node: ast.Call) -> Optional[_Location]:
        """What `get_data(package, name)` and the like read."""
        function = node.func
        name = function.attr if isinstance(function, ast.Attribute) else function.id if isinstance(function, ast.Name) else ""
        is_path = name == "path" and isinstance(function, ast.Attribute) and _last(function.value) == "resources"
        if not (name in _RESOURCE_READERS or is_path) or len(node.args) < 2:
            return None
        module, resource = self.module(node.args[0]), self.value(node.args[1])
        folder = self.folder_of(module) if module else None
        if folder is None or not isinstance(resource, str):
            return None
        return replace(folder.down(resource), package=module or "")

    def module(self, node: ast.expr) -> Optional[str]:
        """The dotted name of the module that an expression stands for."""
        if isinstance(node, ast.Constant) and isinstance(node.value, str):
            return node.value
        if isinstance(node, ast.Attribute) and node.attr in ("__name__", "__package__"):
            return self.module(node.value)
        dotted = _dotted(node)
        if dotted == "__package__":
            return self.package or None
        if dotted == "__name__":
            return self.found.name
        head, _, rest = dotted.partition(".")
        if head in self.imported:
            return f"{self.imported[head]}.{rest}" if rest else self.imported[head]
        return None

    def file_of(self, module: str) -> Optional[_Location]:
        found = self.find(module)
        if found is None or found.path is None:
            return None
        parts = tuple(module.split("."))
        end = ("__init__.py",) if found.kind is Kind.PACKAGE else ()
        return _Location(found.path, (*parts, *end) if end else (*parts[:-1], f"{parts[-1]}.py"))

    def folder_of(self, module: str) -> Optional[_Location]:
        """The folder of a package, or the one that a plain module lies in."""
        if module == self.found.name:
            return self.file.up()
        found = self.find(module)
        if found is None or not (found.search or found.path):
            return None
        if found.search:
            return _Location(Path(found.search[0]), tuple(module.split(".")))
        file = self.file_of(module)
        return file.up() if file is not None else None


def _joined(left: _Value, right: _Value, is_text: bool) -> _Value:
    if isinstance(left, str) and isinstance(right, str):
        return left + right if is_text else f"{left}/{right}"
    if isinstance(left, _Location) and isinstance(right, str):
        if is_text and not right.startswith(("/", "\\")):
            return None
        return left.down(right) if is_text or not right.startswith("/") else None
    return None


def _joined_all(values: list[_Value]) -> _Value:
    total: _Value = values[0] if values else None
    for value in values[1:]:
        total = _joined(total, value, False)
    return total


def _imported_names(tree: ast.Module, package: str) -> Iterator[tuple[str, str]]:
    """Names in the source that stand for modules."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            for alias in node.names:
                yield (alias.asname, alias.name) if alias.asname else (alias.name.partition(".")[0],) * 2
        elif isinstance(node, ast.ImportFrom):
            base = package.split(".")[: len(package.split(".")) - node.level + 1] if node.level and package else []
            source = ".".join([*base, node.module] if node.module else base)
            for alias in node.names:
                yield alias.asname or alias.name, f"{source}.{alias.name}" if source else alias.name


def _dotted(node: ast.expr) -> str:
    if isinstance(node, ast.Name):
        return node.id
    if isinstance(node, ast.Attribute):
        head = _dotted(node.value)
        return f"{head}.{node.attr}" if head else ""
    return ""


def _last(node: ast.expr) -> str:
    return _dotted(node).rpartition(".")[2]
