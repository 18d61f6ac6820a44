"""Fails as each message says: {"n": number, "do": way to fail, "times": how often, always if not given}."""

import json
from collections.abc import Callable

from fs_api import ComplexKey, Context, FSProcessorDriver

# Attempts by message. What on_error undoes is state and emits, never the memory of the module.
ATTEMPTS: dict[int, int] = {}


class UnprintableError(Exception):
    def __str__(self) -> str:
        raise RuntimeError("not even this")


class OwnBase(BaseException):
    pass


def _raise(error: BaseException) -> None:
    raise error


def _recurse() -> None:
    _recurse()


def _recurse_in_data() -> None:
    data: list[object] = []
    for _ in range(100_000):
        data = [data]
    repr(data)


def _allocate() -> None:
    hoard = []
    while True:
        hoard.append(bytearray(1 << 20))


def _loop() -> None:
    while True:
        pass


def _crash() -> None:
    def broken() -> None:
        pass

    # No such instruction: the interpreter aborts.
    broken.__code__ = broken.__code__.replace(co_code=b"\xfd\xfd" * 8)
    broken()


WAYS: dict[str, Callable[[Context], None]] = {
    "raise": lambda ctx: _raise(ValueError("no such luck")),
    "exit": lambda ctx: _raise(SystemExit(3)),
    "keyboard": lambda ctx: _raise(KeyboardInterrupt()),
    "base": lambda ctx: _raise(OwnBase("mine")),
    "group": lambda ctx: _raise(ExceptionGroup("several", [ValueError("one"), TypeError("two")])),  # noqa: F821 (the sandbox's Python has it)
    "unprintable": lambda ctx: _raise(UnprintableError()),
    "huge": lambda ctx: _raise(ValueError("x" * (10 << 20))),
    "surrogates": lambda ctx: _raise(ValueError("\ud800 and \udfff and ü")),
    "recurse": lambda ctx: _recurse(),
    "recurse in data": lambda ctx: _recurse_in_data(),
    "allocate": lambda ctx: _allocate(),
    "loop": lambda ctx: _loop(),
    # Too much for Kafka, and with a line's end too much for a file.
    "large": lambda ctx: ctx.emit(b"x" * 2_000_000 + b"\n"),
    "crash": lambda ctx: _crash(),
}


class Failing(FSProcessorDriver):
    """Emits {"n", "count"}, where the count is kept in state: of the messages that did not fail."""

    def process(self, ctx: Context, source_id: int, data: bytes) -> None:
        event = json.loads(data)
        number = event["n"]
        ATTEMPTS[number] = ATTEMPTS.get(number, 0) + 1
        store = ctx.getOrCreateKVStore("counts")
        count = int(store.get_state(b"count") or b"0") + 1
        store.put_state(b"count", str(count).encode())
        ctx.emit(json.dumps({"n": number, "count": count}).encode())
        if "do" in event and ATTEMPTS[number] <= event.get("times", 1 << 30):
            WAYS[event["do"]](ctx)


class Touching(FSProcessorDriver):
    """Each message changes everything that can be changed and answers with all that it finds; b"bad" raises after that."""

    def process(self, ctx: Context, source_id: int, data: bytes) -> None:
        plain = [ctx.getOrCreateKVStore(name) for name in ("one", "two")]
        complex_store = ctx.getOrCreateKVStore("three")
        found: list[object] = []
        iterator = complex_store.scan_complex(b"g", b"k", b"n")
        for store in plain:
            found.append([key.decode() for key in store.list_states(b"", b"\xff")])
            store.put_state(data, data)
            store.put_state(b"last", data)
            store.delete_state(b"first")
        complex_store.merge(ComplexKey(b"g", b"k", b"n", b"merged"), data + b" ")
        complex_store.put(ComplexKey(b"g", b"k", b"gone", data), data)
        found.append([(key.decode(), value.decode()) for key, value in iterator])
        found.append([key.decode() for key in complex_store.list_complex(b"g", b"k", b"gone", b"", b"\xff")])
        if data == b"bad":
            complex_store.delete_prefix(ComplexKey(b"g", b"k", b"gone", b""))
            ctx.emit(b"from bad", 0)
            raise ValueError(f"bad found {found}")
        ctx.emit(json.dumps(found).encode())
