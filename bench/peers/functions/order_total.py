"""Parses an order, adds what it comes to, and writes the whole of it again."""

import json

from fs_api import Context, FSProcessorDriver


class OrderTotal(FSProcessorDriver):
    def process(self, ctx: Context, source_id: int, data: bytes) -> None:
        order = json.loads(data)
        order["total"] = round(sum(item["price"] * item["quantity"] for item in order["items"]), 2)
        ctx.emit(json.dumps(order).encode())
