"""The function of the benchmarks of density and of latency: JSON in, a count in state, JSON out with the time that it came with."""

import json

from fs_api import Context, FSProcessorDriver


class Counter(FSProcessorDriver):
    """Counts, and hands the time on."""

    def init(self, ctx: Context, config: dict[str, str]) -> None:
        self.store = ctx.getOrCreateKVStore("counts")

    def process(self, ctx: Context, source_id: int, data: bytes) -> None:
        event = json.loads(data)
        count = int(self.store.get_state(b"count") or b"0") + 1
        self.store.put_state(b"count", str(count).encode())
        ctx.emit(json.dumps({"count": count, "sent": event["sent"]}).encode())
