"""Counts: per key in state, with the count emitted after each message."""

import json

from fs_api import Context, FSProcessorDriver


class Counter(FSProcessorDriver):
    """Emits {"key", "count", "sum"} for each {"key", "value"}; the state holds what the output says."""

    def process(self, ctx: Context, source_id: int, data: bytes) -> None:
        event = json.loads(data)
        store = ctx.getOrCreateKVStore("counts")
        key = event["key"].encode()
        count, total = json.loads(store.get_state(key) or b"[0, 0]")
        count, total = count + 1, total + event["value"]
        store.put_state(key, json.dumps([count, total]).encode())
        ctx.emit(json.dumps({"key": event["key"], "count": count, "sum": total}).encode())


class Remembering(FSProcessorDriver):
    """Keeps its sum in memory only, and hands it over at checkpoints."""

    def init(self, ctx: Context, config: dict[str, str]) -> None:
        self.total = 0

    def process(self, ctx: Context, source_id: int, data: bytes) -> None:
        self.total += int(data)
        ctx.emit(str(self.total).encode())

    def take_checkpoint(self, ctx: Context, checkpoint_id: int) -> bytes:
        return str(self.total).encode()

    def restore_checkpoint(self, ctx: Context, checkpoint_id: int, data: bytes) -> None:
        self.total = int(data)
