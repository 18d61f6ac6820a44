"""A function that writes more to its log than anybody can read, and what no log should hold."""

from __future__ import annotations

import logging
import os
import sys
import warnings
from collections.abc import Callable

from fs_api import Context, FSProcessorDriver

ESCAPES = "\x1b[2J\x1b]0;title\x07\x1b[1A\r\x08\x9b31m\u2028\u2029\u202e\u2066\x00\x7f"
FAKED = "x\n2026-01-01T00:00:00.000Z CRITICAL faked by the function\r\n\x0b\x0c\x1c\x85faked too"


def _exception() -> None:
    try:
        raise ValueError(FAKED + ESCAPES)
    except ValueError:
        logging.exception(FAKED)


FLOODS: dict[str, Callable[[Context], object]] = {
    "lines": lambda ctx: [print("line", number) for number in range(20_000)],
    "lines to stderr": lambda ctx: [print("line", number, file=sys.stderr) for number in range(20_000)],
    "escapes": lambda ctx: [print(ESCAPES) for _ in range(2_000)],
    "faked lines": lambda ctx: [print(FAKED) for _ in range(100)],
    "a line without end": lambda ctx: [sys.stdout.write("x" * 1_000_000) for _ in range(20)],
    "one huge write": lambda ctx: os.write(1, b"y" * 20_000_000),
    "one huge write of lines": lambda ctx: os.write(2, b"\n" * 20_000_000),
    "bytes of no text": lambda ctx: os.write(1, bytes(range(256)) * 10_000 + b"\n"),
    "many small writes": lambda ctx: [os.write(1, b"z") for _ in range(100_000)],
    "a huge text": lambda ctx: ctx.logger.error("%s", "e" * 20_000_000),
    "texts with lines": lambda ctx: [ctx.logger.warning(FAKED) for _ in range(1_000)],
    "texts of no UTF-8": lambda ctx: [ctx.logger.info("\ud800" + ESCAPES) for _ in range(1_000)],
    "levels of its own": lambda ctx: [ctx.logger.log(level, FAKED) for level in (1, 5, 49, 51, 10**6, 2**31 - 1)],
    "loggers of its own": lambda ctx: [logging.getLogger(ESCAPES + FAKED + str(n)).error(FAKED) for n in range(100)],
    "names of levels": lambda ctx: (logging.addLevelName(35, ESCAPES + FAKED), ctx.logger.log(35, "x")),
    "exceptions": lambda ctx: [_exception() for _ in range(100)],
    "a format that is wrong": lambda ctx: [ctx.logger.info("%d %s", FAKED) for _ in range(100)],
    "warnings": lambda ctx: [warnings.warn_explicit(FAKED + str(n), UserWarning, ESCAPES, n) for n in range(100)],
    "finalizers that raise": lambda ctx: [type("D\x1b[2J", (), {"__del__": lambda self: 1 / 0})() for _ in range(100)],
}


class Flooding(FSProcessorDriver):
    """Floods as each message says."""

    def process(self, ctx: Context, source_id: int, data: bytes) -> None:
        FLOODS[data.decode()](ctx)
        ctx.logger.info("after the flood")
        ctx.emit(data)

    def custom(self, payload: bytes) -> bytes:
        return b"pong"
