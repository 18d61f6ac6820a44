"""The example of the guide: counts what its events are worth, in durable state."""

from fs_api import FSProcessorDriver, Context
import json


class MetricProcessor(FSProcessorDriver):
    def init(self, ctx: Context, config: dict):
        self.metric_name = config.get("metric_name", "default_event")

    def process(self, ctx: Context, source_id: int, data: bytes):
        # 1. Parse input
        event = json.loads(data.decode())

        # 2. Atomic state operation: Accumulate count
        store = ctx.getOrCreateKVStore("stats_db")
        key = f"count:{self.metric_name}".encode()
        current_val = int(store.get_state(key) or 0)

        new_val = current_val + event.get("value", 1)
        store.put_state(key, str(new_val).encode())

        # 3. Emit processing result
        result = {"metric": self.metric_name, "total": new_val}
        ctx.emit(json.dumps(result).encode(), 0)
