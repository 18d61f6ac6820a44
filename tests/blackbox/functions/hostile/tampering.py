"""A function that turns on its own interpreter: the runtime's modules, the C types, bytecode, the stack, the collector."""

from __future__ import annotations

import builtins
import gc
import importlib
import logging
import sys
from typing import Any, ClassVar

from fs_api import ComplexKey, Context

from functions.hostile.attempt import Asked, Attempt, Attempting, Escape

STUCK = "took longer than limits.process_timeout_ms"


def _module(name: str) -> Any:
    """By its name only: packaging must not see it."""
    return importlib.import_module(name)


def _loop(*_: object, **__: object) -> Any:
    while True:
        pass


class Loops:
    """Whatever is asked of it never ends."""

    __getattr__ = __bool__ = __len__ = __iter__ = __call__ = _loop


def _raise(error: BaseException) -> Any:
    raise error


def _describe_with(describe: object) -> Any:
    _module("fs_runtime").describe = describe
    return Escape("the report is not the runtime's any more")


def _report(*parts: bytes) -> bytes:
    return b"".join(len(part).to_bytes(4, "little") + part for part in parts)


def _clear(*names: str) -> Any:
    for name in names:
        vars(_module(name)).clear()
    return "cleared"


def _forge(code: bytes, **others: Any) -> Any:
    def victim() -> None:
        pass

    victim.__code__ = victim.__code__.replace(co_code=code, **others)
    return victim()  # type: ignore[func-returns-value]


def _without_objects(asked: Asked) -> Any:
    """Takes the runtime's own containers apart, as far as the collector shows them."""
    stores = [asked.ctx.getOrCreateKVStore(name) for name in ("one", "two")]
    for one in gc.get_objects():
        if type(one) is dict and "one" in one and "two" in one:
            one.clear()
    del stores
    gc.collect()
    return [asked.ctx.getOrCreateKVStore(name).list_states(b"", b"\xff") for name in ("two", "one", "two")]


class _Name(str):
    """Opens the store again while the store is being opened."""

    __slots__ = ()
    ctx: Context
    depth = 0

    def __hash__(self) -> int:
        _Name.depth += 1
        if _Name.depth < 50:
            _Name.ctx.getOrCreateKVStore(_Name("nested")).put_state(b"k", b"v")
            gc.collect()
        return 7

    def __eq__(self, other: object) -> bool:
        _Name.depth += 1
        if _Name.depth < 100:
            _Name.ctx.getOrCreateKVStore(_Name("again"))
        return _Name.depth % 3 == 0


def _hostile_names(asked: Asked) -> Any:
    _Name.ctx = asked.ctx
    for number in range(200):
        asked.ctx.getOrCreateKVStore(_Name(f"name {number % 7}")).put_state(b"k", b"v")
    return "opened"


class _Shifty(bytes):
    """Says another thing each time it is asked."""

    def __len__(self) -> int:
        return -1

    def __bytes__(self) -> bytes:
        raise ValueError("no bytes")

    def __iter__(self) -> Any:
        return _loop()

    def __buffer__(self, flags: int) -> memoryview:
        return memoryview(b"from the buffer")


def _shifty_values(asked: Asked) -> Any:
    store = asked.ctx.getOrCreateKVStore("shifty")
    store.put_state(_Shifty(b"key"), _Shifty(b"value"))
    asked.ctx.emit(_Shifty(b"emitted"), key=_Shifty(b"key"), headers={"name": _Shifty(b"value")})
    return sorted(store.list_states(b"", b"\xff"))


class _Buffer:
    def __init__(self, give: Any) -> None:
        self.give = give

    def __buffer__(self, flags: int) -> Any:
        return self.give()


def _shrinks(asked: Asked) -> Any:
    """The key's buffer is asked for first; the value's then tries to take the key's bytes away."""
    store = asked.ctx.getOrCreateKVStore("shrinks")
    key = bytearray(b"k" * 100_000)

    def take_away() -> memoryview:
        key.clear()
        return memoryview(b"v")

    return store.put_state(key, _Buffer(take_away))  # type: ignore[arg-type]


def _emits_within(asked: Asked) -> Any:
    """Emits so much while an emit is made that the output buffer moves."""

    def emit_more() -> memoryview:
        for _ in range(100):
            asked.ctx.emit(b"x" * 10_000)
        return memoryview(b"after")

    return asked.ctx.emit(_Buffer(emit_more), key=_Buffer(emit_more), headers=[("h", _Buffer(emit_more))])  # type: ignore[arg-type]


def _headers_that_change(asked: Asked) -> Any:
    headers: list[Any] = []

    def change() -> memoryview:
        headers.clear()
        gc.collect()
        for one in gc.get_objects():
            if type(one) is tuple and len(one) == 3 and one[-1] is last:
                return memoryview(b"found")
        return memoryview(b"x")

    last = ("last", b"value")
    headers.extend([["first", _Buffer(change)], ["second", _Buffer(change)], last])
    return asked.ctx.emit(b"x", headers=headers)


def _closed(asked: Asked) -> Any:
    iterator = asked.ctx.getOrCreateKVStore("s").scan_complex(b"g", b"k", b"n")
    iterator.close()
    iterator.close()
    return [iterator.has_next(), iterator.next(), list(iterator)]


def _late_finalizer(asked: Asked) -> Any:
    """Its finalizer runs when the message is long over, and uses what belonged to it."""
    ctx = asked.ctx

    class Late:
        def __init__(self) -> None:
            self.me = self

        def __del__(self) -> None:
            ctx.getOrCreateKVStore("late").put_state(b"k", b"v")
            ctx.emit(b"late")
            ctx.message  # noqa: B018

    Late()
    gc.collect()
    return "finalized"


def _finalizer_loops(asked: Asked) -> Any:
    class Stuck:
        __del__ = _loop

    del asked
    return Stuck() and None


def _hooks_in_hooks(asked: Asked) -> Any:
    runtime = next(one for one in gc.get_objects() if isinstance(one, Tampering))
    runtime.init(asked.ctx, {})
    runtime.process(asked.ctx, 0, b"from custom")
    runtime.process_watermark(asked.ctx, 0, 1)
    answers = [runtime.take_checkpoint(asked.ctx, 1), runtime.check_heartbeat(asked.ctx), runtime.close(asked.ctx)]  # type: ignore[func-returns-value]
    return [*answers, runtime.restore_checkpoint(asked.ctx, 1, b"")]  # type: ignore[func-returns-value]


def _key(*parts: object) -> Any:
    return tuple.__new__(ComplexKey, parts)


def _stdout(stream: object) -> Any:
    sys.stdout = sys.stderr = stream
    raise Escape("streams are flushed now")


RUNTIME = {
    "log with wrong types": Attempt(lambda a: _module("_fs_guest").log("20", 1), (TypeError,)),
    "log at a huge level": Attempt(lambda a: _module("_fs_guest").log(2**31, "x"), (OverflowError,)),
    "log at the least level": Attempt(lambda a: _module("_fs_guest").log(-(2**31), "\x1b[2J\nfaked"), returns="None"),
    "log surrogates": Attempt(lambda a: _module("_fs_guest").log(20, "\ud800"), returns="None"),
    "make nothing immortal": Attempt(lambda a: _module("_fs_guest").make_immortal(None), (TypeError,)),
    "make all immortal": Attempt(lambda a: _module("_fs_guest").make_immortal(gc.get_objects()), returns="None"),
    "make a Context": Attempt(lambda a: type(a.ctx)(), (TypeError,)),
    "make a Context by object": Attempt(lambda a: object.__new__(type(a.ctx)), (TypeError,)),
    "copy the Context": Attempt(lambda a: _module("copy").copy(a.ctx), (TypeError,)),
    "derive from Context": Attempt(lambda a: type("Mine", (type(a.ctx),), {}), (TypeError,)),
    "change the Context's type": Attempt(lambda a: setattr(type(a.ctx), "emit", print), (TypeError,)),
    "change the Context": Attempt(lambda a: setattr(a.ctx, "emit", print), (AttributeError,)),
    "change the Context's class": Attempt(lambda a: setattr(a.ctx, "__class__", Attempting), (TypeError,)),
    "make a store": Attempt(lambda a: type(a.ctx.getOrCreateKVStore("s"))(), (TypeError,)),
    "methods on others": Attempt(lambda a: type(a.ctx.getOrCreateKVStore("s")).get_state(a.ctx, b"k"), (TypeError,)),
    "the message outside of process": Attempt(lambda a: a.ctx.message, (RuntimeError,), "inside process()"),
    "a report that is none": Attempt(lambda a: _raise(_describe_with(lambda *_: b"none")), ends="error report"),
    "a report that is empty": Attempt(lambda a: _raise(_describe_with(lambda *_: b"")), ends=""),
    "a report that is no bytes": Attempt(lambda a: _raise(_describe_with(lambda *_: 7)), ends="could not be described"),
    "a report that raises": Attempt(lambda a: _raise(_describe_with(lambda *_: 1 / 0)), ends="could not be described"),
    "a report that loops": Attempt(lambda a: _raise(_describe_with(_loop)), ends=STUCK),
    "a report that is huge": Attempt(
        lambda a: _raise(_describe_with(lambda *_: _report(b"x" * 4_000_000, b"y" * 1_000_000, b""))), ends="... (1000000 bytes, cut)"
    ),
    "a report of no UTF-8": Attempt(
        lambda a: _raise(_describe_with(lambda *_: _report(b"\xff\xfe", b"\x00\x1b[2J", b"\xc3"))), ends="\\xff\\xfe: \\x00\\x1b[2J"
    ),
    "a report with lengths that lie": Attempt(lambda a: _raise(_describe_with(lambda *_: b"\xff\xff\xff\xff" * 3)), ends="cut off"),
    "a runtime without attributes": Attempt(
        lambda a: _raise(_clear("fs_runtime", "fs_runtime.report") and Escape("x")), ends="could not be described"
    ),
    "fs_api without attributes": Attempt(lambda a: _clear("fs_api", "fs_api.errors"), returns="'cleared'"),
    "_fs_guest without attributes": Attempt(lambda a: _clear("_fs_guest"), returns="'cleared'"),
    "logging to nowhere": Attempt(lambda a: (_clear("_fs_guest"), logging.error("x"), a.ctx.logger.error("y"))),
    "no modules": Attempt(lambda a: sys.modules.clear(), returns="None"),
    "no builtins": Attempt(lambda a: vars(builtins).clear()),
    "no import": Attempt(lambda a: setattr(builtins, "__import__", _loop) or exec("import json"), ends=STUCK),
    "no types of exceptions": Attempt(lambda a: vars(builtins).update(BaseException=int, Exception=int, TypeError=7) or 1 / 0),
    "streams that loop": Attempt(lambda a: _stdout(Loops()), ends=STUCK),
    "streams that are none": Attempt(lambda a: _stdout(7), ends="flushed now"),
    "streams that are closed": Attempt(lambda a: (sys.stdout.close(), sys.stderr.close(), print("x")), (ValueError,)),
    "descriptors that are closed": Attempt(lambda a: [_module("os").close(fd) for fd in (0, 1, 2)]),
    "a trace function that loops": Attempt(lambda a: (sys.settrace(_loop), _clear()), ends=STUCK),
    "a profile function that raises": Attempt(lambda a: (sys.setprofile(lambda *_: 1 / 0), len("x")), (ZeroDivisionError,)),
    "hooks of sys that loop": Attempt(
        lambda a: [setattr(sys, name, _loop) for name in ("excepthook", "unraisablehook", "displayhook")] and "set"
    ),
    "audit hook": Attempt(lambda a: sys.addaudithook(lambda *_: None), returns="None"),
    "collector's callbacks": Attempt(
        lambda a: (gc.callbacks.append(lambda *_: 1 / 0), gc.collect(), gc.set_threshold(1), gc.disable())[2], returns="None"
    ),
    "the runtime's containers": Attempt(_without_objects),
    "hooks called by hooks": Attempt(_hooks_in_hooks, returns="[None, True, None, None]"),
    "names that open stores": Attempt(_hostile_names, returns="'opened'"),
    "bytes that change": Attempt(_shifty_values, returns="[b'from the buffer']"),
    "a key that shrinks": Attempt(_shrinks, (BufferError,)),
    "a buffer that raises": Attempt(lambda a: a.ctx.emit(_Buffer(lambda: 1 / 0)), (ZeroDivisionError,)),
    "a buffer that is none": Attempt(lambda a: a.ctx.emit(_Buffer(lambda: 7)), (TypeError,)),
    "a buffer that loops": Attempt(lambda a: a.ctx.emit(_Buffer(_loop)), ends=STUCK),
    "a buffer with holes": Attempt(lambda a: a.ctx.emit(memoryview(b"abcdef")[::2]), (BufferError,)),
    "a buffer that is released": Attempt(lambda a: [view := memoryview(b"abc"), view.release(), a.ctx.emit(view)], (ValueError,)),
    "emits within an emit": Attempt(_emits_within, returns="None"),
    "headers that change": Attempt(_headers_that_change, returns="None"),
    "an iterator that is closed": Attempt(_closed, returns="[False, None, []]"),
    "a finalizer that comes late": Attempt(_late_finalizer, returns="'finalized'"),
    "a finalizer that loops": Attempt(_finalizer_loops, ends=STUCK),
    "a key of too many parts": Attempt(lambda a: a.ctx.getOrCreateKVStore("s").get(_key(b"", b"", b"", b"", b"")), (TypeError,)),
    "a key of no parts": Attempt(lambda a: a.ctx.getOrCreateKVStore("s").put(_key(), b""), (TypeError,)),
    "a key of others' parts": Attempt(lambda a: a.ctx.getOrCreateKVStore("s").put(_key(b"", 7, b"", b""), b""), (TypeError,)),
}

BYTECODE = {
    "no instruction": Attempt(lambda a: _forge(b"\xfd\xfd" * 8)),
    "a constant that is not there": Attempt(lambda a: _forge(bytes([149, 0, 83, 250, 36, 0]))),
    "constants far outside": Attempt(lambda a: [_forge(bytes([149, 0, 71, 255, 71, 255, 83, n, 36, 0])) for n in range(0, 255, 16)]),
    "locals far outside": Attempt(lambda a: [_forge(bytes([149, 0, 71, 255, 85, n, 36, 0])) for n in range(0, 255, 16)]),
    "an empty stack": Attempt(lambda a: _forge(bytes([149, 0]) + bytes([32, 0]) * 500 + bytes([36, 0]))),
    "a jump far outside": Attempt(lambda a: _forge(bytes([149, 0, 71, 255, 71, 255, 79, 255]))),
    "marshal of noise": Attempt(
        lambda a: [_try(_module("marshal").loads, bytes([kind]) + b"\xff" * 40) for kind in range(256)] and "tried", returns="'tried'"
    ),
    "pickle that calls": Attempt(lambda a: _module("pickle").loads(b"cposix\nabort\n."), returns="<built-in function abort>"),
    "interpreters": Attempt(lambda a: _module("_interpreters").create()),
}


def _try(call: Any, *arguments: object) -> None:
    try:
        call(*arguments)
    except Exception:
        pass


ENDINGS = {
    "os.abort": Attempt(lambda a: _module("os").abort(), ends="the interpreter crashed"),
    "os._exit": Attempt(lambda a: _module("os")._exit(0), ends="ended its interpreter with exit code 0"),
    "sys.exit": Attempt(lambda a: sys.exit(0), (SystemExit,)),
    "exit": Attempt(lambda a: _module("_sitebuiltins").Quitter("exit", "")(), (SystemExit,)),
    "KeyboardInterrupt": Attempt(lambda a: _module("_thread").interrupt_main()),
    "FunctionTimeout": Attempt(lambda a: _raise(_module("fs_api").FunctionTimeout("mine")), (BaseException,)),
    **{
        f"faulthandler.{name}": Attempt(lambda a, name=name: getattr(_module("faulthandler"), name)())  # type: ignore[misc]
        for name in ("_sigsegv", "_sigabrt", "_sigfpe", "_read_null", "_stack_overflow", "_fatal_error_c_thread", "dump_traceback")
    },
    **{
        f"signal {number}": Attempt(lambda a, number=number: _module("signal").raise_signal(number))  # type: ignore[misc]
        for number in (2, 6, 9, 11, 15)
    },
}


class Tampering(Attempting):
    attempts: ClassVar = {**RUNTIME, **BYTECODE, **ENDINGS}
