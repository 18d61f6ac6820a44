"""The work of the delivery benchmark."""

import json

from fs_api import Context, FSProcessorDriver


class Metric(FSProcessorDriver):
    """The seed's MetricProcessor, in short: JSON in, a count and a sum a key, JSON out."""

    def init(self, ctx: Context, config: dict[str, str]) -> None:
        self.store = ctx.getOrCreateKVStore("metrics")

    def process(self, ctx: Context, source_id: int, data: bytes) -> None:
        event = json.loads(data)
        key = event["sensor"].encode()
        count = int(self.store.get_state(key) or b"0") + 1
        self.store.put_state(key, str(count).encode())
        ctx.emit(json.dumps({"sensor": event["sensor"], "count": count, "value": event["value"]}).encode())
