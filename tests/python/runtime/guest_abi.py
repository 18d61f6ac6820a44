"""The ABI of runtime/abi/fs_abi.h from the host's side, for tests: what goes into a guest and what comes out."""

import struct
from typing import NamedTuple, Optional

OK, USER_ERROR, BAD_PACKAGE, NO_MEMORY, INTERRUPTED, FATAL = range(6)
INIT, WATERMARK, TAKE_CHECKPOINT, RESTORE_CHECKPOINT, CHECK_HEARTBEAT, CLOSE, CUSTOM = range(1, 8)
KV_ABSENT, KV_IO, KV_OTHER = -1, -2, -3
ITER_GROW = 1 << 62
NO_TIMESTAMP = -(1 << 63)
OUTPUT_SOFT_LIMIT = 4 << 20

_RECORD = struct.Struct("<IIiIqqiI")
_EMITTED = struct.Struct("<IIIiIIq")


class Record(NamedTuple):
    value: bytes
    key: Optional[bytes] = None
    headers: tuple = ()
    timestamp: Optional[int] = None
    offset: int = 0
    partition: int = 0
    topic: int = 0


class Emitted(NamedTuple):
    channel: int
    value: bytes
    key: Optional[bytes]
    headers: list
    timestamp: Optional[int]
    is_watermark: bool


class Report(NamedTuple):
    type: str
    message: str
    traceback: str


def _string(value) -> bytes:
    data = value.encode() if isinstance(value, str) else value
    return struct.pack("<I", len(data)) + data


def encode_image(files, entry="", class_name="", name="function", channels=1, topics=("topic",), config=None) -> bytes:
    """files: triples (kind, path, source or bytes)."""
    config = config or {}
    parts = ["1", name, entry, class_name, str(channels), str(len(topics)), *topics, str(len(config))]
    for pair in config.items():
        parts += pair
    parts.append(str(len(files)))
    for file in files:
        parts += file
    return b"".join(map(_string, parts))


def encode_headers(headers) -> bytes:
    data = b""
    for name, value in headers:
        encoded = name if isinstance(name, bytes) else name.encode()
        data += struct.pack("<Ii", len(encoded), -1 if value is None else len(value)) + encoded + (value or b"")
    return data


def encode_records(records) -> bytes:
    data = bytearray()
    for record in records:
        headers = encode_headers(record.headers)
        body = record.value + (record.key or b"") + headers
        padding = -(_RECORD.size + len(body)) % 8
        data += _RECORD.pack(
            _RECORD.size + len(body) + padding,
            len(record.value),
            -1 if record.key is None else len(record.key),
            len(headers),
            NO_TIMESTAMP if record.timestamp is None else record.timestamp,
            record.offset,
            record.partition,
            record.topic,
        )
        data += body + bytes(padding)
    return bytes(data)


def decode_headers(data: bytes) -> list:
    headers, at = [], 0
    while at < len(data):
        name_len, value_len = struct.unpack_from("<Ii", data, at)
        at += 8
        name = data[at : at + name_len].decode("utf-8", "surrogateescape")
        at += name_len
        headers.append((name, None if value_len < 0 else data[at : at + value_len]))
        at += max(value_len, 0)
    return headers


def decode_emitted(data: bytes, count: int) -> list:
    """Every structure of an output buffer; checks sizes, padding and count."""
    emitted, at = [], 0
    while at < len(data):
        size, channel, value_len, key_len, headers_len, kind, timestamp = _EMITTED.unpack_from(data, at)
        begin = at + _EMITTED.size
        key_at = begin + value_len
        headers_at = key_at + max(key_len, 0)
        end = headers_at + headers_len
        assert size % 8 == 0 and at + size - 8 < end <= at + size, (size, end - at)
        assert not any(data[end : at + size]), "padding is zero"
        emitted.append(
            Emitted(
                channel,
                data[begin:key_at],
                None if key_len < 0 else data[key_at:headers_at],
                decode_headers(data[headers_at:end]),
                None if timestamp == NO_TIMESTAMP else timestamp,
                kind == 1,
            )
        )
        at += size
    assert at == len(data) and len(emitted) == count
    return emitted


def decode_report(data: bytes) -> Report:
    parts, at = [], 0
    while at < len(data):
        (size,) = struct.unpack_from("<I", data, at)
        assert size <= 64 << 10
        parts.append(data[at + 4 : at + 4 + size].decode())
        at += 4 + size
    assert len(parts) == 3
    return Report(*parts)


class Guest:
    """One instance, whatever runs it. Subclasses say how a call is made; here is what tests do with it."""

    def call_load(self, image: bytes) -> int:
        raise NotImplementedError

    def call_hook(self, hook: int, source_id: int, number: int, data: bytes) -> int:
        raise NotImplementedError

    def call_process(self, source_id: int, count: int, data: bytes) -> int:
        raise NotImplementedError

    def shared(self) -> dict:
        """processed, out_count, out (bytes), result (bytes or None)."""
        raise NotImplementedError

    def logs(self) -> list:
        """(level, text) of what came through the host's log import."""
        raise NotImplementedError

    def printed(self) -> str:
        """What came through descriptors 1 and 2."""
        raise NotImplementedError

    def fail_next(self, code: int, text: str) -> None:
        """The next state call answers this."""
        raise NotImplementedError

    def interrupt_after(self, delay_ms: int) -> None:
        """Once, whatever runs then. 0: as if before the next call."""
        raise NotImplementedError

    def load(self, source, **options) -> int:
        files = [("m", "user", source)] if isinstance(source, (str, bytes)) else source
        return self.call_load(encode_image(files, **options))

    def start(self, source, **options) -> "Guest":
        """Loads and calls init, which must work."""
        assert self.load(source, **options) == OK, self.report()
        assert self.hook(INIT) == OK, self.report()
        return self

    def hook(self, hook: int, number: int = 0, data: bytes = b"", source_id: int = 0) -> int:
        return self.call_hook(hook, source_id, number, data)

    def process(self, *records, source_id: int = 0) -> int:
        records = [record if isinstance(record, Record) else Record(record) for record in records]
        return self.call_process(source_id, len(records), encode_records(records))

    @property
    def processed(self) -> int:
        return self.shared()["processed"]

    @property
    def result(self) -> Optional[bytes]:
        return self.shared()["result"]

    @property
    def emitted(self) -> list:
        shared = self.shared()
        return decode_emitted(shared["out"], shared["out_count"])

    @property
    def values(self) -> list:
        return [emitted.value for emitted in self.emitted]

    def report(self) -> Report:
        return decode_report(self.result)
