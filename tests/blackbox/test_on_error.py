"""Messages that fail: nothing of them stays, and `on_error` says what follows; retries, skip, dead letter, fail.

Failing counts the messages that did not fail in its state, so a count that is right shows that the state of those that did was undone.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import pytest
from fs_client import FsClient, Record
from fs_client.config import EmbeddedInput, EmbeddedOutput, FileOutput, Output, WasmTaskBuilder, WasmTaskConfig
from fs_client.errors import BadRequestError, ServerError
from fs_client.models import FunctionDescription
from functions.failing import Failing, Touching
from functions.forwarding import Forward
from support.server import Server
from support.topics import create, read, read_all, read_json, status
from support.wait import wait_for

# Quick ends: a kill costs an instance, so the limits are low and the pauses short.
LIMITS = {"memory_mb": 64, "process_timeout_ms": 1000}
EXCEPTIONS = ("raise", "exit", "keyboard", "base", "group", "unprintable", "huge", "surrogates", "recurse", "recurse in data")
OUTPUTS = (EmbeddedOutput(topic="out"), EmbeddedOutput(topic="dead"))
ENDS = {"loop": "Timeout", "crash": "Crash", "allocate": "OutOfMemory"}


def message(number: int, do: str = "", times: int = 0) -> bytes:
    event: dict[str, Any] = {"n": number}
    if do:
        event["do"] = do
    if times:
        event["times"] = times
    return json.dumps(event).encode()


def job(on_error: dict[str, Any], inputs: Sequence[str] = ("in",), outputs: Sequence[Output] = OUTPUTS, **options: Any) -> WasmTaskConfig:
    """A configuration: each input a group of its own, by default with a second output for dead letters."""
    builder = WasmTaskBuilder().set_name("job")
    for topic in inputs:
        builder.add_input_group([EmbeddedInput(topic=topic, group_id="group")])
    for output in outputs:
        builder.add_output(output)
    config = builder.build()
    config.options.update({"limits": LIMITS, "on_error": on_error, **options})
    return config


def start(client: FsClient, on_error: dict[str, Any], **options: Any) -> None:
    client.create_python_function_from_config(job(on_error, **options), Failing)


def about(client: FsClient) -> FunctionDescription:
    return client.describe_function("job")


def counts(numbers: Iterable[int]) -> list[dict[str, int]]:
    return [{"n": number, "count": count} for count, number in enumerate(numbers, 1)]


def wait_done(client: FsClient, done: int, timeout: float = 60.0) -> FunctionDescription:
    """Waits until so many messages are committed."""
    return wait_for(lambda: _described(client, done), f"{done} messages committed", timeout)[0]


def _described(client: FsClient, done: int) -> list[FunctionDescription]:
    described = about(client)
    assert described.status != "FAILED", described.reason
    return [described] if [at.offset for at in described.positions] == [done] else []


def dead_letters(client: FsClient, count: int) -> list[Record]:
    letters: list[Record] = []
    with client.subscribe("dead", offset=0, timeout=30.0) as records:
        for record in records:
            letters.append(record)
            if len(letters) == count:
                break
    return letters


def headers_of(letter: Record) -> dict[str, str]:
    """Those that on_error adds, without their common start."""
    start = "function-stream."
    return {name[len(start) :]: (value or b"").decode() for name, value in letter.headers if name.startswith(start)}


@pytest.mark.parametrize("how", EXCEPTIONS)
def test_skip_leaves_out_exactly_the_message_that_raised(client: FsClient, how: str) -> None:
    start(client, {"policy": "skip"})
    client.publish("in", [message(n, how if n in (3, 4, 9) else "") for n in range(10)])
    described = wait_done(client, 10)
    assert read_json(client, "out", 7) == counts([0, 1, 2, 5, 6, 7, 8])
    assert len(read_all(client, "out")) == 7
    assert (described.status, described.restarts) == ("RUNNING", 0)
    assert (described.processed, described.skipped, described.dead_lettered, described.retried) == (7, 3, 0, 0)


@pytest.mark.parametrize("how", ENDS)
@pytest.mark.parametrize("bad", [(0,), (4,), (9,), (4, 5)], ids=str)
def test_skip_leaves_out_exactly_the_message_that_ends_the_instance(client: FsClient, how: str, bad: tuple[int, ...]) -> None:
    start(client, {"policy": "skip", "backoff_ms": 1})
    client.publish("in", [message(n, how if n in bad else "") for n in range(10)])
    described = wait_done(client, 10)
    good = [n for n in range(10) if n not in bad]
    assert read_json(client, "out", len(good)) == counts(good)
    assert len(read_all(client, "out")) == len(good)
    # Running out of memory counts from the second time on, when the message was alone.
    assert (described.status, described.skipped) == ("RUNNING", len(bad))
    assert described.restarts == len(bad) * (2 if how == "allocate" else 1)


@pytest.mark.parametrize("how", ["raise", "loop"])
def test_retries_are_made_and_one_of_them_may_succeed(client: FsClient, how: str) -> None:
    """The module's memory is not undone by an exception; it is gone with the instance."""
    start(client, {"policy": "skip", "retries": 2, "backoff_ms": 1})
    client.publish("in", [message(0), message(1, how, times=2), message(2, how), message(3)])
    described = wait_done(client, 4)
    passes = how == "raise"
    assert read_json(client, "out", 3 if passes else 2) == counts([0, 1, 3] if passes else [0, 3])
    assert described.skipped == (1 if passes else 2)
    assert described.retried == 4
    assert described.restarts == (0 if passes else 6)


def test_policy_retry_goes_on_until_it_succeeds_and_says_so_meanwhile(client: FsClient) -> None:
    start(client, {"policy": "retry", "backoff_ms": 10, "backoff_max_ms": 40})
    client.publish("in", [message(0), message(1, "raise", times=12), message(2)])
    reason = wait_for(lambda: about(client).reason, "it says what it waits for")
    assert "in partition 0 offset 1: attempt" in reason and "ValueError: no such luck" in reason
    described = wait_done(client, 3)
    assert read_json(client, "out", 3) == counts([0, 1, 2])
    assert (described.retried, described.skipped) == (12, 0)
    wait_for(lambda: about(client).reason == "", "nothing to wait for any more")


def test_a_message_that_waits_for_its_retry_holds_back_its_input_only(client: FsClient) -> None:
    start(client, {"policy": "retry", "backoff_ms": 3_600_000, "backoff_max_ms": 3_600_000}, inputs=("one", "two"))
    client.publish("one", [message(0), message(1, "raise"), message(2)])
    wait_for(lambda: "offset 1" in about(client).reason, "the first input waits")
    client.publish("two", [message(n) for n in range(10, 15)])
    # What came before is committed, and so is the other input.
    assert read_json(client, "out", 6) == counts([0, 10, 11, 12, 13, 14])
    # Told a moment after the outputs are there.
    wait_for(lambda: [(at.topic, at.offset) for at in about(client).positions] == [("one", 1), ("two", 5)], "both committed")
    # It stops at once, in the middle of the pause, and begins with the same message.
    client.stop_function("job")
    client.start_function("job")
    wait_for(lambda: "offset 1: attempt 1" in about(client).reason, "it is tried again")
    assert len(read_all(client, "out")) == 6


@pytest.mark.parametrize("selector", ["priority", "sequential"])
def test_a_strict_input_selector_keeps_its_order_over_retries(client: FsClient, selector: str) -> None:
    client.publish("one", [message(0, "raise", times=10), message(1)])
    client.publish("two", [message(10)])
    start(client, {"policy": "retry", "backoff_ms": 20, "backoff_max_ms": 20}, inputs=("one", "two"), **{"input-selector": selector})
    assert read_json(client, "out", 3) == counts([0, 1, 10])


@pytest.mark.parametrize("how", ["raise", "unprintable", "huge", "surrogates", "recurse", *ENDS])
def test_a_dead_letter_is_the_original_with_the_error_in_its_headers(client: FsClient, how: str) -> None:
    # To tell of an error of 10 MB takes room: without it the traceback is left out.
    limits = {"limits": {**LIMITS, "memory_mb": 256}} if how == "huge" else {}
    start(client, {"policy": "dead-letter", "retries": 1, "backoff_ms": 1, "dead_letter_output": 1}, **limits)
    bad = Record(message(1, how), key=b"\x00key", headers=[("trace", b"\xff\x00"), ("null", None)], timestamp_ms=1234567890123)
    client.publish("in", [Record(message(0)), bad, Record(message(2))])
    described = wait_done(client, 3)
    assert read_json(client, "out", 2) == counts([0, 2])
    assert (described.dead_lettered, described.skipped) == (1, 0)

    (letter,) = dead_letters(client, 1)
    assert (letter.value, letter.key, letter.timestamp_ms) == (bad.value, bad.key, bad.timestamp_ms)
    assert list(letter.headers)[:2] == [("trace", b"\xff\x00"), ("null", None)]
    headers = headers_of(letter)
    assert {name: headers[name] for name in ("function", "source-id", "topic", "partition", "offset", "attempt", "timestamp-ms")} == {
        "function": "job",
        "source-id": "0",
        "topic": "in",
        "partition": "0",
        "offset": "1",
        "attempt": "2",
        "timestamp-ms": "1234567890123",
    }
    kinds = {"unprintable": "functions.failing.UnprintableError", "recurse": "RecursionError", "raise": "ValueError", **ENDS}
    assert headers["error-type"].rpartition(".")[2] == kinds.get(how, "ValueError").rpartition(".")[2]
    assert 0 < len(headers["error"]) <= 5000 and int(headers["failed-at-ms"]) > 1234567890123
    if how not in ENDS:
        assert "failing.py" in headers["traceback"] and len(headers["traceback"].encode()) < 20_000


def test_a_dead_letter_that_fails_again_tells_of_its_last_failure_only(client: FsClient) -> None:
    start(client, {"policy": "dead-letter", "dead_letter_output": 1})
    client.publish("in", [Record(message(0, "raise"), headers=[("function-stream.offset", b"77"), ("function-stream.mine", b"kept")])])
    (letter,) = dead_letters(client, 1)
    assert [name for name, _ in letter.headers].count("function-stream.offset") == 1
    assert headers_of(letter)["offset"] == "0" and headers_of(letter)["mine"] == "kept"


@pytest.mark.parametrize("how", ["raise", *ENDS])
def test_fail_commits_what_came_before_and_start_tries_again(client: FsClient, how: str) -> None:
    start(client, {"policy": "fail", "retries": 1, "backoff_ms": 1})
    client.publish("in", [message(n, how if n == 3 else "") for n in range(6)])
    for turn in range(2):
        wait_for(lambda: status(client, "job") == "FAILED", "it has failed", timeout=60)
        described = about(client)
        assert "in partition 0 offset 3" in described.reason
        expected = {"loop": "process_timeout_ms", "crash": "interpreter", "allocate": "memory_mb", "raise": "no such luck"}[how]
        assert expected in described.reason, described.reason
        if how == "raise":
            assert "failing.py" in described.last_error and "Traceback" in described.last_error
        assert [at.offset for at in described.positions] == [3]
        assert [json.loads(value) for value in read_all(client, "out")] == counts([0, 1, 2])
        assert described.skipped == 0
        if turn == 0:
            client.start_function("job")


def test_everything_that_a_message_changed_is_undone(client: FsClient) -> None:
    create(client, "job", Touching, on_error={"policy": "skip"})
    client.publish("in", [b"first", b"bad", b"bad", b"second", b"bad", b"third"])
    wait_done(client, 6)
    with_failures = read_json(client, "out", 3)
    client.drop_function("job")

    create(client, "reference", Touching, source="clean", target="expected")
    client.publish("clean", [b"first", b"second", b"third"])
    assert with_failures == read_json(client, "expected", 3)
    assert len(read_all(client, "out")) == 3


def test_counts_are_exact_over_thousands_of_failures(client: FsClient) -> None:
    start(client, {"policy": "dead-letter", "dead_letter_output": 1}, checkpoint_interval_seconds=0.02)
    client.publish("in", [message(n, "raise" if n % 3 == 0 else "") for n in range(6000)])
    described = wait_done(client, 6000)
    assert (described.processed, described.dead_lettered) == (4000, 2000)
    assert read_json(client, "out", 4000) == counts(n for n in range(6000) if n % 3)
    assert [json.loads(letter.value)["n"] for letter in dead_letters(client, 2000)] == list(range(0, 6000, 3))


def test_the_log_names_each_failure_and_keeps_a_flood_short(server: Server, client: FsClient) -> None:
    start(client, {"policy": "skip", "retries": 1, "backoff_ms": 1})
    client.publish("in", [message(0), message(1, "raise")])
    wait_done(client, 2)
    log = server.home / "logs/functions/job.log"
    text = log.read_text(encoding="utf-8")
    assert text.count("in partition 0 offset 1: attempt 1 of 2 failed") == 1
    assert text.count("in partition 0 offset 1: skipped after 2 attempt(s): ValueError: no such luck") == 1
    assert "Traceback" in text and "failing.py" in text
    client.publish("in", [message(n, "raise", times=1) for n in range(2, 1002)])
    wait_done(client, 1002)
    assert log.read_text(encoding="utf-8").count("Traceback") < 200


def test_a_stop_between_the_failures_loses_no_message(client: FsClient) -> None:
    start(client, {"policy": "skip", "retries": 3, "backoff_ms": 50})
    client.publish("in", [message(n, "loop" if n == 2 else "") for n in range(5)])
    wait_for(lambda: [at.offset for at in about(client).positions] == [2], "it has ended an instance, and what came before it is committed")
    client.stop_function("job")
    assert json.loads(read(client, "out", 2)[-1]) == {"n": 1, "count": 2}
    client.start_function("job")
    wait_done(client, 5)
    assert [json.loads(value) for value in read_all(client, "out")] == counts([0, 1, 3, 4])


@pytest.mark.parametrize("how", ["raise", "loop"])
def test_sigkill_in_between_repeats_and_loses_nothing(tmp_path: Path, how: str) -> None:
    bad = range(5, 3000, 1000) if how == "loop" else range(0, 3000, 7)
    server = Server(tmp_path / "server").start()
    try:
        with server.client() as client:
            start(client, {"policy": "dead-letter", "dead_letter_output": 1, "backoff_ms": 1}, checkpoint_interval_seconds=0.02)
            client.publish("in", [message(n, how if n in bad else "") for n in range(3000)])
            wait_for(lambda: len(read_all(client, "out")) > 3, "some of it is done")
        for _ in range(3):
            server.kill()
            server.start()
        with server.client() as client:
            described = wait_done(client, 3000)
            assert described.status == "RUNNING"
            assert [json.loads(value) for value in read_all(client, "out")] == counts(n for n in range(3000) if n not in bad)
            assert [json.loads(letter.value)["n"] for letter in dead_letters(client, len(bad))] == list(bad)
            assert len(read_all(client, "dead")) == len(bad)
    finally:
        if server.is_running():
            server.kill()


@pytest.mark.parametrize("point", ["sinks-flushed", "state-prepared", "outputs-committed", "state-committed"])
def test_death_within_the_checkpoint_that_skips_leaves_everything_exact(tmp_path: Path, point: str) -> None:
    server = Server(tmp_path / "server", binary=Path(os.environ["FS_FAILPOINT_SERVER"])).start()
    with server.client() as client:
        client.publish("in", [message(n, "loop" if n == 2 else "raise" if n == 3 else "") for n in range(6)])
    assert server.stop() == 0
    # The second checkpoint is the one after the message that ended the instance: the first is of what came before it.
    server.env["FS_FAILPOINT"] = f"{point}:2"
    server.start()
    with server.client() as client:
        try:
            start(client, {"policy": "dead-letter", "dead_letter_output": 1, "backoff_ms": 1})
        except ServerError:
            pass  # it was gone before it answered
    server.wait_dead()
    del server.env["FS_FAILPOINT"]
    with server, server.client() as client:
        wait_done(client, 6)
        assert [json.loads(value) for value in read_all(client, "out")] == counts([0, 1, 4, 5])
        assert [json.loads(letter.value)["n"] for letter in dead_letters(client, 2)] == [2, 3]
        assert len(read_all(client, "dead")) == 2


def test_two_inputs_in_another_order_after_a_restart_blame_the_right_message(client: FsClient) -> None:
    """A bug once: the message to blame was known by its number since the checkpoint."""
    start(
        client,
        {"policy": "dead-letter", "dead_letter_output": 1, "backoff_ms": 1},
        inputs=("one", "two"),
        checkpoint_interval_seconds=60,
    )
    client.publish("two", [message(1000)])
    wait_for(lambda: about(client).checkpoint_id > 0, "the first checkpoint, after which there is none for a while")
    client.publish("two", [message(n) for n in range(1001, 1006)])
    wait_for(lambda: about(client).processed == 6, "processed and not committed")
    client.publish("one", [message(n, "loop" if n == 3 else "") for n in range(300)])
    # Now both have records from the start, and the first input has its turn first.
    wait_for(lambda: about(client).processed >= 6 + 5 + 299, "all processed, those that were not committed twice")
    client.stop_function("job")
    assert [json.loads(letter.value)["n"] for letter in dead_letters(client, 1)] == [3]
    outputs = [json.loads(value) for value in read_all(client, "out")]
    assert [output["count"] for output in outputs] == list(range(1, 306))
    assert [output["n"] for output in outputs if output["n"] < 1000] == [n for n in range(300) if n != 3]
    assert [output["n"] for output in outputs if output["n"] >= 1000] == list(range(1000, 1006))


@pytest.mark.parametrize("bad", [(0,), (7,), (3, 4, 9)], ids=str)
def test_an_emit_that_its_output_refuses_is_that_messages_failure(server: Server, client: FsClient, bad: tuple[int, ...]) -> None:
    values = [f"two\nlines {n}".encode() if n in bad else f"line {n}".encode() for n in range(10)]
    client.publish("in", values)
    config = job({"policy": "dead-letter", "dead_letter_output": 1}, outputs=(FileOutput("lines.txt"), EmbeddedOutput("dead")))
    client.create_python_function_from_config(config, Forward)
    described = wait_done(client, 10)
    assert (described.processed, described.dead_lettered) == (10 - len(bad), len(bad))
    (path,) = list(server.home.rglob("lines.txt"))
    assert path.read_bytes().splitlines() == [value for n, value in enumerate(values) if n not in bad]
    letters = dead_letters(client, len(bad))
    assert [letter.value for letter in letters] == [values[n] for n in bad]
    assert headers_of(letters[0])["error-type"] == "OutputRefused"
    assert "outputs[0]" in headers_of(letters[0])["error"] and "line's end" in headers_of(letters[0])["error"]


def test_a_dead_letter_that_its_output_refuses_fails_and_says_why(client: FsClient) -> None:
    start(client, {"policy": "dead-letter", "dead_letter_output": 1}, outputs=(EmbeddedOutput("out"), FileOutput("dead.txt")))
    client.publish("in", [message(0), message(1, "raise").replace(b"{", b"{\n"), message(2)])
    wait_for(lambda: status(client, "job") == "FAILED", "it has failed")
    described = about(client)
    assert "its dead letter cannot be written: outputs[1]" in described.reason and "no such luck" in described.reason
    assert read_json(client, "out", 1) == counts([0])
    assert [at.offset for at in described.positions] == [1]


@pytest.mark.parametrize(
    ("on_error", "named"),
    [
        ({"policy": "dead-letter"}, ["on_error", "dead_letter_output"]),
        ({"policy": "dead-letter", "dead_letter_output": 2}, ["on_error.dead_letter_output (line", "no output 2", "2 outputs"]),
        ({"policy": "skip", "dead_letter_output": 1}, ["on_error.dead_letter_output (line", "dead-letter"]),
        ({"policy": "retry", "retries": 3}, ["on_error", "retries"]),
        ({"backoff_ms": 10, "backoff_max_ms": 5}, ["on_error", "backoff_max_ms"]),
        ({"policy": "ignore"}, ["on_error.policy (line", "fail, retry, skip, dead-letter"]),
    ],
)
def test_a_policy_that_cannot_be_kept_is_refused(client: FsClient, on_error: dict[str, Any], named: list[str]) -> None:
    with pytest.raises(BadRequestError) as refused:
        start(client, on_error)
    for part in named:
        assert part in refused.value.message
    assert client.show_functions().functions == []
