"""What of an instance must be nobody else's: everything random, at import, in the constructor, and later."""

import json
import os
import random
import secrets
import tempfile
import uuid
from collections.abc import Callable
from email.utils import make_msgid
from typing import ClassVar

from fs_api import Context, FSProcessorDriver

SOURCES: dict[str, Callable[[], object]] = {
    "random": random.random,
    "random bits": lambda: random.getrandbits(64),
    "a new Random": lambda: random.Random().random(),
    "SystemRandom": lambda: random.SystemRandom().random(),
    "os.urandom": lambda: os.urandom(16).hex(),
    "secrets": secrets.token_hex,
    "uuid4": lambda: str(uuid.uuid4()),
    "uuid1": lambda: str(uuid.uuid1()),
    "uuid1's node": lambda: uuid.uuid1().node,
    "hash of str": lambda: hash("the same everywhere"),
    "hash of bytes": lambda: hash(b"the same everywhere"),
    "name of a temporary file": lambda: next(tempfile._get_candidate_names()),  # type: ignore[attr-defined]
    "message id": lambda: make_msgid(domain="here"),
    "shuffled": lambda: random.sample(range(1000), 20),
}


def reveal() -> dict[str, str]:
    return {name: repr(source()) for name, source in SOURCES.items()}


AT_IMPORT = reveal()


class Revealing(FSProcessorDriver):
    """Answers with what each source of randomness gave at each time."""

    at_class: ClassVar[dict[str, str]] = reveal()

    def __init__(self) -> None:
        self.at_construction = reveal()

    def init(self, ctx: Context, config: dict[str, str]) -> None:
        self.at_init = reveal()

    def process(self, ctx: Context, source_id: int, data: bytes) -> None:
        ctx.emit(data)

    def custom(self, payload: bytes) -> bytes:
        return json.dumps([AT_IMPORT, self.at_class, self.at_construction, self.at_init, reveal()]).encode()
