"""The guide's code blocks, extracted from its text and run as they are, apart from host names, against a real server and a real Kafka."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path

from support.kafka import Kafka
from support.server import Server

GUIDE = Path(__file__).with_name("seed.txt")


def code_blocks() -> list[str]:
    """The guide's code: from a line that begins with `from` to the line before the next heading."""
    lines = GUIDE.read_text(encoding="utf-8").splitlines()
    blocks: list[list[str]] = []
    inside = False
    for line in lines:
        if re.match(r"\d+(\.\d+)?\.? ", line):
            inside = False
        elif line.startswith("from ") and not inside:
            inside = True
            blocks.append([])
        if inside:
            blocks[-1].append(line)
    return ["\n".join(block).rstrip() + "\n" for block in blocks]


def test_the_guide_has_its_three_blocks() -> None:
    processor, builder, session = code_blocks()
    assert "class MetricProcessor(FSProcessorDriver)" in processor
    assert "WasmTaskBuilder()" in builder
    assert "with FsClient(" in session


def test_the_guides_code_runs_as_printed(server: Server, kafka: Kafka, tmp_path: Path) -> None:
    kafka.create_topic("raw-data", 1)
    kafka.create_topic("clean-data", 1)
    script = "\n".join(code_blocks())
    replaced = script.replace('host="10.0.0.1", port=8080', f'host="127.0.0.1", port={server.port}').replace(
        "kafka:9092", kafka.bootstrap_servers
    )
    assert replaced.count(kafka.bootstrap_servers) == 2 and str(server.port) in replaced
    program = tmp_path / "etl_job.py"
    program.write_text(replaced, encoding="utf-8")

    done = subprocess.run([sys.executable, str(program)], capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stderr
    assert done.stdout == "Task Status: RUNNING\n"

    events = [{"value": 3}, {}, {"value": 10}]
    kafka.produce("raw-data", [json.dumps(event).encode() for event in events])
    results = [json.loads(value) for value in kafka.consume("clean-data", len(events))]
    assert results == [{"metric": "user_click", "total": total} for total in (3, 4, 14)]
