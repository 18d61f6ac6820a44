"""How a function stands with time: its watermarks by source, how old its figures are; and what no log holds."""

from __future__ import annotations

import json
import time

import pytest
from fs_client import FsClient, Record
from fs_client.config import EmbeddedInput, EmbeddedOutput, WasmTaskBuilder
from fs_client.errors import FsError
from functions.failing import WAYS, Failing
from functions.hostile.running import Loops
from functions.talking import Talking
from support.server import Server
from support.topics import create, read
from support.wait import wait_for
from test_observability import scrape, value


def test_watermarks_are_told_by_source_and_merged(server: Server, client: FsClient) -> None:
    builder = WasmTaskBuilder().set_name("job").add_output(EmbeddedOutput("out")).set_option("watermark", {"idle_timeout_ms": 3_600_000})
    for topic in ("left", "right"):
        builder.add_input_group([EmbeddedInput(topic, "group")])
    client.create_python_function_from_config(builder.build(), Talking)
    client.publish("left", [Record(b"a", timestamp_ms=5_001)])
    about = wait_for(lambda: (one := client.describe_function("job")).source_watermarks_ms and one, "the first watermark")
    # The other source has none yet, and so has the function.
    assert (about.source_watermarks_ms, about.watermark_ms) == ({0: 5_000}, None)
    samples = scrape(server)
    assert value(samples, "function_stream_function_source_watermark_timestamp_seconds", function="job", source="0") == 5
    assert value(samples, "function_stream_function_watermark_timestamp_seconds", function="job") is None

    client.publish("right", [Record(b"b", timestamp_ms=2_001)])
    about = wait_for(lambda: (one := client.describe_function("job")).watermark_ms is not None and one, "the merged one")
    assert (about.source_watermarks_ms, about.watermark_ms) == ({0: 5_000, 1: 2_000}, 2_000)
    samples = scrape(server)
    assert value(samples, "function_stream_function_source_watermark_timestamp_seconds", function="job", source="1") == 2
    assert value(samples, "function_stream_function_watermark_timestamp_seconds", function="job") == 2


def test_figures_of_a_function_in_a_long_call_tell_how_old_they_are(server: Server, client: FsClient) -> None:
    create(client, "job", Loops, heartbeat_interval_ms=100)
    client.publish("in", [b"fine"])
    read(client, "out", 1)
    # Idle or busy, it looks at least with each heartbeat.
    before = client.describe_function("job").observed_ms
    wait_for(lambda: client.describe_function("job").observed_ms > before + 2_000, "two more looks")
    client.publish("in", [b"now"])

    def age() -> float:
        seen = value(scrape(server), "function_stream_function_observed_timestamp_seconds", function="job")
        assert seen is not None
        return time.time() - seen

    wait_for(lambda: age() > 4, "the figures stand still")
    first, second = client.describe_function("job"), client.describe_function("job")
    assert first.status == "RUNNING" and first.observed_ms == second.observed_ms


def test_no_log_of_the_servers_holds_a_payload_however_its_processing_fails(server: Server, client: FsClient) -> None:
    marker = "payload-7f3a"
    ways = [way for way in WAYS if way not in ("crash",)]
    config = WasmTaskBuilder().set_name("job").add_input_group([EmbeddedInput("in", "g")])
    for topic in ("out", "dead"):
        config.add_output(EmbeddedOutput(topic))
    built = config.build()
    built.options.update(
        {
            "on_error": {"policy": "dead-letter", "dead_letter_output": 1, "retries": 1, "backoff_ms": 0},
            "limits": {"memory_mb": 64, "process_timeout_ms": 1000},
        }
    )
    client.create_python_function_from_config(built, Failing)
    messages = [json.dumps({"n": number, "do": way, "secret": marker}).encode() for number, way in enumerate(ways)]
    client.publish("in", [Record(message, key=marker.encode(), headers=[("h", marker.encode())]) for message in messages])
    with pytest.raises(FsError):
        client.publish("no/topic", [marker.encode()])
    with pytest.raises(FsError):
        client.call_function("nobody", marker.encode())
    wait_for(lambda: [at.offset for at in client.describe_function("job").positions] == [len(ways)], "all messages", 60)
    assert client.describe_function("job").dead_lettered >= len(ways) - 2
    log = "\n".join(line.text for line in client.logs("job"))
    client.drop_function("job")
    assert server.stop() == 0
    told = server.stderr() + "".join(path.read_text(encoding="utf-8") for path in (server.home / "logs").glob("app*"))
    assert "dead-letter" in told + log or "dead letter" in told + log
    for text in (told, log):
        assert marker not in text
