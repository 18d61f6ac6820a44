"""`call_function`: requests from outside, answered by custom() between messages."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor

import pytest
from fs_client import FsClient
from fs_client.config import EmbeddedInput, EmbeddedOutput, FileOutput, WasmTaskBuilder
from fs_client.errors import (
    BadRequestError,
    ClientError,
    ConflictError,
    FunctionStreamTimeoutError,
    NotFoundError,
    ServerError,
)
from functions.counting import Counter
from functions.hooks import Answering
from support.server import Server
from support.topics import create, read, read_all, status
from support.wait import wait_for

# Of functions that are to run into it; a busy machine must not take an honest call for one.
LIMITS = {"process_timeout_ms": 1500}


def start(client: FsClient, **options: object) -> None:
    builder = WasmTaskBuilder().set_name("job").add_input_group([EmbeddedInput(topic="in", group_id="group")])
    config = builder.add_output(EmbeddedOutput(topic="out")).add_output(FileOutput("lines.txt")).build()
    config.options.update(options)
    client.create_python_function_from_config(config, Answering)


def test_the_answer_is_what_custom_returns(client: FsClient) -> None:
    start(client)
    assert client.call_function("job", b"\x00any bytes\xff") == b"\x00any bytes\xff"
    assert client.call_function("job") == b""
    assert len(client.call_function("job", b"size 4194304")) == 4 << 20
    create(client, "silent", Counter, source="silent-in", target="silent-out")
    assert client.call_function("silent", b"anything") == b""


def test_what_custom_writes_and_emits_is_committed_with_the_next_checkpoint(server: Server, client: FsClient) -> None:
    start(client)
    assert client.call_function("job", b"add 5") == b"5"
    client.publish("in", b"message")
    assert read(client, "out", 2) == [b"added 5", b"message 6"]
    client.stop_function("job")
    client.start_function("job")
    assert client.call_function("job", b"add 1") == b"7"
    assert read(client, "out", 3)[-1] == b"added 7"
    server.kill()
    server.start()
    with server.client() as again:
        assert again.call_function("job", b"add 1") == b"8"


@pytest.mark.parametrize(
    ("payload", "named"),
    [
        (b"fail", ["ValueError: no such luck", "hooks.py", "Traceback"]),
        (b"wrong", ["TypeError", "custom() must return bytes, not str"]),
        (b"size 4194305", ["4194305 bytes", "limit is 4194304"]),
        (b"refused", ["outputs[1]", "line's end"]),
    ],
)
def test_a_call_that_fails_tells_why_and_leaves_nothing(client: FsClient, payload: bytes, named: list[str]) -> None:
    start(client)
    client.publish("in", b"one")
    read(client, "out", 1)
    with pytest.raises(BadRequestError) as refused:
        client.call_function("job", payload)
    for part in named:
        assert part in refused.value.message
    client.publish("in", b"two")
    assert read(client, "out", 2) == [b"one 1", b"two 2"]
    described = client.describe_function("job")
    assert (described.status, described.restarts) == ("RUNNING", 0)


def test_a_function_that_does_not_run_is_a_conflict(client: FsClient) -> None:
    with pytest.raises(NotFoundError, match="function job"):
        client.call_function("job")
    start(client)
    client.stop_function("job")
    with pytest.raises(ConflictError, match="STOPPED: start it first"):
        client.call_function("job")
    client.start_function("job")
    assert client.call_function("job", b"x") == b"x"
    with pytest.raises(BadRequestError, match="the limit is 4194304"):
        client.call_function("job", bytes((4 << 20) + 1))
    with pytest.raises(ClientError, match="payload"):
        client.call_function("job", "text")  # type: ignore[arg-type]


@pytest.mark.parametrize("how", ["python", "c"])
def test_a_call_that_hangs_ends_its_instance_and_leaves_nothing(client: FsClient, how: str) -> None:
    start(client, restart={"backoff_ms": 1}, limits=LIMITS)
    client.publish("in", b"one")
    read(client, "out", 1)
    # What the loop itself would take has no end.
    with pytest.raises(FunctionStreamTimeoutError, match="process_timeout_ms"):
        client.call_function("job", f"loop {how}".encode())
    # The next call waits for the new instance.
    assert client.call_function("job", b"add 1") == b"2"
    assert client.describe_function("job").restarts == 1


def test_the_callers_deadline_ends_the_wait_not_the_call(client: FsClient) -> None:
    start(client, limits={"process_timeout_ms": 10_000}, restart={"backoff_ms": 1})
    with pytest.raises(FunctionStreamTimeoutError):
        client.call_function("job", b"loop python", timeout=0.3)
    # Nobody waits any more for a call that was not begun: it is not made.
    with pytest.raises(FunctionStreamTimeoutError):
        client.call_function("job", b"add 100", timeout=0.3)
    # The first call goes on for as long as the limit lets it.
    assert client.describe_function("job").restarts == 0
    wait_for(lambda: client.describe_function("job").restarts == 1, "the limit to end the first call", timeout=60)
    assert client.call_function("job", b"add 1") == b"1"


def test_too_many_waiting_calls_are_refused(client: FsClient) -> None:
    start(client, limits={"process_timeout_ms": 5000}, restart={"backoff_ms": 1})
    with ThreadPoolExecutor(80) as pool:
        hanging = pool.submit(_outcome, client, b"loop python")
        wait_for(lambda: not hanging.done() and _is_busy(client), "it hangs")
        calls = [pool.submit(_outcome, client, b"add 1") for _ in range(79)]
        outcomes = [call.result() for call in calls]
        assert hanging.result() == "FunctionStreamTimeoutError"
    refused = outcomes.count("ResourceExhaustedError")
    answered = [outcome for outcome in outcomes if outcome.isdigit()]
    assert refused >= 10 and refused + len(answered) == 79
    assert sorted(map(int, answered)) == list(range(1, len(answered) + 1))


def _is_busy(client: FsClient) -> bool:
    try:
        client.call_function("job", b"x", timeout=0.2)
    except FunctionStreamTimeoutError:
        return True
    return False


def _outcome(client: FsClient, payload: bytes) -> str:
    try:
        return client.call_function("job", payload, timeout=30.0).decode()
    except ServerError as error:
        return type(error).__name__


def test_calls_and_messages_share_the_function(client: FsClient) -> None:
    start(client)
    total = 0
    done = threading.Event()
    answered = [0] * 4

    def call(caller: int) -> None:
        while not done.is_set():
            client.call_function("job", b"add 0")
            answered[caller] += 1

    with ThreadPoolExecutor(4) as pool:
        callers = [pool.submit(call, caller) for caller in range(4)]
        try:
            # Neither waits for the other's end: calls are answered while messages wait, and messages are processed while calls come.
            while total < 4000 or min(answered) < 10:
                client.publish("in", [b"m"] * 500)
                total += 500
            wait_for(lambda: client.describe_function("job").processed == total, "all processed", timeout=60)
        finally:
            done.set()
        for caller in callers:
            caller.result()
    calls = sum(answered)
    assert client.call_function("job", b"add 0") == b"%d" % total
    client.stop_function("job")
    outputs = read_all(client, "out")
    assert [value for value in outputs if value.startswith(b"m ")] == [b"m %d" % n for n in range(1, total + 1)]
    assert sum(value.startswith(b"added") for value in outputs) == calls + 1


def test_a_drop_while_a_call_runs_ends_it(client: FsClient) -> None:
    start(client, limits={"process_timeout_ms": 20_000})
    with ThreadPoolExecutor(2) as pool:
        running = pool.submit(_outcome, client, b"loop python")
        wait_for(lambda: _is_busy(client), "it runs")
        waiting = pool.submit(_outcome, client, b"x")
        client.drop_function("job")
        assert {running.result(), waiting.result()} == {"ConflictError"} or waiting.result() == "NotFoundError"
    with pytest.raises(NotFoundError):
        status(client, "job")
