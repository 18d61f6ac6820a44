"""What callers pass, checked before anything is sent: each function gives the argument back, or raises a ClientError that names it."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from pathlib import Path
from typing import Any, Optional

from fs_client.errors import ClientError

_SHOWN_CHARACTERS = 100
_MAX_COUNT = 2**63 - 1


def text(what: str, value: object, may_be_empty: bool = False) -> str:
    if not isinstance(value, str) or not (value or may_be_empty):
        expected = "a string" if may_be_empty else "a string that is not empty"
        raise ClientError(f"{what}: {expected} is expected, not {_shown(value)}")
    return value


def optional_text(what: str, value: object) -> Optional[str]:
    return None if value is None else text(what, value, may_be_empty=True)


def count(what: str, value: object, least: int, of: str) -> int:
    """A whole number; `of` says of what, for the message."""
    if isinstance(value, bool) or not isinstance(value, int) or not least <= value <= _MAX_COUNT:
        raise ClientError(f"{what}: {of}, {least} or more, is expected, not {_shown(value)}")
    return value


def optional_count(what: str, value: object, least: int, of: str) -> Optional[int]:
    return None if value is None else count(what, value, least, of)


def switch(what: str, value: object) -> bool:
    if not isinstance(value, bool):
        raise ClientError(f"{what}: True or False is expected, not {_shown(value)}")
    return value


def payload(what: str, value: object) -> bytes:
    if not isinstance(value, (bytes, bytearray, memoryview)):
        raise ClientError(f"{what}: bytes are expected, not {type(value).__name__}")
    return bytes(value)


def yaml_text(what: str, value: object) -> str:
    if isinstance(value, str):
        return value
    if isinstance(value, bytes):
        try:
            return value.decode()
        except UnicodeDecodeError as error:
            raise ClientError(f"{what}: not UTF-8: {error}") from error
    raise ClientError(f"{what}: YAML as str or bytes is expected, not {type(value).__name__}")


def path(what: str, value: object) -> Path:
    if not isinstance(value, (str, Path)) or not str(value):
        raise ClientError(f"{what}: a path is expected, not {_shown(value)}")
    if "\0" in str(value):
        raise ClientError(f"{what}: a path cannot hold a zero byte")
    return Path(value)


def content_of(what: str, value: object) -> bytes:
    """The bytes of the file at a path."""
    file = path(what, value)
    try:
        return file.read_bytes()
    except OSError as error:
        raise ClientError(f"{what}: {file}: {error.strerror or error}") from error


def names(what: str, value: object) -> Collection[str]:
    if isinstance(value, (str, bytes)) or not isinstance(value, Collection):
        raise ClientError(f"{what}: a list of names is expected, not {_shown(value)}")
    return [text(what, name) for name in value]


def modules(value: object) -> list[tuple[str, bytes]]:
    """Modules as pairs of dotted name and source."""
    if isinstance(value, (str, bytes)) or not isinstance(value, Iterable):
        raise ClientError(f"modules: pairs of a dotted name and source bytes are expected, not {_shown(value)}")
    checked: list[tuple[str, bytes]] = []
    for module in value:
        if not isinstance(module, (tuple, list)) or len(module) != 2:
            raise ClientError(f"modules: pairs of a dotted name and source bytes are expected, not {_shown(module)}")
        name, source = module
        if not isinstance(name, str) or not isinstance(source, bytes):
            raise ClientError(f"modules: {name!r}: a str and bytes are expected, not {type(name).__name__} and {type(source).__name__}")
        checked.append((name, source))
    if not checked:
        raise ClientError("modules: at least one module is expected")
    return checked


def channel_options(value: object) -> dict[str, Any]:
    pairs: dict[str, Any] = {}
    if value is None:
        return pairs
    for one in value if isinstance(value, (list, tuple)) else (value,):
        if not isinstance(one, (tuple, list)) or len(one) != 2 or not isinstance(one[0], str):
            raise ClientError(f"options: pairs of a gRPC option's name and its value are expected, not {_shown(value)}")
        pairs[one[0]] = one[1]
    return pairs


def _shown(value: object) -> str:
    shown = repr(value)
    return shown if len(shown) <= _SHOWN_CHARACTERS else shown[:_SHOWN_CHARACTERS] + "..."
