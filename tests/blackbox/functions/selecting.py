"""Functions that show which input a message came from."""

import time

from fs_api import Context, FSProcessorDriver


class Slowly(FSProcessorDriver):
    """Answers with "group topic message" after a millisecond, so that a batch is some twenty messages."""

    def process(self, ctx: Context, source_id: int, data: bytes) -> None:
        time.sleep(0.001)
        assert ctx.message.topic is not None
        ctx.emit(b"%d %s %s" % (source_id, ctx.message.topic.encode(), data))
