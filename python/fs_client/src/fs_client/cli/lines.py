"""Lines from a file descriptor as batches of records: whatever has arrived is sent at once, so that a slow pipe does not wait."""

from __future__ import annotations

import os
from collections.abc import Iterator
from typing import Optional

from fs_client.errors import ClientError
from fs_client.models import Record
from fs_client.streams import BATCH_RECORDS

_READ_BYTES = 256 * 1024


def record_batches(descriptor: int, key_separator: Optional[bytes]) -> Iterator[list[Record]]:
    """A record per line, without its line end; empty lines are skipped. The last line needs no line end.

    Raises ClientError for a line without the separator where one is asked for.
    """
    number = 0
    pending: list[bytes] = []
    while True:
        chunk = os.read(descriptor, _READ_BYTES)
        head, newline, rest = chunk.rpartition(b"\n")
        if newline:
            lines = b"".join([*pending, head]).split(b"\n")
            pending = [rest]
        elif chunk:
            pending.append(chunk)
            continue
        else:
            lines = [b"".join(pending)]
        batch = []
        for line in lines:
            number += 1
            line = line.rstrip(b"\r")
            if line:
                batch.append(_record(line, key_separator, number))
        for start in range(0, len(batch), BATCH_RECORDS):
            yield batch[start : start + BATCH_RECORDS]
        if not chunk:
            return


def _record(line: bytes, separator: Optional[bytes], number: int) -> Record:
    if separator is None:
        return Record(line)
    key, found, value = line.partition(separator)
    if not found:
        raise ClientError(f"line {number}: has no key separator {separator.decode()!r}")
    return Record(value, key=key)
