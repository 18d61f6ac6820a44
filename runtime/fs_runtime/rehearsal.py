"""A few short lives of a function before the snapshot is taken.

CPython adapts its bytecode to what it meets, in place. What has adapted before the snapshot is shared by all instances and
is fast from the first message; what adapts later costs each instance time and a page of memory of its own.
"""

import linecache
import sys

from .driver import load
from .report import describe

_SOURCE = b"""
import json
from fs_api import Context, FSProcessorDriver


class Rehearsal(FSProcessorDriver):
    def init(self, ctx: Context, config: dict[str, str]) -> None:
        self.totals = {}

    def process(self, ctx: Context, source_id: int, data: bytes) -> None:
        event = json.loads(data.decode())
        self.totals[event["name"]] = int(self.totals.get(event["name"], b"0")) + event["value"]
        json.dumps({"name": event["name"], "total": self.totals[event["name"]]}).encode()
        if event["value"] == 0:
            raise ValueError("rehearsed")
"""
_MODULE = "fs_rehearsal"
_TIMES = 20


def rehearse() -> None:
    """Leaves nothing behind but adapted bytecode."""
    finders, hooks = sys.meta_path[:], sys.path_hooks[:]
    for _ in range(_TIMES):
        instance = load("rehearsal", "", "", {}, [("m", _MODULE, _SOURCE), ("d", "data/file", b"")])
        context: object = None
        instance.init(context, {})  # type: ignore[arg-type]
        for value in (1, 2, 0):
            try:
                instance.process(context, 0, b'{"name": "a", "value": %d, "rate": 1.5, "tags": [true, null]}' % value)  # type: ignore[arg-type]
            except ValueError as error:
                describe(error, instance, "process")
        del sys.modules[_MODULE]
        sys.meta_path[:] = finders
        sys.path_hooks[:] = hooks
    linecache.clearcache()
