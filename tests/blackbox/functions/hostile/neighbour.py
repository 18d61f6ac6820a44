"""The well-behaved function beside the hostile ones, which must notice nothing of them."""

from fs_api import Context, FSProcessorDriver


class Neighbour(FSProcessorDriver):
    """Answers each message with its number, counted in state, and the message; custom() with what its stores hold."""

    def init(self, ctx: Context, config: dict[str, str]) -> None:
        self.ctx = ctx
        self.secret = config["secret"]

    def process(self, ctx: Context, source_id: int, data: bytes) -> None:
        store = ctx.getOrCreateKVStore("store")
        count = int(store.get_state(b"count") or b"0") + 1
        store.put_state(b"count", b"%d" % count)
        store.put_state(b"secret", self.secret.encode())
        ctx.emit(b"%d %s" % (count, data))

    def custom(self, payload: bytes) -> bytes:
        return b" ".join(self.ctx.getOrCreateKVStore("store").list_states(b"", b"\xff"))
