"""Functions that tell which of their hooks were called, and ones that misbehave in a hook of the test's choice."""

from typing import Optional

from fs_api import Context, FSProcessorDriver


class Recording(FSProcessorDriver):
    """Logs each hook as it is called. Emits in close, whose log is gone after a drop."""

    def init(self, ctx: Context, config: dict[str, str]) -> None:
        self.ctx = ctx
        self.seen: list[bytes] = []
        ctx.logger.info("hook init")

    def process(self, ctx: Context, source_id: int, data: bytes) -> None:
        self.seen.append(data)
        ctx.logger.info("hook process %d %s", source_id, data.decode())
        ctx.emit(data)

    def process_watermark(self, ctx: Context, source_id: int, watermark: int) -> None:
        ctx.logger.info("hook process_watermark %d %d", source_id, watermark)

    def take_checkpoint(self, ctx: Context, checkpoint_id: int) -> Optional[bytes]:
        ctx.logger.info("hook take_checkpoint %d", checkpoint_id)
        return b",".join(self.seen)

    def restore_checkpoint(self, ctx: Context, checkpoint_id: int, data: bytes) -> None:
        self.seen = data.split(b",") if data else []
        ctx.logger.info("hook restore_checkpoint %d %s", checkpoint_id, data.decode())

    def check_heartbeat(self, ctx: Context) -> bool:
        ctx.logger.info("hook check_heartbeat")
        return True

    def custom(self, payload: bytes) -> bytes:
        self.ctx.logger.info("hook custom %s", payload.decode())
        return b",".join(self.seen)

    def close(self, ctx: Context) -> None:
        ctx.logger.info("hook close")
        ctx.emit(b"closed")


class Answering(FSProcessorDriver):
    """Keeps a counter in its state; custom() does what its payload says."""

    def init(self, ctx: Context, config: dict[str, str]) -> None:
        self.ctx = ctx

    def process(self, ctx: Context, source_id: int, data: bytes) -> None:
        ctx.emit(b"%s %d" % (data, self.add(1)))

    def add(self, number: int) -> int:
        store = self.ctx.getOrCreateKVStore("counts")
        count = int(store.get_state(b"count") or b"0") + number
        store.put_state(b"count", b"%d" % count)
        return count

    def custom(self, payload: bytes) -> bytes:
        word, _, rest = payload.partition(b" ")
        if word == b"add":
            count = self.add(int(rest))
            self.ctx.emit(b"added %d" % count)
            return b"%d" % count
        if word == b"fail":
            self.add(1000)
            self.ctx.emit(b"never seen")
            raise ValueError("no such luck")
        if word == b"refused":
            self.add(1000)
            self.ctx.emit(b"two\nlines", 1)
            return b"never seen"
        if word == b"size":
            return bytes(int(rest))
        if word == b"wrong":
            return "text"  # type: ignore[return-value]
        if word == b"loop":
            self.add(1000)
            hang(rest.decode())
        return payload


def hang(how: str) -> None:
    if how == "c":
        pow(3, 10**9)
    while True:
        pass


class HangsIn(FSProcessorDriver):
    """Hangs in the hook that init_config names, `how` as it says, but for init and restore_checkpoint only with something to restore."""

    def init(self, ctx: Context, config: dict[str, str]) -> None:
        self.hook, self.how = config["hook"], config["how"]
        self.hang_in("init")

    def hang_in(self, hook: str) -> None:
        if hook == self.hook:
            hang(self.how)

    def process(self, ctx: Context, source_id: int, data: bytes) -> None:
        ctx.emit(data)

    def process_watermark(self, ctx: Context, source_id: int, watermark: int) -> None:
        self.hang_in("process_watermark")

    def take_checkpoint(self, ctx: Context, checkpoint_id: int) -> Optional[bytes]:
        self.hang_in("take_checkpoint")
        return b"bytes"

    def restore_checkpoint(self, ctx: Context, checkpoint_id: int, data: bytes) -> None:
        self.hang_in("restore_checkpoint")

    def check_heartbeat(self, ctx: Context) -> bool:
        self.hang_in("check_heartbeat")
        return True

    def close(self, ctx: Context) -> None:
        self.hang_in("close")

    def custom(self, payload: bytes) -> bytes:
        self.hang_in("custom")
        return b""


class Sick(FSProcessorDriver):
    """Its heartbeat fails, the way init_config says, once the instance has seen b"sick"; the state counts messages."""

    def init(self, ctx: Context, config: dict[str, str]) -> None:
        self.how = config["how"]
        self.is_sick = self.how == "always"

    def process(self, ctx: Context, source_id: int, data: bytes) -> None:
        store = ctx.getOrCreateKVStore("counts")
        count = int(store.get_state(b"count") or b"0") + 1
        store.put_state(b"count", b"%d" % count)
        ctx.emit(b"%s %d" % (data, count))
        self.is_sick = self.is_sick or data == b"sick"

    def check_heartbeat(self, ctx: Context) -> bool:
        if self.is_sick and self.how == "raise":
            raise RuntimeError("not well")
        return not self.is_sick
