"""Create, show, stop, start, drop, as a user does them."""

from __future__ import annotations

import json

import pytest
from fs_client import FsClient
from fs_client.errors import BadRequestError, ConflictError, NotFoundError
from functions.counting import Counter, Remembering
from support.server import Server
from support.topics import between, create, read, read_json, status
from support.wait import wait_for


def events(count: int, start: int = 0) -> list[bytes]:
    return [json.dumps({"key": f"k{number % 3}", "value": number}).encode() for number in range(start, start + count)]


def test_create_starts_it_and_shows_it(client: FsClient) -> None:
    create(client, "counter", Counter)
    shown = client.show_functions().functions
    assert [(one.name, one.task_type, one.status) for one in shown] == [("counter", "python", "RUNNING")]
    client.publish("in", events(9))
    assert read_json(client, "out", 9)[-1] == {"key": "k2", "count": 3, "sum": 2 + 5 + 8}


def test_show_functions_filters_by_name(client: FsClient) -> None:
    for name in ("etl-one", "etl-two", "other"):
        create(client, name, Counter, target=f"{name}-out")
    assert [one.name for one in client.show_functions("etl-one").functions] == ["etl-one"]
    assert [one.name for one in client.show_functions("etl-*").functions] == ["etl-one", "etl-two"]
    assert client.show_functions("nothing").functions == []


def test_starting_and_stopping_twice_changes_nothing(client: FsClient) -> None:
    create(client, "counter", Counter)
    assert client.start_function("counter")
    assert status(client, "counter") == "RUNNING"
    assert client.stop_function("counter")
    assert client.stop_function("counter")
    assert status(client, "counter") == "STOPPED"
    assert client.start_function("counter")
    assert status(client, "counter") == "RUNNING"


def test_outputs_of_at_least_once_do_not_wait_for_the_checkpoint(client: FsClient) -> None:
    create(client, "counter", Counter, delivery="at-least-once", checkpoint_interval_seconds=3600)
    # What comes after a quiet interval is committed at once; everything behind it would wait an hour.
    client.publish("in", events(1))
    read(client, "out", 1)
    client.publish("in", events(5, start=1))
    assert read_json(client, "out", 6)[-1] == {"key": "k2", "count": 2, "sum": 2 + 5}


@pytest.mark.parametrize(("function", "expected"), [(Counter, None), (Remembering, None)])
def test_a_stopped_function_goes_on_where_it_was(client: FsClient, function: type, expected: None) -> None:
    create(client, "one", function)
    values = [b"1", b"2", b"3"] if function is Remembering else events(3)
    client.publish("in", values)
    read(client, "out", 3)
    client.stop_function("one")
    client.publish("in", [b"4"] if function is Remembering else events(1, start=3))
    client.start_function("one")
    last = read(client, "out", 4)[-1]
    assert last == (b"10" if function is Remembering else json.dumps({"key": "k0", "count": 2, "sum": 3}).encode())


def test_a_taken_name_is_a_conflict_and_the_first_keeps_running(client: FsClient) -> None:
    create(client, "counter", Counter)
    with pytest.raises(ConflictError, match="counter"):
        create(client, "counter", Remembering)
    client.publish("in", events(1))
    assert read_json(client, "out", 1) == [{"key": "k0", "count": 1, "sum": 0}]


def test_an_unknown_function_is_not_found(client: FsClient) -> None:
    for call in (client.start_function, client.stop_function, client.drop_function, client.describe_function):
        with pytest.raises(NotFoundError, match="nobody"):
            call("nobody")


def test_drop_removes_state_package_and_log_and_frees_the_name(server: Server, client: FsClient) -> None:
    create(client, "counter", Counter)
    client.publish("in", events(3))
    read(client, "out", 3)
    client.drop_function("counter")
    assert client.show_functions().functions == []
    left = list(server.home.rglob("*counter*"))
    assert left == [], left

    # The successor of the name begins with an empty state, and reads from where its group stands.
    create(client, "counter", Counter)
    client.publish("in", events(1))
    assert read_json(client, "out", 4)[-1] == {"key": "k0", "count": 1, "sum": 0}


def test_a_failed_create_leaves_the_name_free_and_nothing_behind(server: Server, client: FsClient) -> None:
    bad = between("counter")
    bad.options["limits"] = {"memory_mb": "plenty"}
    with pytest.raises(BadRequestError, match=r"memory_mb.*line \d+"):
        client.create_python_function_from_config(bad, Counter)
    with pytest.raises(BadRequestError):
        client.create_python_function("Counter", [("counting", b"raise ValueError('on import')")], between("counter").to_yaml())
    assert client.show_functions().functions == []
    assert list(server.home.rglob("*counter*")) == []
    create(client, "counter", Counter)


def test_functions_that_ran_run_again_after_a_restart_and_stopped_ones_do_not(server: Server) -> None:
    with server.client() as client:
        create(client, "runs", Counter)
        create(client, "rests", Counter, target="rest-out")
        client.stop_function("rests")
        client.publish("in", events(3))
        read(client, "out", 3)
    assert server.stop() == 0
    server.start()
    with server.client() as client:
        wait_for(lambda: status(client, "runs") == "RUNNING", "the function runs again")
        assert status(client, "rests") == "STOPPED"
        client.publish("in", events(3, start=3))
        assert read_json(client, "out", 6)[-1]["count"] == 2


def test_describe_tells_positions_and_counts(client: FsClient) -> None:
    create(client, "counter", Counter)
    client.publish("in", events(5))
    read(client, "out", 5)
    about = wait_for(
        lambda: (one := client.describe_function("counter")).positions and one.positions[0].offset == 5 and one, "a checkpoint"
    )
    assert (about.processed, about.emitted, about.restarts, about.reason, about.last_error) == (5, 5, 0, "", "")
    assert [(one.source_id, one.topic, one.partition, one.offset) for one in about.positions] == [(0, "in", 0, 5)]
    assert about.checkpoint_id >= 1
