"""Functions that go over one limit at the message that names it, and answer any other message with itself."""

from fs_api import ComplexKey, Context, FSProcessorDriver


class Exceeding(FSProcessorDriver):
    def init(self, ctx: Context, config: dict[str, str]) -> None:
        self.checkpoint = b""
        self.held: list[object] = []

    def process(self, ctx: Context, source_id: int, data: bytes) -> None:
        if data.startswith(b"over "):
            getattr(self, data.decode().removeprefix("over "))(ctx)
            return
        ctx.emit(data)

    def take_checkpoint(self, ctx: Context, checkpoint_id: int) -> bytes:
        return self.checkpoint

    def custom(self, payload: bytes) -> bytes:
        return bytes(int(payload)) if payload.isdigit() else str(len(payload)).encode()

    def memory(self, ctx: Context) -> None:
        while True:
            self.held.append(bytearray(1 << 20))

    def message(self, ctx: Context) -> None:
        raise ValueError("x" * 10_000_000)

    def loop(self, ctx: Context) -> None:
        while True:
            try:
                while True:
                    pass
            except BaseException:
                pass

    def power(self, ctx: Context) -> None:
        10**10**8

    def regex(self, ctx: Context) -> None:
        import re

        re.match(r"(a*)*b", "a" * 40)

    def sort(self, ctx: Context) -> None:
        def slow(number: int) -> int:
            return sum(range(10**12))

        sorted([2, 1], key=slow)

    def finalizer(self, ctx: Context) -> None:
        class Endless:
            def __del__(self) -> None:
                while True:
                    pass

        Endless()

    def output(self, ctx: Context) -> None:
        for _ in range(5):
            ctx.emit(bytes(1 << 20))

    def take(self, ctx: Context) -> None:
        self.checkpoint = bytes(2 << 20)

    def state(self, ctx: Context) -> None:
        store = ctx.getOrCreateKVStore("large")
        for number in range(100):
            store.put_state(str(number).encode(), bytes(100_000))

    def stores(self, ctx: Context) -> None:
        for number in range(10):
            ctx.getOrCreateKVStore(str(number))

    def iterators(self, ctx: Context) -> None:
        store = ctx.getOrCreateKVStore("scanned")
        store.put(ComplexKey(b"", b"", b"", b"k"), b"v")
        self.held.extend(store.scan_complex(b"", b"", b"") for _ in range(10))

    def lines(self, ctx: Context) -> None:
        for number in range(100):
            print("line", number)

    def long_lines(self, ctx: Context) -> None:
        for _ in range(10):
            print("x" * 400)


class Sleepy(FSProcessorDriver):
    """Takes a while for each message, and no message takes too long."""

    def process(self, ctx: Context, source_id: int, data: bytes) -> None:
        import time

        time.sleep(0.05)
        ctx.emit(data)


class Filling(FSProcessorDriver):
    """Puts b"put N", deletes with b"clear", and tells what happened."""

    def process(self, ctx: Context, source_id: int, data: bytes) -> None:
        from fs_api.errors import KvError

        store = ctx.getOrCreateKVStore("filled")
        keys = store.list_states(b"", b"\xff")
        if data == b"clear":
            for key in keys:
                store.delete_state(key)
            ctx.emit(b"cleared %d" % len(keys))
            return
        import random

        for number in range(int(data.split()[1])):
            try:
                store.put_state(b"%06d" % (len(keys) + number), random.randbytes(50_000))
            except KvError as error:
                ctx.emit(f"{type(error).__name__} after {number}: {error}".encode())
                return
        ctx.emit(b"put")
