"""Functions about event time."""

import json

from fs_api import Context, FSProcessorDriver


class Watching(FSProcessorDriver):
    """Answers each message with ["m", source, text] and each watermark with ["w", source, watermark], and forwards the latter."""

    def process(self, ctx: Context, source_id: int, data: bytes) -> None:
        ctx.emit(json.dumps(["m", source_id, data.decode()]).encode())

    def process_watermark(self, ctx: Context, source_id: int, watermark: int) -> None:
        ctx.emit(json.dumps(["w", source_id, watermark]).encode())
        super().process_watermark(ctx, source_id, watermark)


class Saying(FSProcessorDriver):
    """Its messages say what it emits: "wm NUMBER" a watermark, anything else itself, with all of the message's headers."""

    def process(self, ctx: Context, source_id: int, data: bytes) -> None:
        word, _, rest = data.partition(b" ")
        if word == b"wm":
            ctx.emit_watermark(int(rest))
        else:
            ctx.emit(data, key=ctx.message.key, headers=ctx.message.headers)


class Raising(FSProcessorDriver):
    """process_watermark raises at a watermark of 1000 or more, after it has changed state."""

    def process(self, ctx: Context, source_id: int, data: bytes) -> None:
        count = ctx.getOrCreateKVStore("counts").get_state(b"hooks") or b"0"
        ctx.emit(data + b" " + count)

    def process_watermark(self, ctx: Context, source_id: int, watermark: int) -> None:
        store = ctx.getOrCreateKVStore("counts")
        store.put_state(b"hooks", b"%d" % (int(store.get_state(b"hooks") or b"0") + 1))
        ctx.emit(b"hook")
        if watermark >= 1000:
            raise ValueError("too late for me")
