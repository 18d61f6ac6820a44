"""For functions with several instances: which of them saw what."""

import json

from fs_api import Context, FSProcessorDriver


class Tagging(FSProcessorDriver):
    """Counts per key in state, and tells with each output where the message came from and how often its key was seen by this instance.

    `custom` answers how many keys this instance has in its state. It fails of the value that `poison` names.
    """

    def init(self, ctx: Context, config: dict[str, str]) -> None:
        self.ctx = ctx
        self.poison = config.get("poison", "").encode()

    def process(self, ctx: Context, source_id: int, data: bytes) -> None:
        message = ctx.message
        if self.poison and data == self.poison:
            raise ValueError(f"poisoned in partition {message.partition}")
        key = message.key or b""
        store = ctx.getOrCreateKVStore("seen")
        count = int(store.get_state(key) or b"0") + 1
        store.put_state(key, str(count).encode())
        told = {
            "key": key.decode(),
            "value": data.decode(),
            "source": source_id,
            "partition": message.partition,
            "offset": message.offset,
            "count": count,
        }
        ctx.emit(json.dumps(told).encode(), key=key)

    def custom(self, payload: bytes) -> bytes:
        return str(len(self.ctx.getOrCreateKVStore("seen").list_states(b"", b"\xff"))).encode()


class Joining(FSProcessorDriver):
    """Emits key, and what the other side said of it, as soon as both sides of a key have come."""

    def process(self, ctx: Context, source_id: int, data: bytes) -> None:
        key = ctx.message.key or b""
        mine, other = (ctx.getOrCreateKVStore(f"side-{side}") for side in (source_id, 1 - source_id))
        mine.put_state(key, data)
        found = other.get_state(key)
        if found is not None:
            ctx.emit(b"|".join((key, data, found) if source_id == 0 else (key, found, data)), key=key)


class Breaking(FSProcessorDriver):
    """Its heartbeat fails in the instance that met the value `break`, once."""

    def init(self, ctx: Context, config: dict[str, str]) -> None:
        self.is_broken = False

    def process(self, ctx: Context, source_id: int, data: bytes) -> None:
        if data.startswith(b"break") and ctx.getOrCreateKVStore("met").get_state(data) is None:
            ctx.getOrCreateKVStore("met").put_state(data, b"1")
            self.is_broken = True
        ctx.logger.info("saw %s", data.decode())
        ctx.emit(data, key=ctx.message.key)

    def check_heartbeat(self, ctx: Context) -> bool:
        return not self.is_broken
