"""Every way to get it wrong that the guide lists: the exception's class, and a message that says what, where and what to do."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
import yaml
from fs_client import FsClient
from fs_client.errors import BadRequestError, ConflictError, InternalServerError, NotFoundError, ServerError
from support.server import Server, ServerFailed

GOOD = """\
name: job
type: python
input-groups:
  - inputs:
      - input-type: embedded
        topic: in
        group_id: g
outputs:
  - output-type: embedded
    topic: out
"""
ECHO = b"""
from fs_api import FSProcessorDriver
class Echo(FSProcessorDriver):
    def process(self, ctx, source_id, data):
        ctx.emit(data)
"""

# (what is written instead, what the message must name)
BAD_CONFIGURATIONS = {
    "malformed": ("name: [job\n", ["line"]),
    "not a map": ("- name\n", ["a list"]),
    "empty": ("", ["name"]),
    "no name": (GOOD.replace("name: job\n", ""), ["name"]),
    "illegal name": (GOOD.replace("name: job", "name: ../job"), ["name (line 1)", "../job"]),
    "dot name": (GOOD.replace("name: job", "name: .."), ["name (line 1)"]),
    "long name": (GOOD.replace("name: job", f"name: {'j' * 256}"), ["name (line 1)", "255"]),
    "unknown key": (GOOD.replace("input-groups:", "input-group:"), ["input-group", "line 3", "input-groups"]),
    "unknown type": (GOOD.replace("type: python", "type: pyton"), ["type (line 2)", "python"]),
    "unknown connector": (GOOD.replace("input-type: embedded", "input-type: embeded"), ["line 5", "embedded"]),
    "missing topic": (GOOD.replace("        topic: in\n", ""), ["input-groups[0].inputs[0]", "topic", "line 5"]),
    "unknown endpoint key": (GOOD.replace("        topic: in\n", "        topik: in\n"), ["topik", "line 6", "topic"]),
    "no inputs": ("name: job\ntype: python\n", ["input-groups"]),
    "inputs of a wrong type": ("name: job\ntype: python\ninput-groups: 5\n", ["input-groups (line 3)"]),
    "duplicate key": (GOOD + "name: again\n", ["name", "line 11"]),
    "interval": (GOOD + "checkpoint_interval_seconds: soon\n", ["checkpoint_interval_seconds (line 11)"]),
    "negative interval": (GOOD + "checkpoint_interval_seconds: -1\n", ["checkpoint_interval_seconds (line 11)"]),
    "memory": (GOOD + "limits: {memory_mb: 0}\n", ["limits.memory_mb (line 11)"]),
    "misspelt limit": (GOOD + "limits: {memory: 100}\n", ["memory", "line 11", "memory_mb"]),
    "boolean": (GOOD + "enable_checkpoint: perhaps\n", ["enable_checkpoint (line 11)"]),
    "nested init_config": (GOOD + "init_config: {a: {b: c}}\n", ["init_config", "line 11"]),
    "broker": (
        GOOD.replace("input-type: embedded", "input-type: kafka").replace(
            "        topic: in", "        bootstrap_servers: nonsense\n        topic: in"
        ),
        ["bootstrap_servers (line 6)", "nonsense"],
    ),
    "kafka property": (
        GOOD.replace("input-type: embedded", "input-type: kafka").replace(
            "        topic: in", "        bootstrap_servers: 127.0.0.1:1\n        topic: in\n        fetch.wait.max.mss: 5"
        ),
        ["fetch.wait.max.mss", "line 8", "fetch.wait.max.ms"],
    ),
}


@pytest.mark.parametrize("name", BAD_CONFIGURATIONS)
def test_bad_configuration_is_a_bad_request_naming_key_and_line(client: FsClient, name: str) -> None:
    text, named = BAD_CONFIGURATIONS[name]
    with pytest.raises(BadRequestError) as error:
        client.create_python_function("Echo", [("echo", ECHO)], text)
    assert error.value.status_code == 400
    for part in named:
        assert part in error.value.message, error.value.message
    assert client.show_functions().functions == []


BAD_CODE = {
    "syntax error": (b"def broken(:\n    pass\n", ["SyntaxError", "echo", "line 1"]),
    "raises on import": (b"x = 1\nraise ValueError('at import')\n", ["ValueError: at import", "line 2"]),
    "missing class": (b"x = 1\n", ["Echo"]),
    "not a driver": (b"class Echo:\n    pass\n", ["Echo", "FSProcessorDriver"]),
    "no process": (b"from fs_api import FSProcessorDriver\nclass Echo(FSProcessorDriver):\n    pass\n", ["process"]),
    "raises in init": (
        b"from fs_api import FSProcessorDriver\nclass Echo(FSProcessorDriver):\n    def init(self, ctx, config):\n"
        b"        config['nothing']\n    def process(self, ctx, source_id, data):\n        pass\n",
        ["init", "KeyError: 'nothing'", "line 4"],
    ),
    "missing module": (b"import nowhere\n" + ECHO, ["ModuleNotFoundError", "nowhere"]),
    "unavailable module": (b"import ssl\n" + ECHO, ["ssl", "sandbox"]),
    "not utf-8": (b"x = '\xff'\n" + ECHO, ["echo"]),
    "loops on import": (b"while True:\n    pass\n", ["process_timeout_ms"]),
}


@pytest.mark.parametrize("name", BAD_CODE)
def test_bad_code_is_a_bad_request_with_the_traceback(client: FsClient, name: str) -> None:
    source, named = BAD_CODE[name]
    config = GOOD + ("limits: {process_timeout_ms: 300}\n" if "loops" in name else "")
    with pytest.raises(BadRequestError) as error:
        client.create_python_function("Echo", [("echo", source)], config)
    for part in named:
        assert part in error.value.message, error.value.message
    assert client.show_functions().functions == []
    # The name is free, and the server is as it was.
    client.create_python_function("Echo", [("echo", ECHO)], GOOD)


def test_conflict_and_not_found_have_their_numbers(client: FsClient) -> None:
    client.create_python_function("Echo", [("echo", ECHO)], GOOD)
    with pytest.raises(ConflictError) as conflict:
        client.create_python_function("Echo", [("echo", ECHO)], GOOD)
    assert conflict.value.status_code == 409 and "job" in conflict.value.message
    with pytest.raises(NotFoundError) as missing:
        client.start_function("other")
    assert missing.value.status_code == 404 and "other" in missing.value.message


def test_a_state_folder_that_cannot_be_written_is_a_server_error_naming_the_path(tmp_path: Path) -> None:
    with Server(tmp_path / "server", {"state_storage": {"base_dir": "state"}}) as server, server.client() as client:
        # Root may write anywhere: what stops everybody is a file where the folder should be.
        shutil.rmtree(server.home / "state")
        (server.home / "state").write_text("in the way", encoding="utf-8")
        with pytest.raises(InternalServerError) as error:
            client.create_python_function("Echo", [("echo", ECHO)], GOOD)
        assert error.value.status_code == 500
        assert str(server.home / "state") in error.value.message
        assert client.show_functions().functions == []


def test_a_wasm_function_is_not_implemented_and_says_so(client: FsClient) -> None:
    with pytest.raises(ServerError) as error:
        client.create_function_from_bytes(b"\x00asm\x01\x00\x00\x00", GOOD.replace("type: python", "type: processor"))
    assert error.value.status_code == 501 and "processor" in error.value.message


BAD_SERVERS = {
    "misspelt key": ({"service": {"port": 0, "hots": "x"}}, ["hots", "host"]),
    "port": ({"service": {"port": "eighty"}}, ["service.port"]),
    "storage": ({"state_storage": {"storage_type": "paper"}}, ["state_storage.storage_type", "rocksdb"]),
    "runtime missing": ({"python": {"wasm_path": "nowhere/python.wasm"}}, ["nowhere/python.wasm"]),
}


@pytest.mark.parametrize("name", BAD_SERVERS)
def test_a_server_that_cannot_start_says_why_on_stderr(tmp_path: Path, name: str) -> None:
    config, named = BAD_SERVERS[name]
    with pytest.raises(ServerFailed) as failed:
        Server(tmp_path / "server", config).start()
    for part in named:
        assert part in str(failed.value)


def test_a_taken_port_and_a_taken_folder_are_told(tmp_path: Path) -> None:
    with Server(tmp_path / "first") as first:
        with pytest.raises(ServerFailed, match=str(first.port)):
            Server(tmp_path / "second", {"service": {"port": first.port}}).start()
        with pytest.raises(ServerFailed, match="data"):
            Server(tmp_path / "first").start()


def test_foreign_sections_are_accepted_with_a_warning(tmp_path: Path) -> None:
    with Server(tmp_path / "server", {"stream_catalog": {"any": "thing"}}) as server:
        assert "stream_catalog" in server.stderr() + (server.home / "logs/app.log").read_text(encoding="utf-8")


def test_the_configuration_can_come_from_the_environment(tmp_path: Path) -> None:
    folder = tmp_path / "conf"
    folder.mkdir()
    (folder / "config.yaml").write_text(
        yaml.safe_dump({"service": {"port": 0}, "task_storage": {"db_path": "elsewhere/task"}}), encoding="utf-8"
    )
    server = Server(tmp_path / "server", env={"FUNCTION_STREAM_CONF": str(folder)})
    server.arguments = []
    with server:
        assert (server.home / "elsewhere/task").is_dir()
    assert server.home.exists()
