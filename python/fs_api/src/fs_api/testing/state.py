"""KvStore in memory."""

from collections.abc import Iterator
from typing import Any, Optional

from ..errors import KvOtherError
from ..state import ComplexKey, KvIterator, KvStore
from .arguments import to_bytes

_MISSING = object()


class MemoryState:
    """All stores of one function, with a journal so that one message's writes can be undone."""

    def __init__(self) -> None:
        self.stores: dict[str, MemoryKvStore] = {}
        self._journal: list[tuple[dict[Any, bytes], Any, Any]] = []

    def store(self, name: str) -> "MemoryKvStore":
        """The store of that name, made on first use."""
        if not isinstance(name, str):
            raise TypeError(f"getOrCreateKVStore(): name must be str, not {type(name).__name__}")
        if name == "":
            raise KvOtherError("a store's name cannot be empty")
        if name not in self.stores:
            self.stores[name] = MemoryKvStore(name, self)
        return self.stores[name]

    def write(self, table: dict[Any, bytes], key: Any, value: Optional[bytes]) -> None:
        """Puts a value; None removes the key."""
        self._journal.append((table, key, table.get(key, _MISSING)))
        if value is None:
            table.pop(key, None)
        else:
            table[key] = value

    def keep(self) -> None:
        """Makes what was written so far permanent."""
        self._journal.clear()

    def undo(self) -> None:
        """Takes back what was written since the last keep()."""
        for table, key, value in reversed(self._journal):
            if value is _MISSING:
                table.pop(key, None)
            else:
                table[key] = value
        self._journal.clear()


class MemoryKvIterator(KvIterator):
    """Entries as they were when it was made."""

    def __init__(self, entries: list[tuple[bytes, bytes]]) -> None:
        self._entries: Iterator[tuple[bytes, bytes]] = iter(entries)
        self._ahead: list[tuple[bytes, bytes]] = []

    def has_next(self) -> bool:
        if not self._ahead:
            self._ahead.extend(entry for entry in [next(self._entries, None)] if entry is not None)
        return bool(self._ahead)

    def next(self) -> Optional[tuple[bytes, bytes]]:
        return self._ahead.pop() if self.has_next() else None

    def close(self) -> None:
        self._entries = iter(())
        self._ahead.clear()


class MemoryKvStore(KvStore):
    """One store. `plain` and `complex` hold its contents, for tests to look at."""

    def __init__(self, name: str, state: Optional[MemoryState] = None) -> None:
        self.name = name
        self.plain: dict[bytes, bytes] = {}
        self.complex: dict[ComplexKey, bytes] = {}
        self._state = state if state is not None else MemoryState()

    def __repr__(self) -> str:
        return f"KvStore({self.name!r})"

    def put_state(self, key: bytes, value: bytes) -> None:
        checked = to_bytes(key, "put_state", "key")
        self._state.write(self.plain, checked, to_bytes(value, "put_state", "value"))

    def get_state(self, key: bytes) -> Optional[bytes]:
        return self.plain.get(to_bytes(key, "get_state", "key"))

    def delete_state(self, key: bytes) -> None:
        self._state.write(self.plain, to_bytes(key, "delete_state", "key"), None)

    def list_states(self, start_inclusive: bytes, end_exclusive: bytes) -> list[bytes]:
        start = to_bytes(start_inclusive, "list_states", "start_inclusive")
        end = to_bytes(end_exclusive, "list_states", "end_exclusive")
        return sorted(key for key in self.plain if start <= key < end)

    def put(self, key: ComplexKey, value: bytes) -> None:
        checked = _checked(key, "put")
        self._state.write(self.complex, checked, to_bytes(value, "put", "value"))

    def get(self, key: ComplexKey) -> Optional[bytes]:
        return self.complex.get(_checked(key, "get"))

    def delete(self, key: ComplexKey) -> None:
        self._state.write(self.complex, _checked(key, "delete"), None)

    def merge(self, key: ComplexKey, value: bytes) -> None:
        checked = _checked(key, "merge")
        added = to_bytes(value, "merge", "value")
        self._state.write(self.complex, checked, self.complex.get(checked, b"") + added)

    def delete_prefix(self, key: ComplexKey) -> None:
        prefix = _checked(key, "delete_prefix")
        for found in list(self.complex):
            if found[:3] == prefix[:3] and found.user_key.startswith(prefix.user_key):
                self._state.write(self.complex, found, None)

    def list_complex(self, key_group: bytes, key: bytes, namespace: bytes, start_inclusive: bytes, end_exclusive: bytes) -> list[bytes]:
        parts = _checked_parts("list_complex", key_group, key, namespace)
        start = to_bytes(start_inclusive, "list_complex", "start_inclusive")
        end = to_bytes(end_exclusive, "list_complex", "end_exclusive")
        return [user_key for user_key, _ in self._under(parts) if start <= user_key < end]

    def scan_complex(self, key_group: bytes, key: bytes, namespace: bytes) -> MemoryKvIterator:
        return MemoryKvIterator(self._under(_checked_parts("scan_complex", key_group, key, namespace)))

    def _under(self, parts: tuple[bytes, bytes, bytes]) -> list[tuple[bytes, bytes]]:
        return sorted((found.user_key, value) for found, value in self.complex.items() if found[:3] == parts)


def _checked(key: Any, method: str) -> ComplexKey:
    if not isinstance(key, ComplexKey):
        raise TypeError(f"{method}(): key must be a ComplexKey, not {type(key).__name__}")
    for name, part in zip(ComplexKey._fields, key):
        if not isinstance(part, bytes):
            raise TypeError(f"{method}(): key.{name} must be bytes, not {type(part).__name__}")
    return key


def _checked_parts(method: str, key_group: Any, key: Any, namespace: Any) -> tuple[bytes, bytes, bytes]:
    return (
        to_bytes(key_group, method, "key_group"),
        to_bytes(key, method, "key"),
        to_bytes(namespace, method, "namespace"),
    )
