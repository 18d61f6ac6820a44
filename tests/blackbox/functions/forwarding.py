"""Forwards: a message goes out as it came in, or with what the context tells of it."""

import json

from fs_api import Context, FSProcessorDriver


class Forward(FSProcessorDriver):
    """Key, headers and timestamp included."""

    def process(self, ctx: Context, source_id: int, data: bytes) -> None:
        message = ctx.message
        ctx.emit(data, key=message.key, headers=message.headers, timestamp=message.timestamp)


class Describe(FSProcessorDriver):
    """Emits what ctx.message says, with a key, a header and a timestamp of its own."""

    def process(self, ctx: Context, source_id: int, data: bytes) -> None:
        message = ctx.message
        about = {
            "value": data.decode(),
            "key": None if message.key is None else message.key.decode(),
            "headers": [[name, None if value is None else value.decode()] for name, value in message.headers],
            "timestamp": message.timestamp,
            "topic": message.topic,
            "partition": message.partition,
            "offset": message.offset,
        }
        ctx.emit(json.dumps(about).encode(), key=b"own key", headers={"own": b"header", "empty": None}, timestamp=1_000_000_000_123)
