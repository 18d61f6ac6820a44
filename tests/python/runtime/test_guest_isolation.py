"""The interrupt, the seeds, and the sandbox's edges."""

# ruff: noqa: E501 (tables of one case a line)

import pytest
from guest_abi import CUSTOM, INIT, INTERRUPTED, NO_MEMORY, OK, USER_ERROR

# An interrupt that comes before its call is forgotten, and the call would never end: by then it has begun, on a busy machine too.
INTO_IT_MS = 500

LOOPS = """
import time
from fs_api import FSProcessorDriver, FunctionTimeout

class Loops(FSProcessorDriver):
    def process(self, ctx, source_id, data):
        ctx.emit(data)
        if data == b"loop":
            while True:
                pass
        if data == b"catch":
            try:
                while True:
                    pass
            except BaseException:
                pass
        if data == b"except":
            while True:
                try:
                    while True:
                        pass
                except Exception:
                    pass

    def init(self, ctx, config):
        while config:
            pass
"""


@pytest.mark.parametrize("message", [b"loop", b"catch", b"except"])
def test_an_endless_loop_is_interrupted(guest, message):
    guest.start(LOOPS)
    guest.interrupt_after(INTO_IT_MS)
    assert guest.process(b"1", message, b"2") == INTERRUPTED
    assert guest.processed == 1
    assert guest.values == [b"1"]
    report = guest.report()
    assert report.type == "fs_api.errors.FunctionTimeout"
    assert report.message == "the function ran over its time limit"
    if message != b"catch":
        assert 'File "user.py", line ' in report.traceback and "in process" in report.traceback


def test_an_interrupted_guest_can_be_called_again_and_interrupted_again(guest):
    guest.start(LOOPS)
    for _ in range(3):
        guest.interrupt_after(INTO_IT_MS)
        assert guest.process(b"loop") == INTERRUPTED
        assert guest.process(b"ok") == OK
        assert guest.values == [b"ok"]


def test_an_interrupt_between_calls_is_forgotten(guest):
    guest.start(LOOPS)
    guest.interrupt_after(0)
    assert guest.process(b"ok") == OK


def test_hooks_are_interrupted_too(guest):
    assert guest.load(LOOPS, config={"loop": "1"}) == OK
    guest.interrupt_after(INTO_IT_MS)
    assert guest.hook(INIT) == INTERRUPTED
    assert "in init" in guest.report().traceback


def test_loading_is_interrupted_too(guest):
    guest.interrupt_after(INTO_IT_MS)
    assert guest.load("while True:\n    pass\n") == INTERRUPTED
    assert 'File "user.py", line ' in guest.report().traceback


PRINTS = """
import random, secrets, uuid, tempfile
from fs_api import FSProcessorDriver

class Prints(FSProcessorDriver):
    def process(self, ctx, source_id, data):
        pass

    def custom(self, payload):
        return repr([random.random(), random.Random().random(), secrets.token_hex(), str(uuid.uuid4()), str(uuid.uuid1()), hash("some string of the user " + payload.decode())]).encode()
"""


def test_instances_share_no_randomness(guests):
    answers = []
    for _ in range(3):
        instance = guests.new()
        instance.start(PRINTS)
        assert instance.hook(CUSTOM, data=b"x") == OK, instance.report()
        answers.append(eval(instance.result))
        instance.close()
    for values in zip(*answers, strict=True):
        # A native fork shares its parent's hash seed; a snapshot must not.
        if isinstance(values[0], int) and guests.name == "native":
            continue
        assert len(set(values)) == 3, values


def test_the_rehearsal_leaves_nothing_behind(guest):
    guest.start("""
import gc, sys
from fs_api import FSProcessorDriver

class Only(FSProcessorDriver):
    def process(self, ctx, source_id, data):
        gc.collect()
        names = [c.__name__ for c in FSProcessorDriver.__subclasses__()]
        finders = [type(f).__name__ for f in sys.meta_path].count("PackageFinder")
        ctx.emit(repr((names, finders, "fs_rehearsal" in sys.modules)).encode())
""")
    assert guest.process(b"x") == OK, guest.report()
    assert eval(guest.values[0]) == (["Only"], 1, False)


HUNGRY = """
from fs_api import FSProcessorDriver

class Hungry(FSProcessorDriver):
    def process(self, ctx, source_id, data):
        kept = []
        while data == b"eat":
            kept.append(STEP)
"""


@pytest.mark.parametrize("step", ["bytes(100)", "bytes(100000)", "[0] * 50", "str(len(kept)) * 9", "object()"])
def test_memory_used_up_is_reported_and_given_back(guests, guest, step):
    if guests.name != "wasm":
        pytest.skip("a native process has no limit")
    guest.start(HUNGRY.replace("STEP", step))
    for _ in range(2):
        assert guest.process(b"eat") == NO_MEMORY
        report = guest.report()
        assert report.type == "MemoryError"
        assert f'File "user.py", line 8, in process\n    kept.append({step})' in report.traceback
        assert guest.process(b"fine") == OK


SANDBOX = """
from fs_api import FSProcessorDriver

class Sandbox(FSProcessorDriver):
    def process(self, ctx, source_id, data):
        names = {}
        exec(data, names)
        ctx.emit(repr(names["result"]).encode())
"""


def in_sandbox(guests, guest, source):
    if guests.name != "wasm":
        pytest.skip("only the sandbox has these edges")
    guest.start(SANDBOX)
    status = guest.process(source.encode())
    assert status in (OK, USER_ERROR)
    return eval(guest.values[0]) if status == OK else guest.report()


@pytest.mark.parametrize(
    ("source", "value"),
    [
        ("import os; result = dict(os.environ)", {}),
        ("import sys; result = sys.argv, sys.path", ([""], [])),
        ("import sys; result = sys.platform, sys.version_info[:2]", ("wasi", (3, 13))),
        ("import asyncio\nasync def f():\n await asyncio.sleep(0.001)\n return 7\nresult = asyncio.run(f())", 7),
        (
            "import zoneinfo, datetime; result = str(datetime.datetime(2024, 7, 1, tzinfo=zoneinfo.ZoneInfo('Europe/Berlin')).utcoffset())",
            "2:00:00",
        ),
        ("import fs_api\nclass D(fs_api.FSProcessorDriver): pass\nresult = D.__mro__[1].__name__", "FSProcessorDriver"),
        ("import hashlib; result = hashlib.sha256(b'').hexdigest()[:8]", "e3b0c442"),
        ("import decimal; result = str(decimal.Decimal(1) / 3)", "0.3333333333333333333333333333"),
        ("import importlib.util; result = importlib.util.find_spec('ssl')", None),
    ],
)
def test_inside_the_sandbox(guests, guest, source, value):
    assert in_sandbox(guests, guest, source) == value


@pytest.mark.parametrize(
    ("source", "kind", "part"),
    [
        ("import ssl", "ModuleNotFoundError", "ssl is not available in the sandbox: "),
        ("import sqlite3", "ModuleNotFoundError", "sqlite3 is not available in the sandbox: "),
        ("import threading; threading.Thread(target=print).start()", "RuntimeError", "threads"),
        ("open('/etc/passwd')", "FileNotFoundError", "/etc/passwd"),
        ("import os; os.listdir('/')", "FileNotFoundError", "/"),
        ("import socket; socket.socket()", None, ""),
    ],
)
def test_the_edges_of_the_sandbox(guests, guest, source, kind, part):
    report = in_sandbox(guests, guest, source)
    assert kind is None or report.type == kind
    assert part in report.message
