"""The server's own life: what it says when it cannot start, and how it ends."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import time
from pathlib import Path

import pytest
import yaml
from fs_client.config import KafkaInput, KafkaOutput, WasmTaskBuilder
from functions.forwarding import Forward
from functions.hostile.running import Loops
from functions.talking import Talking
from support.kafka import Kafka
from support.server import Server, ServerFailed, ends_what_it_starts
from support.topics import create, read
from support.wait import wait_for
from test_faults import damage


def test_what_a_failed_test_leaves_running_is_ended(tmp_path: Path) -> None:
    # A test of deaths whose server did not die left it behind, with its broker's address, for the rest of the session.
    server = Server(tmp_path / "server")
    pids = []

    def fails() -> None:
        with ends_what_it_starts():
            pids.append(server.start().pid)
            server.wait_dead(timeout=0)

    with pytest.raises(subprocess.TimeoutExpired):
        fails()
    assert not server.is_started()
    assert not Path(f"/proc/{pids[0]}").exists()


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


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@pytest.mark.parametrize(("section", "keys"), [("service", "service.port"), ("http", "http.port")])
def test_a_taken_port_is_named_with_its_key_and_the_reason(tmp_path: Path, section: str, keys: str) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        ports = {"service": {"port": 0}, "http": {"port": 0}, section: {"port": port}}
        with pytest.raises(ServerFailed) as failed:
            Server(tmp_path / "server", dict(ports)).start()
    for part in ("exit code 1", keys, f"127.0.0.1:{port}", "Address already in use"):
        assert part in str(failed.value)


@pytest.mark.parametrize(
    ("key", "path"),
    [
        ("task_storage.db_path", "data/task"),
        ("embedded.base_dir", "data/embedded"),
        ("state_storage.base_dir", "data/state"),
        ("logging.file_path", "logs/app.log"),
    ],
)
def test_a_folder_that_cannot_be_written_is_named_with_its_key(tmp_path: Path, key: str, path: str) -> None:
    server = Server(tmp_path / "server")
    # Root may write anywhere: what stops everybody is a file where the folder should be.
    place = server.home / path
    blocked = place.parent if key == "logging.file_path" else place
    blocked.parent.mkdir(parents=True, exist_ok=True)
    blocked.write_text("in the way", encoding="utf-8")
    with pytest.raises(ServerFailed) as failed:
        server.start()
    assert "exit code 1" in str(failed.value)
    assert str(blocked) in str(failed.value)
    assert key in str(failed.value)


# Not the embedded log's write-ahead log: damage in it looks like a write that a power failure cut short, and ends what is read of it.
@pytest.mark.parametrize(
    ("key", "folder", "pattern"),
    [
        *(("task_storage.db_path", "data/task", pattern) for pattern in ("CURRENT", "MANIFEST-*", "*.log", "*.sst")),
        *(("embedded.base_dir", "data/embedded", pattern) for pattern in ("CURRENT", "MANIFEST-*", "*.sst")),
    ],
)
def test_a_damaged_database_is_named_and_not_touched(tmp_path: Path, key: str, folder: str, pattern: str) -> None:
    server = Server(tmp_path / "server")
    # Where a table is to be damaged, a second start writes into one what the write-ahead log holds.
    for start in range(2 if pattern == "*.sst" else 1):
        with server:
            with server.client() as client:
                if start == 0:
                    create(client, "talk", Talking)
                    client.publish("in", [b"x" * 1000] * 10)
                    read(client, "out", 10)
            server.kill()
    [damaged, *_] = [file for file in sorted((server.home / folder).glob(pattern)) if file.stat().st_size > 0]
    damage(damaged)
    content = damaged.read_bytes()
    with pytest.raises(ServerFailed) as failed, server:
        pass
    assert "exit code 1" in str(failed.value)
    assert key in str(failed.value) and str(server.home / folder) in str(failed.value)
    assert damaged.read_bytes() == content


def test_a_runtime_that_is_missing_or_not_one_is_named(tmp_path: Path) -> None:
    empty = b"\x00asm\x01\x00\x00\x00"
    for number, content in enumerate([None, b"not wasm", empty]):
        wasm = tmp_path / f"python{number}.wasm"
        if content is not None:
            wasm.write_bytes(content)
        with pytest.raises(ServerFailed) as failed:
            Server(tmp_path / f"server{number}", {"python": {"wasm_path": str(wasm)}}).start()
        assert "exit code 1" in str(failed.value)
        assert "python.wasm_path" in str(failed.value) and str(wasm) in str(failed.value)


def test_a_second_server_on_the_same_data_is_refused_and_the_first_goes_on(tmp_path: Path) -> None:
    with Server(tmp_path / "server") as first, first.client() as client:
        create(client, "talk", Talking)
        with pytest.raises(ServerFailed) as failed:
            Server(tmp_path / "server").start()
        assert str(first.home / "data" / "task") in str(failed.value) and "task_storage.db_path" in str(failed.value)
        client.publish("in", [b"still here"])
        assert read(client, "out", 1) == [b"still here"]


@pytest.mark.parametrize("how", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_ends_the_server_within_ten_seconds_whatever_functions_do(tmp_path: Path, how: signal.Signals) -> None:
    server = Server(tmp_path / "server")
    with server:
        with server.client() as client:
            for number in range(3):
                create(client, f"loops{number}", Loops, source=f"in{number}", target=f"out{number}")
                client.publish(f"in{number}", [b"now"])
            create(client, "talk", Talking, source="words", target="said")
            client.publish("words", [b"%d" % number for number in range(2000)])
            read(client, "said", 10)
            following = client.logs("talk", follow=True)
            next(following)
            began = time.monotonic()
            os.kill(server.pid, how)
            assert server.wait_dead(20) == 0
            assert time.monotonic() - began < 10
        # What was committed is there, and the rest comes: nothing twice.
        server.start()
        with server.client() as client:
            assert read(client, "said", 2000) == [b"%d" % number for number in range(2000)]


def test_a_signal_ends_the_server_within_ten_seconds_with_all_brokers_away(tmp_path: Path) -> None:
    nobody = f"127.0.0.1:{free_port()}"
    server = Server(tmp_path / "server")
    with server:
        with server.client() as client:
            for number in range(3):
                config = (
                    WasmTaskBuilder()
                    .set_name(f"away{number}")
                    .add_input_group([KafkaInput(nobody, "in", f"group{number}", partition=0)])
                    .build()
                )
                client.create_python_function_from_config(config, Talking)
            wait_for(lambda: nobody in client.describe_function("away0").reason, "it says for whom it waits")
        began = time.monotonic()
        assert server.stop() == 0
        assert time.monotonic() - began < 10


def test_a_signal_ends_the_server_while_a_broker_that_was_there_is_gone(tmp_path: Path, kafka: Kafka) -> None:
    kafka.create_topic("life-in")
    kafka.create_topic("life-out")
    server = Server(tmp_path / "server")
    with server:
        with server.client() as client:
            config = (
                WasmTaskBuilder()
                .set_name("forward")
                .add_input_group([KafkaInput(kafka.bootstrap_servers, "life-in", "group", partition=0)])
                .add_output(KafkaOutput(kafka.bootstrap_servers, "life-out", partition=0))
                .build()
            )
            client.create_python_function_from_config(config, Forward)
            kafka.produce("life-in", [b"1", b"2"], partition=0)
            wait_for(lambda: client.describe_function("forward").processed == 2, "the messages")
        kafka.stop()
        try:
            began = time.monotonic()
            assert server.stop() == 0
            assert time.monotonic() - began < 10
        finally:
            kafka.start()


def test_both_ports_are_free_again_when_the_server_has_ended(tmp_path: Path) -> None:
    server = Server(tmp_path / "server")
    server.start()
    ports = (server.port, server.http_port)
    assert server.stop() == 0
    for port in ports:
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            probe.bind(("127.0.0.1", port))


def test_version_and_help_need_nothing(tmp_path: Path) -> None:
    binary = os.environ["FS_SERVER"]
    version = subprocess.run([binary, "--version"], capture_output=True, text=True, timeout=20, check=True, cwd=tmp_path).stdout
    assert version.startswith("function-stream ")
    assert "--config" in subprocess.run([binary, "--help"], capture_output=True, text=True, timeout=20, check=True, cwd=tmp_path).stdout
    assert list(tmp_path.iterdir()) == []
