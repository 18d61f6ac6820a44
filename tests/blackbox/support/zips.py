"""Packages byte by byte: right ones, and ones that no tool would write."""

from __future__ import annotations

import functools
import hashlib
import json
import struct
import zlib
from dataclasses import dataclass, field
from typing import Any

SOURCE = b"""from fs_api import FSProcessorDriver
class Job(FSProcessorDriver):
    def process(self, ctx, source_id, data):
        ctx.emit(data)
"""
MANIFEST = "fs-package.json"
LIE_SIZE = 0xFFFF_FFF0


@dataclass
class Entry:
    """One entry of a ZIP file; what is None is as it should be."""

    name: bytes
    content: bytes = b""
    method: int = 8
    flags: int = 0x800
    attributes: int = 0o100644 << 16
    crc: int | None = None
    size: int | None = None  # told for the unpacked content
    packed: bytes | None = None
    local_name: bytes | None = None
    extra: bytes = b""
    offset: int | None = None  # of another entry's header: both share its bytes

    def raw(self) -> bytes:
        if self.packed is not None:
            return self.packed
        if self.method != 8:
            return self.content
        deflate = zlib.compressobj(9, zlib.DEFLATED, -15)
        return deflate.compress(self.content) + deflate.flush()

    def fields(self) -> tuple[int, ...]:
        raw = self.raw()
        crc = zlib.crc32(self.content) if self.crc is None else self.crc
        return (20, self.flags, self.method, 0, 0x21, crc, len(raw), len(self.content) if self.size is None else self.size)


@dataclass
class Zip:
    """A ZIP file; what is None is as it should be."""

    entries: list[Entry] = field(default_factory=list)
    front: bytes = b""
    comment: bytes = b""
    behind: bytes = b""
    count: int | None = None
    directory_size: int | None = None
    directory_offset: int | None = None
    disk: int = 0
    before_end: bytes = b""

    def content(self) -> bytes:
        body, directory = self.front, b""
        for entry in self.entries:
            offset = len(body) if entry.offset is None else entry.offset
            version, *rest = entry.fields()
            name = entry.name if entry.local_name is None else entry.local_name
            if entry.offset is None:
                body += struct.pack("<4s5H3I2H", b"PK\3\4", version, *rest, len(name), len(entry.extra)) + name + entry.extra + entry.raw()
            directory += struct.pack(
                "<4s6H3I5H2I", b"PK\1\2", 0x314, version, *rest, len(entry.name), len(entry.extra), 0, 0, 0, entry.attributes, offset
            )
            directory += entry.name + entry.extra
        count = len(self.entries) if self.count is None else self.count
        size = len(directory) if self.directory_size is None else self.directory_size
        offset = len(body) if self.directory_offset is None else self.directory_offset
        end = struct.pack("<4s4H2IH", b"PK\5\6", self.disk, self.disk, count, count, size, offset, len(self.comment))
        return body + directory + self.before_end + end + self.comment + self.behind


def manifest(files: dict[str, bytes], **changes: Any) -> dict[str, Any]:
    """For modules and, under other names, data."""
    listed = []
    for path, content in files.items():
        one: dict[str, Any] = {"path": path, "kind": "module" if path.endswith(".py") else "data"}
        if path.endswith(".py"):
            one["module"] = path[:-3].replace("/", ".")
        listed.append({**one, "size": len(content), "sha256": hashlib.sha256(content).hexdigest()})
    return {"format": 1, "entry_module": "job", "class_name": "Job", "python_requires": "3.9", "files": listed, **changes}


def package(files: dict[str, bytes] | None = None, **changes: Any) -> Zip:
    """A right one, with these files beside job.py; `changes` to its manifest."""
    held = {"job.py": SOURCE, **(files or {})}
    text = json.dumps(manifest(held, **changes)).encode()
    return Zip([Entry(MANIFEST.encode(), text), *(Entry(path.encode(), content) for path, content in held.items())])


def with_entry(entry: Entry, listed: bytes | None = None) -> Zip:
    """A right package and this entry, which the manifest lists by its name; `listed` is what it says of the content."""
    zipped = package({entry.name.decode("utf-8", "replace"): entry.content if listed is None else listed})
    zipped.entries[-1] = entry
    return zipped


@functools.cache
def bomb(unpacked_bytes: int) -> bytes:
    """Deflated zeros: a thousandth of what they become."""
    deflate = zlib.compressobj(9, zlib.DEFLATED, -15)
    packed = [deflate.compress(bytes(1 << 20)) for _ in range(unpacked_bytes >> 20)]
    return b"".join(packed) + deflate.flush()
