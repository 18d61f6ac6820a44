"""json in the sandbox is C behind json's own functions: what must not show, and what must not break."""

import contextlib
import inspect
import io
import json
import json.encoder
import pickle
import pickletools
import sys
import traceback
import types
from collections.abc import Iterator
from typing import Any, Callable


def _counts() -> Any:
    """Calls answered in C, and calls left to the standard library. Only the sandbox has this module."""
    import _fs_json

    return _fs_json.counts()


def _left(call: Callable[[], Any]) -> int:
    """How many calls inside this one were left to the standard library."""
    before = _counts()[1]
    with contextlib.suppress(Exception):
        call()
    return _counts()[1] - before


def _read() -> None:
    json.loads('{"a": [1]}')


def _write() -> None:
    json.dumps({"a": [1]})


def _write_to_file() -> None:
    json.dump({"a": [1]}, io.StringIO())


CALLS = (_read, _write, _write_to_file)


@contextlib.contextmanager
def _patched(owner: Any, name: str, value: Any) -> Iterator[None]:
    had, old = name in vars(owner), vars(owner).get(name)
    setattr(owner, name, value)
    try:
        yield
    finally:
        if had:
            setattr(owner, name, old)
        else:
            delattr(owner, name)


def check_the_common_calls_are_answered_in_c() -> None:
    def calls() -> None:
        for document in ('{"a": [1.5, -2, null, true, "x\\n\\u00e9"]}', "\xe9".join('""'), b"[]", bytearray(b" {} "), b"\xef\xbb\xbf1"):
            json.loads(document)
            json.load(io.StringIO('{"a": 1}'))
        value = {"a": [1.5, 2**80, None, ("x\n\xe9",)], 1: True, None: float("nan")}
        json.dumps(value)
        json.dump(value, io.StringIO())
        del value[1], value[None]
        json.dumps(value, separators=(",", ":"), sort_keys=True, ensure_ascii=False, allow_nan=False, default=str)

    answered = _counts()[0]
    assert _left(calls) == 0
    assert _counts()[0] - answered == 13


def check_functions_look_like_the_standard_librarys() -> None:
    for name in ("loads", "dumps", "load", "dump"):
        function = getattr(json, name)
        assert type(function) is types.FunctionType
        assert (function.__module__, function.__name__, function.__qualname__) == ("json", name, name)
        assert function.__doc__.startswith("Deserialize" if name.startswith("load") else "Serialize")
        assert pickle.loads(pickle.dumps(function)) is function
        assert "json" in pickletools.optimize(pickle.dumps(function)).decode("latin-1")
    assert str(inspect.signature(json.loads)) == (
        "(s, *, cls=None, object_hook=None, parse_float=None, parse_int=None, parse_constant=None, object_pairs_hook=None, **kw)"
    )
    assert list(inspect.signature(json.dumps).parameters)[:3] == ["obj", "skipkeys", "ensure_ascii"]


def check_errors_are_the_standard_librarys() -> None:
    try:
        json.loads('{"a": 1,\n "b" 2}')
    except json.JSONDecodeError as error:
        assert str(error) == "Expecting ':' delimiter: line 2 column 6 (char 14)"
        assert (error.doc, error.pos, error.lineno, error.colno) == ('{"a": 1,\n "b" 2}', 14, 2, 6)
        frames = [frame.name for frame in traceback.extract_tb(error.__traceback__)]
        assert frames == ["check_errors_are_the_standard_librarys", "loads", "decode", "raw_decode"]
    else:
        raise AssertionError
    circular: list[Any] = []
    circular.append(circular)
    huge = 10**5000
    cases: list[tuple[Callable[[], Any], type[Exception], str]] = [
        (lambda: json.dumps(circular), ValueError, "Circular reference detected"),
        (lambda: json.dumps({1j: 1}), TypeError, "keys must be str, int, float, bool or None, not complex"),
        (lambda: json.dumps([object]), TypeError, "Object of type type is not JSON serializable"),
        (lambda: json.dumps(float("nan"), allow_nan=False), ValueError, "Out of range float values are not JSON compliant: nan"),
        (lambda: json.dumps(huge), ValueError, "Exceeds the limit (4300 digits) for integer string conversion"),
        (
            lambda: json.loads("1" * 5000),
            ValueError,
            "Exceeds the limit (4300 digits) for integer string conversion: value has 5000 digits",
        ),
        (lambda: json.loads(5), TypeError, "the JSON object must be str, bytes or bytearray, not int"),  # type: ignore[arg-type]
        (lambda: json.loads("\ufeff1"), json.JSONDecodeError, "Unexpected UTF-8 BOM (decode using utf-8-sig): line 1 column 1 (char 0)"),
        (lambda: json.loads(b'"\xff"'), UnicodeDecodeError, "'utf-8' codec can't decode byte 0xff in position 1: invalid start byte"),
        (lambda: json.loads(), TypeError, "loads() missing 1 required positional argument: 's'"),  # type: ignore[call-arg]
        (lambda: json.loads("1", wrong=1), TypeError, "JSONDecoder.__init__() got an unexpected keyword argument 'wrong'"),
    ]
    for call, kind, text in cases:
        try:
            call()
        except Exception as error:
            assert type(error) is kind and str(error).startswith(text), error
        else:
            raise AssertionError(text)


def check_who_replaces_a_part_of_json_is_heard() -> None:
    decoder, encoder = json._default_decoder, json._default_encoder  # type: ignore[attr-defined]
    # What is replaced, and how many of the three calls then go the standard library's way.
    cases = [
        (decoder, "scan_once", decoder.scan_once, 0),
        (decoder, "scan_once", lambda text, at: (None, len(text)), 1),
        (decoder, "decode", lambda text: None, 1),
        (encoder, "item_separator", ";", 2),
        (encoder, "default", str, 2),
        (encoder, "new", 1, 2),
        (json, "_default_decoder", json.JSONDecoder(), 1),
        (json, "_default_encoder", json.JSONEncoder(), 2),
        (json, "detect_encoding", lambda data: "latin-1", 1),
        (json, "isinstance", lambda value, kinds: True, 1),
        (json, "unrelated", 1, 0),
        (json.JSONDecoder, "raw_decode", lambda self, text, idx=0: (None, len(text)), 1),
        (json.JSONEncoder, "default", lambda self, value: None, 2),
        (json.JSONEncoder, "__getattribute__", lambda self, name: object.__getattribute__(self, name), 2),
        (json.JSONEncoder, "iterencode", lambda self, value, _one_shot=False: "x", 2),
        (json.encoder, "c_make_encoder", None, 2),
        (json.encoder, "encode_basestring_ascii", repr, 2),
        (json.encoder, "FLOAT_REPR", str, 0),
        (json.JSONDecoder.decode, "__defaults__", (json.decoder.WHITESPACE.match,), 1),  # type: ignore[attr-defined]
        (json.JSONEncoder.encode, "__code__", (lambda self, o: "x").__code__, 1),
        (json.loads, "__code__", (lambda s, **kw: "x").__code__, 1),
        (json.dumps, "__kwdefaults__", {**json.dumps.__kwdefaults__, "sort_keys": True}, 1),  # type: ignore[attr-defined]
        (encoder, "__class__", type("Other", (json.JSONEncoder,), {}), 2),
    ]
    for owner, name, value, expected in cases:
        old = getattr(owner, name, None)
        if name.startswith("__") and owner is not json.JSONEncoder:
            setattr(owner, name, value)
            left = sum(map(_left, CALLS))
            setattr(owner, name, old)
        else:
            with _patched(owner, name, value):
                left = sum(map(_left, CALLS))
        assert left == expected, (owner, name, left)
        assert sum(map(_left, CALLS)) == 0, (owner, name)
    json.loads.__kwdefaults__["parse_int"] = str  # type: ignore[attr-defined]
    assert json.loads("1") == "1"
    json.loads.__kwdefaults__["parse_int"] = None  # type: ignore[attr-defined]
    assert json.loads("1") == 1


def check_what_is_replaced_is_used() -> None:
    with _patched(json.JSONEncoder, "default", lambda self, value: f"<{value!r}>"):
        assert json.dumps([1j]) == '["<1j>"]'
    with _patched(json._default_decoder, "scan_once", json.JSONDecoder(parse_float=str).scan_once):  # type: ignore[attr-defined]
        assert json.loads("[1.50]") == ["1.50"]
    with _patched(json._default_encoder, "item_separator", ";"):  # type: ignore[attr-defined]
        assert json.dumps([1, 2]) == "[1;2]"

    class Rounding(json.JSONEncoder):
        def iterencode(self, o: Any, _one_shot: bool = False) -> Any:
            return super().iterencode(round(o, 2), _one_shot)

    assert json.dumps(1.239, cls=Rounding) == "1.24"


def check_hooks_that_change_the_value_meanwhile() -> None:
    value: dict[str, Any] = {"a": object(), "b": [1, 2]}

    def default(unknown: Any) -> Any:
        value["b"].append(3)
        return "changed"

    assert json.dumps(value, default=default) == '{"a": "changed", "b": [1, 2, 3]}'
    values = [object(), 1, 2, 3]
    assert json.dumps(values, default=lambda unknown: values.clear()) == "[null]"


def check_keys_are_shared_between_documents() -> None:
    for key in ("sensor", "x" * 100, "\xe9t\xe9", "n\n"):
        text = json.dumps([{key: 1}, {key: 2}])
        one, other = [*json.loads(text)[0]], [*json.loads(text)[1]]
        assert one[0] is other[0] and one[0] == key, key


def check_every_short_string_at_the_end_of_a_document() -> None:
    """Words of eight bytes are read and compared, but none beyond the end."""
    for size in range(40):
        for text in ("x" * size, "\xe9" * size, "x" * size + "\xe9", "x" * size + "\n"):
            for ensure_ascii in (True, False):
                written = json.dumps(text, ensure_ascii=ensure_ascii)
                assert json.loads(written) == json.loads(written.encode()) == text
                assert json.loads(f'{{{written}:""}}') == {text: ""}
                for end in range(len(written)):
                    assert _fails(written[:end]), written[:end]


def _fails(text: str) -> bool:
    try:
        json.loads(text)
    except json.JSONDecodeError:
        return True
    return False


def check_any_depth_is_an_answer_or_a_recursion_error() -> None:
    for depth in (100, 149, 150, 151, 500):
        text = "[" * depth + "]" * depth
        value = json.loads(text)
        assert json.dumps(value) == text
    for text in ("[" * 100_000, '{"a":' * 100_000, "[" * 100_000 + "]" * 100_000):
        try:
            json.loads(text)
        except RecursionError:
            continue
        raise AssertionError(text[:10])


def check_calls_from_anywhere_near_the_stacks_end() -> None:
    text = '{"a": ' * 149 + "1" + "}" * 149
    value = json.loads(text)

    def descend() -> int:
        try:
            json.loads(text)
            json.dumps(value)
            return descend() + 1
        except RecursionError:
            return 0

    assert descend() > 500
    old = sys.getrecursionlimit()
    sys.setrecursionlimit(1_000_000)

    def descend_in_c(level: int) -> Any:
        try:
            json.loads(text)
            json.dumps(value)
            return list(map(descend_in_c, [level + 1]))
        except RecursionError:
            return level

    try:
        assert descend_in_c(0)
    finally:
        sys.setrecursionlimit(old)


def check_large_documents_give_their_memory_back() -> None:
    text = "x\n" * 5_000_000
    for _ in range(5):
        assert len(json.dumps(text)) == 15_000_002
    values = json.loads("[" + "1.5," * 1_000_000 + "2]")
    assert len(values) == 1_000_001
    del values, text
    # Most of the sandbox's 256 MiB.
    assert len(bytes(150_000_000)) == 150_000_000


def check_running_out_of_memory_is_an_error() -> None:
    text = "\x00" * 1_000_000
    for _ in range(2):
        try:
            json.dumps([text] * 1000)
        except MemoryError:
            pass
        else:
            raise AssertionError
    del text
    assert json.dumps(["x" * 1_000_000]) == '["' + "x" * 1_000_000 + '"]'
    assert len(bytes(60_000_000)) == 60_000_000
