"""The server's own topics, and files: publish, subscribe, groups, lines in and lines out."""

from __future__ import annotations

import threading
from pathlib import Path

import pytest
from fs_client import FsClient, Record
from fs_client.config import EmbeddedInput, FileInput, FileOutput, WasmTaskBuilder
from fs_client.errors import BadRequestError, NotFoundError
from functions.counting import Remembering
from support.server import Server
from support.topics import create, read, read_all
from support.wait import wait_for


def test_records_come_back_as_they_were_published_in_order(client: FsClient) -> None:
    published = [
        Record(b"plain"),
        Record(b"", key=b""),
        Record(b"\x00\xff", key=b"k", headers=[("h", b"1"), ("h", None), ("", b"")], timestamp_ms=1234),
    ]
    result = client.publish("topic", published)
    assert (result.count, result.first_offset) == (3, 0)
    records = list(client.subscribe("topic", follow=False))
    assert [(one.value, one.key, list(one.headers), one.offset) for one in records] == [
        (b"plain", None, [], 0),
        (b"", b"", [], 1),
        (b"\x00\xff", b"k", [("h", b"1"), ("h", None), ("", b"")], 2),
    ]
    assert records[2].timestamp_ms == 1234


def test_event_time_goes_through_a_function(client: FsClient) -> None:
    create(client, "sum", Remembering)
    client.publish("in", [Record(b"1", timestamp_ms=1234), Record(b"2", timestamp_ms=5678)])
    read(client, "out", 2)
    assert [one.timestamp_ms for one in client.subscribe("out", follow=False)] == [1234, 5678]


def test_a_large_topic_is_read_whole(client: FsClient) -> None:
    values = [f"{number}".encode() * 50 for number in range(20_000)]
    client.publish("topic", values)
    assert read_all(client, "topic") == values


def test_a_subscriber_that_follows_sees_what_comes(client: FsClient) -> None:
    seen: list[bytes] = []

    def follow() -> None:
        seen.extend(read(client, "topic", 3))

    reader = threading.Thread(target=follow)
    reader.start()
    for value in (b"a", b"b", b"c"):
        client.publish("topic", [value])
    reader.join(20)
    assert seen == [b"a", b"b", b"c"]


def test_a_group_goes_on_where_it_committed(client: FsClient) -> None:
    client.publish("topic", [b"a", b"b", b"c"])
    client.commit_offset("topic", "readers", 2)
    assert [one.value for one in client.subscribe("topic", group_id="readers", follow=False)] == [b"c"]
    assert [one.value for one in client.subscribe("topic", group_id="others", follow=False)] == [b"a", b"b", b"c"]
    assert [one.value for one in client.subscribe("topic", group_id="others", from_earliest=False, follow=False)] == []


def test_topics_are_listed_and_deleted(client: FsClient) -> None:
    client.publish("one", [b"x"])
    client.publish("two", [b"x", b"y"])
    assert [(one.name, one.first_offset, one.next_offset) for one in client.list_topics()] == [("one", 0, 1), ("two", 0, 2)]
    client.delete_topic("one")
    assert [one.name for one in client.list_topics()] == ["two"]
    with pytest.raises(NotFoundError, match="one"):
        client.delete_topic("one")


@pytest.mark.parametrize("topic", ["../x", ".", "a b", "x" * 256])
def test_an_illegal_topic_is_refused(client: FsClient, topic: str) -> None:
    with pytest.raises(BadRequestError, match="topic"):
        client.publish(topic, [b"x"])


def test_topics_survive_a_restart(tmp_path: Path) -> None:
    server = Server(tmp_path / "server").start()
    with server.client() as client:
        client.publish("topic", [b"a", b"b"])
        client.commit_offset("topic", "g", 1)
    server.kill()
    with server, server.client() as client:
        assert [one.value for one in client.subscribe("topic", group_id="g", follow=False)] == [b"b"]


def file_job(source: str | None, target: str) -> WasmTaskBuilder:
    builder = WasmTaskBuilder().set_name("lines").add_output(FileOutput(path=target))
    inputs = [FileInput(path=source)] if source else [EmbeddedInput(topic="in", group_id="g")]
    return builder.add_input_group(inputs)


def test_lines_in_and_lines_out(server: Server, client: FsClient) -> None:
    files = server.home / "data/files"
    files.mkdir(parents=True, exist_ok=True)
    (files / "numbers.txt").write_bytes(b"1\n2\r\n3\n")
    client.create_python_function_from_config(file_job("numbers.txt", "sums.txt").build(), Remembering)
    out = files / "sums.txt"
    wait_for(lambda: out.exists() and out.read_bytes() == b"1\n3\n6\n", "the sums")
    # The file grows, and the function goes on; the half line waits.
    with (files / "numbers.txt").open("ab") as numbers:
        numbers.write(b"4\n5")
    wait_for(lambda: out.read_bytes() == b"1\n3\n6\n10\n", "the next sum")
    client.stop_function("lines")
    with (files / "numbers.txt").open("ab") as numbers:
        numbers.write(b"0\n")
    client.start_function("lines")
    wait_for(lambda: out.read_bytes() == b"1\n3\n6\n10\n60\n", "the whole line")


def test_a_file_output_is_exact_after_sigkill(tmp_path: Path) -> None:
    count = 20_000
    server = Server(tmp_path / "server").start()
    out = server.home / "data/files/sums.txt"
    try:
        with server.client() as client:
            config = file_job(None, "sums.txt").build()
            config.options["checkpoint_interval_seconds"] = 0.02
            client.create_python_function_from_config(config, Remembering)
            client.publish("in", [b"1"] * count)
            wait_for(lambda: out.exists() and out.stat().st_size > 1000, "some lines")
        server.kill()
        server.start()
        expected = b"".join(b"%d\n" % number for number in range(1, count + 1))
        wait_for(lambda: out.read_bytes() == expected, "every line once", timeout=60)
    finally:
        if server.is_running():
            server.kill()


def test_a_file_outside_the_folder_is_refused(client: FsClient) -> None:
    for path in ("/etc/passwd", "../../secret"):
        with pytest.raises(BadRequestError, match="path"):
            client.create_python_function_from_config(file_job(path, "sums.txt").build(), Remembering)
    create(client, "still-works", Remembering)
