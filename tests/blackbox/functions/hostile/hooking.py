"""Functions whose hooks never come back, answer what nobody asked for, or raise what cannot be told."""

from __future__ import annotations

import importlib
import sys
from typing import Any

from fs_api import Context, FSProcessorDriver


def _loop(*_: object, **__: object) -> Any:
    while True:
        pass


class HangsSecondTime(FSProcessorDriver):
    """Hangs in init, or in its constructor, from the second instance on: its state remembers the first."""

    def init(self, ctx: Context, config: dict[str, str]) -> None:
        store = ctx.getOrCreateKVStore("lives")
        if store.get_state(b"lived"):
            _loop()

    def process(self, ctx: Context, source_id: int, data: bytes) -> None:
        ctx.getOrCreateKVStore("lives").put_state(b"lived", b"yes")
        ctx.emit(data)


class HangsInConstructor(FSProcessorDriver):
    __init__ = _loop

    def process(self, ctx: Context, source_id: int, data: bytes) -> None:
        pass


class _Untrue:
    def __bool__(self) -> bool:
        raise ValueError("neither true nor false")


class _NeverTrue:
    __bool__ = _loop


class _Shifty(bytes):
    def __buffer__(self, flags: int) -> memoryview:
        return memoryview(b"from the buffer")

    __len__ = __iter__ = __bytes__ = _loop


def _endless() -> Any:
    while True:
        yield b"more"


ANSWERS: dict[str, Any] = {
    "nothing": lambda: None,
    "text": lambda: "text",
    "number": lambda: 7,
    "list": lambda: [1, 2, 3],
    "generator": _endless,
    "bytearray": lambda: bytearray(b"array"),
    "view": lambda: memoryview(b"view"),
    "view with holes": lambda: memoryview(b"abcdef")[::2],
    "released view": lambda: [view := memoryview(b"abc"), view.release()][0],
    "shifty bytes": lambda: _Shifty(b"shifty"),
    "huge": lambda: bytes(20_000_000),
    "untrue": _Untrue,
    "never true": _NeverTrue,
    "class": lambda: FSProcessorDriver,
    "loop": lambda: _loop,
}


class Answers(FSProcessorDriver):
    """Each hook answers what init_config says, and init too."""

    def init(self, ctx: Context, config: dict[str, str]) -> Any:
        self.answer = ANSWERS[config["answer"]]
        self.hook = config["hook"]
        return self.answer_of("init")

    def answer_of(self, hook: str, otherwise: object = None) -> Any:
        return self.answer() if hook == self.hook else otherwise

    def process(self, ctx: Context, source_id: int, data: bytes) -> Any:
        ctx.emit(data)
        return self.answer_of("process")

    def process_watermark(self, ctx: Context, source_id: int, watermark: int) -> Any:
        return self.answer_of("process_watermark")

    def take_checkpoint(self, ctx: Context, checkpoint_id: int) -> Any:
        return self.answer_of("take_checkpoint", b"")

    def restore_checkpoint(self, ctx: Context, checkpoint_id: int, data: bytes) -> Any:
        return self.answer_of("restore_checkpoint")

    def check_heartbeat(self, ctx: Context) -> Any:
        return self.answer_of("check_heartbeat", True)

    def close(self, ctx: Context) -> Any:
        return self.answer_of("close")

    def custom(self, payload: bytes) -> Any:
        return self.answer_of("custom", b"pong")


ESCAPES = "\x1b[2J\x1b]0;title\x07\r\nfaked line\u2028\u202eback\x00\x7f\x9b"


class _Says:
    """An argument of an error, whose texts are what they are."""

    def __init__(self, text: Any) -> None:
        self.text = text

    def __str__(self) -> Any:
        return self.text() if callable(self.text) else self.text

    __repr__ = __str__


def _error(name: str = "HostileError", **members: Any) -> BaseException:
    return type(name, (Exception,), members)("told")  # type: ignore[no-any-return]


def _with(error: BaseException, **attributes: Any) -> BaseException:
    for name, value in attributes.items():
        setattr(error, name, value)
    return error


def _chained(count: int) -> BaseException:
    error: BaseException = ValueError("first")
    for number in range(count):
        error = _with(ValueError(number), __cause__=error)
    return error


def _circle() -> BaseException:
    one, two = ValueError("one"), ValueError("two")
    one.__cause__, two.__cause__ = two, one
    return one


def _groups(depth: int, width: int) -> BaseException:
    error: BaseException = ValueError("x")
    for _ in range(depth):
        error = ExceptionGroup("g" * 100, [error] * width)  # type: ignore[list-item] # noqa: F821
    return error


def _deep_frames(count: int) -> BaseException:
    sys.setrecursionlimit(count + 100)
    # Frames that differ, so that "repeated 996 more times" does not shorten them.
    source = "\n".join(f"def f{n}(): f{n + 1}()" for n in range(count)) + f"\ndef f{count}(): raise ValueError('deep')"
    space: dict[str, Any] = {}
    exec(compile(source, ESCAPES, "exec"), space)
    space["f0"]()
    raise AssertionError


class _Meta(type):
    """A class that answers nothing about itself."""

    def __getattribute__(cls, name: str) -> Any:
        if name in ("__module__", "__qualname__", "__name__"):
            raise RuntimeError(f"no {name} here")
        return super().__getattribute__(name)


class _Suggests:
    """What a hint such as "did you mean" looks at."""

    __slots__ = ()
    __dir__ = _loop


def _attribute_error(looked_at: object) -> BaseException:
    return AttributeError("no such thing", name="thing", obj=looked_at)  # type: ignore[call-overload,no-any-return]


ERRORS: dict[str, Any] = {
    "huge message": lambda: ValueError("m" * 20_000_000),
    "message with escapes": lambda: ValueError(ESCAPES),
    "message of no UTF-8": lambda: ValueError("\ud800\udcff"),
    "str raises": lambda: _error(__str__=lambda self: 1 / 0),
    "str loops": lambda: _error(__str__=_loop),
    "str is no text": lambda: _error(__str__=lambda self: 7),
    "str exits": lambda: _error(__str__=lambda self: sys.exit(1)),
    "str recurses": lambda: _error(__str__=lambda self: str(self)),
    "repr raises": lambda: _error(__repr__=lambda self: 1 / 0),
    "argument's repr raises": lambda: KeyError(_Says(lambda: 1 / 0)),
    "argument's repr loops": lambda: KeyError(_Says(_loop)),
    "name with escapes": lambda: _error(ESCAPES.replace("\x00", "")),
    "huge name": lambda: _error("N" * 10_000_000),
    "huge qualified name": lambda: _error(__qualname__="Q" * 10_000_000),
    "module is no text": lambda: _error(__module__=7),
    "module is hostile": lambda: _error(__module__=_Says(_loop)),
    "class says another class": lambda: _error(__class__=property(lambda self: int)),
    "class loops": lambda: _error(__class__=property(_loop)),
    "getattribute loops": lambda: _error(__getattribute__=_loop),
    "getattribute raises": lambda: _error(__getattribute__=lambda self, name: 1 / 0),
    "class of a hostile class": lambda: _Meta("Meta", (Exception,), {})("told"),
    "hash raises": lambda: _error(__hash__=lambda self: 1 / 0, __eq__=lambda self, other: 1 / 0),
    "notes are no list": lambda: _with(_error(), __notes__=7),
    "notes are hostile": lambda: _with(_error(), __notes__=[_Says(lambda: 1 / 0), 7, ESCAPES]),
    "a million notes": lambda: _with(_error(), __notes__=["note"] * 1_000_000),
    "cause chain": lambda: _chained(50_000),
    "cause circle": _circle,
    "deep groups": lambda: _groups(5_000, 1),
    "wide groups": lambda: _groups(12, 3),
    "deep frames": lambda: _deep_frames(3_000),
    "suggestion loops": lambda: _attribute_error(_Suggests()),
    "suggestion raises": lambda: _attribute_error(_Says(lambda: 1 / 0)),
    "syntax error's fields": lambda: _with(
        SyntaxError("s"), text=7, offset="x", lineno=_Says(_loop), filename=ESCAPES, end_offset=-(10**30)
    ),
    "syntax error's text": lambda: _with(SyntaxError("s"), text="x" * 5_000_000, offset=4_000_000, lineno=1, filename="f"),
    "import error's fields": lambda: ImportError("i", name=_Says(_loop), path=7),
    "OS error's fields": lambda: OSError(_Says(lambda: 1 / 0), "s", _Says(lambda: 1 / 0)),
    "unicode error's fields": lambda: UnicodeDecodeError("utf-8", b"x" * 1_000_000, 0, 10**9, ESCAPES),
    "empty": lambda: BaseException(),
    "MemoryError": lambda: MemoryError("mine" * 1_000_000),
    "FunctionTimeout": lambda: importlib.import_module("fs_api").FunctionTimeout("mine"),
    "StopIteration": lambda: StopIteration(ESCAPES),
    "GeneratorExit": lambda: GeneratorExit(),
    "SystemExit": lambda: SystemExit(_Says(_loop)),
    "traceback is changed": lambda: ValueError("t").with_traceback(None),
    "constructor raises": lambda: _error(__init__=lambda self, *_: 1 / 0),
}


class Raises(FSProcessorDriver):
    """Raises, where init_config says, what it says."""

    def init(self, ctx: Context, config: dict[str, str]) -> None:
        self.error = ERRORS[config["error"]]
        if config.get("where") == "init":
            raise self.error()

    def process(self, ctx: Context, source_id: int, data: bytes) -> None:
        if data == b"now":
            raise self.error()
        ctx.emit(data)

    def custom(self, payload: bytes) -> bytes:
        raise self.error()
