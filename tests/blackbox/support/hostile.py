"""A server with a well-behaved function on it, and what must be true of both after whatever a hostile function did."""

from __future__ import annotations

import json
import os
import secrets
import socket
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from fs_api import FSProcessorDriver
from fs_client import FsClient
from fs_client.config import WasmTaskConfig
from fs_client.errors import ServerError
from fs_client.models import FunctionDescription
from functions.hostile.attempt import Attempt
from functions.hostile.neighbour import Neighbour

from support.server import Server
from support.topics import between

CANARY = "canary-"
# Far below what anything here takes that nobody stops, and far above what a busy machine adds to a limit and its second.
STOPPED_BY_S = 10.0


@dataclass(frozen=True)
class Thread:
    name: str
    seconds: float  # of CPU time


class Arena:
    """Hostile functions come and go; server and neighbour must stay as they are."""

    def __init__(self, server: Server, client: FsClient, listener: socket.socket) -> None:
        self.server = server
        self.client = client
        self.listener = listener
        self.secret = CANARY + secrets.token_hex(16)
        self.secret_file = server.home / "secret.txt"
        self.secret_file.write_text(self.secret, encoding="utf-8")
        self.pid = server.pid
        self.name = "hostile"
        self._functions = 0
        self._messages = 0
        neighbour = between("neighbour", "neighbour-in", "neighbour-out")
        neighbour.init_config["secret"] = self.secret
        client.create_python_function_from_config(neighbour, Neighbour)
        self.assert_unharmed()
        self.remember_files()

    def remember_files(self) -> None:
        """What lies in the server's folder now is as it must stay."""
        self._files = self._foreign_files()

    def create(self, function: type[FSProcessorDriver], name: str = "", init: dict[str, str] | None = None, **options: Any) -> None:
        self.client.create_python_function_from_config(self.config(name, init, **options), function)

    def config(self, name: str = "", init: dict[str, str] | None = None, **options: Any) -> WasmTaskConfig:
        """Between topics named after the function; without a name it is the one that the arena has for now."""
        name = name or self.name
        options = {"restart": {"backoff_ms": 1, "max_attempts": 100}, **options}
        config = between(name, f"{name}-in", f"{name}-out", **options)
        config.init_config.update(init or {})
        return config

    def ask(self, attempt: str) -> dict[str, Any]:
        """How an Attempting function's attempt ended: {"returned"} or {"raised", "text"}; {"ended"} where the call came to an error."""
        asked = {
            "attempt": attempt,
            "home": str(self.server.home),
            "secret_file": str(self.secret_file),
            "pid": self.pid,
            "port": self.listener.getsockname()[1],
        }
        try:
            text = self.client.call_function(self.name, json.dumps(asked).encode()).decode()
        except ServerError as error:
            text = json.dumps({"ended": error.message})
        assert self.secret not in text, f"{attempt}: the secret got out"
        outcome: dict[str, Any] = json.loads(text)
        return outcome

    def forget_peak(self) -> None:
        Path(f"/proc/{self.pid}/clear_refs").write_text("5", encoding="ascii")

    def peak_mb(self) -> int:
        """The most memory that the server has had since the last forget_peak()."""
        text = Path(f"/proc/{self.pid}/status").read_text(encoding="utf-8")
        return int(text.split("VmHWM:")[1].split()[0]) // 1024

    def tasks(self) -> Iterator[Thread]:
        """The server's threads."""
        for folder in Path(f"/proc/{self.pid}/task").iterdir():
            try:
                fields = (folder / "stat").read_text(encoding="utf-8").rpartition(")")[2].split()
                name = (folder / "comm").read_text(encoding="utf-8").strip()
            except OSError:  # it has ended
                continue
            yield Thread(name, (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK"))

    def assert_ended_as(self, attempt: Attempt, outcome: dict[str, Any]) -> None:
        """The outcome is what the attempt's table says."""
        if attempt.raises:
            assert "raised" in outcome, outcome
            assert {one.__name__ for one in attempt.raises} & set(outcome["raised"]), outcome
            assert attempt.says in outcome["text"], outcome
        if attempt.returns is not None:
            assert outcome == {"returned": attempt.returns}
        if attempt.ends is not None:
            assert "ended" in outcome, outcome
            assert attempt.ends in outcome["ended"], outcome

    def restart(self) -> None:
        """Whatever the function has done to its instance: it can be stopped, and a new one knows nothing of it."""
        began = time.monotonic()
        self.client.stop_function(self.name)
        assert time.monotonic() - began < STOPPED_BY_S
        self.client.start_function(self.name)
        assert self.client.call_function(self.name, b"ping") == b"pong"

    def clear(self) -> None:
        """Drops all but the neighbour. Who comes next has another name, and so other topics."""
        for function in self.client.show_functions().functions:
            if function.name != "neighbour":
                self.client.drop_function(function.name)
        self._functions += 1
        self.name = f"hostile-{self._functions}"

    def assert_unharmed(self) -> None:
        """The same server lives, and the neighbour has gone through one more message without a restart."""
        assert self.server.is_running() and self.server.pid == self.pid, self.server.stderr()[-2000:]
        self._messages += 1
        self.client.publish("neighbour-in", b"%d" % self._messages)
        with self.client.subscribe("neighbour-out", offset=self._messages - 1, timeout=30.0) as records:
            assert next(iter(records)).value == b"%d %d" % (self._messages, self._messages)
        about = self.client.describe_function("neighbour")
        assert (about.status, about.restarts, about.last_error) == ("RUNNING", 0, "")
        assert self.client.call_function("neighbour") == b"count secret"

    def assert_nothing_got_out(self) -> None:
        """No connection was made, no process started, no file written or touched that is not the server's own."""
        self.listener.setblocking(False)
        try:
            self.listener.accept()
        except BlockingIOError:
            pass
        else:
            raise AssertionError("somebody connected")
        assert self._children() == []
        assert self.secret_file.read_text(encoding="utf-8") == self.secret
        assert self._foreign_files() == self._files

    def _children(self) -> list[str]:
        """The names of the server's child processes, without the one that a server with sanitizers looks up functions with."""
        numbers = " ".join(path.read_text() for path in Path(f"/proc/{self.pid}/task").glob("*/children")).split()
        names = [Path(f"/proc/{number}/comm").read_text().strip() for number in numbers]
        return [name for name in names if not name.startswith("llvm-symbolizer")]

    def _foreign_files(self) -> dict[str, tuple[int, int, int]]:
        """Mode, size and time of what is in the server's folder beside data and logs, and of what the functions try to make elsewhere."""
        home = self.server.home
        paths = [path for path in home.rglob("*") if path.relative_to(home).parts[0] not in ("data", "logs")]
        paths += [Path(folder, name) for name in ("hostile", "written") for folder in ("/", "/tmp") if Path(folder, name).exists()]
        found = {str(path): path.stat() for path in [home, *paths]}
        return {path: (stat.st_mode, stat.st_size, stat.st_mtime_ns) for path, stat in found.items()}

    @property
    def about(self) -> FunctionDescription:
        return self.client.describe_function(self.name)


@contextmanager
def arena(home: Path, config: dict[str, object] | None = None) -> Iterator[Arena]:
    """The server has a secret in its environment and in a file of its folder."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        server = Server(home, config, env={"HOSTILE_SECRET": CANARY + "environment"})
        with server, server.client() as client:
            yield Arena(server, client, listener)
