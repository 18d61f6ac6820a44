"""Parses every event and lets one in a hundred go on."""

import json

from fs_api import Context, FSProcessorDriver


class OnePercent(FSProcessorDriver):
    def process(self, ctx: Context, source_id: int, data: bytes) -> None:
        if json.loads(data)["ts"] % 100 == 0:
            ctx.emit(data)
