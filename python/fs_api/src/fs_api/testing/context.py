"""Context and Message in memory."""

import logging
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Optional

from ..context import Context, Headers, Message
from .arguments import to_bytes, to_headers, to_milliseconds
from .state import MemoryKvStore, MemoryState


@dataclass(frozen=True)
class Emitted:
    """One emitted message. timestamp: where emit() was given none, that of the message in hand."""

    data: bytes
    channel: int = 0
    key: Optional[bytes] = None
    headers: list[tuple[str, Optional[bytes]]] = field(default_factory=list)
    timestamp: Optional[int] = None


@dataclass(frozen=True)
class EmittedWatermark:
    """One emitted watermark, in milliseconds since the epoch."""

    watermark: int
    channel: int = 0


class MemoryMessage(Message):
    """A message in hand with the values given."""

    def __init__(
        self,
        key: Optional[bytes] = None,
        headers: Optional[Headers] = None,
        timestamp: Optional[int] = None,
        topic: str = "",
        partition: int = 0,
        offset: int = 0,
    ) -> None:
        self._key = key
        self._headers = to_headers(headers) if headers is not None else []
        self._timestamp = timestamp
        self._topic = topic
        self._partition = partition
        self._offset = offset

    def __repr__(self) -> str:
        return f"Message(topic={self._topic!r}, partition={self._partition}, offset={self._offset}, key={self._key!r})"

    @property
    def key(self) -> Optional[bytes]:
        return self._key

    @property
    def headers(self) -> list[tuple[str, Optional[bytes]]]:
        return list(self._headers)

    @property
    def timestamp(self) -> Optional[int]:
        return self._timestamp

    @property
    def topic(self) -> str:
        return self._topic

    @property
    def partition(self) -> int:
        return self._partition

    @property
    def offset(self) -> int:
        return self._offset


class MemoryContext(Context):
    """A context whose outputs and state are Python objects."""

    def __init__(
        self,
        config: Optional[Mapping[str, str]] = None,
        outputs: int = 1,
        name: str = "function",
        state: Optional[MemoryState] = None,
    ) -> None:
        self.state = state if state is not None else MemoryState()
        self.emitted: list[Emitted] = []
        self.watermarks: list[EmittedWatermark] = []
        self.message_in_hand: Optional[Message] = None
        self._config = dict(config or {})
        self._outputs = outputs
        self._logger = logging.getLogger(name)

    def emit(
        self,
        data: bytes,
        channel: int = 0,
        *,
        key: Optional[bytes] = None,
        headers: Optional[Headers] = None,
        timestamp: Optional[int] = None,
    ) -> None:
        self._check_channel("emit", channel)
        if timestamp is not None:
            checked_timestamp: Optional[int] = to_milliseconds(timestamp, "emit", "timestamp", 0)
        else:
            checked_timestamp = None if self.message_in_hand is None else self.message_in_hand.timestamp
        checked_data = to_bytes(data, "emit", "data")
        checked_key = None if key is None else to_bytes(key, "emit", "key")
        checked_headers = [] if headers is None else to_headers(headers)
        self.emitted.append(Emitted(checked_data, channel, checked_key, checked_headers, checked_timestamp))

    def emit_watermark(self, watermark: int, channel: int = 0) -> None:
        to_milliseconds(watermark, "emit_watermark", "watermark", -(1 << 63) + 1)
        self._check_channel("emit_watermark", channel)
        self.watermarks.append(EmittedWatermark(watermark, channel))

    def getOrCreateKVStore(self, name: str) -> MemoryKvStore:
        return self.state.store(name)

    def getConfig(self) -> dict[str, str]:
        return dict(self._config)

    @property
    def message(self) -> Message:
        if self.message_in_hand is None:
            raise RuntimeError("ctx.message: no message is in hand; it can be read inside process() only")
        return self.message_in_hand

    @property
    def logger(self) -> logging.Logger:
        return self._logger

    @property
    def channel_count(self) -> int:
        return self._outputs

    def _check_channel(self, method: str, channel: Any) -> None:
        if not isinstance(channel, int):
            raise TypeError(f"{method}(): channel must be int, not {type(channel).__name__}")
        if 0 <= channel < self._outputs:
            return
        if self._outputs == 0:
            raise IndexError(f"{method}(): channel {channel}: the function has no outputs")
        if self._outputs == 1:
            raise IndexError(f"{method}(): channel {channel}: the function has 1 output (0)")
        raise IndexError(f"{method}(): channel {channel}: the function has {self._outputs} outputs (0 to {self._outputs - 1})")
