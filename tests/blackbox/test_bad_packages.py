"""Every way in which code can be no function: 400 with the user's file and line, none of the runtime's own frames, and nothing stays."""

from __future__ import annotations

import hashlib
import io
import json
import re
import stat
import zipfile
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from fs_client import FsClient
from fs_client.errors import BadRequestError, ResourceExhaustedError, ServerError
from support.kafka import Kafka
from support.leftovers import assert_nothing_left, clear
from support.server import Server
from support.topics import status
from support.wait import wait_for

CONFIG = """\
name: job
type: python
input-groups: [{inputs: [{input-type: embedded, topic: in, group_id: g}]}]
outputs: [{output-type: embedded, topic: out}]
"""
SHORT = CONFIG + "limits: {process_timeout_ms: 1000, memory_mb: 64}\n"
IMPORT = "from fs_api import FSProcessorDriver\n"
PROCESS = "    def process(self, ctx, source_id, data):\n        ctx.emit(data)\n"
GOOD = IMPORT + "class Echo(FSProcessorDriver):\n" + PROCESS


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    with Server(tmp_path_factory.mktemp("bad") / "server") as running:
        yield running


@pytest.fixture(scope="module")
def client(server: Server) -> Iterator[FsClient]:
    with server.client() as connected:
        yield connected


@pytest.fixture(autouse=True)
def nothing_is_left_behind(server: Server, client: FsClient) -> Iterator[None]:
    yield
    assert_nothing_left(server, client)


def driver(body: str, before: str = "") -> str:
    return f"{IMPORT}{before}class Echo(FSProcessorDriver):\n{body}{PROCESS}"


def assert_for_the_user(message: str, *named: str) -> None:
    for part in named:
        assert part in message, f"{part!r} is not in: {message}"
    for ours in ("fs_runtime.errors", "fs_runtime/", "<frozen", "_fs_guest"):
        assert ours not in message, message
    assert not re.search(r"[\x00-\x08\x0b-\x1f\x7f]", message), repr(message)
    assert len(message) <= 66 << 10, len(message)


CHAIN = driver(
    "    def init(self, ctx, config):\n        try:\n            {}['a']\n        except KeyError as error:\n"
    "            raise ValueError('b') from error\n"
)
# The module `echo`, of which class Echo is asked for. -> (source, what the message must name)
MODULES: dict[str, tuple[str | bytes, list[str]]] = {
    "empty": ("", ["'Echo'", "FSProcessorDriver classes: none"]),
    "no such class": (GOOD.replace("Echo", "Ecko"), ["'Echo'", "did you mean 'Ecko'"]),
    "a function of that name": ("def Echo():\n    pass\n", ["'Echo'", "no class but function"]),
    "an instance of that name": (GOOD + "Echo = Echo()\n", ["'Echo'", "no class"]),
    "not a driver": ("class Echo:\n" + PROCESS, ["'Echo'", "not an FSProcessorDriver", "derive it"]),
    "abstract": (IMPORT + "class Echo(FSProcessorDriver):\n    pass\n", ["'Echo'", "does not define process()"]),
    "abstract by its own": (
        driver("    @abc.abstractmethod\n    def more(self):\n        pass\n", "import abc\n"),
        ["'Echo'", "does not define more()"],
    ),
    "an asynchronous process": (GOOD.replace("    def process", "    async def process"), ["process() is async"]),
    "a process that yields": (GOOD.replace("ctx.emit(data)", "yield data"), ["process() is a generator"]),
    "a process that is no method": (IMPORT + "class Echo(FSProcessorDriver):\n    process = 5\n", ["process is int, not a method"]),
    "arguments wanted": (driver("    def __init__(self, path):\n        pass\n"), ["TypeError", "path", "Echo(), without arguments"]),
    "raises in __init__": (
        driver("    def __init__(self):\n        raise OSError('no disk')\n"),
        ['"echo.py", line 4', "OSError: no disk"],
    ),
    "raises in __new__": (driver("    def __new__(cls):\n        return 1 / 0\n"), ['"echo.py", line 4', "ZeroDivisionError"]),
    "another object from __new__": (
        driver("    def __new__(cls):\n        return 5\n"),
        ["Echo() gives an object of type 'int'", "__new__()"],
    ),
    "raises in init": (
        driver("    def init(self, ctx, config):\n        config['rate']\n"),
        ["init", '"echo.py", line 4', "KeyError: 'rate'"],
    ),
    "a wrong init": (driver("    def init(self, ctx):\n        pass\n"), ["init(ctx, config)", '"echo.py", line 3', "argument"]),
    "a missing setting": (driver("    def init(self, ctx, config):\n        int(config.get('n'))\n"), ['"echo.py", line 4', "TypeError"]),
    "emits to a channel that is not there": (
        driver("    def init(self, ctx, config):\n        ctx.emit(b'', 5)\n"),
        ['"echo.py", line 4', "5"],
    ),
    "a store without a name": (driver("    def init(self, ctx, config):\n        ctx.getOrCreateKVStore('')\n"), ['"echo.py", line 4']),
    "emits a text": (driver("    def init(self, ctx, config):\n        ctx.emit('text')\n"), ['"echo.py", line 4', "TypeError", "str"]),
    "exits in init": (driver("    def init(self, ctx, config):\n        raise SystemExit(3)\n"), ['"echo.py", line 4', "SystemExit: 3"]),
    "a chain of errors": (CHAIN, ['"echo.py", line 5', '"echo.py", line 7', "KeyError: 'a'", "ValueError: b"]),
    "a group of errors": (
        driver("    def init(self, ctx, config):\n        raise ExceptionGroup('all', [ValueError('x')])\n"),
        ["ValueError: x"],
    ),
    "an unprintable error": (
        driver("    def init(self, ctx, config):\n        raise E\n", "class E(Exception):\n    def __str__(self):\n        raise self\n"),
        ['"echo.py", line 7'],
    ),
    "an error with escapes": (
        driver("    def init(self, ctx, config):\n        raise ValueError('\\x1b[2J\\r\\x07')\n"),
        ["ValueError", r"\x1b[2J"],
    ),
    "an error without end": (
        driver("    def init(self, ctx, config):\n        raise ValueError('x' * 1_000_000)\n"),
        ['"echo.py", line 4'],
    ),
    "no end in init": (driver("    def init(self, ctx, config):\n        while True: pass\n"), ["limits.process_timeout_ms", "1000"]),
    "no memory in init": (
        driver("    def init(self, ctx, config):\n        self.x = bytes(1 << 30)\n"),
        ['"echo.py", line 4', "MemoryError"],
    ),
    "no bottom in init": (
        driver("    def init(self, ctx, config):\n        self.init(ctx, config)\n"),
        ['"echo.py", line 4', "RecursionError"],
    ),
    "raises on import": ("x = 1\n\nraise ValueError('at import')\n" + GOOD, ['"echo.py", line 3', "ValueError: at import"]),
    "exits on import": ("import sys\nsys.exit('bye')\n" + GOOD, ['"echo.py", line 2', "SystemExit: bye"]),
    "no end on import": ("while True:\n    pass\n", ["limits.process_timeout_ms", "1000"]),
    "a syntax error": (GOOD + "def broken(:\n    pass\n", ["SyntaxError", '"echo.py", line 5']),
    "an indentation error": (GOOD + "  x = 1\n", ["IndentationError", '"echo.py", line 5']),
    "tabs and blanks": (GOOD + "if True:\n        x = 1\n\ty = 2\n", ["TabError", '"echo.py", line 7']),
    "python 2": (GOOD + "print 'hello'\n", ["SyntaxError", '"echo.py", line 5', "print"]),
    "a zero byte": (GOOD + "x = '\0'\n", ["SyntaxError", "null bytes"]),
    "not utf-8": (GOOD.encode() + b"# caf\xe9\n", ["echo", "UTF-8"]),
    "an unknown coding": ("# coding: klingon\n" + GOOD, ["SyntaxError", "klingon"]),
    "latin-1 that is not": (b"# coding: ascii\n" + GOOD.encode() + b"x = '\xe9'\n", ["SyntaxError", "ascii"]),
    "a deep expression": (GOOD + "x = " + "(" * 500 + ")" * 500 + "\n", ["too complex to parse"]),
    "a missing module": ("import nowhere\n" + GOOD, ["ModuleNotFoundError", "nowhere", '"echo.py", line 1']),
    "a missing name": ("from json import nothing\n" + GOOD, ["ImportError", "nothing", '"echo.py", line 1']),
    "a missing submodule": ("import json.nothing\n" + GOOD, ["ModuleNotFoundError", "json.nothing", '"echo.py", line 1']),
    "a relative import without a package": ("from . import helper\n" + GOOD, ["ImportError", "relative import", '"echo.py", line 1']),
    "a module that the sandbox lacks": ("import ssl\n" + GOOD, ["ssl is not available in the sandbox", '"echo.py", line 1']),
    "native code": ("import numpy\n" + GOOD, ["ModuleNotFoundError", "numpy", '"echo.py", line 1']),
    "an undefined name": (GOOD.replace("FSProcessorDriver)", "Driver)"), ["NameError", "Driver", '"echo.py", line 2']),
    "an asynchronous init": (driver("    async def init(self, ctx, config):\n        pass\n"), ["init() is async"]),
}


@pytest.mark.parametrize("name", MODULES)
def test_code_that_is_no_function_is_refused_with_the_users_file_and_line(client: FsClient, name: str) -> None:
    source, named = MODULES[name]
    content = source if isinstance(source, bytes) else source.encode()
    with pytest.raises(BadRequestError) as error:
        client.create_python_function("Echo", [("echo", content)], SHORT)
    assert_for_the_user(error.value.message, *named)
    # The name is free: the same request with the code mended succeeds.
    client.create_python_function("Echo", [("echo", GOOD.encode())], CONFIG)
    clear(client)


# Sets of modules that do not fit together. -> (class name, modules, what the message must name)
SETS: dict[str, tuple[str, list[tuple[str, str]], list[str]]] = {
    "beyond the top level": (
        "Echo",
        [("app.echo", "from ... import x\n" + GOOD)],
        ["ImportError", "beyond top-level", '"app/echo.py", line 1'],
    ),
    "an error in a module that is imported": (
        "Echo",
        [("echo", "import tools.helper\n" + GOOD), ("tools.helper", "\nx = 1 / 0\n")],
        ['"echo.py", line 1', '"tools/helper.py", line 2', "ZeroDivisionError"],
    ),
    "a syntax error in a module that is imported": (
        "Echo",
        [("echo", "import helper\n" + GOOD), ("helper", "x = (\n")],
        ['"helper.py", line 1', "SyntaxError"],
    ),
    "a circle": (
        "Echo",
        [("echo", "from a import x\n" + GOOD), ("a", "from b import y\nx = 1\n"), ("b", "from a import x\ny = 1\n")],
        ['"b.py", line 1', "circular import", "'x'"],
    ),
    "a class in two modules": ("Echo", [("one", GOOD), ("two", GOOD)], ["'Echo'", "several modules", "one, two"]),
    "a class in no module": ("Echo", [("one", "x = 1\n"), ("two", "y = 1\n")], ["'Echo'", "no module", "one, two"]),
    "a class name that is none": ("Ec ho", [("echo", GOOD)], ["class_name", "Ec ho"]),
    "a dotted class name": ("echo.Echo", [("echo", GOOD)], ["class_name", "echo.Echo"]),
    "a module name that is none": ("Echo", [("../echo", GOOD)], ["modules", "../echo", "dotted module name"]),
    "a file name for a module": ("Echo", [("app/echo.py", GOOD)], ["modules", "app/echo.py"]),
    "an empty module name": ("Echo", [("", GOOD)], ["modules", "dotted module name"]),
    "a module twice": ("Echo", [("echo", GOOD), ("echo", GOOD)], ["echo is there twice"]),
    "our own module": ("Echo", [("fs_api", GOOD)], ["fs_api", "belongs to the runtime"]),
    "a module of ours below": ("Echo", [("fs_runtime.driver", GOOD), ("echo", GOOD)], ["fs_runtime.driver", "belongs to the runtime"]),
    "the main module": ("Echo", [("__main__", GOOD)], ["__main__"]),
    "builtins": ("Echo", [("builtins", GOOD)], ["builtins"]),
    "several classes and no name": ("", [("echo", GOOD + GOOD[len(IMPORT) :].replace("Echo", "Other"))], ["several", "Echo, Other"]),
}


@pytest.mark.parametrize("name", SETS)
def test_modules_that_do_not_fit_are_refused_by_name(client: FsClient, name: str) -> None:
    class_name, modules, named = SETS[name]
    with pytest.raises(BadRequestError) as error:
        client.create_python_function(class_name, [(module, source.encode()) for module, source in modules], SHORT)
    assert_for_the_user(error.value.message, *named)


Manifest = dict[str, Any]
Files = dict[str, bytes]


def package(change: Callable[[Manifest, Files], None] | None = None, raw_manifest: bytes | None = None) -> bytes:
    """A package of module `echo`, after `change` has had its way with manifest and files."""
    files: Files = {"echo.py": GOOD.encode()}
    manifest: Manifest = {"format": 1, "entry_module": "echo", "class_name": "Echo", "python_requires": "3.9"}
    manifest["files"] = [entry("echo.py", files["echo.py"])]
    if change is not None:
        change(manifest, files)
    container = io.BytesIO()
    with zipfile.ZipFile(container, "w", zipfile.ZIP_DEFLATED) as archive:
        if raw_manifest != b"":
            archive.writestr("fs-package.json", json.dumps(manifest) if raw_manifest is None else raw_manifest)
        for path, content in files.items():
            archive.writestr(path, content)
    return container.getvalue()


def entry(path: str, content: bytes, kind: str = "module", **other: Any) -> dict[str, Any]:
    described = {"path": path, "kind": kind, "size": len(content), "sha256": hashlib.sha256(content).hexdigest()}
    if kind != "data":
        described["module"] = path.removesuffix(".py").removesuffix("/__init__").replace("/", ".")
    return {**described, **other}


def with_key(key: str, value: object) -> Callable[[Manifest, Files], None]:
    return lambda manifest, files: manifest.update({key: value})


def without_key(key: str) -> Callable[[Manifest, Files], None]:
    return lambda manifest, files: manifest.pop(key)


def with_file_key(key: str, value: object) -> Callable[[Manifest, Files], None]:
    return lambda manifest, files: manifest["files"][0].update({key: value})


def with_file(path: str, content: bytes = b"x = 1\n", kind: str = "data", **other: Any) -> Callable[[Manifest, Files], None]:
    def change(manifest: Manifest, files: Files) -> None:
        files[path] = content
        manifest["files"].append(entry(path, content, kind, **other))

    return change


def unlisted(manifest: Manifest, files: Files) -> None:
    files["stray.py"] = b""


def linked() -> bytes:
    """A package whose module is a symbolic link."""
    container = io.BytesIO()
    with zipfile.ZipFile(container, "w") as archive:
        target = b"/etc/passwd"
        archive.writestr(
            "fs-package.json",
            json.dumps(
                {"format": 1, "entry_module": "echo", "class_name": "Echo", "python_requires": "3.9", "files": [entry("echo.py", target)]}
            ),
        )
        link = zipfile.ZipInfo("echo.py")
        link.create_system = 3
        link.external_attr = (stat.S_IFLNK | 0o777) << 16
        archive.writestr(link, target)
    return container.getvalue()


WRONG_TYPES: list[object] = [None, 5, 1.5, True, "", [], {}, ["x"], {"a": "b"}, "a b"]
CONTAINERS: dict[str, tuple[bytes, list[str]]] = {
    "no manifest": (package(raw_manifest=b""), ["fs-package.json is missing"]),
    "an empty manifest": (package(raw_manifest=b" "), ["fs-package.json", "JSON object"]),
    "a manifest that is a list": (package(raw_manifest=b"[]"), ["fs-package.json", "JSON object"]),
    "a manifest that is not utf-8": (package(raw_manifest=b'{"format": "\xff"}'), ["fs-package.json", "UTF-8"]),
    "a manifest without end": (package(raw_manifest=b'{"format": 1'), ["fs-package.json", "JSON object"]),
    "a deep manifest": (package(raw_manifest=b"[" * 100_000 + b"]" * 100_000), ["fs-package.json"]),
    "a later format": (package(with_key("format", 2)), ["format 2", "this server reads format 1"]),
    "a later python": (package(with_key("python_requires", "3.99")), ["Python 3.99", "this server runs Python 3."]),
    "an entry module that is not there": (package(with_key("entry_module", "nowhere")), ["entry_module", "nowhere", "not among"]),
    "a class that is not there": (package(with_key("class_name", "Ecko")), ["'Ecko'", "did you mean 'Echo'"]),
    "a file that is not listed": (package(unlisted), ["stray.py", "not listed"]),
    "a file that is not there": (package(lambda manifest, files: files.clear()), ["echo.py"]),
    "another size": (package(with_file_key("size", 5)), ["echo.py", "more than 5 bytes"]),
    "another digest": (package(with_file_key("sha256", "0" * 64)), ["echo.py", "SHA-256"]),
    "another module": (package(with_file_key("module", "other")), ["echo.py", "other"]),
    "another kind": (package(with_file_key("kind", "library")), ["echo.py", "kind", "library"]),
    "a path that climbs": (package(with_file("../x", kind="data")), ["../x"]),
    "an absolute path": (package(with_file("/etc/x")), ["/etc/x"]),
    "a path with an escape": (package(with_file("a\x1b[2J")), ["path"]),
    "a file twice": (package(lambda manifest, files: manifest["files"].append(manifest["files"][0])), ["echo.py is listed twice"]),
    "a file that is a folder": (package(with_file("echo.py/x")), ["echo.py is a file and a folder"]),
    "our own module": (package(with_file("fs_api.py", kind="module")), ["fs_api", "belongs to the runtime"]),
    "a symbolic link": (linked(), ["echo.py"]),
    "half a container": (package()[: len(package()) // 2], ["package"]),
    "a container with a byte changed": (package().replace(b"PK\x05\x06", b"PK\x05\x07"), ["package"]),
    "a container and more": (package() + b"more", ["package"]),
    "only a signature": (b"PK\x03\x04", ["package"]),
    "webassembly": (b"\0asm\1\0\0\0", ["function_bytes", "WebAssembly", "type: python"]),
    "bytes": (bytes(range(256)), ["function_bytes", "UTF-8"]),
    "a class file": (b"\xca\xfe\xba\xbe\0\0\0\x34", ["function_bytes", "UTF-8"]),
}


@pytest.mark.parametrize("name", CONTAINERS)
def test_a_package_that_is_none_is_refused_by_what_is_wrong(client: FsClient, name: str) -> None:
    content, named = CONTAINERS[name]
    with pytest.raises(BadRequestError) as error:
        client.create_function_from_bytes(content, SHORT)
    assert_for_the_user(error.value.message, *named)


@pytest.mark.parametrize("key", ["format", "entry_module", "class_name", "python_requires", "files"])
def test_every_key_of_the_manifest_is_checked(client: FsClient, key: str) -> None:
    right = {"format": (1,), "files": ([],)}.get(key, ())
    for change in [without_key(key), *(with_key(key, value) for value in WRONG_TYPES if value not in right or value is True)]:
        with pytest.raises(BadRequestError) as error:
            client.create_function_from_bytes(package(change), SHORT)
        assert_for_the_user(error.value.message, "fs-package.json", key.removesuffix("s") if key == "files" else key)


@pytest.mark.parametrize("key", ["path", "kind", "module", "size", "sha256"])
def test_every_key_of_a_file_in_the_manifest_is_checked(client: FsClient, key: str) -> None:
    def dropped(manifest: Manifest, files: Files) -> None:
        manifest["files"][0].pop(key)

    for change in [dropped, *(with_file_key(key, value) for value in [*WRONG_TYPES, -1, 1 << 70])]:
        with pytest.raises(ServerError) as error:
            client.create_function_from_bytes(package(change), SHORT)
        assert error.value.status_code in (400, 429), error.value.message
        assert_for_the_user(error.value.message)
        assert key in error.value.message or "echo.py" in error.value.message or "path" in error.value.message, error.value.message


def test_a_bomb_is_refused_by_what_it_would_become(client: FsClient) -> None:
    def bomb(manifest: Manifest, files: Files) -> None:
        for number in range(5):
            with_file(f"data{number}", bytes(60 << 20))(manifest, files)

    with pytest.raises(ResourceExhaustedError) as error:
        client.create_function_from_bytes(package(bomb), SHORT)
    assert_for_the_user(error.value.message, "when unpacked", str(256 << 20))


LATER = """
from fs_api import FSProcessorDriver


def deeper(config):
    return config["not there"]


class Echo(FSProcessorDriver):
    def init(self, ctx, config):
        self.store = ctx.getOrCreateKVStore("s")
        if self.store.get_state(b"seen"):
            deeper(config)

    def process(self, ctx, source_id, data):
        self.store.put_state(b"seen", b"1")
        ctx.emit(data)
"""


def test_a_traceback_stands_in_the_answer_in_describe_and_in_the_log(client: FsClient) -> None:
    client.create_python_function("Echo", [("jobs.echo", LATER.encode())], CONFIG)
    client.publish("in", [b"x"])
    wait_for(lambda: client.describe_function("job").processed == 1, "the message")
    client.stop_function("job")
    with pytest.raises(BadRequestError) as error:
        client.start_function("job")
    named = (
        'File "jobs/echo.py", line 13, in init',
        'File "jobs/echo.py", line 6, in deeper',
        'return config["not there"]',
        "KeyError: 'not there'",
    )
    assert_for_the_user(error.value.message, *named)
    assert status(client, "job") == "FAILED"
    about = client.describe_function("job")
    assert_for_the_user(about.reason, *named)
    assert_for_the_user(about.last_error, *named)
    log = "\n".join(line.text.replace("\\n", "\n") for line in client.logs("job"))
    assert_for_the_user(log, *named)
    clear(client)


def groups(kafka: Kafka) -> list[str]:
    listed = kafka._admin().list_consumer_groups().result()
    return sorted(group.group_id for group in listed.valid)


@pytest.mark.parametrize("partition", [None, 0])
def test_a_create_that_fails_leaves_nothing_on_the_broker(client: FsClient, kafka: Kafka, partition: int | None) -> None:
    topics = (f"bad-in-{partition}", f"bad-out-{partition}")
    for topic in topics:
        kafka.create_topic(topic)
    before = groups(kafka)
    at = "" if partition is None else f", partition: {partition}"
    broker = f"bootstrap_servers: {kafka.bootstrap_servers!r}"
    config = (
        "name: job\ntype: python\n"
        f"input-groups: [{{inputs: [{{input-type: kafka, {broker}, topic: {topics[0]}, group_id: bad-group-{partition}{at}}}]}}]\n"
        f"outputs: [{{output-type: kafka, {broker}, topic: {topics[1]}}}]\n"
    )
    source = driver("    def init(self, ctx, config):\n        ctx.emit(b'never')\n        raise ValueError('no')\n")
    with pytest.raises(BadRequestError, match="ValueError: no"):
        client.create_python_function("Echo", [("echo", source.encode())], config)
    wait_for(lambda: groups(kafka) == before, f"no group but {before}")
    assert [kafka.end(topic) for topic in topics] == [0, 0]
