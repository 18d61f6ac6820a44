"""Argument checks with the texts that the server's types have."""

from typing import Any


def to_bytes(value: Any, method: str, what: str) -> bytes:
    """The bytes of a bytes-like value; TypeError otherwise."""
    if type(value) is bytes:
        return value
    if isinstance(value, str):
        raise TypeError(f"{method}(): {what} must be bytes, not str: encode it first, for example with .encode()")
    try:
        return memoryview(value).tobytes()
    except TypeError:
        raise TypeError(f"{method}(): {what} must be bytes, not {type(value).__name__}") from None


def to_milliseconds(value: Any, method: str, what: str, least: int) -> int:
    """Milliseconds since the epoch from an int of 64 bits; TypeError or ValueError otherwise."""
    if not isinstance(value, int):
        raise TypeError(f"{method}(): {what} must be int (milliseconds since the epoch), not {type(value).__name__}")
    if not least <= value < 1 << 63:
        raise ValueError(f"{method}(): {what} {value} is out of range (milliseconds since the epoch, at least {least})")
    return value


def to_headers(headers: Any) -> list[tuple[str, Any]]:
    """Headers as emit() takes them, as a list of (name, bytes or None)."""
    wrong = f"emit(): headers must be a dict or a list of (str, bytes or None), not {type(headers).__name__}"
    if isinstance(headers, (str, bytes)):
        raise TypeError(wrong)
    try:
        items = list(headers.items() if hasattr(headers, "items") else headers)
    except TypeError:
        raise TypeError(wrong) from None
    result: list[tuple[str, Any]] = []
    for index, item in enumerate(items):
        if not isinstance(item, (tuple, list)) or len(item) != 2:
            raise TypeError(f"emit(): headers[{index}] must be a pair (str, bytes or None), not {type(item).__name__}")
        name, value = item
        if not isinstance(name, str):
            raise TypeError(f"emit(): a header's name must be str, not {type(name).__name__}")
        result.append((name, None if value is None else to_bytes(value, "emit", "a header's value")))
    return result
