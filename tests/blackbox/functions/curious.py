"""A function that looks for a way out, and one that writes to its log by every way there is."""

import json
import logging
import os
import sys
import warnings
from pathlib import Path

from fs_api import Context, FSProcessorDriver


class Curious(FSProcessorDriver):
    """Emits, for each way out by name, what it ended in."""

    def process(self, ctx: Context, source_id: int, data: bytes) -> None:
        import socket
        import subprocess

        ways = {
            "read a file": lambda: Path("/etc/passwd").read_text(),
            "write a file": lambda: Path("/tmp/written").write_text("x"),
            "list a folder": lambda: os.listdir("/"),
            "environment": lambda: dict(os.environ),
            "arguments": lambda: sys.argv[1:],
            "socket": lambda: socket.create_connection(("127.0.0.1", 80)),
            "name": lambda: socket.getaddrinfo("localhost", 80),
            "subprocess": lambda: subprocess.run(["true"]),
            "shell": lambda: os.system("true"),
            "fork": lambda: os.fork(),
            "thread": lambda: __import__("threading").Thread(target=print).start(),
            "native code": lambda: __import__("ctypes"),
            "exit": lambda: sys.exit(3),
            "input": lambda: input(),
        }
        found = {}
        for name, way in ways.items():
            try:
                found[name] = ["returned", repr(way())]
            except BaseException as error:
                found[name] = [type(error).__name__, str(error)]
        ctx.emit(json.dumps(found).encode())


class Talkative(FSProcessorDriver):
    def init(self, ctx: Context, config: dict[str, str]) -> None:
        print("printed in init")

    def process(self, ctx: Context, source_id: int, data: bytes) -> None:
        print("printed", data.decode())
        print("printed to stderr", file=sys.stderr)
        print("two\nlines")
        ctx.logger.info("logged %s", "info")
        ctx.logger.warning("logged warning")
        ctx.logger.debug("logged debug")
        logging.getLogger("library").error("logged by a library")
        warnings.warn("warned", stacklevel=1)
        print("\x1b[31mred\x1b]0;title\x07 \x9b2J \u202eback \r over \u2028 separate")
        ctx.logger.info("\x1b[2Jcleared\x00")
        sys.stdout.write("no newline at the end")
        ctx.emit(b"said")

    def close(self, ctx: Context) -> None:
        print("printed in close")
