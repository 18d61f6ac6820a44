"""From a class, or a file and the name of a class, to the module that the sandbox will import."""

from __future__ import annotations

import ast
import re
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from types import FunctionType
from typing import Any, Optional

from fs_client.analysis.conditions import Runtime, truth
from fs_client.errors import PackagingError

# What the runtime itself provides; a user's module of that name could never be reached.
RUNTIME_MODULES = frozenset({"fs_api", "fs_api_advanced", "fs_runtime"})
_RESERVED = RUNTIME_MODULES | {"fs_client", "fs_user"} | frozenset(sys.builtin_module_names)


@dataclass(frozen=True)
class Entry:
    """Where a package begins: `file` holds the class and is imported as `module`. `search_path` is where its imports are looked for."""

    module: str
    class_name: str
    file: Path
    search_path: tuple[str, ...]


def entry_of_class(driver_class: object) -> Entry:
    """The entry for a class that the user's program has. Raises PackagingError where the sandbox could not import it."""
    if not isinstance(driver_class, type):
        raise PackagingError(f"driver_class: a class is expected, not {driver_class!r}; pass the class itself, without calling it")
    name, qualified = driver_class.__name__, driver_class.__qualname__
    if "<locals>" in qualified:
        raise PackagingError(f"{qualified}: defined inside a function, where the sandbox cannot reach it; move it to module level")
    if "." in qualified:
        raise PackagingError(f"{qualified}: nested in another class, where the sandbox does not look; move it to module level")
    _check_is_driver(driver_class)
    module = sys.modules.get(driver_class.__module__)
    file = _file_of(module)
    if file is None or not _defines(file, name):
        file = _file_of_code(driver_class, name) or file
        if file is None:
            raise PackagingError(
                f"{name}: its module {driver_class.__module__} has no source file, as in a notebook, an interactive session or "
                "after exec(); write the class to a .py file and import it from there"
            )
        if file != _file_of(module):
            return Entry(_script_name(file), name, file, (str(file.parent), *sys.path))
    if driver_class.__module__ in ("__main__", "__mp_main__"):
        spec = getattr(module, "__spec__", None)
        dotted = spec.name if spec is not None and spec.name not in ("__main__", "__mp_main__") else _script_name(file)
    elif driver_class.__module__.replace(".", "").isidentifier():
        dotted = driver_class.__module__
    else:  # loaded by hand, from a file that no import statement can name
        dotted = _script_name(file)
    check_class(file, name)
    return Entry(dotted, name, file, tuple(sys.path))


def entry_of_file(file: Path, class_name: str) -> Entry:
    """The entry for a class in a file that nobody has imported. Raises PackagingError."""
    file = file.absolute()
    if not file.is_file():
        raise PackagingError(f"{file}: no such file")
    if file.suffix != ".py":
        raise PackagingError(f"{file}: a Python source file (.py) is expected")
    check_class(file, class_name)
    root, parts = file.parent, [] if file.stem == "__init__" else [file.stem]
    while (root / "__init__.py").is_file():
        parts.insert(0, root.name)
        root = root.parent
    dotted = ".".join(parts) if len(parts) > 1 or file.stem == "__init__" else _script_name(file)
    return Entry(dotted, class_name, file, (str(root), *sys.path))


def check_class(file: Path, name: str) -> None:
    """Whether importing the file would define the name. Raises PackagingError, with the line where that helps."""
    tree = _parse(file)
    if any(_binds(statement, name) for statement in _executed(tree.body)):
        return
    for node in ast.walk(tree):
        if isinstance(node, ast.ClassDef) and node.name == name:
            raise PackagingError(
                f"{file}:{node.lineno}: class {name} is not defined when the module is imported: it is in a function, in another class, "
                'or under if __name__ == "__main__"; move it to module level'
            )
    classes = sorted(node.name for node in _executed(tree.body) if isinstance(node, ast.ClassDef))
    raise PackagingError(f"{file}: has no class {name}; it defines {', '.join(classes) or 'no class'}")


def _check_is_driver(driver_class: type) -> None:
    try:
        from fs_api import FSProcessorDriver
    except ImportError:
        return  # the server checks it too
    base: Any = FSProcessorDriver
    if driver_class is base:
        raise PackagingError("FSProcessorDriver itself does nothing; pass a class that inherits from it and defines process")
    if not issubclass(driver_class, base):
        raise PackagingError(f"{driver_class.__name__}: does not inherit from fs_api.FSProcessorDriver")


def _file_of(module: Optional[object]) -> Optional[Path]:
    file = getattr(module, "__file__", None)
    if not isinstance(file, str):
        return None
    path = Path(file).absolute()
    if path.suffix in (".pyc", ".pyo"):
        path = path.with_suffix(".py")
    return path if path.suffix == ".py" and path.is_file() else None


def _file_of_code(driver_class: type, name: str) -> Optional[Path]:
    """The file that the class's methods were compiled from, as when exec() ran it."""
    for member in vars(driver_class).values():
        if isinstance(member, FunctionType):
            path = Path(member.__code__.co_filename).absolute()
            if path.suffix == ".py" and path.is_file() and _defines(path, name):
                return path
    return None


def _defines(file: Path, name: str) -> bool:
    return any(_binds(statement, name) for statement in _executed(_parse(file).body))


def _parse(file: Path) -> ast.Module:
    try:
        return ast.parse(file.read_bytes(), filename=str(file))
    except SyntaxError as error:
        raise PackagingError(f"{file}:{error.lineno}: syntax error: {error.msg}") from error
    except (OSError, ValueError) as error:
        raise PackagingError(f"{file}: cannot be read: {error}") from error


def _executed(statements: list[ast.stmt]) -> list[ast.stmt]:
    """The statements that an import runs at module level, those in branches and blocks included."""
    found: list[ast.stmt] = []
    for statement in statements:
        found.append(statement)
        taken = truth(statement.test, Runtime()) if isinstance(statement, ast.If) else None
        for part in ("body", "orelse", "finalbody", "handlers", "cases"):
            if isinstance(statement, (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)):
                break
            if (part == "body" and taken is False) or (part == "orelse" and taken is True):
                continue
            for inner in getattr(statement, part, []):
                found += _executed([inner] if isinstance(inner, ast.stmt) else inner.body)
    return found


def _binds(statement: ast.stmt, name: str) -> bool:
    if isinstance(statement, ast.ClassDef):
        return statement.name == name
    if isinstance(statement, (ast.Import, ast.ImportFrom)):
        return any((alias.asname or alias.name) == name for alias in statement.names)
    targets: Sequence[Optional[ast.expr]] = (
        statement.targets if isinstance(statement, ast.Assign) else (getattr(statement, "target", None),)
    )
    return any(isinstance(target, ast.Name) and target.id == name for target in targets)


def _script_name(file: Path) -> str:
    """A module name for a script; what a name cannot hold becomes `_`."""
    stem = file.parent.name if file.stem in ("__main__", "__init__") else file.stem
    name = re.sub(r"\W", "_", stem) or "script"
    if name[0].isdigit():
        name = f"_{name}"
    return f"{name}_script" if name in _RESERVED else name
