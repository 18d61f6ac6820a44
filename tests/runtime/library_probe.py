"""What of the standard library must work in the sandbox, and how that which cannot says so."""

import importlib
import importlib.util


def _raises(error, call, *words):
    """The call raises the error, with all the words in its message."""
    try:
        call()
    except error as caught:
        missing = [word for word in words if word not in str(caught)]
        assert not missing, f"{missing} not in {caught!r}"
    else:
        raise AssertionError(f"no {error.__name__}")


WORKING = (
    "abc argparse array ast asyncio base64 binascii bisect calendar cmath codecs collections colorsys concurrent.futures "
    "configparser contextlib contextvars copy csv dataclasses datetime decimal difflib dis doctest email email.message enum "
    "errno fnmatch fractions functools gc gettext glob graphlib gzip hashlib heapq hmac html html.parser http http.client http.cookies "
    "importlib.metadata importlib.resources inspect io ipaddress itertools json keyword linecache locale logging "
    "logging.handlers marshal math mimetypes netrc numbers operator optparse os pathlib pickle pickletools pkgutil platform plistlib "
    "pprint profile pstats queue quopri random re reprlib sched secrets select selectors shlex shutil signal socket stat "
    "statistics string stringprep struct subprocess symtable sys sysconfig tarfile tempfile textwrap threading time timeit "
    "tokenize tomllib traceback types typing unicodedata unittest unittest.mock urllib.parse urllib.request uuid warnings "
    "weakref xml.dom.minidom xml.etree.ElementTree xml.sax zipapp zipfile zlib zoneinfo"
).split()


def check_modules_that_can_work_are_imported():
    for name in WORKING:
        importlib.import_module(name)


def check_missing_modules_say_why():
    import _fs_unavailable

    assert {"ssl", "bz2", "lzma", "sqlite3", "ctypes", "multiprocessing", "curses", "tkinter"} <= set(_fs_unavailable.MODULES)
    for name, reason in _fs_unavailable.MODULES.items():
        _raises(ModuleNotFoundError, lambda name=name: importlib.import_module(name), name, "not available in the sandbox", reason)
        assert importlib.util.find_spec(name) is None
    _raises(ModuleNotFoundError, lambda: importlib.import_module("multiprocessing.pool"), "not available in the sandbox")


def check_an_unknown_module_is_simply_not_found():
    _raises(ModuleNotFoundError, lambda: importlib.import_module("no_such_module"), "No module named 'no_such_module'")


def check_threads_and_processes_say_that_there_are_none():
    import subprocess
    import threading
    from concurrent.futures import ThreadPoolExecutor

    _raises(RuntimeError, threading.Thread(target=print).start, "threads are not available in the sandbox")
    _raises(RuntimeError, threading.Timer(1, print).start, "threads are not available in the sandbox")
    _raises(RuntimeError, lambda: ThreadPoolExecutor().submit(print), "threads are not available in the sandbox")
    _raises(OSError, lambda: subprocess.run(["true"]), "does not support processes")


def check_the_network_says_that_there_is_none():
    import asyncio
    import http.client
    import socket
    import urllib.request

    async def connect():
        await asyncio.open_connection("localhost", 80)

    for call in (
        socket.socket,
        socket.socketpair,
        lambda: socket.create_connection(("localhost", 80)),
        lambda: socket.getaddrinfo("localhost", 80),
        lambda: urllib.request.urlopen("http://localhost/"),
        lambda: http.client.HTTPConnection("localhost").request("GET", "/"),
        lambda: asyncio.run(connect()),
    ):
        _raises(OSError, call, "the network is not available in the sandbox")


def check_there_are_no_files_environment_or_arguments():
    import os
    import sys

    _raises(FileNotFoundError, lambda: open("/etc/passwd"))
    _raises(FileNotFoundError, lambda: open("new", "w"))
    _raises(OSError, lambda: os.listdir("/"))
    _raises(EOFError, input)
    assert dict(os.environ) == {}
    assert sys.stdin.read() == ""
    assert not sys.stdout.isatty()


def check_asyncio_runs_tasks_timers_and_timeouts():
    import asyncio
    import time

    asleep = 0

    async def double(number):
        nonlocal asleep
        asleep += 1
        most.append(asleep)
        await asyncio.sleep(0.01)
        asleep -= 1
        return number * 2

    most = []

    async def main():
        begin = time.monotonic()
        doubled = await asyncio.gather(*(double(i) for i in range(50)))
        assert doubled == [2 * i for i in range(50)]
        assert time.monotonic() - begin >= 0.01
        assert max(most) == 50  # all at once, not one after the other
        assert await asyncio.to_thread(sum, [1, 2]) == 3
        queue = asyncio.Queue()
        async with asyncio.TaskGroup() as group:
            group.create_task(queue.put("item"))
            waiter = group.create_task(queue.get())
        assert waiter.result() == "item"
        try:
            async with asyncio.timeout(0.02):
                await asyncio.Event().wait()
        except TimeoutError:
            return "timed out"

    assert asyncio.run(main()) == "timed out"
    with asyncio.Runner() as runner:
        assert runner.run(double(4)) == 8


def check_asyncio_says_when_nothing_can_wake_it():
    import asyncio

    async def forever():
        await asyncio.Event().wait()

    _raises(RuntimeError, lambda: asyncio.run(forever()), "waits for something that cannot happen")


def check_time_zones_are_there():
    import datetime
    import zoneinfo

    berlin = zoneinfo.ZoneInfo("Europe/Berlin")
    assert datetime.datetime(2024, 7, 1, 12, tzinfo=berlin).utcoffset() == datetime.timedelta(hours=2)
    assert datetime.datetime(2024, 1, 1, 12, tzinfo=berlin).tzname() == "CET"
    assert datetime.datetime(2060, 7, 1, tzinfo=zoneinfo.ZoneInfo("US/Eastern")).utcoffset() == datetime.timedelta(hours=-4)
    names = zoneinfo.available_timezones()
    assert len(names) > 500
    for name in names:
        zoneinfo.ZoneInfo(name)
    _raises(zoneinfo.ZoneInfoNotFoundError, lambda: zoneinfo.ZoneInfo("Nowhere/Nothing"), "Nowhere/Nothing")


def check_hashes_of_equal_contents_are_equal():
    """Known at boot or not, however the object came to be."""
    import json

    for content in ("append", "value", "metric", "x", "ü", "日本", "not known at boot", "k" * 1000, "k" * 1001):
        copy = "".join(list(content))
        encoded = content.encode()
        assert hash(content) == hash(copy)
        assert hash(encoded) == hash(b"".join(bytes([byte]) for byte in encoded)) == hash(memoryview(encoded))
        assert {content: 1}[copy] == 1 and copy in {content}
        assert json.loads(json.dumps({content: content}))[content] == content
    assert hash("") == hash(b"") == 0


def check_interned_names_and_dicts_of_the_snapshot_are_found():
    import sys

    for module in list(sys.modules.values()):
        for name in list(vars(module)):
            fresh = "".join(list(name))
            assert fresh in vars(module), f"{module.__name__}.{fresh}"
            getattr(module, fresh)


def check_randomness_is_not_the_snapshots():
    """Prints what the caller compares between instances."""
    import random
    import secrets
    import uuid

    print("random", hash("a content that no boot has hashed"), random.random(), secrets.token_hex(8), uuid.uuid4(), uuid.uuid1())


def check_compression_and_archives():
    import gzip
    import io
    import zipfile
    import zlib

    data = b"Function Stream " * 1000
    assert zlib.decompress(zlib.compress(data)) == data
    assert gzip.decompress(gzip.compress(data)) == data
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("data", data)
    assert zipfile.ZipFile(buffer).read("data") == data


def check_digests():
    import hashlib
    import hmac

    for name in ("md5", "sha1", "sha256", "sha512", "sha3_256", "blake2b"):
        assert len(hashlib.new(name, b"data").hexdigest()) >= 32
    assert hashlib.sha256(b"").hexdigest().startswith("e3b0c44298fc1c14")
    assert hmac.compare_digest(hmac.digest(b"key", b"message", "sha256"), hmac.new(b"key", b"message", "sha256").digest())


def check_decimal_pickle_regular_expressions_and_xml():
    import copy
    import decimal
    import pickle
    import re
    from xml.etree import ElementTree

    assert decimal.Decimal("0.1") + decimal.Decimal("0.2") == decimal.Decimal("0.3")
    value = {"a": [1, 2.5, None, "ü"], "b": (True, b"x")}
    assert pickle.loads(pickle.dumps(value)) == value == copy.deepcopy(value)
    assert re.sub(r"(\w+) (\w+)", r"\2 \1", "hello world") == "world hello"
    assert ElementTree.fromstring("<a><b c='1'/></a>").find("b").get("c") == "1"


def check_tracebacks_name_the_library():
    import json
    import traceback

    try:
        json.loads('{"a":')
    except ValueError:
        text = traceback.format_exc()
    assert "<frozen json.decoder>" in text and "JSONDecodeError" in text
