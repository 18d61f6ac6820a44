"""The sandbox as the real server runs it: what works inside, what does not and says so, the function's log, and its state."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from fs_client import FsClient
from functions.curious import Curious, Talkative
from functions.storing import Storing
from support.server import Server
from support.topics import between, create, read, read_json, status
from support.wait import wait_for

PROBES = Path(__file__).parents[1] / "runtime"
PROBE_MODULES = ("probe_driver", "library_probe", "recursion_probe", "json_probe")
CHECKS = [
    f"{module}.{name.split('(')[0].removeprefix('def ')}"
    for module in PROBE_MODULES[1:]
    for name in (PROBES / f"{module}.py").read_text(encoding="utf-8").splitlines()
    if name.startswith("def check_")
]


class Probing:
    """A function that runs one check at a time."""

    def __init__(self, client: FsClient) -> None:
        self.client = client
        self.asked = 0

    def ask(self, message: str) -> object:
        self.client.publish("in", [message.encode()])
        self.asked += 1
        wait_for(lambda: self.client.describe_function("probes").processed >= self.asked or self.failed(), message, timeout=60)
        assert not self.failed(), self.client.describe_function("probes").last_error
        return read_json(self.client, "out", self.asked)[-1]

    def failed(self) -> bool:
        about = self.client.describe_function("probes")
        return about.status != "RUNNING" or about.restarts > 0


@pytest.fixture(scope="module")
def probing(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Probing]:
    with Server(tmp_path_factory.mktemp("probes")) as server, server.client() as client:
        modules = [(name, (PROBES / f"{name}.py").read_bytes()) for name in PROBE_MODULES]
        client.create_python_function("ProbeDriver", modules, between("probes").to_yaml())
        yield Probing(client)


@pytest.mark.parametrize("check", CHECKS)
def test_probe(probing: Probing, check: str) -> None:
    outcome = probing.ask(check)
    assert outcome == {"check": check, "error": None}, outcome["error"]  # type: ignore[index]


def test_every_probe_is_known_to_the_driver(probing: Probing) -> None:
    assert sorted(probing.ask("")) == sorted(CHECKS)  # type: ignore[call-overload]


def test_every_way_out_ends_in_a_clear_error(client: FsClient) -> None:
    # What must not be seen inside: the server's own environment.
    assert os.environ
    create(client, "curious", Curious)
    client.publish("in", [b"x"])
    found = read_json(client, "out", 1)[0]
    assert found["environment"] == ["returned", "{}"]
    assert found["arguments"] == ["returned", "[]"]
    assert found["read a file"][0] == found["write a file"][0] == "FileNotFoundError"
    assert "/etc/passwd" in found["read a file"][1]
    assert found["list a folder"][0] in ("FileNotFoundError", "PermissionError", "OSError")
    for name in ("socket", "name"):
        assert found[name][0] == "OSError" and "the network is not available in the sandbox" in found[name][1]
    assert found["subprocess"][0] == "OSError" and "processes" in found["subprocess"][1]
    for name in ("shell", "fork"):
        assert found[name][0] in ("AttributeError", "OSError"), found[name]
    assert found["thread"][0] == "RuntimeError" and "threads are not available in the sandbox" in found["thread"][1]
    assert found["native code"][0] == "ModuleNotFoundError" and "not available in the sandbox" in found["native code"][1]
    assert found["exit"][0] == "SystemExit"
    assert found["input"][0] == "EOFError"
    assert not Path("/tmp/written").exists()
    assert status(client, "curious") == "RUNNING"


def test_all_that_is_printed_and_logged_is_in_the_functions_log(server: Server, client: FsClient) -> None:
    create(client, "talkative", Talkative)
    client.publish("in", [b"a message"])
    read(client, "out", 1)
    client.stop_function("talkative")
    text = (server.home / "logs/functions/talkative.log").read_bytes().decode("utf-8")
    lines = text.splitlines()

    def line_of(part: str) -> str:
        found = [line for line in lines if part in line]
        assert len(found) == 1, f"{part!r} in {found} of:\n{text}"
        return found[0]

    order = [
        "printed in init",
        "printed a message",
        "printed to stderr",
        "logged info",
        "logged warning",
        "no newline at the end",
        "printed in close",
    ]
    assert [lines.index(line_of(part)) for part in order] == sorted(lines.index(line_of(part)) for part in order)
    assert lines.index(line_of("two")) + 1 == lines.index(line_of("lines"))
    assert "INFO" in line_of("logged info") and "WARNING" in line_of("logged warning")
    assert "ERROR" in line_of("logged by a library") and "library" in line_of("logged by a library")
    assert "warned" in text
    assert "logged debug" not in text
    # Nothing in the log can drive a terminal, or look like a line that it is not.
    assert not [one for one in text if one != "\n" and (ord(one) < 32 or 127 <= ord(one) < 160 or one in "\u2028\u2029\u202e")], text
    assert r"\x1b[31mred\x1b]0;title\x07" in text and r"\u202eback" in text
    assert r"\x1b[2Jcleared\x00" in text
    # It is the function's own: the server's log does not repeat it.
    assert "printed a message" not in (server.home / "logs/app.log").read_text(encoding="utf-8")


CHECKS_OF_STATE = ["write_plain", "write_complex", "write_large", "iterate_while_writing", "errors", "too_large"]


def test_state_is_what_the_interface_says_and_survives_a_crash(tmp_path: Path) -> None:
    server = Server(tmp_path / "server").start()
    try:
        with server.client() as client:
            create(client, "storing", Storing)
            for count, check in enumerate(CHECKS_OF_STATE, 1):
                client.publish("in", [check.encode()])
                assert read(client, "out", count)[-1].decode() == "ok", check
        server.kill()
        server.start()
        after = ["read_plain", "read_complex", "read_large"]
        with server.client() as client:
            client.publish("in", [check.encode() for check in after])
            answers = read(client, "out", len(CHECKS_OF_STATE) + len(after))
        assert answers == [b"ok"] * len(answers)
    finally:
        if server.is_running():
            server.kill()


@pytest.mark.parametrize("storage", ["memory", "rocksdb"])
def test_either_storage_behaves_the_same(tmp_path: Path, storage: str) -> None:
    with Server(tmp_path / "server", {"state_storage": {"storage_type": storage}}) as server, server.client() as client:
        create(client, "storing", Storing)
        client.publish("in", [check.encode() for check in CHECKS_OF_STATE])
        answers = read(client, "out", len(CHECKS_OF_STATE))
        assert answers == [b"ok"] * len(CHECKS_OF_STATE), answers


def test_what_a_failed_message_wrote_is_undone(client: FsClient) -> None:
    create(client, "storing", Storing)
    client.publish("in", [b"write_plain", b"raise_after_writing"])
    assert read(client, "out", 1) == [b"ok"]
    wait_for(lambda: status(client, "storing") != "RUNNING", "it ended")
    assert "SystemExit" in client.describe_function("storing").last_error
