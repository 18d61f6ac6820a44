"""State and context in the guest: the table of cases, and what the host's errors become."""

from pathlib import Path

import kv_cases
import pytest
from guest_abi import CUSTOM, INIT, KV_IO, KV_OTHER, OK, USER_ERROR

DRIVER = """
from fs_api import FSProcessorDriver
import kv_cases

class Cases(FSProcessorDriver):
    def init(self, ctx, config):
        self.ctx = ctx

    def process(self, ctx, source_id, data):
        pass

    def custom(self, payload):
        name = payload.decode()
        source, expected = kv_cases.CASES[name]
        result = kv_cases.run_case(source, self.ctx)
        return b"ok" if result == expected else repr(result).encode()
"""
FILES = [("m", "user", DRIVER), ("m", "kv_cases", Path(kv_cases.__file__).read_bytes())]


@pytest.mark.parametrize("name", kv_cases.CASES)
def test_guest_behaves_as_the_table_says(guest, name):
    guest.start(FILES, entry="user", channels=2, config={"a": "1"})
    assert guest.hook(CUSTOM, data=name.encode()) == OK, guest.report().traceback
    assert guest.result == b"ok", kv_cases.CASES[name][1]
    assert guest.emitted == []


OPERATIONS = [
    "ctx.getOrCreateKVStore('new')",
    "store.get_state(b'k')",
    "store.put_state(b'k', b'v')",
    "store.delete_state(b'k')",
    "store.list_states(b'', b'z')",
    "store.get(key)",
    "store.put(key, b'v')",
    "store.delete(key)",
    "store.merge(key, b'v')",
    "store.delete_prefix(key)",
    "store.list_complex(b'', b'', b'', b'', b'z')",
    "store.scan_complex(b'', b'', b'')",
    "scan.has_next()",
    "scan.next()",
    "next(scan)",
]
ERRORS = """
from fs_api import *

class Errors(FSProcessorDriver):
    def init(self, ctx, config):
        store = ctx.getOrCreateKVStore("s")
        key = ComplexKey(b"", b"", b"", b"")
        store.put(key, b"v")
        self.names = dict(ctx=ctx, store=store, key=key, scan=store.scan_complex(b"", b"", b""))

    def process(self, ctx, source_id, data):
        eval(data, self.names)
"""


@pytest.mark.parametrize("operation", OPERATIONS)
@pytest.mark.parametrize(("code", "kind"), [(KV_IO, "KvIOError"), (KV_OTHER, "KvOtherError")])
def test_host_errors_come_as_exceptions_with_their_text(guest, operation, code, kind):
    guest.start(ERRORS)
    guest.fail_next(code, "state of f: disk full")
    assert guest.process(operation.encode()) == USER_ERROR
    report = guest.report()
    assert report.type == f"fs_api.errors.{kind}"
    assert report.message == "state of f: disk full"
    assert guest.process(operation.encode()) == OK


def test_iterators_left_open_are_closed_with_their_last_reference(guest):
    guest.start("""
from fs_api import *

class Leaves(FSProcessorDriver):
    def process(self, ctx, source_id, data):
        store = ctx.getOrCreateKVStore("s")
        store.put(ComplexKey(b"", b"", b"", data), data)
        for _ in range(1000):
            assert store.scan_complex(b"", b"", b"").has_next()
""")
    # The native host has room for 4096 at once.
    for _ in range(6):
        assert guest.process(b"x") == OK, guest.report()


def test_a_store_is_the_same_over_hooks(guest):
    guest.start("""
from fs_api import *

class Same(FSProcessorDriver):
    def init(self, ctx, config):
        self.store = ctx.getOrCreateKVStore("s")

    def process(self, ctx, source_id, data):
        assert ctx.getOrCreateKVStore("".join(["s"])) is self.store
        ctx.emit(repr(self.store).encode())
""")
    assert guest.hook(INIT) == OK
    assert guest.process(b"") == OK, guest.report()
    assert guest.values == [b"KvStore('s')"]
