"""One thing that a hostile function tries, and how it must end; asked for by name through custom()."""

import json
from collections.abc import Callable
from dataclasses import dataclass
from typing import ClassVar, Optional

from fs_api import Context, FSProcessorDriver


@dataclass(frozen=True)
class Asked:
    """What the test tells the function of the world outside, to make the attempt as dangerous as it can be."""

    ctx: Context
    home: str = ""  # the server's folder
    secret_file: str = ""
    pid: int = 0  # the server's
    port: int = 0  # somebody listens there


@dataclass(frozen=True)
class Attempt:
    """`do` must raise one of `raises`, or end the instance with an error that says `ends`, or return a value whose repr() is `returns`.

    With none of them it may do as it likes, as long as it harms nobody else.
    """

    do: Callable[[Asked], object]
    raises: tuple[type[BaseException], ...] = ()
    says: str = ""  # part of the exception's text
    returns: Optional[str] = None
    ends: Optional[str] = None


class Escape(Exception):
    """Leaves the hook, where other errors are told in its answer."""


class Attempting(FSProcessorDriver):
    """Makes one attempt for each call and answers how it ended. A subclass says what can be asked for."""

    attempts: ClassVar[dict[str, Attempt]] = {}

    def init(self, ctx: Context, config: dict[str, str]) -> None:
        self.ctx = ctx

    def process(self, ctx: Context, source_id: int, data: bytes) -> None:
        ctx.emit(data)

    def custom(self, payload: bytes) -> bytes:
        if payload == b"ping":
            return b"pong"
        asked = json.loads(payload)
        name = asked.pop("attempt")
        try:
            returned = self.attempts[name].do(Asked(self.ctx, **asked))
        except Escape:
            raise
        except BaseException as error:
            raised = [one.__name__ for one in type(error).__mro__]
            return json.dumps({"raised": raised, "text": f"{type(error).__name__}: {error}"}).encode()
        return json.dumps({"returned": repr(returned)}).encode()
