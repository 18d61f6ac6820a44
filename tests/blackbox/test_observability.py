"""What an operator sees: /metrics, /healthz, /readyz, describe, a function's log, and the server's."""

from __future__ import annotations

import json
import subprocess
import sys
import threading
from pathlib import Path

import pytest
from fs_client import FsClient, LogLine
from fs_client.config import EmbeddedInput, EmbeddedOutput, FileInput, KafkaInput, KafkaOutput, WasmTaskBuilder
from fs_client.errors import ClientError, NotFoundError
from functions.hostile.running import Allocates
from functions.talking import Talking
from support.kafka import Kafka
from support.metrics import Samples, get, scrape, value
from support.server import Server
from support.topics import create, read, status
from support.wait import wait_for


def names_function(samples: Samples, name: str) -> bool:
    return any(("function", name) in labels for _, labels in samples)


def test_metrics_follow_a_function_from_create_to_drop(server: Server, client: FsClient) -> None:
    create(client, "talk", Talking)
    client.publish("in", [b"one", b"three"])
    read(client, "out", 2)
    assert client.stop_function("talk")
    samples = scrape(server)

    def of(name: str, **labels: str) -> float | None:
        return value(samples, f"function_stream_function_{name}", function="talk", **labels)

    assert (of("processed_messages_total", input="0"), of("processed_bytes_total", input="0")) == (2, 8)
    assert (of("emitted_messages_total", channel="0"), of("emitted_bytes_total", channel="0")) == (2, 8)
    assert of("process_seconds_count") == 2 and (of("process_seconds_sum") or 0) > 0
    assert (of("position", input="0", partition="0"), of("lag_messages", input="0", partition="0")) == (2, 0)
    assert (of("checkpoint_seconds_count") or 0) >= 1
    assert (of("last_checkpoint_timestamp_seconds") or 0) > 1.7e9
    assert (of("status", status="STOPPED"), of("status", status="RUNNING")) == (1, 0)
    assert of("memory_bytes") == 0
    assert (of("exceptions_total"), of("failures_total"), of("restarts_total")) == (0, 0, 0)
    assert value(samples, "function_stream_functions", status="STOPPED") == 1
    assert value(samples, "function_stream_grpc_requests_total", method="StopFunction", code="200") == 1
    assert (value(samples, "process_resident_memory_bytes") or 0) > 1e6
    build = [labels for name, labels in samples if name == "function_stream_build_info"]
    assert len(build) == 1 and dict(build[0])["version"] == client.server_info().version

    with pytest.raises(NotFoundError):
        client.describe_function("nobody")
    client.drop_function("talk")
    samples = scrape(server)
    assert not names_function(samples, "talk")
    assert value(samples, "function_stream_grpc_requests_total", method="DescribeFunction", code="404") == 1


def test_health_and_readiness(server: Server) -> None:
    assert get(server, "/healthz")[0] == 200
    assert get(server, "/readyz") == (200, "text/plain; charset=utf-8", "ready\n")
    code, _, text = get(server, "/nothing")
    assert code == 404 and "/metrics" in text


def test_the_http_port_can_be_switched_off(tmp_path: Path) -> None:
    with Server(tmp_path / "server", {"http": {"enabled": False}}) as server:
        assert server.http_port == 0
        with server.client() as client:
            assert client.server_info().version


def test_lag_of_a_file_and_memory_and_state(server: Server, client: FsClient) -> None:
    folder = server.home / "data" / "files"
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "lines.txt").write_bytes(b"a\nb\n")
    config = WasmTaskBuilder().set_name("lines").add_input_group([FileInput(path="lines.txt")]).add_output(EmbeddedOutput("out")).build()
    client.create_python_function_from_config(config, Talking)
    about = wait_for(lambda: (one := client.describe_function("lines")).memory_bytes and one, "a look")
    wait_for(
        lambda: [(at.offset, at.end_offset, at.lag) for at in client.describe_function("lines").positions] == [(4, 4, 0)],
        "a checkpoint, and a look after it",
    )
    assert about.memory_bytes > 1 << 20
    assert wait_for(lambda: client.describe_function("lines").state_bytes, "the state's size") > 0


def test_positions_and_lag_of_kafka_are_by_partition(server: Server, client: FsClient, kafka: Kafka) -> None:
    topic = "observed"
    kafka.create_topic(topic, 2)
    kafka.produce(topic, [b"%d" % number for number in range(20)])
    source = KafkaInput(kafka.bootstrap_servers, topic, "lagging-group")
    config = WasmTaskBuilder().set_name("lagging").add_input_group([source]).add_output(EmbeddedOutput("out")).build()
    client.create_python_function_from_config(config, Talking)

    def told() -> Samples | None:
        samples = scrape(server)
        # Where a partition ends is known from its fetches, a little after its records.
        return samples if read_positions(samples) == 20 and len(lags(samples)) == len(used) else None

    used = {message.partition() for message in kafka.consume_messages(topic, 20)}
    assert set(lags(wait_for(told, "all of it in a checkpoint"))) == {0}


def test_lag_grows_while_an_output_is_away(server: Server, client: FsClient, kafka: Kafka) -> None:
    kafka.create_topic("held-up")
    target = KafkaOutput(kafka.bootstrap_servers, "held-up", partition=0)
    config = WasmTaskBuilder().set_name("held").add_input_group([EmbeddedInput("in", "g")]).add_output(target).build()
    client.create_python_function_from_config(config, Talking)
    client.publish("in", [b"1", b"2", b"3"])
    wait_for(lambda: read_positions(scrape(server)) == 3, "a checkpoint")
    kafka.stop()
    try:
        client.publish("in", [b"4", b"5", b"6", b"7", b"8"])
        wait_for(lambda: lags(scrape(server)) == [5], "the lag")
        assert "outputs[0]" in client.describe_function("held").reason
    finally:
        kafka.start()
    wait_for(lambda: read_positions(scrape(server)) == 8, "it goes on", timeout=60)


def lags(samples: Samples) -> list[float]:
    return [lag for (name, _), lag in samples.items() if name == "function_stream_function_lag_messages"]


def read_positions(samples: Samples) -> float:
    return sum(at for (name, _), at in samples.items() if name == "function_stream_function_position")


def test_describe_tells_rates_latency_traffic_and_the_last_checkpoint(client: FsClient) -> None:
    create(client, "talk", Talking)
    client.publish("in", [b"abc"] * 50)
    read(client, "out", 50)
    about = wait_for(
        lambda: (one := client.describe_function("talk")).last_checkpoint and one.rates.processed_per_second and one, "numbers"
    )
    assert about.rates.emitted_per_second > 0
    assert about.rates.p50_seconds is not None and about.rates.p99_seconds is not None
    assert 0 < about.rates.p50_seconds <= about.rates.p99_seconds < 10
    assert about.last_checkpoint is not None
    assert about.last_checkpoint.id == about.checkpoint_id and about.last_checkpoint.bytes > 0
    assert about.last_checkpoint.time_ms >= about.since_ms
    assert [(one.topic, one.messages, one.bytes) for one in about.inputs] == [("in", 50, 150)]
    assert [(one.topic, one.messages, one.bytes) for one in about.outputs] == [("out", 50, 150)]
    wait_for(lambda: [(at.offset, at.lag) for at in client.describe_function("talk").positions] == [(50, 0)], "all committed, and a look")


def test_describe_and_metrics_tell_an_exception_with_its_traceback(server: Server, client: FsClient) -> None:
    create(client, "talk", Talking)
    client.publish("in", [b"fine", b"raise"])
    wait_for(lambda: status(client, "talk") == "FAILED", "it failed")
    about = client.describe_function("talk")
    assert about.exceptions == 1 and about.last_error_ms >= about.since_ms - 60_000
    assert "ValueError: told to raise" in about.last_error and "talking.py" in about.last_error and "line " in about.last_error
    samples = scrape(server)
    assert value(samples, "function_stream_function_exceptions_total", function="talk") == 1
    assert value(samples, "function_stream_function_failures_total", function="talk") == 1
    assert value(samples, "function_stream_function_status", function="talk", status="FAILED") == 1
    assert any("ValueError: told to raise" in line.text for line in client.logs("talk"))


def test_restarts_are_counted(server: Server, client: FsClient) -> None:
    create(client, "greedy", Allocates, restart={"max_attempts": 2, "backoff_ms": 1}, limits={"memory_mb": 64})
    client.publish("in", [b"now"])
    wait_for(lambda: status(client, "greedy") == "FAILED", "it was given up")
    samples = scrape(server)
    restarts = client.describe_function("greedy").restarts
    assert restarts >= 1
    assert value(samples, "function_stream_function_restarts_total", function="greedy") == restarts
    assert value(samples, "function_stream_function_failures_total", function="greedy") == restarts + 1


def texts(lines: list[LogLine]) -> list[str]:
    return [line.text for line in lines]


def test_logs_are_read_with_level_and_time_and_from_the_tail(client: FsClient) -> None:
    create(client, "talk", Talking)
    client.publish("in", [b"a", b"b", b"c"])
    read(client, "out", 3)
    lines = list(client.logs("talk"))
    assert texts(lines) == ["up", r"message 1 \x1b[2J", r"message 2 \x1b[2J", r"message 3 \x1b[2J"]
    assert [line.level for line in lines] == ["WARNING", "INFO", "INFO", "INFO"]
    assert all(line.time.endswith("Z") and len(line.time) == 24 for line in lines)
    assert texts(list(client.logs("talk", tail=2))) == texts(lines)[-2:]
    assert list(client.logs("talk", tail=0)) == []


def test_followed_logs_go_on_over_stop_and_start_and_end_with_the_drop(client: FsClient) -> None:
    create(client, "talk", Talking)
    with client.logs("talk", follow=True) as lines:
        seen: list[str] = []
        arrived = threading.Condition()

        def follow() -> None:
            for line in lines:
                with arrived:
                    seen.append(line.text)
                    arrived.notify_all()

        follower = threading.Thread(target=follow)
        follower.start()
        client.publish("in", [b"a"])
        with arrived:
            assert arrived.wait_for(lambda: r"message 1 \x1b[2J" in seen, 20), seen
        client.stop_function("talk")
        client.start_function("talk")
        with arrived:
            assert arrived.wait_for(lambda: seen[-2:] == ["closing", "up"], 20), seen
        client.drop_function("talk")
        follower.join(20)
        assert not follower.is_alive(), "the stream did not end with the function"
        assert seen == ["up", r"message 1 \x1b[2J", "closing", "up", "closing"]


def test_many_followers_take_no_threads(server: Server, client: FsClient) -> None:
    create(client, "talk", Talking)

    def threads() -> int:
        return len(list(Path(f"/proc/{server.pid}/task").iterdir()))

    streams = [client.logs("talk", follow=True)]
    assert next(streams[0]).text == "up"
    before = threads()
    streams += [client.logs("talk", follow=True) for _ in range(100)]
    assert [next(stream).text for stream in streams[1:]] == ["up"] * 100
    # gRPC keeps some threads of its own ready; a thread a follower would be a hundred.
    assert threads() < before + 30
    client.drop_function("talk")
    for stream in streams:
        assert "closing" in [line.text for line in stream]


def test_a_flood_is_cut_and_counted(server: Server, client: FsClient) -> None:
    create(client, "talk", Talking)
    client.publish("in", [b"flood"])
    read(client, "out", 1)
    dropped = client.describe_function("talk").log_lines_dropped
    assert dropped >= 4000
    assert value(scrape(server), "function_stream_function_log_dropped_lines_total", function="talk") == dropped


def test_logs_of_nobody_and_senseless_tails_are_refused(client: FsClient) -> None:
    with pytest.raises(NotFoundError, match="nobody"):
        list(client.logs("nobody"))
    with pytest.raises(NotFoundError, match="nobody"):
        list(client.logs("nobody", follow=True))
    with pytest.raises(ClientError, match="tail"):
        client.logs("talk", tail=-1)


def test_the_command_shows_logs_and_a_description(server: Server, client: FsClient) -> None:
    create(client, "talk", Talking)
    client.publish("in", [b"a"])
    read(client, "out", 1)

    def fs(*arguments: str) -> str:
        command = [
            sys.executable,
            "-c",
            "from fs_client.cli.app import main; main()",
            "--host",
            "127.0.0.1",
            "--port",
            str(server.port),
            *arguments,
        ]
        return subprocess.run(command, capture_output=True, text=True, timeout=60, check=True).stdout

    assert fs("logs", "talk", "-n", "1").endswith("INFO message 1 \\x1b[2J\n")
    assert [json.loads(line)["text"] for line in fs("logs", "talk", "--json").splitlines()] == ["up", r"message 1 \x1b[2J"]
    told = fs("describe", "talk")
    for part in ("RUNNING since", "per message", "lag 0", "memory", "memory_mb 256, process_timeout_ms 30000"):
        assert part in told, told


def test_the_servers_log_is_json_and_holds_no_payloads(server: Server, client: FsClient) -> None:
    create(client, "talk", Talking)
    secret = b'payload-"7f3a\x1b[2J'
    client.publish("in", [secret])
    read(client, "out", 1)
    client.publish("in", [b"raise"])
    wait_for(lambda: status(client, "talk") == "FAILED", "it failed")
    client.drop_function("talk")
    assert server.stop() == 0
    lines = (server.home / "logs" / "app.log").read_text(encoding="utf-8").splitlines()
    assert len(lines) > 5
    for line in lines:
        event = json.loads(line)
        assert {"time", "level", "thread", "message"} <= set(event)
    assert not any("7f3a" in line for line in [*lines, server.stderr()])


def test_the_servers_log_rotates_by_its_configuration(tmp_path: Path) -> None:
    with (
        Server(tmp_path / "server", {"logging": {"level": "debug", "max_file_size": 1, "max_files": 2}}) as server,
        server.client() as client,
    ):
        # A refused request is a line with its name: 255 bytes each.
        for number in range(12_000):
            name = f"{number:05}" + "n" * 250
            with pytest.raises(NotFoundError):
                client.stop_function(name)
        files = sorted(path.name for path in (server.home / "logs").glob("app*"))
        assert len(files) == 2, files
        for path in (server.home / "logs").glob("app*"):
            assert path.stat().st_size <= 1 << 20
            for line in path.read_text(encoding="utf-8").splitlines():
                json.loads(line)
