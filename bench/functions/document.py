"""JSON in and out: reads a document, changes it a little, writes it."""

import json

from fs_api import Context, FSProcessorDriver


class Document(FSProcessorDriver):
    def process(self, ctx: Context, source_id: int, data: bytes) -> None:
        document = json.loads(data)
        document["seen"] = True
        ctx.emit(json.dumps(document).encode())
