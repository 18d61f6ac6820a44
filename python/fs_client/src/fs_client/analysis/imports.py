"""Reads a module's source: what it imports, which names it binds, and which Python it needs. Nothing is executed."""

from __future__ import annotations

import ast
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Optional, Union

from fs_client.analysis.conditions import Runtime, truth

# Newer node types that an older client's ast does not have.
_TRY: tuple[type[ast.AST], ...] = tuple(t for t in (ast.Try, getattr(ast, "TryStar", None)) if t is not None)
_FUNCTIONS = (ast.FunctionDef, ast.AsyncFunctionDef, ast.Lambda)
_SYNTAX_SINCE = {
    "Match": (3, 10),
    "TryStar": (3, 11),
    "TypeAlias": (3, 12),
    "TypeVar": (3, 12),
    "ParamSpec": (3, 12),
    "TypeVarTuple": (3, 12),
    "TemplateStr": (3, 14),
}
_IMPORT_FAILURES = {"ImportError", "ModuleNotFoundError", "Exception", "BaseException"}


@dataclass(eq=False)
class ImportRef:
    """One import of one module, as written in the source.

    `module` is absolute; empty where the source climbs above its top package (`problem` says so). `names` are those of a from-import,
    with "*" for all. A deferred one sits in a function. A guarded one may fail: a handler for ImportError takes it. A fallback stands in
    such a handler, and is needed only where one of `fallback_of` cannot be had.
    """

    module: str
    line: int
    names: tuple[str, ...] = ()
    is_deferred: bool = False
    is_guarded: bool = False
    fallback_of: tuple[ImportRef, ...] = ()
    problem: str = ""


@dataclass
class Scan:
    """What one source file says."""

    tree: ast.Module
    imports: list[ImportRef] = field(default_factory=list)
    bindings: dict[str, int] = field(default_factory=dict)  # module-level name -> line of its first binding
    exported: Optional[tuple[str, ...]] = None  # __all__, where it is a plain list
    has_unknown_bindings: bool = False  # a star import, __getattr__, globals(): more names than can be seen
    unknown_imports: list[int] = field(default_factory=list)  # lines where the imported name is computed
    python_requires: tuple[int, int] = (3, 9)


def scan_source(source: bytes, file: str, name: str, is_package: bool, runtime: Runtime) -> Scan:
    """Reads `source`, the module `name`. Raises SyntaxError."""
    tree = ast.parse(source, filename=file)
    scan = Scan(tree)
    _Imports(scan, name, is_package, runtime).visit_all(tree.body, _Place())
    scan.imports.sort(key=lambda ref: ref.line)
    _collect_bindings(tree, scan)
    _survey(tree, scan)
    return scan


@dataclass(frozen=True)
class _Place:
    """What surrounds the statement at hand."""

    is_deferred: bool = False
    is_guarded: bool = False
    fallback_of: tuple[ImportRef, ...] = ()


class _Imports:
    """Walks statements and expressions, skipping branches that the sandbox never takes."""

    def __init__(self, scan: Scan, name: str, is_package: bool, runtime: Runtime) -> None:
        self.scan = scan
        self.name = name
        self.package = name if is_package else name.rpartition(".")[0]
        self.runtime = runtime

    def visit_all(self, nodes: Sequence[ast.AST], place: _Place) -> None:
        # A stack of our own: generated code nests deeper than Python's recursion goes.
        pending = [(node, place) for node in nodes]
        while pending:
            pending += self.visit(*pending.pop())

    def visit(self, node: ast.AST, place: _Place) -> list[tuple[ast.AST, _Place]]:
        """Notes what the node itself says; returns what to visit next."""
        if isinstance(node, ast.Import):
            for alias in node.names:
                self.add(alias.name, (), node.lineno, place)
            return []
        if isinstance(node, ast.ImportFrom):
            self.visit_from(node, place)
            return []
        if isinstance(node, _TRY):
            self.visit_try(node, place)
            return []
        if isinstance(node, (ast.If, ast.IfExp)):
            return [(inner, place) for inner in self.branches(node)]
        if isinstance(node, (ast.With, ast.AsyncWith)) and any(map(_suppresses_imports, node.items)):
            return [(inner, _Place(place.is_deferred, True, place.fallback_of)) for inner in node.body]
        if isinstance(node, _FUNCTIONS):
            # A handler around the definition does not see what happens in a call.
            body = [node.body] if isinstance(node, ast.Lambda) else node.body
            outside = [] if isinstance(node, ast.Lambda) else node.decorator_list
            return [(inner, _Place(is_deferred=True)) for inner in body] + [(inner, place) for inner in (*outside, node.args)]
        if isinstance(node, ast.Call):
            self.visit_call(node, place)
        return [(inner, place) for inner in ast.iter_child_nodes(node)]

    def visit_from(self, node: ast.ImportFrom, place: _Place) -> None:
        names = tuple(alias.name for alias in node.names)
        if node.level == 0:
            self.add(node.module or "", names, node.lineno, place)
            return
        base = self.package.split(".") if self.package else []
        if node.level > len(base):
            dots = "." * node.level + (node.module or "")
            where = f"the package {self.package}" if self.package else f"{self.name}, which is in no package"
            problem = f"the relative import 'from {dots} import {', '.join(names)}' leads above {where}"
            self.add("", names, node.lineno, place, problem)
            return
        base = base[: len(base) - node.level + 1]
        self.add(".".join([*base, node.module] if node.module else base), names, node.lineno, place)

    def branches(self, node: Union[ast.If, ast.IfExp]) -> list[ast.AST]:
        taken = truth(node.test, self.runtime)
        body: Sequence[ast.AST] = node.body if isinstance(node.body, list) else (node.body,)
        orelse: Sequence[ast.AST] = node.orelse if isinstance(node.orelse, list) else (node.orelse,)
        return [node.test, *(body if taken is not False else ()), *(orelse if taken is not True else ())]

    def visit_try(self, node: ast.AST, place: _Place) -> None:
        assert isinstance(node, ast.Try) or type(node).__name__ == "TryStar"
        body: list[ast.stmt] = node.body  # type: ignore[attr-defined]
        handlers: list[ast.ExceptHandler] = node.handlers  # type: ignore[attr-defined]
        takers = [handler for handler in handlers if _takes_import_failure(handler)]
        is_guarded = bool(takers) and not any(_raises(handler) for handler in takers)
        before = len(self.scan.imports)
        self.visit_all(body, _Place(place.is_deferred, place.is_guarded or is_guarded, place.fallback_of))
        tried = tuple(self.scan.imports[before:])
        for handler in handlers:
            fallback = tried if handler in takers else ()
            self.visit_all(handler.body, _Place(place.is_deferred, place.is_guarded, place.fallback_of + fallback))
        self.visit_all(node.orelse, place)  # type: ignore[attr-defined]
        self.visit_all(node.finalbody, place)  # type: ignore[attr-defined]

    def visit_call(self, node: ast.Call, place: _Place) -> None:
        function = node.func
        called = function.attr if isinstance(function, ast.Attribute) else function.id if isinstance(function, ast.Name) else ""
        if called not in ("import_module", "__import__") or not node.args:
            return
        target = node.args[0]
        if not isinstance(target, ast.Constant) or not isinstance(target.value, str):
            self.scan.unknown_imports.append(node.lineno)
        elif not target.value.startswith("."):
            self.add(target.value, (), node.lineno, place)
        else:
            self.add_relative(node, target.value, place)

    def add_relative(self, node: ast.Call, target: str, place: _Place) -> None:
        anchors = node.args[1:2] + [keyword.value for keyword in node.keywords if keyword.arg == "package"]
        anchor = anchors[0] if anchors else None
        if isinstance(anchor, ast.Constant) and isinstance(anchor.value, str):
            package = anchor.value
        elif isinstance(anchor, ast.Name) and anchor.id == "__package__":
            package = self.package
        elif isinstance(anchor, ast.Name) and anchor.id == "__name__":
            package = self.name
        else:
            self.scan.unknown_imports.append(node.lineno)
            return
        level = len(target) - len(target.lstrip("."))
        base = package.split(".") if package else []
        if level > len(base):
            self.add("", (), node.lineno, place, f"import_module({target!r}) leads above the package {package!r}")
            return
        base = base[: len(base) - level + 1]
        tail = target.lstrip(".")
        self.add(".".join([*base, tail] if tail else base), (), node.lineno, place)

    def add(self, module: str, names: tuple[str, ...], line: int, place: _Place, problem: str = "") -> None:
        self.scan.imports.append(ImportRef(module, line, names, place.is_deferred, place.is_guarded, place.fallback_of, problem))


def _takes_import_failure(handler: ast.ExceptHandler) -> bool:
    return handler.type is None or bool(_names(handler.type) & _IMPORT_FAILURES)


def _names(node: ast.expr) -> set[str]:
    nodes = node.elts if isinstance(node, ast.Tuple) else [node]
    return {n.id if isinstance(n, ast.Name) else n.attr for n in nodes if isinstance(n, (ast.Name, ast.Attribute))}


def _raises(handler: ast.ExceptHandler) -> bool:
    return any(isinstance(node, ast.Raise) for statement in handler.body for node in _own_nodes(statement))


def _suppresses_imports(item: ast.withitem) -> bool:
    call = item.context_expr
    if not isinstance(call, ast.Call) or not _names(call.func) & {"suppress"}:
        return False
    return any(_names(argument) & _IMPORT_FAILURES for argument in call.args)


def _own_nodes(node: ast.AST) -> Iterator[ast.AST]:
    """The node and all below it that run with it: not the bodies of functions and classes."""
    pending = [node]
    while pending:
        one = pending.pop()
        yield one
        if not isinstance(one, (*_FUNCTIONS, ast.ClassDef)):
            pending += ast.iter_child_nodes(one)


def _collect_bindings(tree: ast.Module, scan: Scan) -> None:
    for statement in tree.body:
        for node in _own_nodes(statement):
            for name in _bound_by(node):
                line = getattr(node, "lineno", 1)
                scan.bindings[name] = min(line, scan.bindings.get(name, line))
            if isinstance(node, ast.ImportFrom) and any(alias.name == "*" for alias in node.names):
                scan.has_unknown_bindings = True
        if isinstance(statement, (ast.Assign, ast.AnnAssign)):
            targets = statement.targets if isinstance(statement, ast.Assign) else [statement.target]
            if any(isinstance(target, ast.Name) and target.id == "__all__" for target in targets):
                scan.exported = _strings(statement.value)
    if "__getattr__" in scan.bindings:
        scan.has_unknown_bindings = True


def _survey(tree: ast.Module, scan: Scan) -> None:
    """What can stand anywhere: newer syntax, and ways to bind module-level names that cannot be followed."""
    for node in ast.walk(tree):
        kind = type(node)
        if kind is ast.Name:
            scan.has_unknown_bindings |= node.id in ("globals", "exec")  # type: ignore[attr-defined]
        elif kind is ast.Attribute:
            # setattr(sys.modules[__name__], ...), or another object put in the module's place
            scan.has_unknown_bindings |= node.attr == "modules"  # type: ignore[attr-defined]
        elif isinstance(node, ast.Call):
            if isinstance(node.func, ast.Name) and node.func.id in ("vars", "locals"):
                scan.has_unknown_bindings |= not node.args
        elif isinstance(node, ast.Global):
            for name in node.names:
                scan.bindings.setdefault(name, node.lineno)
        else:
            scan.python_requires = max(scan.python_requires, _SYNTAX_SINCE.get(kind.__name__, scan.python_requires))


def _bound_by(node: ast.AST) -> Iterator[str]:
    if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)):
        yield node.name
    elif isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
        yield node.id
    elif isinstance(node, (ast.Import, ast.ImportFrom)):
        for alias in node.names:
            yield alias.asname or (alias.name if isinstance(node, ast.ImportFrom) else alias.name.split(".")[0])
    elif isinstance(node, ast.ExceptHandler) and node.name:
        yield node.name
    elif type(node).__name__ in ("MatchAs", "MatchStar", "MatchMapping"):
        name = getattr(node, "name", None) or getattr(node, "rest", None)
        if name:
            yield name


def _strings(node: Optional[ast.expr]) -> Optional[tuple[str, ...]]:
    if not isinstance(node, (ast.List, ast.Tuple)):
        return None
    values = [element.value for element in node.elts if isinstance(element, ast.Constant)]
    return tuple(value for value in values if isinstance(value, str)) if len(values) == len(node.elts) else None
