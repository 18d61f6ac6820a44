"""Context: what a function's hooks are given."""

import logging
from abc import ABC, abstractmethod
from collections.abc import Iterable, Mapping
from typing import Optional, Union

from .state import KvStore

__all__ = ["Context", "Headers", "Message"]

#: What emit() takes as headers: pairs in order (a name may repeat), or a mapping.
Headers = Union[Iterable[tuple[str, Optional[bytes]]], Mapping[str, Optional[bytes]]]


class Message(ABC):
    """Everything about the message in hand but its value, which is process()'s `data`. It may be kept."""

    @property
    @abstractmethod
    def key(self) -> Optional[bytes]:
        """The key; None where the message has none."""

    @property
    @abstractmethod
    def headers(self) -> list[tuple[str, Optional[bytes]]]:
        """(name, value) in the order received; a value may be None."""

    @property
    @abstractmethod
    def timestamp(self) -> Optional[int]:
        """Milliseconds since the epoch; None where the source knows none."""

    @property
    @abstractmethod
    def topic(self) -> str:
        """The topic the message came from."""

    @property
    @abstractmethod
    def partition(self) -> int:
        """The partition of that topic."""

    @property
    @abstractmethod
    def offset(self) -> int:
        """The message's offset in that partition."""


class Context(ABC):
    """A function's outputs, state, configuration and log. The same object is given to every hook; it may be kept."""

    @abstractmethod
    def emit(
        self,
        data: bytes,
        channel: int = 0,
        *,
        key: Optional[bytes] = None,
        headers: Optional[Headers] = None,
        timestamp: Optional[int] = None,
    ) -> None:
        """Sends one message to an output.

        data: the message's value. channel: index of the output. key: the message's key, which also decides the
        partition where the output names none. headers: pairs (name, bytes or None), or a dict. timestamp: milliseconds
        since the epoch; without it, that of the message in hand.

        What process() emitted before it raised is not sent. Raises IndexError for a channel the function does not have,
        TypeError and ValueError for unfit arguments; then nothing was emitted.
        """

    @abstractmethod
    def emit_watermark(self, watermark: int, channel: int = 0) -> None:
        """Tells an output that event time has reached `watermark`, in milliseconds since the epoch.

        Raises IndexError for a channel the function does not have.
        """

    @abstractmethod
    def getOrCreateKVStore(self, name: str) -> KvStore:
        """The store of that name, made on first use; the same name gives the same store.

        Raises KvOtherError where the name is not allowed, KvIOError when the state cannot be opened.
        """

    def get_or_create_kv_store(self, name: str) -> KvStore:
        """The same as getOrCreateKVStore()."""
        return self.getOrCreateKVStore(name)

    @abstractmethod
    def getConfig(self) -> dict[str, str]:
        """A copy of the function's init_config."""

    def get_config(self) -> dict[str, str]:
        """The same as getConfig()."""
        return self.getConfig()

    @property
    @abstractmethod
    def message(self) -> Message:
        """The message in hand. Raises RuntimeError outside process()."""

    @property
    @abstractmethod
    def logger(self) -> logging.Logger:
        """A logger that writes to the function's own log."""

    @property
    @abstractmethod
    def channel_count(self) -> int:
        """How many outputs the function has."""
