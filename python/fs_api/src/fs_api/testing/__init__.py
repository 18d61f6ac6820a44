"""Test a function without a server: the interfaces of fs_api, in memory, with the server's semantics.

    tester = FunctionTester(MyFunction(), config={"metric_name": "clicks"})
    tester.process(b'{"value": 2}')
    assert tester.emitted[0].data == b'...'
    assert tester.context.getOrCreateKVStore("stats_db").get_state(b"count:clicks") == b"2"

Order, ranges, prefixes, argument checks and errors are the same as in the server. What a message wrote and emitted before
process() raised is undone, as there.
"""

from .context import Emitted, EmittedWatermark, MemoryContext, MemoryMessage
from .state import MemoryKvIterator, MemoryKvStore, MemoryState
from .tester import FunctionTester

__all__ = [
    "Emitted",
    "EmittedWatermark",
    "FunctionTester",
    "MemoryContext",
    "MemoryKvIterator",
    "MemoryKvStore",
    "MemoryMessage",
    "MemoryState",
]
