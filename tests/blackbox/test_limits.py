"""Every limit: who goes over it is told which one, the metrics tell it, nothing is lost, and nobody else notices."""

from __future__ import annotations

import re
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml
from fs_client import FsClient
from fs_client.errors import BadRequestError, ResourceExhaustedError, ServerError
from functions.exceeding import Exceeding, Filling, Sleepy
from functions.talking import Talking
from support.metrics import scrape, value
from support.server import Server
from support.topics import between, create, read, read_all, status
from support.wait import wait_for

ENDED = "the instance ended"
RAISED = "the code got an exception"
DROPPED = "lines were dropped"
# How it goes over, the function's limits, the key of the limit, what the error says, and what becomes of it.
OVER = [
    ("memory", {"memory_mb": 64}, "memory_mb", "limits.memory_mb is 64", ENDED),
    ("loop", {"process_timeout_ms": 300}, "process_timeout_ms", "limits.process_timeout_ms (300 ms)", ENDED),
    ("power", {"process_timeout_ms": 300}, "process_timeout_ms", "limits.process_timeout_ms (300 ms)", ENDED),
    ("regex", {"process_timeout_ms": 300}, "process_timeout_ms", "limits.process_timeout_ms (300 ms)", ENDED),
    ("sort", {"process_timeout_ms": 300}, "process_timeout_ms", "limits.process_timeout_ms (300 ms)", ENDED),
    ("finalizer", {"process_timeout_ms": 300}, "process_timeout_ms", "limits.process_timeout_ms (300 ms)", ENDED),
    ("output", {"output_mb": 4}, "output_mb", "limits.output_mb is 4", ENDED),
    ("state", {"state_mb": 1}, "state_mb", "more than limits.state_mb (1 MiB)", RAISED),
    ("stores", {"stores": 4}, "stores", "4 are open, which is the limit (limits.stores", RAISED),
    ("iterators", {"iterators": 3}, "iterators", "3 are open, which is the limit (limits.iterators", RAISED),
    ("lines", {"log_lines_per_second": 20}, "log_lines_per_second", "more than 20 in a second (limits.log_lines_per_second)", DROPPED),
    ("long_lines", {"log_kb_per_second": 2}, "log_kb_per_second", "more than 2048 bytes in a second (limits.log_kb_per_second)", DROPPED),
]


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """One server for all: each case leaves the function beside it, and the server, as they were."""
    with Server(tmp_path_factory.mktemp("limits") / "server") as server:
        with server.client() as client:
            create(client, "beside", Exceeding, source="beside-in", target="beside-out")
        yield server


def told(server: Server, metric: str, function: str, limit: str) -> float:
    found = value(scrape(server), f"function_stream_function_{metric}", function=function, limit=limit)
    assert found is not None
    return found


@pytest.mark.parametrize(("how", "limits", "key", "text", "outcome"), OVER, ids=[row[0] for row in OVER])
def test_over_a_limit(shared: Server, how: str, limits: dict[str, int], key: str, text: str, outcome: str) -> None:
    name = how.replace("_", "-")
    with shared.client() as client:
        create(
            client,
            name,
            Exceeding,
            source=f"{name}-in",
            target=f"{name}-out",
            limits=limits,
            on_error={"policy": "skip"},
            restart={"backoff_ms": 1},
        )
        client.publish(f"{name}-in", [b"before", f"over {how}".encode(), b"after", b"last"])
        # The message that went over is given up, and no other.
        assert read(client, f"{name}-out", 3) == [b"before", b"after", b"last"]
        assert told(shared, "limit_refusals_total", name, key) >= 1
        about = client.describe_function(name)
        assert about.status == "RUNNING"
        if outcome == ENDED:
            assert about.restarts >= 1
            assert text in about.last_error, about.last_error
        else:
            assert about.restarts == 0
            # The state is as full as it is now, and the message that filled it was undone.
            assert key == "state_mb" or told(shared, "limit_used_ratio", name, key) > 0.7
        client.stop_function(name)
        log = "\n".join(line.text for line in client.logs(name))
        assert text in log, log
        assert read_all(client, f"{name}-out") == [b"before", b"after", b"last"]
        client.drop_function(name)

        before = len(read_all(client, "beside-out"))
        client.publish("beside-in", [how.encode()])
        assert read(client, "beside-out", before + 1)[-1] == how.encode()
        beside = client.describe_function("beside")
        assert (beside.status, beside.restarts) == ("RUNNING", 0)


def test_the_message_that_emits_too_much_is_skipped_and_not_its_neighbours(client: FsClient) -> None:
    client.publish("in", [b"1", b"2", b"over output", b"3", b"4", b"over output", b"5"])
    create(client, "emits", Exceeding, limits={"output_mb": 4}, on_error={"policy": "skip"}, restart={"backoff_ms": 1})
    assert read(client, "out", 5) == [b"1", b"2", b"3", b"4", b"5"]
    wait_for(lambda: client.describe_function("emits").skipped == 2, "two were skipped")


def test_messages_that_are_too_slow_together_go_one_at_a_time(server: Server, client: FsClient) -> None:
    numbers = [str(number).encode() for number in range(40)]
    client.publish("in", numbers)
    create(client, "sleepy", Sleepy, limits={"process_timeout_ms": 700, "batch_timeout_ms": 700}, restart={"max_attempts": 0})
    assert read(client, "out", 40) == numbers
    about = client.describe_function("sleepy")
    assert (about.status, about.restarts, about.skipped) == ("RUNNING", 1, 0)
    assert "the messages of one batch took longer than limits.batch_timeout_ms (700 ms)" in about.last_error
    assert told(server, "limit_refusals_total", "sleepy", "batch_timeout_ms") == 1
    assert told(server, "limit_refusals_total", "sleepy", "process_timeout_ms") == 0


def test_bytes_of_take_checkpoint_have_a_limit(server: Server, client: FsClient) -> None:
    create(client, "takes", Exceeding, limits={"checkpoint_mb": 1}, restart={"max_attempts": 1, "backoff_ms": 1, "backoff_max_ms": 1})
    client.publish("in", [b"before"])
    assert read(client, "out", 1) == [b"before"]
    client.publish("in", [b"over take", b"after"])
    wait_for(lambda: status(client, "takes") == "FAILED", "it was given up")
    about = client.describe_function("takes")
    assert "take_checkpoint: returned 2097152 bytes; the limit is 1048576 (limits.checkpoint_mb" in about.reason
    assert about.positions[0].offset == 1 and read_all(client, "out") == [b"before"]
    assert told(server, "limit_refusals_total", "takes", "checkpoint_mb") == 2


def test_an_error_of_ten_megabytes_is_told_cut_with_its_traceback(server: Server, client: FsClient) -> None:
    # There is no memory for more than a few copies of it. It was told as "could not be described", or without its traceback.
    create(client, "long", Exceeding, limits={"memory_mb": 64}, restart={"max_attempts": 0})
    client.publish("in", [b"over message"])
    wait_for(lambda: status(client, "long") == "FAILED", "it failed")
    error = client.describe_function("long").last_error
    assert "ValueError: xxx" in error and "in message" in error and "exceeding.py" in error
    left_out = re.findall(r"\n\.\.\. (\d+) bytes left out \.\.\.\n", error)
    assert len(left_out) == 2 and all(10_000_000 - 8192 <= int(count) < 10_000_000 for count in left_out)
    assert "[cut]" not in error


def test_payloads_and_answers_of_custom_have_a_limit(server: Server, client: FsClient) -> None:
    create(client, "asked", Exceeding, limits={"custom_mb": 1})
    assert client.call_function("asked", b"x" * (1 << 20)) == b"1048576"
    for payload, what in ((b"x" * ((1 << 20) + 1), "payload: 1048577 bytes"), (b"1048577", "answered: 1048577 bytes")):
        with pytest.raises(BadRequestError) as caught:
            client.call_function("asked", payload)
        assert what in str(caught.value) and "limits.custom_mb" in str(caught.value)
    assert told(server, "limit_refusals_total", "asked", "custom_mb") == 2
    assert status(client, "asked") == "RUNNING"


def test_a_full_state_can_be_cleared_and_filled_again(server: Server, client: FsClient) -> None:
    create(client, "filling", Filling, limits={"state_mb": 4})
    answered = 0

    def ask(message: bytes) -> bytes:
        nonlocal answered
        client.publish("in", [message])
        answered += 1
        return read(client, "out", answered)[-1]

    assert ask(b"put 30") == b"put"
    full = ask(b"put 200")
    assert full.startswith(b"KvOtherError after ") and b"limits.state_mb (4 MiB)" in full
    assert wait_for(lambda: told(server, "limit_used_ratio", "filling", "state_mb") > 0.7, "the metric says that it is nearly full")
    for _ in range(3):
        assert ask(b"clear").startswith(b"cleared")
        # What is to be cleared away must be committed before it can be.
        wait_for(lambda: ask(b"put 40") == b"put", "there is room again")
    assert status(client, "filling") == "RUNNING"
    server.kill()
    server.start()
    with server.client() as again:
        wait_for(lambda: status(again, "filling") == "RUNNING", "it runs again")
        again.publish("in", [b"put 200"])
        assert b"limits.state_mb (4 MiB)" in read(again, "out", answered + 1)[-1]


def test_only_the_function_over_its_time_is_interrupted_and_within_a_second(server: Server, client: FsClient) -> None:
    create(client, "beside", Exceeding, source="beside-in", target="beside-out")
    create(client, "looping", Exceeding, limits={"process_timeout_ms": 1000}, on_error={"policy": "skip"}, restart={"backoff_ms": 1})
    client.publish("in", [b"over loop", b"after"])
    started = time.monotonic()
    count = 0
    while not read_all(client, "out"):
        client.publish("beside-in", [b"%d" % count])
        count += 1
        assert len(read(client, "beside-out", count, timeout=5)) == count
        assert time.monotonic() - started < 10
    assert count > 1
    assert client.describe_function("beside").restarts == 0


# As docs/configuration.md has them.
DEFAULTS = {
    "memory_mb": 256,
    "process_timeout_ms": 30_000,
    "batch_timeout_ms": 30_000,
    "output_mb": 64,
    "custom_mb": 4,
    "checkpoint_mb": 64,
    "state_mb": 10_240,
    "stores": 1000,
    "iterators": 1000,
    "log_mb": 16,
    "log_lines_per_second": 1000,
    "log_kb_per_second": 1024,
}

SMALL: dict[str, object] = {
    "functions": 3,
    "running_functions": 2,
    "total_memory_mb": 300,
    "package_mb": 1,
    "config_kb": 1,
    "message_mb": 3,
    "per_function": {"memory_mb": 200, "process_timeout_ms": 5000, "state_mb": 100},
}


def test_limits_of_the_server(tmp_path: Path) -> None:
    with Server(tmp_path / "server", {"limits": SMALL}) as server, server.client() as client:

        def refusals(limit: str) -> float | None:
            return value(scrape(server), "function_stream_limit_refusals_total", limit=limit)

        # A default that is more than the cap is lowered to it.
        create(client, "one", Talking)
        assert value(scrape(server), "function_stream_function_memory_limit_bytes", function="one") == 200 << 20
        lowered = {"memory_mb": 200, "process_timeout_ms": 5000, "state_mb": 100}
        assert client.describe_function("one").limits == {**DEFAULTS, **lowered}
        with pytest.raises(BadRequestError) as refused:
            create(client, "two", Talking, limits={"memory_mb": 201})
        assert "limits.memory_mb (line " in str(refused.value) and "limits.per_function.memory_mb" in str(refused.value)
        assert "200" in str(refused.value) and "201" in str(refused.value)

        with pytest.raises(ResourceExhaustedError, match="limits.total_memory_mb of the server is 300"):
            create(client, "two", Talking, limits={"memory_mb": 101})
        create(client, "two", Talking, limits={"memory_mb": 64, "log_mb": 3})
        assert client.describe_function("two").limits == {**DEFAULTS, **lowered, "memory_mb": 64, "log_mb": 3}
        with pytest.raises(ResourceExhaustedError, match="2 functions run.*limits.running_functions"):
            create(client, "three", Talking, limits={"memory_mb": 32})
        assert value(scrape(server), "function_stream_limit_used_ratio", limit="running_functions") == 1

        # A place that was left can be taken; who gave it up waits for another.
        client.stop_function("two")
        create(client, "three", Talking, limits={"memory_mb": 32})
        with pytest.raises(ResourceExhaustedError, match="function two: 2 functions run"):
            client.start_function("two")
        assert status(client, "two") == "STOPPED"
        with pytest.raises(ResourceExhaustedError, match="3 functions are registered.*limits.functions"):
            create(client, "four", Talking, limits={"memory_mb": 32})
        assert [refusals(key) for key in ("functions", "running_functions", "total_memory_mb")] == [1, 2, 1]

        with pytest.raises(ResourceExhaustedError, match="limits.config_kb"):
            create(client, "five", Talking, init_config={"text": "x" * 2000})
        source = f"TEXT = {'x' * (2 << 20)!r}\n".encode()
        with pytest.raises(ResourceExhaustedError, match="limits.package_mb"):
            client.create_python_function("F", [("f", source)], between("six").to_yaml())
        with pytest.raises(ServerError) as too_large:
            client.create_python_function("F", [("f", source + source)], between("six").to_yaml())
        assert too_large.value.status_code == 429 or "larger than max" in str(too_large.value)
        assert {one.name for one in client.show_functions().functions} == {"one", "two", "three"}
        client.publish("in", [b"x"])
        assert sorted(read(client, "out", 2)) == [b"x", b"x"]


def test_limits_that_were_lowered_hold_after_a_restart_of_the_server(tmp_path: Path) -> None:
    with Server(tmp_path / "server") as server:
        with server.client() as client:
            create(client, "a-large", Talking, source="large-in", target="large-out", limits={"memory_mb": 300})
            create(client, "b-small", Talking, limits={"memory_mb": 64})
            create(client, "c-late", Talking, source="late-in", target="late-out", limits={"memory_mb": 64})
        assert server.stop() == 0
        config = yaml.safe_load(server.config_file.read_text(encoding="utf-8"))
        config["limits"] = {"per_function": {"memory_mb": 128}, "running_functions": 1}
        server.config_file.write_text(yaml.safe_dump(config), encoding="utf-8")
        server.start()
        with server.client() as client:
            large = client.describe_function("a-large")
            assert large.status == "FAILED"
            assert "limits.memory_mb" in large.reason and "limits.per_function.memory_mb" in large.reason
            with pytest.raises(BadRequestError, match="limits.per_function.memory_mb"):
                client.start_function("a-large")
            late = client.describe_function("c-late")
            assert late.status == "FAILED" and "limits.running_functions" in late.reason
            client.publish("in", [b"x"])
            assert read(client, "out", 1) == [b"x"]
        assert server.stop() == 0
        config["limits"] = {}
        server.config_file.write_text(yaml.safe_dump(config), encoding="utf-8")
        server.start()
        with server.client() as client:
            # What was refused for lack of room is still wanted; what the user was refused is not.
            wait_for(lambda: status(client, "c-late") == "RUNNING", "it runs again")
            assert status(client, "a-large") == "STOPPED"
            assert client.start_function("a-large")
