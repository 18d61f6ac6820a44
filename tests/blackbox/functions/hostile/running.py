"""Functions that misbehave on the message b"now", and answer any other with itself."""

from fs_api import Context, FSProcessorDriver


class _Hostile(FSProcessorDriver):
    def misbehave(self) -> None:
        raise AssertionError("a subclass says how")

    def process(self, ctx: Context, source_id: int, data: bytes) -> None:
        if data == b"now":
            self.misbehave()
        ctx.emit(data)


class Loops(_Hostile):
    def misbehave(self) -> None:
        while True:
            pass


class LoopsInC(_Hostile):
    def misbehave(self) -> None:
        pow(3, 10**9)


class LoopsAndCatches(_Hostile):
    def misbehave(self) -> None:
        while True:
            try:
                while True:
                    pass
            except BaseException:
                pass


class Sleeps(_Hostile):
    def misbehave(self) -> None:
        import time

        time.sleep(10_000)


class Allocates(_Hostile):
    def misbehave(self) -> None:
        hoard = []
        while True:
            hoard.append(bytearray(1 << 20))


class Raises(_Hostile):
    def misbehave(self) -> None:
        raise ValueError("no such luck")


class Recurses(_Hostile):
    """Answers with the exception that deep recursion, in Python and in C, ends in."""

    def misbehave(self) -> None:
        pass

    def process(self, ctx: Context, source_id: int, data: bytes) -> None:
        import json

        def dive() -> None:
            dive()

        try:
            dive()
        except RecursionError:
            ctx.emit(b"python: RecursionError")
        try:
            json.loads("[" * 100_000)
        except RecursionError:
            ctx.emit(b"c: RecursionError")
