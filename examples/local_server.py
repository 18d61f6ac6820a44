"""A Function Stream server for the length of a demonstration: in a folder of its own, on its default ports where they are free."""

from __future__ import annotations

import contextlib
import os
import re
import socket
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path

DEFAULT_PORT = 8080
HTTP_PORT = 8081


def _port_is_free(port: int) -> bool:
    with socket.socket() as probe:
        # As the server does: an old connection in TIME_WAIT does not take the port.
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        with contextlib.suppress(OSError):
            probe.bind(("127.0.0.1", port))
            return True
    return False


@contextlib.contextmanager
def local_server(binary: Path) -> Iterator[int]:
    """Starts the server on its defaults and yields its port; SIGTERM at the end, its folder removed.

    Where a default port is taken, any free ones are used. Raises RuntimeError with the server's own words when it does not start,
    or does not end cleanly.
    """
    with tempfile.TemporaryDirectory(prefix="function-stream-demo-") as home:
        command = [str(binary.resolve())]
        if not (_port_is_free(DEFAULT_PORT) and _port_is_free(HTTP_PORT)):
            config = Path(home) / "any-port.yaml"
            config.write_text("service: {port: 0}\n", encoding="utf-8")
            command += ["--config", str(config)]
        log = Path(home) / "stderr.txt"
        environment = {key: value for key, value in os.environ.items() if not key.startswith("FUNCTION_STREAM_")}
        with log.open("w", encoding="utf-8") as stderr:
            process = subprocess.Popen(command, cwd=home, env=environment, stdout=subprocess.PIPE, stderr=stderr, text=True)
        try:
            assert process.stdout is not None
            listening = re.search(r"listening on \S+:(\d+)", process.stdout.readline())
            if listening is None:
                process.wait()
                raise RuntimeError(f"the server did not start:\n{log.read_text(encoding='utf-8')}")
            yield int(listening.group(1))
            process.terminate()
            if process.wait(timeout=15) != 0:
                raise RuntimeError(f"the server ended with code {process.returncode}:\n{log.read_text(encoding='utf-8')}")
        finally:
            process.kill()
            process.wait()
