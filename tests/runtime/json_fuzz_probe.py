"""The sandbox's json against the plain standard library's, over random documents, values, arguments and mistakes.

A function of Function Stream: b"documents SEED SECONDS" or b"floats SEED SECONDS" in, {"cases", "answered", "declined", "differences"}
out. The plain standard library is json's own functions over again: what a call of theirs runs was replaced, not their code.
"""

import collections
import enum
import io
import json
import random
import struct
import time
import types
from typing import Any, Callable

import _fs_json
from fs_api import Context, FSProcessorDriver

LIMIT = 10  # differences reported
CHARACTERS = [*'ab"\\/\n\t\x00\x1f\x7f~ \xe9\xff\u0100\u2028\ud800\udc00\uffff', "\U0001f600"]
KEYS = ["sensor", "value", "ts", "a", "ab", "\xe9", "cl\xe9s", "x" * 17, "x" * 40, "", "n\n", "12345678", "123456789"]
FLOATS = (
    "0.0 -0.0 1e15 1e16 9999999999999998.0 1e22 1e23 5e-324 2.2250738585072014e-308 1.7976931348623157e308 1e-4 1e-5 0.001 0.00099999 "
    "123456789.123456 999999999.9999999 inf -inf nan 1e100 9007199254740993.0 0.1 0.30000000000000004"
).split()
MISTAKES = b'{}[]",:\\0123456789.eE+-tfn NaIu\x00\xef\xbb\xbf\xff\xc3\xa9\xed\xa0\x80\n\t'


class Color(enum.Enum):
    RED = 1


class Number(enum.IntEnum):
    ONE = 1


class Name(enum.StrEnum):
    A = "a"


class Int(int):
    def __repr__(self) -> str:
        return "an int"


class Str(str):
    def __str__(self) -> str:
        return "a str"


class Float(float):
    def __repr__(self) -> str:
        return "a float"


class Dict(dict):
    def items(self) -> Any:
        return [("instead", 1)]


class List(list):
    def __iter__(self) -> Any:
        return iter([1, 2])


Pair = collections.namedtuple("Pair", "a b")


def plain(function: Any) -> Callable[..., Any]:
    """The same function, run as CPython runs any function."""
    copy = types.FunctionType(function.__code__, function.__globals__, function.__name__, function.__defaults__)
    copy.__kwdefaults__ = function.__kwdefaults__
    return copy


plain_loads, plain_dumps, plain_dump = plain(json.loads), plain(json.dumps), plain(json.dump)


def is_same(one: Any, other: Any) -> bool:
    """Equal in type and value to the last bit, order of keys included."""
    if type(one) is not type(other):
        return False
    if type(one) is float:
        return struct.pack("d", one) == struct.pack("d", other)
    if type(one) is dict:
        return len(one) == len(other) and all(
            is_same(key, other_key) and is_same(value, other[other_key]) for (key, value), other_key in zip(one.items(), other)
        )
    if type(one) in (list, tuple):
        return len(one) == len(other) and all(map(is_same, one, other))
    return bool(one == other)


def outcome(function: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
    """("value", it), or what can be told of the exception."""
    try:
        return "value", function(*args, **kwargs)
    except Exception as error:
        attributes = tuple(getattr(error, name, None) for name in ("msg", "pos", "lineno", "colno", "doc", "start", "end", "reason"))
        return type(error).__name__, str(error), attributes, getattr(error, "__notes__", None)


class Fuzzer:
    def __init__(self, seed: int) -> None:
        self.random = random.Random(seed)
        self.differences: list[str] = []
        self.cases = 0

    def compare(self, ours: Callable[..., Any], theirs: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
        expected, actual = outcome(theirs, *args, **kwargs), outcome(ours, *args, **kwargs)
        self.cases += 1
        if not is_same(expected, actual) and len(self.differences) < LIMIT:
            self.differences.append(f"{ours.__name__}(*{args!r:.300}, **{kwargs!r:.200}): {actual!r:.300}, not {expected!r:.300}")
        return expected

    # ---- values ----

    def text(self) -> str:
        pick = self.random
        if pick.random() < 0.5:
            return "".join(pick.choice("abcdefghijklmnop0123456789 -_") for _ in range(pick.randrange(40)))
        return "".join(pick.choice(CHARACTERS) for _ in range(pick.randrange(20)))

    def number(self) -> float:
        pick = self.random
        kind = pick.randrange(5)
        if kind == 0:
            value: float = struct.unpack("d", struct.pack("Q", pick.getrandbits(64)))[0]
            return value
        if kind == 1:
            return round(pick.uniform(-1e4, 1e4), pick.randrange(8))
        if kind == 2:
            return pick.randrange(-(10 ** pick.randrange(1, 19)), 10 ** pick.randrange(1, 19)) / 10 ** pick.randrange(25)
        if kind == 3:
            return float(pick.randrange(-100, 100))
        return float(pick.choice(FLOATS))

    def whole(self) -> int:
        pick = self.random
        if pick.random() < 0.5:
            return pick.randrange(-1000, 1000)
        bits = 20000 if pick.random() < 0.005 else pick.choice([8, 29, 30, 31, 32, 59, 60, 61, 62, 63, 64, 65, 90, 200])
        return pick.choice([1, -1]) * (pick.getrandbits(bits) | pick.getrandbits(1) << (bits - 1))

    def odd(self) -> Any:
        """What is not plain JSON, or only almost."""
        circular: list[Any] = []
        circular.append(circular)
        deep: Any = 0
        for _ in range(self.random.choice([140, 149, 150, 151, 160, 300])):
            deep = [deep]
        values = [(1, 2), (), Int(5), Str('s"'), Float(1.5), Dict(a=1), List("ab"), Pair(1, "b"), Color.RED, Number.ONE, Name.A, True, b"x"]
        return self.random.choice(
            [*values, object(), 1j, {1, 2}, {(1,): 2}, {Color.RED: 1}, {b"": 1}, collections.OrderedDict(a=1), circular, deep]
        )

    def key(self, is_odd: bool) -> Any:
        pick = self.random
        if is_odd and pick.random() < 0.1:
            return pick.choice([1, 1.5, -0.0, True, None, Str("q"), Int(4), Float(2), Name.A, Number.ONE, float("nan"), 10**30])
        return pick.choice(KEYS) if pick.random() < 0.7 else self.text()

    def value(self, depth: int, is_odd: bool) -> Any:
        pick = self.random
        kind = pick.random()
        if depth > 0 and kind < 0.25:
            return {self.key(is_odd): self.value(depth - 1, is_odd) for _ in range(pick.randrange(9))}
        if depth > 0 and kind < 0.45:
            return [self.value(depth - 1, is_odd) for _ in range(pick.randrange(9))]
        if is_odd and kind < 0.5:
            return self.odd()
        if kind < 0.65:
            return self.text()
        if kind < 0.78:
            return self.whole()
        if kind < 0.93:
            return self.number()
        return pick.choice([None, True, False])

    # ---- arguments ----

    def write_arguments(self) -> dict[str, Any]:
        pick = self.random
        choices: dict[str, list[Any]] = {
            "ensure_ascii": [True, False, 0, 1, None],
            "separators": [
                None,
                (",", ":"),
                (", ", ": "),
                [",", ":"],
                (";" * 9, ":"),
                ("\xe9", ":"),
                ("", ""),
                (",",),
                (1, 2),
                ("|" * 8, "=" * 8),
            ],
            "sort_keys": [True, False, 1],
            "allow_nan": [True, False],
            "skipkeys": [True, False],
            "check_circular": [True, False],
            "indent": [None, 0, 2, "\t"],
            "default": [None, str, repr, lambda value: [value.__class__.__name__]],
            "cls": [None, json.JSONEncoder],
            "unknown": [1],
        }
        weights = [6, 6, 6, 2, 2, 2, 1, 3, 1, 0.2]
        names = pick.choices(list(choices), weights, k=pick.randrange(1, 4))
        return {name: pick.choice(choices[name]) for name in names}

    def read_arguments(self) -> dict[str, Any]:
        pick = self.random
        choices: dict[str, list[Any]] = {
            "cls": [None, json.JSONDecoder],
            "object_hook": [None, lambda value: sorted(map(str, value))],
            "parse_float": [None, str],
            "parse_int": [None, float],
            "parse_constant": [None, str],
            "object_pairs_hook": [None, list],
            "strict": [True, False],
        }
        return {name: pick.choice(choices[name]) for name in pick.sample(list(choices), pick.randrange(1, 4))}

    # ---- rounds ----

    def documents(self) -> None:
        pick = self.random
        for is_odd in (False, True):
            value = self.value(pick.randrange(5), is_odd)
            written = self.compare(json.dumps, plain_dumps, value)
            arguments = self.write_arguments()
            if "check_circular" in arguments and is_odd:
                del arguments["check_circular"]  # the endless recursion has other depths each time
            other = self.compare(json.dumps, plain_dumps, value, **arguments)
            self.compare(self.dumped_by(json.dump), self.dumped_by(plain_dump), value, **arguments)
            for kind, text, *_ in (written, other):
                if kind == "value":
                    self.read(text)

    @staticmethod
    def dumped_by(dump: Callable[..., Any]) -> Callable[..., Any]:
        def dumped(value: Any, **arguments: Any) -> Any:
            file = io.StringIO()
            result = outcome(dump, value, file, **arguments)
            return result, file.getvalue()

        return dumped

    def read(self, text: str) -> None:
        pick = self.random
        data = text.encode("utf-8", "surrogatepass")
        documents: list[Any] = [text, data, bytearray(data), b"\xef\xbb\xbf" + data, "\ufeff" + text, memoryview(data), Str(text)]
        documents.append(
            text.encode(pick.choice(["utf-16", "utf-16-le", "utf-16-be", "utf-32", "utf-32-le", "utf-32-be"]), "surrogatepass")
        )
        for _ in range(6):
            wrong = bytearray(data)
            for _ in range(pick.randrange(1, 4)):
                at = pick.randrange(len(wrong) + 1)
                end = at + pick.randrange(2)
                wrong[at:end] = b"" if pick.random() < 0.3 else bytes([pick.choice(MISTAKES)])
            documents += [bytes(wrong), wrong.decode("utf-8", "surrogateescape"), wrong[: pick.randrange(len(wrong) + 1)]]
        for document in documents:
            self.compare(json.loads, plain_loads, document)
        self.compare(json.loads, plain_loads, pick.choice(documents), **self.read_arguments())
        self.compare(lambda text: json.load(io.StringIO(text)), plain_loads, text)

    def floats(self) -> None:
        pick = self.random
        values = list(struct.unpack("200d", struct.pack("200Q", *(pick.getrandbits(64) for _ in range(200)))))
        values += [pick.getrandbits(53) * 2.0 ** pick.randrange(-70, 10) for _ in range(100)]
        values += [pick.randrange(1, 10 ** pick.randrange(1, 18)) * 10.0 ** pick.randrange(-30, 10) for _ in range(100)]
        values += [2.0 ** pick.randrange(-1074, 1024) * pick.choice([1, 1 - 2**-53, 1 + 2**-52]) for _ in range(50)]
        values += [round(pick.uniform(-1e9, 1e9), pick.randrange(9)) for _ in range(100)]
        self.compare(json.dumps, plain_dumps, values)
        texts = [repr(value) for value in values if value == value and abs(value) != float("inf")]
        for _ in range(300):
            digits = str(pick.getrandbits(pick.randrange(4, 90)))
            point = pick.randrange(len(digits)) + 1
            exponent = f"{pick.choice('eE')}{pick.choice(['', '+', '-'])}{pick.randrange(330)}" if pick.random() < 0.4 else ""
            texts.append(f"{digits[:point].lstrip('0') or '0'}.{digits[point:] or '0'}{exponent}")
        # Halfway between two floats: what rounds wrongly shows here.
        for _ in range(50):
            significand, power = pick.getrandbits(53) | 1 << 52, pick.randrange(0, 40)
            texts.append(f"{(2 * significand + 1) << power}.{pick.choice(['0', '00000001'])}")
            texts.append(f"{((2 * significand + 1) << power) - 1}.99999999")
        for text in texts:
            self.compare(json.loads, plain_loads, text)


class JsonFuzz(FSProcessorDriver):
    def process(self, ctx: Context, source_id: int, data: bytes) -> None:
        what, seed, seconds = data.decode().split()
        fuzzer = Fuzzer(int(seed))
        before = _fs_json.counts()
        end = time.monotonic() + float(seconds)
        while time.monotonic() < end:
            getattr(fuzzer, what)()
        answered, declined = (now - then for now, then in zip(_fs_json.counts(), before))
        result = {"cases": fuzzer.cases, "answered": answered, "declined": declined, "differences": fuzzer.differences}
        ctx.emit(plain_dumps(result).encode("utf-8"))
