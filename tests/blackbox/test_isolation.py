"""Functions do not see each other, and one that misbehaves harms only itself."""

from __future__ import annotations

import time
from pathlib import Path

import pytest
from fs_api import FSProcessorDriver
from fs_client import FsClient
from functions.counting import Remembering
from functions.hostile import running as hostile
from support.server import Server
from support.topics import between, create, read, status
from support.wait import wait_for

SOURCE = """
from fs_api import FSProcessorDriver
import shared
class Same(FSProcessorDriver):
    def process(self, ctx, source_id, data):
        store = ctx.getOrCreateKVStore("seen")
        store.put_state(b"{name}", data)
        shared.SEEN.append("{name}")
        ctx.emit(repr((shared.NAME, shared.SEEN, store.list_states(b"", b"\\xff"))).encode())
"""


def test_same_class_name_and_other_code_do_not_meet(client: FsClient) -> None:
    for name in ("one", "two"):
        modules = [("shared", f"NAME = {name!r}\nSEEN = []\n".encode()), ("same", SOURCE.replace("{name}", name).encode())]
        client.create_python_function("Same", modules, between(name, target=f"{name}-out").to_yaml())
    client.publish("in", [b"x"])
    assert read(client, "one-out", 1) == [b"('one', ['one'], [b'one'])"]
    assert read(client, "two-out", 1) == [b"('two', ['two'], [b'two'])"]


@pytest.mark.parametrize(
    "function", [hostile.Loops, hostile.LoopsInC, hostile.LoopsAndCatches, hostile.Sleeps], ids=lambda one: one.__name__
)
def test_a_function_that_never_returns_is_stopped_and_dropped_at_once(client: FsClient, function: type[FSProcessorDriver]) -> None:
    # Its own limit would end it after an hour.
    create(client, "bad", function, source="bad-in", target="bad-out", limits={"process_timeout_ms": 3_600_000})
    create(client, "good", Remembering, source="good-in", target="good-out")
    client.publish("bad-in", [b"fine"])
    assert read(client, "bad-out", 1) == [b"fine"]
    client.publish("bad-in", [b"now", b"later"])
    wait_for(lambda: client.describe_function("bad").positions[0].offset == 1, "the function has committed what was fine")

    # The other function goes on.
    client.publish("good-in", [b"1", b"2"])
    assert read(client, "good-out", 2) == [b"1", b"3"]

    client.stop_function("bad")
    assert status(client, "bad") == "STOPPED"
    client.start_function("bad")
    client.drop_function("bad")
    assert [one.name for one in client.show_functions().functions] == ["good"]


@pytest.mark.parametrize(
    ("function", "policy"), [(hostile.Loops, "process_timeout"), (hostile.LoopsInC, "process_timeout"), (hostile.Allocates, "memory_mb")]
)
def test_a_limit_ends_the_instance_and_says_which(client: FsClient, function: type[FSProcessorDriver], policy: str) -> None:
    create(
        client,
        "bad",
        function,
        limits={"memory_mb": 64, "process_timeout_ms": 300},
        restart={"max_attempts": 1, "backoff_ms": 10, "backoff_max_ms": 10},
    )
    client.publish("in", [b"fine", b"now"])
    wait_for(lambda: status(client, "bad") == "FAILED", "given up")
    about = client.describe_function("bad")
    assert about.restarts == 1
    assert policy in about.reason, about.reason
    assert "offset 1" in about.reason
    # What came before the message that is to blame is not held back by it.
    assert read(client, "out", 1) == [b"fine"]
    client.drop_function("bad")


def test_many_hanging_functions_do_not_hold_up_the_servers_end(tmp_path: Path) -> None:
    """A bug once: their grace added up, and twenty of them took longer than the ten seconds that a stop may."""
    with Server(tmp_path / "server") as server:
        with server.client() as client:
            for number in range(20):
                create(client, f"bad-{number}", hostile.LoopsInC, target=f"out-{number}")
            client.publish("in", [b"fine"])
            for number in range(20):
                read(client, f"out-{number}", 1)
            client.publish("in", [b"now"])
            wait_for(lambda: client.describe_function("bad-0").positions[0].offset == 1, "a checkpoint")
        started = time.monotonic()
        assert server.stop() == 0
        assert time.monotonic() - started < 10


def test_an_exception_fails_the_function_with_its_traceback_and_keeps_what_came_before(client: FsClient) -> None:
    create(client, "bad", hostile.Raises)
    client.publish("in", [b"one", b"two", b"now", b"three"])
    wait_for(lambda: status(client, "bad") == "FAILED", "it failed")
    about = client.describe_function("bad")
    assert "ValueError: no such luck" in about.reason
    assert 'running.py", line' in about.last_error and "misbehave" in about.last_error
    assert "offset 2" in about.reason
    assert read(client, "out", 2) == [b"one", b"two"]
    # Starting it again meets the same message: nothing is skipped.
    client.start_function("bad")
    wait_for(lambda: status(client, "bad") == "FAILED", "it failed again")
    client.drop_function("bad")


def test_deep_recursion_is_a_recursion_error(client: FsClient) -> None:
    create(client, "deep", hostile.Recurses)
    client.publish("in", [b"x"])
    assert read(client, "out", 2) == [b"python: RecursionError", b"c: RecursionError"]
    assert status(client, "deep") == "RUNNING"


def test_hash_seed_and_random_differ_between_instances(client: FsClient) -> None:
    source = b"""
import random
from fs_api import FSProcessorDriver
class Dice(FSProcessorDriver):
    def process(self, ctx, source_id, data):
        ctx.emit(repr((hash("a string of its own"), random.random())).encode())
"""
    for name in ("one", "two"):
        client.create_python_function("Dice", [("dice", source)], between(name, target=f"{name}-out").to_yaml())
    client.publish("in", [b"x"])
    first, second = (eval(read(client, f"{name}-out", 1)[0]) for name in ("one", "two"))
    assert first[0] != second[0] and first[1] != second[1]
