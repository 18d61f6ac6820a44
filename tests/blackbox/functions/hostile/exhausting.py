"""A function that takes all it can get: memory, stack, time, state, output."""

from __future__ import annotations

import gc
import importlib
import itertools
import sys
from collections.abc import Callable
from typing import Any, ClassVar

from fs_api import ComplexKey

from functions.hostile.attempt import Asked, Attempt, Attempting

STUCK = "took longer than limits.process_timeout_ms"
NO_MEMORY = (MemoryError, OverflowError)
TOO_DEEP = (RecursionError, MemoryError)
DEEP = 100_000


def _module(name: str) -> Any:
    """By its name only: packaging must not see it."""
    return importlib.import_module(name)


def _hoard(one: Callable[[], object]) -> Any:
    kept = []
    while True:
        kept.append(one())


def _nest(empty: Any, wrap: Callable[[Any], Any], depth: int = DEEP) -> Any:
    for _ in range(depth):
        empty = wrap(empty)
    return empty


def _dive(limit: int) -> Any:
    sys.setrecursionlimit(limit)

    def dive() -> None:
        dive()

    dive()


def _dive_through_c(limit: int) -> Any:
    sys.setrecursionlimit(limit)

    def dive(_: object = None) -> list[Any]:
        return list(map(dive, (1,)))

    return dive()


def _chain(wrap: Callable[[Any], Any]) -> Any:
    one: Any = iter(())
    for _ in range(200_000):
        one = wrap(one)
    return list(one)


def _never_enough() -> Any:
    while True:
        try:
            bytearray(1 << 40)
        except (MemoryError, OverflowError):
            pass


def _catches_all() -> Any:
    kept: list[object] = []
    while True:
        try:
            _hoard(lambda: kept.append(bytearray(1 << 20)))
        except BaseException:
            pass


def _laughs() -> Any:
    entities = "".join(f'<!ENTITY e{n} "{f"&e{n - 1};" * 10}">' for n in range(1, 12))
    return _module("xml.etree.ElementTree").fromstring(f'<!DOCTYPE x [<!ENTITY e0 "lol">{entities}]><x>&e11;</x>')


def _zip_bomb() -> Any:
    zlib = _module("zlib")
    bomb = zlib.compress(bytes(10_000_000), 9)
    for _ in range(3):
        bomb = zlib.compress(bomb * 100, 9)
    return zlib.decompress(zlib.decompress(zlib.decompress(zlib.decompress(bomb))))


def _class_chain() -> Any:
    one: type = object
    for number in range(DEEP):
        one = type(f"C{number}", (one,), {})
    return len(one.__mro__)


def _contexts() -> Any:
    error: BaseException | None = None
    for number in range(DEEP):
        new = ValueError(number)
        new.__context__ = error
        error = new
    assert error is not None
    raise error


MEMORY = {
    "bytearray(10**10)": Attempt(lambda a: bytearray(10**10), NO_MEMORY),
    "bytes(2**31)": Attempt(lambda a: bytes(2**31), NO_MEMORY),
    "bytes(2**31 - 1)": Attempt(lambda a: bytes(2**31 - 1), NO_MEMORY),
    "'x' * 2**31": Attempt(lambda a: "x" * 2**31, NO_MEMORY),
    "[0] * 2**30": Attempt(lambda a: [0] * 2**30, NO_MEMORY),
    "a growing list": Attempt(lambda a: _hoard(lambda: bytearray(1 << 20)), NO_MEMORY),
    "small objects": Attempt(lambda a: _hoard(object)),
    "a growing string": Attempt(lambda a: _nest("x", lambda text: text + text), NO_MEMORY),
    "a growing dict": Attempt(lambda a: dict.fromkeys(itertools.count())),
    "a format's width": Attempt(lambda a: f"{1:>1000000000}", NO_MEMORY),
    "a format's precision": Attempt(lambda a: f"{1.0:.1000000000f}", (ValueError, *NO_MEMORY)),
    "join": Attempt(lambda a: ",".join(itertools.repeat("x", 10**9))),
    "repeat": Attempt(lambda a: list(itertools.repeat(None, 2**31 - 1)), NO_MEMORY),
    "a power": Attempt(lambda a: 1 << (2**34), NO_MEMORY),
    "a power that takes its time": Attempt(lambda a: 10 ** (10**9), ends=STUCK),
    "numbers' digits": Attempt(lambda a: (sys.set_int_max_str_digits(0), all(str(1 << 10**6) for _ in itertools.count())), ends=STUCK),
    "os.urandom": Attempt(lambda a: _module("os").urandom(2**31 - 1), NO_MEMORY),
    "os.read": Attempt(lambda a: _module("os").read(0, 2**31 - 1), NO_MEMORY),
    "struct": Attempt(lambda a: _module("struct").pack("2147483647x"), NO_MEMORY),
    "array": Attempt(lambda a: _module("array").array("q", [0]) * 2**29, NO_MEMORY),
    "decimal": Attempt(lambda a: _module("decimal").Decimal(10) ** (10**18), (ArithmeticError, *NO_MEMORY)),
    "decimal precision": Attempt(
        lambda a: setattr(_module("decimal").getcontext(), "prec", 999999999) or _module("decimal").Decimal(1) / 3
    ),
    "a bomb of zlib": Attempt(lambda a: _zip_bomb()),
    "a billion laughs": Attempt(lambda a: _laughs()),
    "a regular expression": Attempt(lambda a: _module("re").compile("((a{0,1000}){0,1000}){0,1000}" * 100).match("a" * 10_000)),
    "MemoryError again and again": Attempt(lambda a: _never_enough(), ends=STUCK),
    "errors caught at the limit": Attempt(lambda a: _catches_all()),
    "cycles": Attempt(lambda a: (gc.disable(), _hoard(lambda: [one := [], one.append(one)]))[1]),
    "modules": Attempt(lambda a: [sys.modules.update({f"m{n}": type(sys)("m" * 1000)}) for n in range(10**6)]),
    "interned strings": Attempt(lambda a: [sys.intern(f"string {n}" * 100) for n in itertools.count()]),
    "code": Attempt(lambda a: [compile(f"x = {n}\n" * 10_000, "c", "exec") for n in itertools.count()]),
    "logging's loggers": Attempt(lambda a: [_module("logging").getLogger(f"logger.{n}") for n in itertools.count()]),
}

STACK = {
    "recursion": Attempt(lambda a: _dive(1000), TOO_DEEP),
    "recursion without a limit": Attempt(lambda a: _dive(2**31 - 1)),
    "a limit beyond C": Attempt(lambda a: _dive(10**9)),
    "recursion through C": Attempt(lambda a: _dive_through_c(1000), TOO_DEEP),
    "recursion through C without a limit": Attempt(lambda a: _dive_through_c(10**9), TOO_DEEP),
    "json": Attempt(lambda a: _module("json").loads("[" * DEEP), TOO_DEEP),
    "json objects": Attempt(lambda a: _module("json").loads('{"a":' * DEEP), TOO_DEEP),
    "json out": Attempt(lambda a: _module("json").dumps(_nest([], lambda x: [x])), TOO_DEEP),
    "pickle": Attempt(lambda a: _module("pickle").dumps(_nest([], lambda x: [x])), TOO_DEEP),
    "pickle in": Attempt(lambda a: _module("pickle").loads(b"]" * DEEP + b"a" * (DEEP - 1) + b".") and None, returns="None"),
    "marshal": Attempt(lambda a: _module("marshal").loads(b"[\x01\x00\x00\x00" * DEEP), (ValueError, *TOO_DEEP)),
    "repr": Attempt(lambda a: repr(_nest([], lambda x: [x])), TOO_DEEP),
    "compile brackets": Attempt(lambda a: compile("(" * DEEP, "c", "eval"), (SyntaxError, *TOO_DEEP)),
    "compile signs": Attempt(lambda a: compile("-" * 1_000_000 + "1", "c", "eval"), (SyntaxError, *TOO_DEEP)),
    "compile attributes": Attempt(lambda a: compile("a" + ".b" * DEEP, "c", "eval"), (SyntaxError, *TOO_DEEP)),
    "compile calls": Attempt(lambda a: compile("a" + "()" * DEEP, "c", "eval"), (SyntaxError, *TOO_DEEP)),
    "compile blocks": Attempt(lambda a: compile("".join(" " * n + "if 1:\n" for n in range(1000)), "c", "exec"), (SyntaxError, *TOO_DEEP)),
    "literal_eval": Attempt(lambda a: _module("ast").literal_eval("[" * DEEP + "]" * DEEP), (SyntaxError, *TOO_DEEP)),
    "a tree of syntax": Attempt(lambda a: compile(_nest_tree(_module("ast")), "c", "eval"), (SyntaxError, ValueError, *TOO_DEEP)),
    "deepcopy": Attempt(lambda a: _module("copy").deepcopy(_nest([], lambda x: [x])), (SystemError, *TOO_DEEP)),
    "hash": Attempt(lambda a: hash(_nest((), lambda x: (x,))), TOO_DEEP),
    "comparison": Attempt(lambda a: _nest([], lambda x: [x]) == _nest([], lambda x: [x]), TOO_DEEP),
    "isinstance": Attempt(lambda a: isinstance(1, _nest((), lambda x: (x,))), TOO_DEEP),
    "freeing lists": Attempt(lambda a: _nest([], lambda x: [x], 300_000) and None, returns="None"),
    "freeing objects": Attempt(lambda a: (_nest(None, lambda x: type("", (), {"x": x})(), 20_000)) and None),
    "an expression's groups": Attempt(lambda a: _module("re").compile("(" * DEEP + ")" * DEEP), (OverflowError, *TOO_DEEP)),
    "XML": Attempt(lambda a: _module("copy").deepcopy(_module("xml.etree.ElementTree").fromstring("<a>" * DEEP + "</a>" * DEEP)), TOO_DEEP),
    "iterators in iterators": Attempt(lambda a: _chain(lambda x: map(int, x))),
    "generators in generators": Attempt(lambda a: _chain(lambda x: (y for y in x))),
    "chains in chains": Attempt(lambda a: _chain(itertools.chain)),
    "partials in partials": Attempt(lambda a: _nest(len, _module("functools").partial)(())),
    "classes of classes": Attempt(lambda a: _class_chain()),
    "contexts of errors": Attempt(lambda a: _contexts(), (ValueError,)),
    "string templates": Attempt(lambda a: ("{0:" * DEEP + "}" * DEEP).format(1), (ValueError, *TOO_DEEP)),
}


def _nest_tree(ast: Any) -> Any:
    node = _nest(ast.Constant(1), lambda x: ast.UnaryOp(ast.USub(), x), 20_000)
    return ast.fix_missing_locations(ast.Expression(node))


def _iterators(asked: Asked) -> Any:
    store = asked.ctx.getOrCreateKVStore("iterators")
    for number in range(3):
        store.put(ComplexKey(b"g", b"k", b"n", b"%d" % number), b"v")
    kept = []
    for _ in range(1_000_000):
        kept.append(store.scan_complex(b"g", b"k", b"n"))
    return len(kept)


def _iterators_again(asked: Asked) -> Any:
    """What the attempt before has left open was closed when it was forgotten."""
    store = asked.ctx.getOrCreateKVStore("iterators")
    return len([store.scan_complex(b"g", b"k", b"n") for _ in range(1000)])


def _merge(asked: Asked) -> Any:
    store = asked.ctx.getOrCreateKVStore("merged")
    for _ in range(100_000):
        store.merge(ComplexKey(b"g", b"k", b"n", b"u"), b"x" * 1_000_000)


def _put(asked: Asked) -> Any:
    store = asked.ctx.getOrCreateKVStore("put")
    value = b"x" * 1_000_000
    for number in range(1_000_000):
        store.put_state(b"%d" % number, value)


def _open_stores(asked: Asked) -> Any:
    for number in range(100_000):
        asked.ctx.getOrCreateKVStore(f"store {number}")


def _emit(asked: Asked, value: bytes, **more: Any) -> Any:
    for _ in range(10_000_000):
        asked.ctx.emit(value, **more)


STATE = {
    "a store without a name": Attempt(lambda a: a.ctx.getOrCreateKVStore(""), (Exception,), "1 to 255"),
    "a store with a long name": Attempt(lambda a: a.ctx.getOrCreateKVStore("x" * 256), (Exception,), "256 bytes, allowed are 1 to 255"),
    "a store with a huge name": Attempt(lambda a: a.ctx.getOrCreateKVStore("x" * 10_000_000), (Exception,), "allowed are 1 to 255"),
    "a store with a name of no UTF-8": Attempt(lambda a: a.ctx.getOrCreateKVStore("\ud800"), (UnicodeError,)),
    "a store named by bytes": Attempt(lambda a: a.ctx.getOrCreateKVStore(b"x"), (TypeError,)),  # type: ignore[arg-type]
    "too many stores": Attempt(_open_stores, (Exception,), "limits.stores"),
    "a million open iterators": Attempt(_iterators, (Exception,), "limits.iterators"),
    "as many iterators as allowed": Attempt(_iterators_again, returns="1000"),
    "a value of 1 GiB": Attempt(lambda a: a.ctx.getOrCreateKVStore("s").put_state(b"k", bytes(1 << 30)), NO_MEMORY),
    "a key of 100 MB": Attempt(lambda a: a.ctx.getOrCreateKVStore("s").put_state(b"k" * 100_000_000, b"v")),
    "a key of 20 MB": Attempt(lambda a: a.ctx.getOrCreateKVStore("s").put_state(b"k" * 20_000_000, b"v")),
    "a value that is merged without end": Attempt(_merge),
    "values without end": Attempt(_put),
}

OUTPUT = {
    "an emit of 1 GiB": Attempt(lambda a: a.ctx.emit(bytes(1 << 30)), NO_MEMORY),
    "emits without end": Attempt(lambda a: _emit(a, b"x" * 1000)),
    "empty emits without end": Attempt(lambda a: _emit(a, b"")),
    "a million headers": Attempt(lambda a: a.ctx.emit(b"x", headers=[("h", b"v")] * 1_000_000)),
    "a huge header": Attempt(lambda a: a.ctx.emit(b"x", headers={"h" * 10_000_000: b"v"})),
    "names of headers": Attempt(
        lambda a: a.ctx.emit(
            b"x",
            headers=[("", b""), ("\x00", None), ("\ud800" and "\r\nInjected: yes", b"\x00"), ("\udcff", b"v"), ("h", b"1"), ("h", b"2")],
        ),
        returns="None",
    ),
    "a header's name of no UTF-8": Attempt(lambda a: a.ctx.emit(b"x", headers={"\ud800": b""}), (UnicodeError,)),
    "headers that are text": Attempt(lambda a: a.ctx.emit(b"x", headers="text"), (TypeError,)),
    "headers that are numbers": Attempt(lambda a: a.ctx.emit(b"x", headers=[7]), (TypeError,)),
    "headers without end": Attempt(lambda a: a.ctx.emit(b"x", headers=itertools.repeat(("h", b"v")))),
    "a key of 40 MB": Attempt(lambda a: a.ctx.emit(b"x", key=bytes(40_000_000))),
    "a channel that is not there": Attempt(lambda a: a.ctx.emit(b"x", 1), (IndexError,)),
    "a channel below zero": Attempt(lambda a: a.ctx.emit(b"x", -1), (IndexError,)),
    "a channel far away": Attempt(lambda a: a.ctx.emit(b"x", 2**32), (IndexError,)),
    "a channel beyond all": Attempt(lambda a: a.ctx.emit(b"x", -(10**100)), (IndexError,)),
    "a channel that is no number": Attempt(lambda a: a.ctx.emit(b"x", "0"), (TypeError,)),  # type: ignore[arg-type]
    "a time before all": Attempt(lambda a: a.ctx.emit(b"x", timestamp=-1), (ValueError,)),
    "a time beyond all": Attempt(lambda a: a.ctx.emit(b"x", timestamp=2**63), (ValueError,)),
    "the last time of all": Attempt(lambda a: a.ctx.emit(b"x", timestamp=2**63 - 1), returns="None"),
    "a time that is none": Attempt(lambda a: a.ctx.emit(b"x", timestamp=float("nan")), (TypeError,)),  # type: ignore[arg-type]
    "a watermark before all": Attempt(lambda a: a.ctx.emit_watermark(-(2**63)), (ValueError,)),
    "the first watermark of all": Attempt(lambda a: a.ctx.emit_watermark(-(2**63) + 1), returns="None"),
    "the last watermark of all": Attempt(lambda a: a.ctx.emit_watermark(2**63 - 1), returns="None"),
    "a watermark after the last": Attempt(lambda a: a.ctx.emit_watermark(2**63), (ValueError,)),
    "watermarks without end": Attempt(lambda a: [a.ctx.emit_watermark(n) for n in range(10_000_000)]),
}


class Exhausting(Attempting):
    attempts: ClassVar = {**MEMORY, **STACK, **STATE, **OUTPUT}
