"""docs/errors.md against the real thing: each row's condition is brought about, and ends as the row tells: code, class and text."""

from __future__ import annotations

import re
import shutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import fs_client.errors
import grpc
import pytest
from fs_client import FsClient
from fs_client.errors import FsError
from functions.hostile.running import Loops
from functions.talking import Talking
from support.server import Server
from support.topics import create

DOCUMENT = Path(__file__).parents[2] / "docs" / "errors.md"
CONFIG = """\
name: job
type: python
input-groups:
  - inputs:
      - input-type: embedded
        topic: in
        group_id: g
outputs:
  - output-type: embedded
    topic: out
"""
CODE = b"""from fs_api import FSProcessorDriver
class Echo(FSProcessorDriver):
    def process(self, ctx, source_id, data):
        ctx.emit(data)
"""


@dataclass(frozen=True)
class Row:
    condition: str
    status: str
    grpc_code: str
    kind: str
    example: str
    remedy: str


def rows() -> list[Row]:
    found = []
    for line in DOCUMENT.read_text(encoding="utf-8").splitlines():
        cells = [cell.strip() for cell in re.split(r"(?<!\\)\|", line)[1:-1]]
        if len(cells) == 6 and cells[0] not in ("condition", "---"):
            found.append(Row(*(cell.replace("\\|", "|") for cell in cells)))
    return found


@dataclass(frozen=True)
class Place:
    """What a row may use."""

    server: Server
    client: FsClient
    folder: Path

    def create(self, config: str = CONFIG, code: bytes = CODE, class_name: str = "Echo") -> None:
        self.client.create_python_function(class_name, [("echo", code)], config)


ROWS: dict[str, Callable[[Place], Any]] = {}


def row(condition: str) -> Callable[[Callable[[Place], Any]], Callable[[Place], Any]]:
    def register(bring_about: Callable[[Place], Any]) -> Callable[[Place], Any]:
        ROWS[condition] = bring_about
        return bring_about

    return register


def configured(condition: str, change: Callable[[str], str]) -> None:
    ROWS[condition] = lambda place: place.create(change(CONFIG))


configured("YAML that cannot be read", lambda text: text + "limits: {memory_mb: 64\n")
configured("unknown key", lambda text: text + "limit: {memory_mb: 64}\n")
configured("key given twice", lambda text: text + "name: again\n")
configured("missing key", lambda text: text.replace("        topic: in\n", ""))
configured("value of a wrong type", lambda text: text + "limits: {memory_mb: large}\n")
configured("value out of range", lambda text: text + "heartbeat_interval_ms: 1\n")
configured("illegal name", lambda text: text.replace("name: job", "name: ../job"))
configured("unknown connector", lambda text: text.replace("input-type: embedded", "input-type: embeded"))
KAFKA = "input-type: kafka\n        bootstrap_servers: kafka:9092"
configured("broker that is no host:port", lambda text: text.replace("input-type: embedded", KAFKA.replace(":9092", "")))
configured("unknown Kafka property", lambda text: text.replace("input-type: embedded", KAFKA + "\n        auto.ofset.reset: latest"))
configured("bad value of a Kafka property", lambda text: text.replace("input-type: embedded", KAFKA + "\n        fetch.wait.max.ms: 5s"))
TWO_DECIDERS = "topic: out\n  - output-type: kafka\n    bootstrap_servers: kafka:9092\n    topic: out"
configured("exactly-once where it cannot be kept", lambda text: text.replace("topic: out", TWO_DECIDERS) + "delivery: exactly-once\n")
configured(
    "several instances that write a file",
    lambda text: text.replace("output-type: embedded\n    topic: out", "output-type: file\n    path: out") + "parallelism: 2\n",
)
configured("type: processor", lambda text: text.replace("type: python", "type: processor"))


@row("name already registered")
def _taken(place: Place) -> None:
    place.create()
    place.create()


@row("class missing from the package")
def _no_class(place: Place) -> None:
    place.create(class_name="Ecko")


@row("class that is no FSProcessorDriver")
def _no_driver(place: Place) -> None:
    place.create(code=b"class Echo:\n    pass\n")


@row("syntax error, or exception on import")
def _syntax(place: Place) -> None:
    place.create(code=b"class Echo(:\n    pass\n")


@row("exception in `init`")
def _init(place: Place) -> None:
    place.create(code=CODE + b"    def init(self, ctx, config):\n        config['rate']\n")


@row("`init` over its time limit")
def _slow(place: Place) -> None:
    place.create(CONFIG + "limits: {process_timeout_ms: 1000}\n", CODE + b"    def init(self, ctx, config):\n        while True: pass\n")


@row("`init` over its memory limit")
def _large(place: Place) -> None:
    body = b"    def init(self, ctx, config):\n        x = []\n        while True: x.append(bytearray(1 << 20))\n"
    place.create(CONFIG + "limits: {memory_mb: 64}\n", CODE + body)


@row("package that is damaged")
def _damaged(place: Place) -> None:
    place.client.create_function_from_bytes(b"PK\x03\x04", CONFIG)


@row("unknown function")
def _unknown(place: Place) -> None:
    place.client.stop_function("job")


@row("unknown checkpoint")
def _no_checkpoint(place: Place) -> None:
    place.create()
    place.client.stop_function("job")
    place.client.start_function("job", checkpoint_id=7)


@row("restore of a running function")
def _restore_running(place: Place) -> None:
    place.create()
    place.client.start_function("job", checkpoint_id=7)


@row("`custom` that raises")
def _custom(place: Place) -> None:
    place.create(code=CODE + b"    def custom(self, payload):\n        raise ValueError('no such question')\n")
    place.client.call_function("job", b"")


@row("call of a function that does not run")
def _call_stopped(place: Place) -> None:
    place.create()
    place.client.stop_function("job")
    place.client.call_function("job", b"")


@row("unknown topic")
def _no_topic(place: Place) -> None:
    place.client.delete_topic("nowhere")


@row("topic that is there with another number of partitions")
def _other_partitions(place: Place) -> None:
    place.client.create_topic("in", 2)
    place.client.create_topic("in", 4)


@row("partition that is not there")
def _no_partition(place: Place) -> None:
    place.client.publish("in", b"x", partition=3)


@row("instance that is not there")
def _no_instance(place: Place) -> None:
    place.create()
    place.client.call_function("job", instance=1)


@row("illegal topic")
def _bad_topic(place: Place) -> None:
    place.client.publish("a/b", b"x")


@row("package over `limits.package_mb`")
def _package(place: Place) -> None:
    place.create(code=CODE + b"#" * (2 << 20))


@row("functions over `limits.functions`")
def _many(place: Place) -> None:
    for number in range(4):
        place.create(CONFIG.replace("name: job", f"name: job{number}"))
        place.client.stop_function(f"job{number}")


@row("functions over `limits.running_functions`")
def _many_running(place: Place) -> None:
    for number in range(3):
        place.create(CONFIG.replace("name: job", f"name: job{number}") + "limits: {memory_mb: 64}\n")


@row("memory over `limits.total_memory_mb`")
def _much_memory(place: Place) -> None:
    place.create()
    place.create(CONFIG.replace("name: job", "name: large") + "limits: {memory_mb: 300}\n")


configured("limit over the server's `limits.per_function`", lambda text: text + "limits: {memory_mb: 301}\n")
configured("configuration over `limits.config_kb`", lambda text: text + "# " + "x" * 9000 + "\n")


@row("message over `limits.message_mb`")
def _message(place: Place) -> None:
    place.create(code=CODE + b"#" * (5 << 20))


@row("no answer within the client's timeout")
def _timeout(place: Place) -> None:
    create(place.client, "job", Loops)
    place.client.publish("in", [b"now"])
    place.client.call_function("job", b"", timeout=0.5)


@row("server that cannot be reached")
def _away(place: Place) -> None:
    place.server.stop()
    place.client.show_functions()


@row("state folder that cannot be written")
def _no_folder(place: Place) -> None:
    folder = place.server.home / "data" / "state"
    shutil.rmtree(folder)
    folder.write_text("in the way", encoding="utf-8")
    place.create()


@row("SQL")
def _sql(place: Place) -> None:
    from fs_client._proto import function_stream_pb2 as pb

    place.client._connection.call(place.client._connection.service.ExecuteSql, pb.SqlRequest(sql="SHOW TABLES"), "sql", None)


@row("wrong argument of a call")
def _argument(place: Place) -> None:
    place.client.start_function(5)  # type: ignore[arg-type]


@row("configuration that `WasmTaskBuilder` refuses")
def _builder(place: Place) -> None:
    from fs_client.config import WasmTaskBuilder

    WasmTaskBuilder().set_name("a b").add_input_group([{"input-type": "embedded"}]).build()


@row("import that cannot be packaged")
def _import(place: Place) -> None:
    from support.topics import between

    file = place.folder / "job.py"
    file.write_text("import nowhere\n" + CODE.decode(), encoding="utf-8")
    place.client.create_python_function_from_source(between("job"), file, "Echo")


@row("class that is defined inside a function")
def _local_class(place: Place) -> None:
    class Local(Talking):
        pass

    create(place.client, "job", Local)


@row("client that is closed")
def _closed(place: Place) -> None:
    place.client.close()
    place.client.show_functions()


@pytest.fixture
def place(tmp_path: Path) -> Iterator[Place]:
    limits: dict[str, object] = {
        "package_mb": 1,
        "message_mb": 4,
        "functions": 3,
        "running_functions": 2,
        "total_memory_mb": 520,
        "config_kb": 8,
    }
    limits["per_function"] = {"memory_mb": 300}
    with Server(tmp_path / "server", {"limits": limits}) as server, server.client() as client:
        yield Place(server, client, tmp_path)


def test_the_document_and_this_test_have_the_same_rows() -> None:
    assert sorted(one.condition for one in rows()) == sorted(ROWS)


@pytest.mark.parametrize("condition", ROWS)
def test_a_row_of_the_reference_is_what_happens(place: Place, condition: str) -> None:
    told = next(one for one in rows() if one.condition == condition)
    with pytest.raises(FsError) as raised:
        ROWS[condition](place)
    error = raised.value
    assert type(error) is getattr(fs_client.errors, told.kind.strip("`"))
    status = getattr(error, "status_code", None)
    assert told.status == ("" if status is None else str(status))
    code: grpc.StatusCode | None = getattr(error, "grpc_code", None)
    assert told.grpc_code == (code.name if code is not None else "not sent" if isinstance(error, fs_client.errors.ClientError) else "OK")
    # The example may leave out what differs from run to run, and the lines after the first few words.
    pattern = ".*".join(re.escape(part) for part in re.split(r" ?… ?", told.example.strip("` ")))
    assert re.search(pattern, str(error), re.DOTALL), f"{told.example}\nis not what was said:\n{error}"
    assert told.remedy
