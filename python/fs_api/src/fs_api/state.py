"""KvStore: a function's named, ordered, durable state.

Writes become durable with the next checkpoint, in one step with the input positions and the outputs; what process()
wrote before it raised is undone. Keys, values and parts are bytes, any bytes: empty ones and zero bytes are legal.
Where bytes are expected, bytearray and memoryview serve too. A wrong type raises TypeError and changes nothing.
"""

from abc import ABC, abstractmethod
from collections.abc import Iterator
from typing import NamedTuple, Optional

__all__ = ["ComplexKey", "KvIterator", "KvStore"]


class _Parts(NamedTuple):
    key_group: bytes
    key: bytes
    namespace: bytes
    user_key: bytes


class ComplexKey(_Parts):
    """A key of four parts, ordered bytewise, part by part.

    A usual split: `key_group` names the state, `key` is the key of the message, `namespace` a window or a purpose,
    `user_key` the entry within it. Raises TypeError where a part is not bytes.
    """

    __slots__ = ()

    def __new__(cls, key_group: bytes, key: bytes, namespace: bytes, user_key: bytes) -> "ComplexKey":
        parts = (key_group, key, namespace, user_key)
        for name, part in zip(cls._fields, parts):
            if not isinstance(part, (bytes, bytearray, memoryview)):
                hint = ": encode it first, for example with .encode()" if isinstance(part, str) else ""
                raise TypeError(f"ComplexKey: {name} must be bytes, not {type(part).__name__}{hint}")
        return super().__new__(cls, *(bytes(part) for part in parts))


class KvIterator(ABC, Iterator[tuple[bytes, bytes]]):
    """Entries (user_key, value) in byte order, as the state was when the iterator was made.

    A Python iterator too: `for user_key, value in store.scan_complex(...)`. Holds resources of the server until it is at
    its end, closed or garbage; `with` closes it.
    """

    @abstractmethod
    def has_next(self) -> bool:
        """Whether next() has another entry. Raises KvIOError when the state cannot be read."""

    @abstractmethod
    def next(self) -> Optional[tuple[bytes, bytes]]:
        """The next (user_key, value); None at the end. Raises KvIOError when the state cannot be read."""

    @abstractmethod
    def close(self) -> None:
        """Gives back what the iterator holds; it is at its end then. Closing again does nothing."""

    def __iter__(self) -> "KvIterator":
        return self

    def __next__(self) -> tuple[bytes, bytes]:
        entry = self.next()
        if entry is None:
            raise StopIteration
        return entry

    def __enter__(self) -> "KvIterator":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


class KvStore(ABC):
    """State under one name; got from Context.getOrCreateKVStore().

    Reads see the function's own uncommitted writes. Every method raises KvIOError when the state cannot be read or
    written, and KvOtherError where a limit forbids the operation. Plain keys (first four methods) and complex keys are two
    separate spaces.
    """

    @abstractmethod
    def put_state(self, key: bytes, value: bytes) -> None:
        """Stores the value under the key, in place of what was there."""

    @abstractmethod
    def get_state(self, key: bytes) -> Optional[bytes]:
        """The value under the key; None where there is none."""

    @abstractmethod
    def delete_state(self, key: bytes) -> None:
        """Removes the key; does nothing where there is none."""

    @abstractmethod
    def list_states(self, start_inclusive: bytes, end_exclusive: bytes) -> list[bytes]:
        """Keys in [start_inclusive, end_exclusive), in byte order."""

    @abstractmethod
    def put(self, key: ComplexKey, value: bytes) -> None:
        """Stores the value under the complex key, in place of what was there."""

    @abstractmethod
    def get(self, key: ComplexKey) -> Optional[bytes]:
        """The value under the complex key; None where there is none."""

    @abstractmethod
    def delete(self, key: ComplexKey) -> None:
        """Removes the complex key; does nothing where there is none."""

    @abstractmethod
    def merge(self, key: ComplexKey, value: bytes) -> None:
        """Appends to the bytes stored under the complex key; none stored counts as empty."""

    @abstractmethod
    def delete_prefix(self, key: ComplexKey) -> None:
        """Removes all that share key_group, key and namespace and whose user key starts with key.user_key."""

    @abstractmethod
    def list_complex(self, key_group: bytes, key: bytes, namespace: bytes, start_inclusive: bytes, end_exclusive: bytes) -> list[bytes]:
        """User keys in [start_inclusive, end_exclusive) under the three parts, in byte order."""

    @abstractmethod
    def scan_complex(self, key_group: bytes, key: bytes, namespace: bytes) -> KvIterator:
        """All (user_key, value) under the three parts, in byte order of the user keys."""
