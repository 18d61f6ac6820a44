"""Decides, where the source alone can, whether a condition holds inside the sandbox."""

from __future__ import annotations

import ast
import operator
from dataclasses import dataclass
from typing import Any, Optional


@dataclass(frozen=True)
class Runtime:
    """The Python that the code will run on."""

    version: tuple[int, int] = (3, 13)
    platform: str = "wasi"
    os_name: str = "posix"


_COMPARISONS: dict[type[ast.cmpop], Any] = {
    ast.Eq: operator.eq,
    ast.NotEq: operator.ne,
    ast.Lt: operator.lt,
    ast.LtE: operator.le,
    ast.Gt: operator.gt,
    ast.GtE: operator.ge,
}
_UNKNOWN = object()


def truth(test: ast.expr, runtime: Runtime) -> Optional[bool]:
    """True or False where it is certain, None otherwise.

    Known are constants, TYPE_CHECKING, `__name__ == "__main__"` (false: the module is imported), sys.version_info, sys.platform
    and os.name.
    """
    if isinstance(test, ast.UnaryOp) and isinstance(test.op, ast.Not):
        inner = truth(test.operand, runtime)
        return None if inner is None else not inner
    if isinstance(test, ast.BoolOp):
        decisive = isinstance(test.op, ast.Or)
        values = [truth(value, runtime) for value in test.values]
        if decisive in values:
            return decisive
        return None if None in values else not decisive
    if isinstance(test, ast.Compare):
        return _compare(test, runtime)
    if isinstance(test, ast.Call) and isinstance(test.func, ast.Attribute) and test.func.attr == "startswith":
        value = _value(test.func.value, runtime)
        prefix = _value(test.args[0], runtime) if len(test.args) == 1 else _UNKNOWN
        return value.startswith(prefix) if isinstance(value, str) and isinstance(prefix, (str, tuple)) else None
    value = _value(test, runtime)
    return None if value is _UNKNOWN else bool(value)


def _compare(test: ast.Compare, runtime: Runtime) -> Optional[bool]:
    compare = _COMPARISONS.get(type(test.ops[0]))
    if len(test.ops) != 1:
        return None
    left, right = _value(test.left, runtime), _value(test.comparators[0], runtime)
    if left is _UNKNOWN or right is _UNKNOWN:
        return None
    if "__main__" in (left, right) and "__name__" in (_text(test.left), _text(test.comparators[0])):
        return isinstance(test.ops[0], ast.NotEq)
    try:
        if isinstance(test.ops[0], ast.In):
            return bool(left in right)
        if isinstance(test.ops[0], ast.NotIn):
            return bool(left not in right)
        return None if compare is None else bool(compare(left, right))
    except TypeError:
        return None


def _value(node: ast.expr, runtime: Runtime) -> Any:
    if isinstance(node, ast.Constant):
        return node.value
    if isinstance(node, (ast.Tuple, ast.List, ast.Set)):
        values = [_value(element, runtime) for element in node.elts]
        return _UNKNOWN if _UNKNOWN in values else tuple(values)
    text = _text(node)
    if text.rpartition(".")[2] == "TYPE_CHECKING":
        return False
    if text == "__name__":
        return "an imported module"
    if text == "sys.platform":
        return runtime.platform
    if text == "os.name":
        return runtime.os_name
    # Micro versions are not known; one above all that a comparison may name keeps `>= (3, 13, 1)` true.
    version = (*runtime.version, 99)
    if text in ("sys.version_info", "version_info"):
        return version
    if isinstance(node, ast.Subscript) and _text(node.value) in ("sys.version_info", "version_info"):
        return _subscript(version, node.slice)
    if text in ("sys.version_info.major", "sys.version_info.minor"):
        return version[text.endswith("minor")]
    return _UNKNOWN


def _subscript(version: tuple[int, ...], index: ast.AST) -> Any:
    if type(index).__name__ == "Index":  # Python 3.8's trees, still allowed in 3.9's
        index = index.value  # type: ignore[attr-defined]
    if isinstance(index, ast.Constant) and isinstance(index.value, int):
        return version[index.value] if index.value < 3 else _UNKNOWN
    if isinstance(index, ast.Slice) and index.lower is None and isinstance(index.upper, ast.Constant):
        return version[: index.upper.value] if isinstance(index.upper.value, int) else _UNKNOWN
    return _UNKNOWN


def _text(node: ast.expr) -> str:
    if isinstance(node, ast.Name):
        return node.id
    if isinstance(node, ast.Attribute):
        return f"{_text(node.value)}.{node.attr}"
    return ""
