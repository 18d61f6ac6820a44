"""What each fuzz target starts from: small inputs that are right, and the words of its language.

Made anew for each run, so that they follow the documentation and the wire contract.
"""

from __future__ import annotations

import hashlib
import io
import json
import re
import struct
import zipfile
from collections.abc import Callable, Iterable
from pathlib import Path

from fs_client._proto import function_stream_pb2 as pb

ROOT = Path(__file__).resolve().parent.parent.parent

_FUNCTION = """\
name: f
type: python
input-groups:
  - inputs:
      - {input-type: embedded, topic: t, group_id: g}
outputs:
  - {output-type: embedded, topic: out}
"""

_FUNCTION_WITH_ALL = """\
name: job.1
type: python
input-groups:
  - inputs:
      - input-type: kafka
        bootstrap_servers: 127.0.0.1:9092
        topic: raw
        group_id: g
        partition: 0
        auto.offset.reset: earliest
        runtime: {fetch.min.bytes: 1}
      - {input-type: file, path: in.jsonl}
  - inputs: [{input-type: embedded, topic: t, group_id: g}]
outputs:
  - &out {output-type: kafka, bootstrap_servers: "k:9092", topic: clean}
  - *out
init_config: {metric_name: user_click}
input_selector: priority
enable_checkpoint: true
checkpoint_interval_seconds: 1
delivery: at-least-once
on_error: {policy: dead-letter, retries: 2, dead_letter_output: 1}
watermark: {source: "json:ts", max_out_of_orderness_ms: 1000}
restart: {max_attempts: 3}
limits: {memory_mb: 64, process_timeout_ms: 1000}
"""


def seeds(target: str) -> dict[str, bytes]:
    """Name and bytes of each input that `target` starts from."""
    return dict(_SEEDS[target]()) if target in _SEEDS else {}


def words(target: str) -> list[str]:
    """What libFuzzer may put into inputs of `target` as a whole."""
    if target in ("function_yaml", "requests"):
        return [*_keys("## Function configuration"), *"kafka embedded file python &a *a !!str ? --- { ]".split(), ": ", "- "]
    if target == "server_yaml":
        return [*_keys("## Server configuration"), "memory", "rocksdb", "true", ": ", "&a ", "*a"]
    if target == "package":
        manifest = "format entry_module class_name python_requires files path kind module size sha256 data package".split()
        return ["fs-package.json", "PK\x05\x06", "PK\x01\x02", "PK\x03\x04", ".py", "/__init__.py", "../", "fs_api", *manifest]
    if target == "records":
        return ["function-stream.watermark", "function-stream.tombstone", "- writer", "7 writer", '{"ts": 1', "\\u0000", "\x1b[", "e308"]
    if target == "stored":
        return ["function-stream/1 ", " state", " stateless"]
    return []


def _keys(heading: str) -> list[str]:
    """The keys that docs/configuration.md has in its tables, a test of which keeps it complete."""
    text = (ROOT / "docs" / "configuration.md").read_text(encoding="utf-8")
    part = text[text.index(heading) :]
    found = re.findall(r"^\| `([^`]+)`", part, re.MULTILINE)
    return sorted({f"{name}: " for key in found for name in re.split(r"[.\[\]]+", key) if name} | {f"{key}: " for key in found})


def _function_yaml() -> Iterable[tuple[str, bytes]]:
    yield "least", _FUNCTION.encode()
    yield "all", _FUNCTION_WITH_ALL.encode()


def _server_yaml() -> Iterable[tuple[str, bytes]]:
    yield "defaults", (ROOT / "conf" / "config.yaml").read_bytes()
    yield "few", b"service: {port: 0}\nstate_storage: {storage_type: memory}\n"


def _zip() -> bytes:
    files = {"m.py": b"class C:\n    pass\n", "p/__init__.py": b"", "p/d.txt": b"data"}
    kinds = {"m.py": ("module", "m"), "p/__init__.py": ("package", "p"), "p/d.txt": ("data", None)}
    listed = []
    for path, data in files.items():
        kind, module = kinds[path]
        entry = {"path": path, "kind": kind, "size": len(data), "sha256": hashlib.sha256(data).hexdigest()}
        listed.append(entry if module is None else {**entry, "module": module})
    manifest = {"format": 1, "entry_module": "m", "class_name": "C", "python_requires": "3.9", "files": listed}
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as package:
        for path, data in {"fs-package.json": json.dumps(manifest).encode(), **files}.items():
            package.writestr(path, data)
    return out.getvalue()


def _package() -> Iterable[tuple[str, bytes]]:
    yield "zip", b"\0" + _zip()
    yield "made", b"\2" + b"m.py\\\\" + bytes(64)
    yield "modules", b"\3" + b"C\\\\a.b\\\\x = 1\\\\" + bytes(16)


def _header(name: bytes, value: bytes | None) -> bytes:
    return struct.pack("<Ii", len(name), -1 if value is None else len(value)) + name + (value or b"")


def _padded(data: bytes) -> bytes:
    return data + bytes(-len(data) % 8)


def _abi() -> Iterable[tuple[str, bytes]]:
    headers = _header(b"h", b"v")
    size = len(_padded(bytes(32) + b"value" + b"key" + headers))
    record = _padded(struct.pack("<IIIiIIq", size, 0, 5, 3, len(headers), 0, 1000) + b"valuekey" + headers)
    watermark = struct.pack("<IIIiIIq", 32, 0, 0, -1, 0, 1, 2000)
    yield "emitted", bytes([0, 2]) + record + watermark
    yield "report", bytes([1, 0]) + b"".join(struct.pack("<I", len(part)) + part for part in (b"ValueError", b"no", b"Traceback"))
    yield "record", bytes([2, 0]) + b"value\\\\key\\\\headers\\\\" + bytes(24)


def _records() -> Iterable[tuple[str, bytes]]:
    yield "headers", _header(b"a", b"1") + _header(b"b", None) + _header(b"function-stream.watermark", b"7 w") + b"\\\\\1"
    yield "json", b'{"a": [1, {"b": "x"}], "ts": 1.5e3, "ts": 7}\\\\'
    yield "text", "tab\t\x1b[31m line\n \u202e\u00e9\U0001f600".encode() + b"\xff"


def _stored() -> Iterable[tuple[str, bytes]]:
    record = struct.pack("<IiIq", 5, 3, 0, 1000) + b"valuekey"
    yield "block", b"\0" + b"\1" + struct.pack("<Iq", 1, 1000) + record
    yield "progress", b"\1" + b"\x08\x01\x12\x08\x0a\x01t\x12\x03\x08\x00\x10\x1a\x01m"[:17]
    yield "function", b"\2" + b"\x08\x01"
    yield "marker", b"\3" + b"function-stream/1 0123456789abcdef0123456789abcdef 7 state owner"
    yield "offset", b"\4" + struct.pack(">q", 7)


def _guest() -> Iterable[tuple[str, bytes]]:
    yield "zeros", bytes(64)
    yield "some", bytes(range(256)) * 4


_METHODS = [
    method.name
    for service in ("FunctionStreamService", "FunctionStreamExtensions")
    for method in pb.DESCRIPTOR.services_by_name[service].methods
]


def _session(*calls: tuple[str, object]) -> bytes:
    frames = []
    for name, request in calls:
        data: bytes = request.SerializeToString()  # type: ignore[attr-defined]
        frames.append(struct.pack("<BH", _METHODS.index(name), len(data)) + data)
    return b"".join(frames)


def _requests() -> Iterable[tuple[str, bytes]]:
    modules = [pb.PythonModule(module_name="m", module_bytes=b"class C: pass\n")]
    create = ("CreatePythonFunction", pb.CreatePythonFunctionRequest(class_name="C", modules=modules, config_content=_FUNCTION))
    records = [pb.EmbeddedRecord(key=b"k", value=b"v", headers=[pb.Header(name="h", value=b"1")], timestamp_ms=1)]
    publish = ("Publish", pb.PublishRequest(topic="t", records=records))
    yield (
        "life",
        _session(
            create,
            publish,
            ("DescribeFunction", pb.DescribeFunctionRequest(function_name="f")),
            ("CallFunction", pb.CallFunctionRequest(function_name="f", payload=b"x")),
            ("ReadLogs", pb.LogsRequest(function_name="f", tail=3)),
            ("StopFunction", pb.StopFunctionRequest(function_name="f")),
            ("StartFunction", pb.StartFunctionRequest(function_name="f")),
            ("ShowFunctions", pb.ShowFunctionsRequest(filter="f*")),
            ("DropFunction", pb.DropFunctionRequest(function_name="f")),
        ),
    )
    yield (
        "topics",
        _session(
            publish,
            ("Publish", pb.PublishRequest(records=records)),
            ("Subscribe", pb.SubscribeRequest(topic="t", group_id="g", from_earliest=True)),
            ("Subscribe", pb.SubscribeRequest(topic="t", offset=1, follow=True)),
            ("CommitOffset", pb.CommitOffsetRequest(topic="t", group_id="g", offset=1)),
            ("ListTopics", pb.ListTopicsRequest()),
            ("DeleteTopic", pb.DeleteTopicRequest(topic="t")),
        ),
    )
    yield (
        "checkpoints",
        _session(
            create,
            ("CreateCheckpoint", pb.CreateCheckpointRequest(function_name="f")),
            ("ListCheckpoints", pb.ListCheckpointsRequest(function_name="f")),
            ("StopFunction", pb.StopFunctionRequest(function_name="f")),
            ("StartFromCheckpoint", pb.StartFromCheckpointRequest(function_name="f", id=1)),
            ("DeleteCheckpoint", pb.DeleteCheckpointRequest(function_name="f", id=1)),
        ),
    )
    # A message once carried what its request held to the terminal.
    clear = pb.CreatePythonFunctionRequest(class_name="\x1b[2J", modules=modules, config_content=_FUNCTION)
    yield "terminal", _session(("CreatePythonFunction", clear))
    package = _zip()
    header = pb.UploadHeader(config_content=_FUNCTION, package_size=len(package), package_sha256=hashlib.sha256(package).hexdigest())
    yield (
        "upload",
        _session(
            ("UploadFunction", pb.UploadChunk(header=header)),
            ("UploadFunction", pb.UploadChunk(bytes=package)),
            ("GetServerInfo", pb.ServerInfoRequest()),
            ("CreateFunction", pb.CreateFunctionRequest(config_bytes=_FUNCTION.encode(), function_bytes=b"x = 1\n")),
            ("ExecuteSql", pb.SqlRequest(sql="SELECT 1")),
        ),
    )


_SEEDS: dict[str, Callable[[], Iterable[tuple[str, bytes]]]] = {
    "function_yaml": _function_yaml,
    "server_yaml": _server_yaml,
    "package": _package,
    "abi": _abi,
    "records": _records,
    "stored": _stored,
    "guest": _guest,
    "requests": _requests,
}
