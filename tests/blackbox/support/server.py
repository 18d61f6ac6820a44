"""The real server as a child process: started on a free port in a folder of its own, stopped or killed, started again."""

from __future__ import annotations

import contextlib
import os
import re
import signal
import subprocess
import threading
from collections.abc import Iterator
from pathlib import Path
from types import TracebackType

import yaml
from fs_client import FsClient

START_TIMEOUT_S = 30.0
STOP_TIMEOUT_S = 15.0

_running: set[Server] = set()


@contextlib.contextmanager
def ends_what_it_starts() -> Iterator[None]:
    """Kills the servers that the block started and left running, however it ended."""
    before = set(_running)
    try:
        yield
    finally:
        for left in _running - before:
            left.kill()


class ServerFailed(Exception):
    """The server ended instead of listening; the text is what it wrote to stderr."""

    def __init__(self, code: int, text: str) -> None:
        super().__init__(f"exit code {code}: {text}")
        self.code = code


class Server:
    """One server and its folder. Data stays in the folder, so a restarted server finds what the one before left."""

    def __init__(
        self,
        home: Path,
        config: dict[str, object] | None = None,
        env: dict[str, str] | None = None,
        binary: Path | None = None,
    ) -> None:
        self.binary = binary or Path(os.environ["FS_SERVER"])
        self.home = home
        self.port = 0
        self.http_port = 0
        self.env = dict(env or {})
        self._process: subprocess.Popen[str] | None = None
        self._stderr: list[str] = []
        home.mkdir(parents=True, exist_ok=True)
        merged: dict[str, object] = {"service": {"port": 0}, "http": {"port": 0}, **(config or {})}
        self.config_file = home / "server.yaml"
        self.config_file.write_text(yaml.safe_dump(merged), encoding="utf-8")
        self.arguments = ["--config", str(self.config_file)]

    def start(self, kill_after: float | None = None) -> Server:
        """Returns when it listens. `kill_after`: SIGKILL so many seconds after its start, be it listening or not."""
        assert self._process is None, "already running"
        self._stderr = []
        process = subprocess.Popen(
            [str(self.binary), *self.arguments],
            cwd=self.home,
            env={**os.environ, "FUNCTION_STREAM_HOME": str(self.home), **self.env},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        assert process.stdout is not None and process.stderr is not None
        if kill_after is not None:
            killer = threading.Timer(kill_after, process.kill)
            killer.daemon = True
            killer.start()
        threading.Thread(target=self._drain, args=(process.stderr,), daemon=True).start()
        watchdog = threading.Timer(START_TIMEOUT_S, process.kill)
        watchdog.start()
        try:
            line = process.stdout.readline()
        except BaseException:  # Ctrl-C: it must not outlive the test
            process.kill()
            raise
        finally:
            watchdog.cancel()
        found = re.search(r"listening on \S+:(\d+)", line)
        if found is None:
            process.wait()
            process.stdout.close()
            raise ServerFailed(process.returncode, f"{line}{self.stderr()}")
        self.port = int(found.group(1))
        http = re.search(r"http on \S+:(\d+)", line)
        self.http_port = int(http.group(1)) if http else 0
        self._process = process
        _running.add(self)
        return self

    def _drain(self, stream: object) -> None:
        for line in stream:  # type: ignore[attr-defined]
            self._stderr.append(line)

    def stderr(self) -> str:
        return "".join(self._stderr)

    @property
    def pid(self) -> int:
        assert self._process is not None
        return self._process.pid

    def cpu_seconds(self) -> float:
        """What all its threads have used since its start."""
        fields = Path(f"/proc/{self.pid}/stat").read_text(encoding="ascii").rsplit(")", 1)[1].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

    def is_started(self) -> bool:
        """It was started, and its end has not been asked for or noticed yet."""
        return self._process is not None

    def is_running(self) -> bool:
        return self._process is not None and self._process.poll() is None

    def stop(self) -> int:
        """SIGTERM; the exit code."""
        return self._end(signal.SIGTERM)

    def kill(self) -> None:
        """SIGKILL: the crash of the crash tests."""
        self._end(signal.SIGKILL)

    def wait_dead(self, timeout: float = 30.0) -> int:
        """Waits for the process to end by itself (a failpoint); the exit code, negative for a signal."""
        assert self._process is not None
        code = self._process.wait(timeout)
        self._forget()
        return code

    def _end(self, how: signal.Signals) -> int:
        process = self._process
        if process is None:
            return 0
        process.send_signal(how)
        try:
            code = process.wait(STOP_TIMEOUT_S)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
            self._forget()
            raise
        self._forget()
        return code

    def _forget(self) -> None:
        assert self._process is not None and self._process.stdout is not None
        self._process.stdout.close()
        self._process = None
        _running.discard(self)

    def client(self) -> FsClient:
        return FsClient(host="127.0.0.1", port=self.port)

    def __enter__(self) -> Server:
        return self.start()

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        if self.is_running():
            self.kill()
