"""Counts events of each user in windows of one second of event time; an event of a later window ends the ones before it."""

import json

from fs_api import Context, FSProcessorDriver

WINDOW_MS = 1000


class WindowedCounts(FSProcessorDriver):
    def init(self, ctx: Context, config: dict[str, str]) -> None:
        self.counts = ctx.getOrCreateKVStore("counts")
        self.window = 0  # the open one; unknown after a restart, when the store tells which are

    def process(self, ctx: Context, source_id: int, data: bytes) -> None:
        event = json.loads(data)
        window = event["ts"] // WINDOW_MS * WINDOW_MS
        if window != self.window:
            self.close_before(ctx, window)
        key = b"%d %b" % (window, event["user"].encode())
        self.counts.put_state(key, b"%d" % (int(self.counts.get_state(key) or 0) + 1))

    def close_before(self, ctx: Context, window: int) -> None:
        for key in self.counts.list_states(b"%d " % self.window, b"%d " % window):
            start, user = key.decode().split(" ")
            count = int(self.counts.get_state(key) or 0)
            ctx.emit(json.dumps({"window": int(start), "user": user, "count": count}).encode())
            self.counts.delete_state(key)
        self.window = window
