"""Tumbling windows in event time: count and sum per key and window, emitted once, when the watermark says that the window is complete.

An event is {"key": text, "value": whole number, "at": ms since the epoch}. Output 0 gets {"key", "start", "end", "count", "sum"}
for each window that saw an event, in the order of windows, then keys; output 1 gets, as they came, the events whose window was
complete already: late by more than max_out_of_orderness_ms. All that it knows is in its state, so a restart changes nothing.
"""

import json

from fs_api import ComplexKey, Context, FSProcessorDriver

RESULTS, LATE = 0, 1


class TumblingWindows(FSProcessorDriver):
    def init(self, ctx: Context, config: dict[str, str]) -> None:
        self.size_ms = int(config.get("size_ms", "60000"))
        self.store = ctx.getOrCreateKVStore("windows")
        self.watermark = int(self.store.get_state(b"watermark") or b"-1")

    def process(self, ctx: Context, source_id: int, data: bytes) -> None:
        event = json.loads(data)
        start = event["at"] - event["at"] % self.size_ms
        if start + self.size_ms - 1 <= self.watermark:
            ctx.emit(data, LATE)
            return
        window = self._window(start, event["key"].encode())
        count, total = json.loads(self.store.get(window) or b"[0, 0]")
        self.store.put(window, json.dumps([count + 1, total + event["value"]]).encode())

    def process_watermark(self, ctx: Context, source_id: int, watermark: int) -> None:
        self.watermark = watermark
        self.store.put_state(b"watermark", b"%d" % watermark)
        # In the order of their starts: the first one that is not complete ends the scan.
        for user_key, value in self.store.scan_complex(b"windows", b"", b""):
            start, key = int.from_bytes(user_key[:8], "big"), user_key[8:]
            end = start + self.size_ms
            if end - 1 > watermark:
                break
            count, total = json.loads(value)
            result = {"key": key.decode(), "start": start, "end": end, "count": count, "sum": total}
            ctx.emit(json.dumps(result).encode(), RESULTS, key=key, timestamp=end - 1)
            self.store.delete(self._window(start, key))
        # Those who read the results may know how far we are, too.
        super().process_watermark(ctx, source_id, watermark)

    def _window(self, start: int, key: bytes) -> ComplexKey:
        return ComplexKey(b"windows", b"", b"", start.to_bytes(8, "big") + key)
