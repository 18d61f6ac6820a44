"""The function under test: counts per key, and tells with each message everything that a crash could have spoilt.

It keeps the same count three times: in the key-value state, in a journal that is merged and deleted, and in memory, which only
take_checkpoint and restore_checkpoint carry over a restart. A message looks like `key number fault` and a body on further lines.
The faults: F the next heartbeat says False, R it raises, X process raises at half of the attempts, after it wrote and emitted. `?` and a
prefix asks for the state of all keys that start with it.
"""

import hashlib
import json
import random
from typing import Optional

from fs_api import ComplexKey, Context, FSProcessorDriver

JOURNAL_BLOCK = 32


def digest_of(before: bytes, message: bytes) -> bytes:
    """Eight bytes that depend on every message so far and on their order."""
    return hashlib.blake2b(before + message, digest_size=8).digest()


class Ledger(FSProcessorDriver):
    def init(self, ctx: Context, config: dict[str, str]) -> None:
        self.accounts = ctx.getOrCreateKVStore("accounts")
        self.journal = ctx.getOrCreateKVStore("journal")
        self.memory: dict[str, int] = {}
        self.next_heartbeat = ""
        # Tells the outputs of this instance from those of the one before.
        self.incarnation = b"%08x" % random.getrandbits(32)

    def process(self, ctx: Context, source_id: int, data: bytes) -> None:
        if data.startswith(b"?"):
            self.answer(ctx, data[1:])
            return
        key, number, fault = data.split(b"\n", 1)[0].split(b" ")
        stored = self.accounts.get_state(key)
        count, total, digest = (0, 0, b"") if stored is None else _read_account(stored)
        count, total, digest = count + 1, total + len(data), digest_of(digest, data)
        self.accounts.put_state(key, b"%d %d %s" % (count, total, digest.hex().encode()))
        block = count // JOURNAL_BLOCK
        if count % JOURNAL_BLOCK == 0:
            self.journal.delete_prefix(ComplexKey(b"", key, b"", b""))
        self.journal.merge(ComplexKey(b"", key, b"", b"%d" % block), digest[:1])
        remembered = self.memory.get(key.decode(), 0) + 1
        ctx.emit(b"%s %s %d %d %s %d %s" % (key, number, count, total, digest.hex().encode(), remembered, self.incarnation), key=key)
        if fault == b"X" and random.random() < 0.5:
            raise RuntimeError("a fault of the plan")
        self.memory[key.decode()] = remembered
        if fault in (b"F", b"R"):
            self.next_heartbeat = fault.decode()

    def answer(self, ctx: Context, prefix: bytes) -> None:
        for key in self.accounts.list_states(prefix, prefix + b"\xff"):
            account = self.accounts.get_state(key) or b""
            blocks = self.journal.list_complex(b"", key, b"", b"", b"\xff")
            journal = b"".join(self.journal.get(ComplexKey(b"", key, b"", block)) or b"" for block in blocks)
            remembered = self.memory.get(key.decode(), 0)
            ctx.emit(b"= %s %s %d j%s" % (key, account, remembered, journal.hex().encode()), key=key)
        ctx.emit(b"=end " + prefix, key=prefix)

    def check_heartbeat(self, ctx: Context) -> bool:
        if self.next_heartbeat == "R":
            raise RuntimeError("a fault of the plan")
        return self.next_heartbeat != "F"

    def take_checkpoint(self, ctx: Context, checkpoint_id: int) -> Optional[bytes]:
        return json.dumps(self.memory).encode()

    def restore_checkpoint(self, ctx: Context, checkpoint_id: int, data: bytes) -> None:
        self.memory = json.loads(data)


def _read_account(stored: bytes) -> tuple[int, int, bytes]:
    count, total, digest = stored.split(b" ")
    return int(count), int(total), bytes.fromhex(digest.decode())
