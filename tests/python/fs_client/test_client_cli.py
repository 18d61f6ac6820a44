"""The command `fs`: what it prints, and its exit codes."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from answering_server import Server, collect
from fs_client._proto import function_stream_pb2 as pb
from fs_client.cli.lines import record_batches

OK = pb.Response(status_code=pb.OK)


def fs(server: Server, *arguments: str, stdin: str = "") -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-c", "from fs_client.cli import main; main()", "--host", "127.0.0.1", "--port", str(server.port)]
    return subprocess.run([*command, *arguments], input=stdin, capture_output=True, text=True, timeout=60, check=False)


@pytest.fixture
def job(tmp_path: Path) -> Path:
    code = "from fs_api import FSProcessorDriver\nclass Job(FSProcessorDriver):\n    def process(self, c, s, d): pass\n"
    (tmp_path / "job.py").write_text(code + "raise SystemExit('ran')\n")
    (tmp_path / "job.yaml").write_text("name: job\ninput-groups: [{inputs: [{input-type: embedded, topic: t, group_id: g}]}]\n")
    return tmp_path


def test_create_uploads_without_running_the_file(server: Server, job: Path) -> None:
    received: list[Any] = []
    server.answers["GetServerInfo"] = pb.ServerInfoResponse(python_version="3.13", max_package_bytes=1 << 20)
    server.answers["UploadFunction"] = collect(received, OK)
    done = fs(server, "create", f"{job}/job.py:Job", "--config", f"{job}/job.yaml", "--name", "other")
    assert (done.returncode, done.stdout, done.stderr) == (0, "other is running\n", "")
    assert "name: other" in received[0].header.config_content


def test_list_and_describe(server: Server) -> None:
    one = pb.FunctionInfo(name="a", task_type="python", status="RUNNING")
    server.answers["ShowFunctions"] = pb.ShowFunctionsResponse(status_code=pb.OK, functions=[one])
    server.answers["DescribeFunction"] = pb.DescribeFunctionResponse(status_code=pb.OK, function=one, last_error="[red]Trace")
    assert fs(server, "list").stdout.split() == ["name", "type", "status", "a", "python", "RUNNING"]
    assert json.loads(fs(server, "list", "--json").stdout) == {"name": "a", "task_type": "python", "status": "RUNNING"}
    assert "[red]Trace" in fs(server, "describe", "a").stdout
    assert json.loads(fs(server, "--json", "describe", "a").stdout)["status"] == "RUNNING"


def test_checkpoints(server: Server) -> None:
    kept = pb.RetainedCheckpoint(id=3, created_ms=1000, reason=pb.RetainedCheckpoint.PERIODIC, bytes=77)
    kept.positions.add(topic="in", partition=1, offset=9)
    server.answers["ListCheckpoints"] = pb.ListCheckpointsResponse(status_code=pb.OK, checkpoints=[kept])
    server.answers["CreateCheckpoint"] = pb.CreateCheckpointResponse(status_code=pb.CREATED, checkpoint=kept)
    server.answers["DeleteCheckpoint"] = server.answers["StartFromCheckpoint"] = OK
    shown = fs(server, "checkpoints", "list", "a").stdout
    assert "periodic" in shown and "in[1] at 9" in shown
    assert json.loads(fs(server, "checkpoints", "list", "a", "--json").stdout)["id"] == 3
    assert fs(server, "checkpoints", "create", "a").stdout == "checkpoint 3 of a\n"
    assert fs(server, "checkpoints", "delete", "a", "3").stdout == "checkpoint 3 of a is deleted\n"
    assert fs(server, "start", "a", "--checkpoint", "3").stdout == "a is running from checkpoint 3\n"
    assert server.requests[-1].id == 3


def test_lines_are_published_and_printed(server: Server, tmp_path: Path) -> None:
    seen: list[pb.EmbeddedRecord] = []

    def publish(requests: Iterator[pb.PublishRequest], context: Any) -> Iterator[pb.PublishResponse]:
        for request in requests:
            seen.extend(request.records)
            yield pb.PublishResponse(status_code=pb.OK, first_offset=len(seen) - len(request.records), count=len(request.records))

    server.answers["Publish"] = publish
    assert fs(server, "publish", "t", stdin="one\ntwo\r\n\nthree").stdout == "3 messages to t\n"
    (tmp_path / "lines").write_text("k:v:w\n")
    assert fs(server, "publish", "t", "-f", str(tmp_path / "lines"), "--key-separator", ":").returncode == 0
    assert [(one.key, one.value) for one in seen] == [(b"", b"one"), (b"", b"two"), (b"", b"three"), (b"k", b"v:w")]
    server.answers["Subscribe"] = lambda request, context: iter([pb.SubscribeResponse(status_code=pb.OK, records=seen)])
    server.answers["CommitOffset"] = OK
    assert fs(server, "subscribe", "t", "-n", "2", "--group", "g").stdout == "one\ntwo\n"
    assert json.loads(fs(server, "subscribe", "t", "--json").stdout.splitlines()[3])["key"] == "k"


def test_exit_codes_and_errors_in_one_line(server: Server, job: Path) -> None:
    server.answers["StartFunction"] = pb.Response(status_code=pb.NOT_FOUND, message="function x: not found")
    refused = fs(server, "start", "x")
    assert (refused.returncode, refused.stderr) == (1, "fs: function x: not found\n")
    wrong = fs(server, "create", "job.py", "-c", f"{job}/job.yaml")
    assert (wrong.returncode, wrong.stderr) == (2, "fs: job.py: FILE.py:CLASS is expected, such as jobs/metrics.py:MetricProcessor\n")
    assert fs(server, "no-such-command").returncode == 2
    absent = fs(server, "list", "--port", "1")
    assert (absent.returncode, absent.stderr.count("\n")) == (3, 1)
    server.answers["StopFunction"] = lambda request, context: __import__("time").sleep(2) or OK
    assert fs(server, "stop", "x", "--timeout", "0.2").returncode == 4


BAD_COMMANDS: dict[str, tuple[list[str], list[str]]] = {
    "no command": ([], ["Missing command"]),
    "an unknown command": (["strat", "x"], ["strat"]),
    "an unknown option": (["list", "--jsn"], ["--jsn"]),
    "a missing name": (["start"], ["NAME"]),
    "a port that is none": (["list", "--port", "eighty"], ["eighty"]),
    "a port out of range": (["list", "--port", "70000"], ["70000"]),
    "a host that is none": (["list", "--host", "http://a"], ["http://a"]),
    "a timeout that is none": (["list", "--timeout", "-1"], ["timeout", "-1"]),
    "a tail that is none": (["logs", "x", "-n", "-1"], ["-1"]),
    "a checkpoint that is none": (["start", "x", "--checkpoint", "0"], ["checkpoint_id", "0"]),
    "an empty name": (["start", ""], ["name"]),
    "an offset that is none": (["subscribe", "t", "--offset", "-5", "--no-follow"], ["offset", "-5"]),
    "no configuration": (["create", "{job}/job.py:Job"], ["--config"]),
    "a configuration that is not there": (["create", "{job}/job.py:Job", "-c", "{job}/no.yaml"], ["no.yaml", "No such file"]),
    "a configuration that is a folder": (["create", "{job}/job.py:Job", "-c", "{job}"], ["Is a directory"]),
    "a configuration that is no yaml": (["create", "{job}/job.py:Job", "-c", "{job}/bad.yaml"], ["not YAML", "line 2"]),
    "a configuration that is no map": (["create", "{job}/job.py:Job", "-c", "{job}/job.py"], ["mapping"]),
    "a configuration that is not text": (["create", "{job}/job.py:Job", "-c", "{job}/binary"], ["not YAML"]),
    "a file that is not there": (["create", "{job}/no.py:Job", "-c", "{job}/job.yaml"], ["no.py", "no such file"]),
    "a file that is not python": (["create", "{job}/job.yaml:Job", "-c", "{job}/job.yaml"], ["job.yaml", ".py"]),
    "a file that is broken": (["create", "{job}/broken.py:Job", "-c", "{job}/job.yaml"], ["broken.py:1"]),
    "a class that is not there": (["create", "{job}/job.py:Jbo", "-c", "{job}/job.yaml"], ["job.py", "Jbo"]),
    "a file to publish that is not there": (["publish", "t", "--file", "{job}/none"], ["none", "No such file"]),
}


@pytest.mark.parametrize("name", BAD_COMMANDS)
def test_a_wrong_command_ends_with_two_and_says_why_without_a_traceback(server: Server, job: Path, name: str) -> None:
    (job / "bad.yaml").write_text("name: [\n")
    (job / "binary").write_bytes(bytes(range(256)))
    (job / "broken.py").write_text("class Job(:\n")
    arguments, named = BAD_COMMANDS[name]
    done = fs(server, *(argument.format(job=job) for argument in arguments))
    assert done.returncode == 2, done
    assert "Traceback" not in done.stderr and done.stderr.strip() + done.stdout.strip()
    for part in named:
        assert part in done.stderr + done.stdout, done


def test_a_configuration_file_is_sent_as_it_is_so_that_lines_in_errors_are_its_own(server: Server, job: Path) -> None:
    written = (
        "# our job\nname:   job\ntype: python\ninput-groups: [{inputs: [{input-type: embedded, topic: t, group_id: g}]}]\n"
        "init_config: {rate: 1.50}\n"
    )
    (job / "job.yaml").write_text(written)
    received: list[Any] = []
    server.answers["GetServerInfo"] = pb.ServerInfoResponse(python_version="3.13", max_package_bytes=1 << 20)
    server.answers["UploadFunction"] = collect(received, OK)
    assert fs(server, "create", f"{job}/job.py:Job", "--config", f"{job}/job.yaml").returncode == 0
    assert received[0].header.config_content == written


def test_lines_are_passed_on_as_they_arrive() -> None:
    reader, writer = os.pipe()
    batches = record_batches(reader, None)
    os.write(writer, b"a\nb\nhal")
    assert [one.value for one in next(batches)] == [b"a", b"b"]
    os.write(writer, b"f\n")
    assert [one.value for one in next(batches)] == [b"half"]
    os.write(writer, b"end")
    os.close(writer)
    assert [one.value for one in next(batches)] == [b"end"]
    assert list(batches) == []
    os.close(reader)
