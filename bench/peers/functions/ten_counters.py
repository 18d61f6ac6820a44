"""Reads, counts up and writes ten counters of 600 bytes a message; a message with `many` makes counters."""

import json
import random

from fs_api import Context, FSProcessorDriver

NOISE = random.Random(7).randbytes(1 << 16)  # values as little compressible as other people's


def value(number: int, count: int) -> bytes:
    start = number * 7919 % (len(NOISE) - 590)
    return b"%010d%b" % (count, NOISE[start : start + 590])


class TenCounters(FSProcessorDriver):
    def init(self, ctx: Context, config: dict[str, str]) -> None:
        self.counters = ctx.getOrCreateKVStore("counters")

    def process(self, ctx: Context, source_id: int, data: bytes) -> None:
        message = json.loads(data)
        counters = self.counters
        total = 0
        if "many" in message:
            for number in range(message["first"], message["first"] + message["many"]):
                counters.put_state(b"counter-%08d" % number, value(number, 0))
        else:
            for number in message["keys"]:
                key = b"counter-%08d" % number
                count = int((counters.get_state(key) or b"0")[:10]) + 1
                counters.put_state(key, value(number, count))
                total += count
        ctx.emit(json.dumps({"id": message["id"], "sum": total}).encode())
