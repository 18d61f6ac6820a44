"""Packages that climb out of their folder, blow up or lie: refused by name, by both ways to upload them, and nothing is left of them."""

from __future__ import annotations

import hashlib
import json
import re
import struct
import time
from collections.abc import Callable, Iterator

import grpc
import pytest
from fs_client._proto import function_stream_pb2 as pb
from fs_client._proto import function_stream_pb2_grpc as rpc
from fs_client.errors import BadRequestError
from support.hostile import Arena, arena
from support.topics import read
from support.zips import LIE_SIZE, MANIFEST, SOURCE, Entry, Zip, bomb, package, with_entry

CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u2028-\u202e\u2066-\u2069]")
REFUSED = (400, 413, 429)
LIMIT_GROWTH_MB = 300


def _entry(name: bytes, content: bytes = b"x = 1\n", **lies: object) -> Callable[[], bytes]:
    return lambda: with_entry(Entry(name, content, **lies)).content()  # type: ignore[arg-type]


def _zip(**lies: object) -> Callable[[], bytes]:
    def make() -> bytes:
        zipped = package()
        for name, value in lies.items():
            setattr(zipped, name, value)
        return zipped.content()

    return make


def _twice(first: str, second: str) -> bytes:
    return package({first: b"a = 1\n", second: b"b = 2\n"}).content()


def _overlapping() -> bytes:
    """Many entries of the directory stand for the same bytes."""
    zipped = package({f"data{n}.bin": b"z" * 100 for n in range(50)})
    first = len(package().entries)
    offset = len(Zip(zipped.entries[:first]).content()) - sum(46 + len(e.name) for e in zipped.entries[:first]) - 22
    for entry in zipped.entries[first + 1 :]:
        entry.offset = offset
    return zipped.content()


def _zip64() -> bytes:
    """Counts and places of the directory are told by ZIP64's records only."""
    plain = package()
    body = plain.content()
    directory = body.index(b"PK\1\2")
    size = len(body) - 22 - directory
    record = struct.pack("<4sQ2H2I4Q", b"PK\6\6", 44, 45, 45, 0, 0, len(plain.entries), len(plain.entries), size, directory)
    locator = struct.pack("<4sIQI", b"PK\6\7", 0, len(body) - 22, 1)
    end = struct.pack("<4s4H2IH", b"PK\5\6", 0, 0, 0xFFFF, 0xFFFF, 0xFFFFFFFF, 0xFFFFFFFF, 0)
    return body[:-22] + record + locator + end


def _manifest(text: bytes) -> Callable[[], bytes]:
    def make() -> bytes:
        zipped = package()
        zipped.entries[0] = Entry(MANIFEST.encode(), text)
        return zipped.content()

    return make


def _many(count: int) -> bytes:
    return package({f"m{n}.py": b"" for n in range(count)}).content()


PACKAGES: dict[str, Callable[[], bytes]] = {
    **{
        f"name {name!r}"[:60]: _entry(name)
        for name in (
            b"../x.py",
            b"/etc/cron.d/x.py",
            b"a/../../x.py",
            b"a\\..\\x.py",
            b"..\\x.py",
            b"C:\\x.py",
            b"C:x.py",
            b"\\\\host\\x.py",
            b"./x.py",
            b"a//x.py",
            b"a/./x.py",
            b"x.py/",
            b"..",
            b".",
            b"",
            b"a/..",
            b"x\x00.py",
            b"x\n.py",
            b"\x1b[2J.py",
            b"\xff.py",
            b"\xc0\xaf.py",
            b"x" * 600 + b".py",
            b"a/" * 255 + b"x.py",
            b"fs_runtime.py",
            b"fs_api/x.py",
            b"fs-package.json",
            b"JOB.PY/../job.py",
        )
    },
    "a symbolic link": _entry(b"link.py", b"/etc/passwd", attributes=0o120777 << 16),
    "a folder": _entry(b"folder.py", b"", attributes=0o040755 << 16),
    "a device": _entry(b"device.py", b"", attributes=0o020666 << 16),
    "a pipe": _entry(b"pipe.py", b"", attributes=0o010666 << 16),
    "a name twice": lambda: (lambda z: (z.entries.append(Entry(b"job.py", b"import os\n")), z.content())[1])(package()),
    "the manifest twice": lambda: (lambda z: (z.entries.append(z.entries[0]), z.content())[1])(package()),
    "another name in front of the bytes": _entry(b"shown.py", local_name=b"hides.py"),
    "a file that is a folder": lambda: _twice("a", "a/b.py"),
    "a module and a package of one name": lambda: _twice("a.py", "a/__init__.py"),
    "entries that overlap": _overlapping,
    "wrong CRC": _entry(b"crc.py", crc=1),
    "wrong hash": lambda: with_entry(Entry(b"hash.py", b"x = 2\n"), listed=b"x = 1\n").content(),
    "encrypted": _entry(b"secret.py", flags=0x801),
    "strongly encrypted": _entry(b"secret.py", flags=0x841),
    "another method": _entry(b"lzma.py", method=14),
    "no method": _entry(b"none.py", method=99),
    "damaged bytes": _entry(b"bytes.py", packed=b"\xff" * 100),
    "bytes cut off": _entry(b"cut.py", b"x = 1\n" * 1000, packed=b"\x4b"),
    "more bytes behind": _entry(b"more.py", packed=bomb(1 << 20)),
    "a bomb": lambda: with_entry(Entry(b"bomb.bin", b"", packed=bomb(512 << 20)), listed=b"").content(),
    "a bomb that tells its size": lambda: with_entry(Entry(b"bomb.bin", b"", packed=bomb(512 << 20), size=512 << 20)).content(),
    "a bomb for a manifest": lambda: (
        lambda z: (z.entries.__setitem__(0, Entry(MANIFEST.encode(), b"", packed=bomb(512 << 20), size=512 << 20)), z.content())[1]
    )(package()),
    "a bomb of files": lambda: package({f"b{n}.bin": bytes(40 << 20) for n in range(7)}).content(),
    "too many files": lambda: _many(20_001),
    "ZIP64": _zip64,
    "ZIP64 in an entry": _entry(b"zip64.py", size=0xFFFFFFFF, extra=struct.pack("<HHQQ", 1, 16, 1 << 40, 1 << 40)),
    "several volumes": _zip(disk=1),
    "a comment": _zip(comment=b"PK\5\6" + bytes(18)),
    "something in front": _zip(front=b"#!/bin/sh\n"),
    "something behind": _zip(behind=b"\n"),
    "two directories": lambda: package().content() + package({"other.py": b""}).content(),
    "a count that lies": _zip(count=1),
    "a huge count": _zip(count=0xFFFF),
    "a directory that is elsewhere": _zip(directory_offset=0xFFFFFFF0),
    "a directory without end": _zip(directory_size=0xFFFFFFFF),
    "something before the end": _zip(before_end=b"PK\1\2"),
    **{
        f"cut at {share} %": (lambda share=share: (lambda c: c[: len(c) * share // 100])(package().content()))
        for share in (1, 30, 60, 90, 99)
    },
    "nothing": lambda: b"PK",
    "only an end": lambda: Zip().content(),
    "no manifest": lambda: Zip([Entry(b"job.py", SOURCE)]).content(),
    "a manifest of no JSON": _manifest(b"{"),
    "a manifest of brackets": _manifest(b"[" * 1_000_000),
    "a manifest of numbers": _manifest(b'{"format": 1e999, "files": [' + b"1," * 500_000 + b"1]}"),
    "a manifest of no UTF-8": _manifest(b'{"format": 1, "entry_module": "\xff"}'),
    "a manifest of another format": lambda: package(format=2).content(),
    "an entry module that climbs": lambda: package(entry_module="../job").content(),
    "a class that is code": lambda: package(class_name="__import__('os').abort()").content(),
    "a Python of the future": lambda: package(python_requires="9.99").content(),
    "noise": lambda: hashlib.shake_256(b"noise").digest(100_000),
}


# The container's sizes are not believed, the manifest's are: what is right by these runs, whatever those say.
NOT_BELIEVED: dict[str, Callable[[], bytes]] = {
    "told too small": _entry(b"small.py", b"x = 1\n" * 10, size=1),
    "told too large": _entry(b"large.py", size=LIE_SIZE),
}


@pytest.fixture(scope="module")
def ring(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Arena]:
    with arena(tmp_path_factory.mktemp("packages") / "server") as one:
        yield one


@pytest.fixture(scope="module")
def channel(ring: Arena) -> Iterator[grpc.Channel]:
    with grpc.insecure_channel(f"127.0.0.1:{ring.server.port}") as one:
        yield one


def by_stream(ring: Arena, channel: grpc.Channel, content: bytes) -> pb.Response:
    def chunks() -> Iterator[pb.UploadChunk]:
        sha256 = hashlib.sha256(content).hexdigest()
        yield pb.UploadChunk(
            header=pb.UploadHeader(config_content=ring.config().to_yaml(), package_size=len(content), package_sha256=sha256)
        )
        for start in range(0, len(content), 1 << 18):
            yield pb.UploadChunk(bytes=content[start : start + (1 << 18)])

    return rpc.FunctionStreamExtensionsStub(channel).UploadFunction(chunks(), timeout=60)


def by_function_bytes(ring: Arena, channel: grpc.Channel, content: bytes) -> pb.Response:
    request = pb.CreateFunctionRequest(config_bytes=ring.config().to_yaml().encode(), function_bytes=content)
    return rpc.FunctionStreamServiceStub(channel).CreateFunction(request, timeout=60)


WAYS = [by_stream, by_function_bytes]


@pytest.mark.parametrize("way", WAYS, ids=lambda one: one.__name__)
def test_a_right_package_runs(ring: Arena, channel: grpc.Channel, way: Callable[..., pb.Response]) -> None:
    """What the others are made from is refused for nothing but what was done to it."""
    answer = way(ring, channel, package({"data.bin": b"x", "more.py": b""}).content())
    assert answer.status_code == 201, answer.message
    ring.client.publish(f"{ring.name}-in", b"x")
    assert read(ring.client, f"{ring.name}-out", 1) == [b"x"]
    ring.clear()


@pytest.mark.parametrize("name", NOT_BELIEVED)
def test_sizes_that_the_container_tells_are_not_believed(ring: Arena, channel: grpc.Channel, name: str) -> None:
    for way in WAYS:
        ring.forget_peak()
        before = ring.peak_mb()
        assert way(ring, channel, NOT_BELIEVED[name]()).status_code in (201, *REFUSED)
        assert ring.peak_mb() - before < LIMIT_GROWTH_MB
        ring.clear()
    ring.assert_unharmed()


@pytest.mark.parametrize("name", PACKAGES)
def test_a_hostile_package_is_refused_and_leaves_nothing(ring: Arena, channel: grpc.Channel, name: str) -> None:
    content = PACKAGES[name]()
    state = _left_behind(ring)
    ring.forget_peak()
    before = ring.peak_mb()
    for way in WAYS:
        began = time.monotonic()
        answer = way(ring, channel, content)
        assert answer.status_code in REFUSED, (way.__name__, answer)
        assert answer.message and len(answer.message) < 2000 and not CONTROL.search(answer.message), answer.message
        assert time.monotonic() - began < 10
    assert ring.peak_mb() - before < LIMIT_GROWTH_MB
    assert [one.name for one in ring.client.show_functions().functions] == ["neighbour"]
    assert _left_behind(ring) == state
    ring.assert_unharmed()
    ring.assert_nothing_got_out()


def _left_behind(ring: Arena) -> set[str]:
    """Folders and logs of functions."""
    home = ring.server.home
    return {str(path) for folder in ("data/state", "data/checkpoints", "logs/functions") for path in (home / folder).glob("*")}


NAMES = [
    "../x",
    "..",
    ".",
    "/etc/passwd",
    "a/b",
    "a\\b",
    "x\x00y",
    "x\ny",
    "\x1b[2J",
    "x" * 256,
    "ü",
    "\u202ex",
    "-" + "x" * 255,
    " ",
    "a b",
    "%2e%2e%2f",
    "x;rm -rf",
]


@pytest.mark.parametrize("name", NAMES, ids=ascii)
def test_a_hostile_name_names_nothing(ring: Arena, channel: grpc.Channel, name: str) -> None:
    state = _left_behind(ring)
    config = ring.config()
    config.name = name
    service = rpc.FunctionStreamServiceStub(channel)
    request = pb.CreatePythonFunctionRequest(
        class_name="Job", modules=[pb.PythonModule(module_name="job", module_bytes=SOURCE)], config_content=json.dumps(config.to_dict())
    )
    answer = service.CreatePythonFunction(request, timeout=30)
    assert answer.status_code == 400 and not CONTROL.search(answer.message), answer
    for call, kind in (
        (service.StartFunction, pb.StartFunctionRequest),
        (service.StopFunction, pb.StopFunctionRequest),
        (service.DropFunction, pb.DropFunctionRequest),
    ):
        assert call(kind(function_name=name), timeout=30).status_code in (400, 404)
    assert _left_behind(ring) == state
    ring.assert_unharmed()
    ring.assert_nothing_got_out()


@pytest.mark.parametrize(
    "name", ["../x", "a..b", "", "a/b", "a\x00", "a" * 600, "1a", "fs_api", "fs_runtime.x", "a.", ".a", "a b", "\x1b"], ids=ascii
)
def test_a_hostile_module_name_is_refused(ring: Arena, channel: grpc.Channel, name: str) -> None:
    modules = [pb.PythonModule(module_name="job", module_bytes=SOURCE), pb.PythonModule(module_name=name, module_bytes=b"")]
    request = pb.CreatePythonFunctionRequest(class_name="Job", modules=modules, config_content=ring.config().to_yaml())
    answer = rpc.FunctionStreamServiceStub(channel).CreatePythonFunction(request, timeout=30)
    assert answer.status_code == 400 and not CONTROL.search(answer.message), answer
    assert [one.name for one in ring.client.show_functions().functions] == ["neighbour"]
    ring.assert_unharmed()


def test_an_upload_that_breaks_off_leaves_nothing(ring: Arena, channel: grpc.Channel) -> None:
    state = _left_behind(ring)
    header = pb.UploadHeader(config_content=ring.config().to_yaml(), package_size=1 << 20, package_sha256="0" * 64)
    stub = rpc.FunctionStreamExtensionsStub(channel)
    streams: dict[str, list[pb.UploadChunk]] = {
        "nothing": [],
        "no header": [pb.UploadChunk(bytes=b"x")],
        "only a header": [pb.UploadChunk(header=header)],
        "two headers": [pb.UploadChunk(header=header), pb.UploadChunk(header=header)],
        "too short": [pb.UploadChunk(header=header), pb.UploadChunk(bytes=b"x")],
        "too long": [pb.UploadChunk(header=header), *[pb.UploadChunk(bytes=bytes(1 << 18))] * 5],
        "a size beyond all": [
            pb.UploadChunk(header=pb.UploadHeader(config_content="name: x", package_size=1 << 63, package_sha256="0" * 64))
        ],
        "a hash that is none": [pb.UploadChunk(header=pb.UploadHeader(config_content="name: x", package_size=1, package_sha256="../x"))],
        "an empty chunk": [pb.UploadChunk()],
    }
    for name, chunks in streams.items():
        answer = stub.UploadFunction(iter(chunks), timeout=30)
        assert answer.status_code in REFUSED and answer.message, name
    assert _left_behind(ring) == state
    ring.assert_unharmed()


def test_huge_configuration_values_arrive_or_are_refused(ring: Arena) -> None:
    source = b"""from fs_api import FSProcessorDriver
class Job(FSProcessorDriver):
    def init(self, ctx, config):
        self.config = config
    def process(self, ctx, source_id, data):
        pass
    def custom(self, payload):
        return repr(sorted((len(key), len(value)) for key, value in self.config.items())[-1]).encode()
"""
    ring.client.create_python_function("Job", [("job", source)], ring.config(init={"k": "v" * 1_000_000}).to_yaml())
    assert ring.client.call_function(ring.name) == b"(1, 1000000)"
    ring.clear()
    with pytest.raises(BadRequestError, match="a key of more than 1000 bytes"):
        ring.client.create_python_function("Job", [("job", source)], ring.config(init={"k" * 100_000: "v"}).to_yaml())
    many = {f"key{number}": "\x1b\x00\u202e" for number in range(3_000)}
    ring.client.create_python_function("Job", [("job", source)], ring.config(init=many).to_yaml())
    assert ring.client.call_function(ring.name) == b"(7, 3)"
    ring.clear()
    ring.assert_unharmed()
