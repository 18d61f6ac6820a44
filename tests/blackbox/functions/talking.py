"""A function that logs what it does, for tests of logs, metrics and descriptions."""

from fs_api import Context, FSProcessorDriver


class Talking(FSProcessorDriver):
    """Logs each message's number and emits it; b"raise" raises, b"flood" logs more than is kept."""

    def init(self, ctx: Context, config: dict[str, str]) -> None:
        self.count = 0
        ctx.logger.warning("up")

    def process(self, ctx: Context, source_id: int, data: bytes) -> None:
        if data == b"raise":
            raise ValueError("told to raise")
        if data == b"flood":
            print("\n".join("x" * 10 for _ in range(5000)))
        self.count += 1
        ctx.getOrCreateKVStore("seen").put_state(str(self.count).encode(), data)
        ctx.logger.info("message %d \x1b[2J", self.count)
        ctx.emit(data)

    def close(self, ctx: Context) -> None:
        ctx.logger.info("closing")
