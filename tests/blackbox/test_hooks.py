"""Every hook: in which order they are called over a function's life, and that one which never returns ends its instance alone."""

from __future__ import annotations

import re
import time
from pathlib import Path

import pytest
from fs_client import FsClient
from fs_client.errors import BadRequestError
from functions.forwarding import Forward
from functions.hooks import HangsIn, Recording, Sick
from support.server import Server
from support.topics import between, create, read, read_all, status
from support.wait import wait_for

LIMIT_MS = 1000
# Far below what a hook takes that nobody stops, and far above what a busy machine adds to the limit and its second.
STOPPED_BY_S = 10.0


def hooks(server: Server, name: str = "job") -> list[str]:
    """The hooks in the order of their calls, since the function was created."""
    log = (server.home / f"logs/functions/{name}.log").read_text(encoding="utf-8")
    return re.findall(r"hook ([a-z0-9_ ,]+)", log)


def only(called: list[str], *names: str) -> list[str]:
    return [call for call in called if call.split()[0] in names]


def test_hooks_come_in_their_order_over_a_whole_life(tmp_path: Path) -> None:
    server = Server(tmp_path / "server").start()
    try:
        with server.client() as client:
            create(client, "job", Recording, heartbeat_interval_ms=20)
            client.publish("in", [b"a", b"b"])
            assert read(client, "out", 2) == [b"a", b"b"]
            wait_for(lambda: "check_heartbeat" in hooks(server), "a heartbeat")
            assert client.call_function("job", b"seen") == b"a,b"
            client.stop_function("job")
            called = hooks(server)
            assert called[0] == "init" and called[-1] == "close"
            assert only(called, "init", "restore_checkpoint", "process", "custom", "close") == [
                "init",
                "process 0 a",
                "process 0 b",
                "custom seen",
                "close",
            ]
            first_checkpoint = called.index("take_checkpoint 1")
            assert called.index("process 0 a") < first_checkpoint
            # A message goes before the watermark that it brings.
            watermarks = only(called, "process_watermark")
            assert called.index("process 0 a") < called.index(watermarks[0])
            last_checkpoint = max(int(call.split()[1]) for call in only(called, "take_checkpoint"))

            # Start: what the last checkpoint holds comes back after init, before any message.
            client.publish("in", b"c")
            client.start_function("job")
            read(client, "out", 4)
            second = hooks(server)[len(called) :]
            assert second[0] == "init" and second[1].startswith("restore_checkpoint ") and second[1].endswith(" a,b")
            assert int(second[1].split()[1]) >= last_checkpoint
            assert only(second, "process") == ["process 0 c"]
            wait_for(lambda: client.describe_function("job").positions[0].offset == 3, "committed")

        # A crash: close is not called.
        before = hooks(server)
        server.kill()
        server.start()
        with server.client() as client:
            client.publish("in", b"d")
            assert read(client, "out", 5) == [b"a", b"b", b"closed", b"c", b"d"]
            after = hooks(server)[len(before) :]
            assert "close" not in after
            assert after[0] == "init" and after[1].endswith(" a,b,c")
            assert only(after, "process") == ["process 0 d"]
            # Watermarks only advance, over stop and crash.
            marks = [int(call.split()[2]) for call in only(hooks(server), "process_watermark")]
            assert marks == sorted(set(marks))
            # A drop: closed as by a stop, and what close emitted counts.
            client.drop_function("job")
            assert read_all(client, "out") == [b"a", b"b", b"closed", b"c", b"d", b"closed"]
    finally:
        server.kill()


@pytest.mark.parametrize("how", ["return", "raise"])
def test_a_failed_heartbeat_restarts_from_the_last_checkpoint(client: FsClient, how: str) -> None:
    config = between("job", heartbeat_interval_ms=50, restart={"backoff_ms": 10})
    config.init_config["how"] = how
    client.create_python_function_from_config(config, Sick)
    client.publish("in", [b"a", b"sick", b"b"])
    wait_for(lambda: client.describe_function("job").restarts == 1, "restarted")
    wait_for(lambda: status(client, "job") == "RUNNING", "it runs again")
    client.publish("in", b"c")
    # The state goes on counting: nothing was lost, nothing counted twice.
    assert read(client, "out", 4)[-1] == b"c 4"
    described = client.describe_function("job")
    assert (
        "check_heartbeat raised: RuntimeError: not well" if how == "raise" else "check_heartbeat returned False"
    ) in described.last_error
    assert ("hooks.py" in described.last_error) == (how == "raise")


def test_heartbeats_that_go_on_failing_end_it_after_the_limit(client: FsClient) -> None:
    restart = {"max_attempts": 3, "backoff_ms": 40, "backoff_max_ms": 80}
    config = between("job", heartbeat_interval_ms=10, restart=restart)
    config.init_config["how"] = "always"
    started = time.monotonic()
    client.create_python_function_from_config(config, Sick)
    wait_for(lambda: status(client, "job") == "FAILED", "given up")
    # The pauses double up to their limit: 40, 80 and 80 ms.
    assert time.monotonic() - started >= 0.2
    described = client.describe_function("job")
    assert described.restarts == 3
    assert "given up after 3 restarts in a row" in described.reason and "check_heartbeat returned False" in described.reason
    # Start begins to count anew.
    client.start_function("job")
    wait_for(lambda: client.describe_function("job").restarts == 6, "tried as often again")


@pytest.mark.parametrize("how", ["python", "c"])
@pytest.mark.parametrize(
    "hook", ["init", "process_watermark", "take_checkpoint", "restore_checkpoint", "check_heartbeat", "close", "custom"]
)
def test_a_hook_that_never_returns_ends_its_instance_alone(client: FsClient, hook: str, how: str) -> None:
    create(client, "other", Forward, source="other-in", target="other-out")
    config = between("job", heartbeat_interval_ms=50 if hook == "check_heartbeat" else 3_600_000)
    config.options.update({"limits": {"process_timeout_ms": LIMIT_MS}, "restart": {"max_attempts": 0}, "checkpoint_interval_seconds": 0.02})
    config.init_config.update(hook=hook, how=how)
    named = f"{hook}: took longer than limits.process_timeout_ms ({LIMIT_MS} ms)"
    started = time.monotonic()
    if hook == "init":
        with pytest.raises(BadRequestError, match=re.escape(named)):
            client.create_python_function_from_config(config, HangsIn)
        assert time.monotonic() - started < STOPPED_BY_S
        assert [one.name for one in client.show_functions().functions] == ["other"]
    else:
        client.create_python_function_from_config(config, HangsIn)
        started = time.monotonic()
        if hook in ("process_watermark", "take_checkpoint", "restore_checkpoint", "close"):
            client.publish("in", b"message")
        if hook in ("restore_checkpoint", "close"):
            read(client, "out", 1)
            started = time.monotonic()
            client.stop_function("job")
        if hook == "restore_checkpoint":
            started = time.monotonic()
            with pytest.raises(BadRequestError, match=re.escape(named)):
                client.start_function("job")
        if hook == "custom":
            with pytest.raises(Exception, match=re.escape(named)):
                client.call_function("job", timeout=10.0)
        if hook == "close":
            assert status(client, "job") == "STOPPED"
        else:
            wait_for(lambda: status(client, "job") == "FAILED", "it has failed")
            assert named in client.describe_function("job").reason
        assert time.monotonic() - started < STOPPED_BY_S
    client.publish("other-in", b"still here")
    assert read(client, "other-out", 1) == [b"still here"]
    assert client.describe_function("other").restarts == 0
