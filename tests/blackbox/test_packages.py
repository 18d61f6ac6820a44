"""Packaging as a user meets it: a script of one's own registers a class, and all that the class needs arrives in the sandbox."""

from __future__ import annotations

import os
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest
from fs_client import FsClient
from fs_client.config import EmbeddedInput, EmbeddedOutput, WasmTaskBuilder
from fs_client.errors import BadRequestError, PackagingError, ResourceExhaustedError
from support.server import Server
from support.topics import between, read, status
from support.wait import wait_for

DEPLOY = """
if __name__ == "__main__":
    import sys
    from fs_client import FsClient
    from fs_client.config import EmbeddedInput, EmbeddedOutput, WasmTaskBuilder

    config = WasmTaskBuilder().set_name("job").add_input_group([EmbeddedInput("in", "g")]).add_output(EmbeddedOutput("out")).build()
    with FsClient(host="127.0.0.1", port=int(sys.argv[1])) as client:
        client.create_python_function_from_config(config, Job)
"""
CLASS = """
from fs_api import Context, FSProcessorDriver

class Job(FSProcessorDriver):
    def process(self, ctx: Context, source_id: int, data: bytes) -> None:
        {body}
"""


def job(body: str, before: str = "") -> str:
    """A script that defines the class and registers it."""
    return before + CLASS.format(body=textwrap.indent(body, " " * 8).strip()) + DEPLOY


def write(folder: Path, files: dict[str, str]) -> None:
    for name, text in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")


def run(folder: Path, server: Server, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Runs Python on the user's script, as the user would."""
    return subprocess.run(
        [sys.executable, *arguments, str(server.port)], cwd=folder, capture_output=True, text=True, timeout=60, check=False
    )


def deploy(folder: Path, server: Server, files: dict[str, str], *arguments: str) -> None:
    write(folder, {name: text.replace("PORT", str(server.port)) for name, text in files.items()})
    done = run(folder, server, *(arguments or ("job.py",)))
    assert done.returncode == 0, done.stderr


# name -> (files, how Python is started, what the function answers to b"x")
PROJECTS: dict[str, tuple[dict[str, str], tuple[str, ...], bytes]] = {
    "class and client code in one file": (
        {
            "job.py": "from fs_client import FsClient\nfrom fs_client.config import EmbeddedInput, EmbeddedOutput, WasmTaskBuilder\n"
            + CLASS.format(body="ctx.emit(b'one file')")
            + """
config = WasmTaskBuilder().set_name("job").add_input_group([EmbeddedInput("in", "g")]).add_output(EmbeddedOutput("out")).build()
with FsClient(host="127.0.0.1", port=PORT) as client:
    client.create_python_function_from_config(config, Job)
    client.start_function("job")
    print(client.show_functions(filter_pattern="job").functions[0].status)
"""
        },
        ("job.py",),
        b"one file",
    ),
    "absolute imports": (
        {
            "job.py": job("ctx.emit(helper.answer(data) + tools.text.SUFFIX)", "import helper\nimport tools.text\n"),
            "helper.py": "def answer(data):\n    return data * 2\n",
            "tools/__init__.py": "",
            "tools/text.py": "SUFFIX = b'!'\n",
        },
        ("job.py",),
        b"xx!",
    ),
    "relative imports in a package run with -m": (
        {
            "app/__init__.py": "NAME = b'app'\n",
            "app/main.py": job("ctx.emit(NAME + b'/' + parse(data))", "from . import NAME\nfrom .inner.parsing import parse\n"),
            "app/inner/__init__.py": "from .. import NAME as OUTER\n",
            "app/inner/parsing.py": "from ..shared import MARK\nfrom . import OUTER\n\ndef parse(data):\n    return MARK + data + OUTER\n",
            "app/shared.py": "MARK = b'#'\n",
        },
        ("-m", "app.main"),
        b"app/#xapp",
    ),
    "an import inside a function": (
        {"job.py": job("import late\nctx.emit(late.ANSWER)"), "late.py": "ANSWER = b'late'\n"},
        ("job.py",),
        b"late",
    ),
    "an import for type checkers only": (
        {"job.py": job("ctx.emit(b'typed')", "from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    from nowhere import Nothing\n")},
        ("job.py",),
        b"typed",
    ),
    "a namespace package": (
        {
            "job.py": job("ctx.emit(ANSWER)", "from company.streams.answers import ANSWER\n"),
            "company/streams/answers.py": "ANSWER = b'namespace'\n",
        },
        ("job.py",),
        b"namespace",
    ),
    "data by importlib.resources": (
        {
            "job.py": job(
                "ctx.emit(importlib.resources.files('tables').joinpath('units.txt').read_bytes().strip())",
                "import importlib.resources\nimport tables\n",
            ),
            "tables/__init__.py": "",
            "tables/units.txt": "metre\n",
        },
        ("job.py",),
        b"metre",
    ),
    "data by pkgutil": (
        {
            "job.py": job("ctx.emit(pkgutil.get_data('tables', 'deep/units.txt').strip())", "import pkgutil\nimport tables\n"),
            "tables/__init__.py": "",
            "tables/deep/units.txt": "second\n",
        },
        ("job.py",),
        b"second",
    ),
    "a module that shadows the standard library": (
        {
            "job.py": job("import json\nctx.emit(queue.ANSWER + json.dumps([1]).encode())", "import queue\n"),
            "queue.py": "ANSWER = b'mine'\n",
        },
        ("job.py",),
        b"mine[1]",
    ),
    "a circle of imports that Python accepts": (
        {
            "job.py": job("ctx.emit(a.answer())", "import a\n"),
            "a.py": "import b\n\ndef answer():\n    return b.VALUE\n",
            "b.py": "import a\nVALUE = b'round'\n",
        },
        ("job.py",),
        b"round",
    ),
    "a pure third-party distribution": (
        {"job.py": job("ctx.emit(mdurl.encode('a b').encode())", "import mdurl\n")},
        ("job.py",),
        b"a%20b",
    ),
    "an optional native import with a fallback": (
        {
            "job.py": job(
                "ctx.emit(b'none' if confluent_kafka is None else b'some')",
                "try:\n    import confluent_kafka\nexcept ImportError:\n    confluent_kafka = None\n",
            )
        },
        ("job.py",),
        b"none",
    ),
    "a base class in another module": (
        {
            "job.py": "from base import Base\n\nclass Job(Base):\n    def answer(self):\n        return b'derived'\n" + DEPLOY,
            "base.py": "from fs_api import FSProcessorDriver\n\nclass Base(FSProcessorDriver):\n"
            "    def process(self, ctx, source_id, data):\n        ctx.emit(self.answer())\n",
        },
        ("job.py",),
        b"derived",
    ),
    "names beyond ASCII": (
        {"job.py": job("ctx.emit(größe.WERT.encode())", "import größe\n"), "größe.py": "WERT = 'viel ✓'\n"},
        ("job.py",),
        "viel ✓".encode(),
    ),
}


@pytest.mark.parametrize("name", PROJECTS)
def test_a_project_runs_in_the_sandbox(tmp_path: Path, server: Server, client: FsClient, name: str) -> None:
    files, arguments, expected = PROJECTS[name]
    deploy(tmp_path / "project", server, files, *arguments)
    client.publish("in", [b"x"])
    wait_for(lambda: client.describe_function("job").processed or status(client, "job") == "FAILED", "it answers or fails")
    assert client.describe_function("job").last_error == ""
    assert read(client, "out", 1) == [expected]


# name -> (files, what stderr says)
REFUSED: dict[str, tuple[dict[str, str], list[str]]] = {
    "a missing module of a module": (
        {"job.py": job("import helper"), "helper.py": "import json\n\nimport nowhere\n"},
        ["{folder}/helper.py:3: no module named 'nowhere'"],
    ),
    "a missing module inside a function": ({"job.py": job("import nowhere")}, ["{folder}/job.py:6: no module named 'nowhere'"]),
    "a circle of imports that Python refuses": (
        {
            "job.py": job("import a"),
            "a.py": "from b import VALUE\nOTHER = 1\n",
            "b.py": "from a import OTHER\nVALUE = 1\n",
        },
        ["circular import", "{folder}/a.py:1", "{folder}/b.py:1", "OTHER"],
    ),
    "a syntax error in an import": ({"job.py": job("import helper"), "helper.py": "x = (\n"}, ["{folder}/helper.py:1"]),
    "a native distribution": ({"job.py": job("pass", "import confluent_kafka\n")}, ["confluent-kafka", "{folder}/job.py:1", "sandbox"]),
    "a native distribution inside a function": ({"job.py": job("import confluent_kafka")}, ["confluent-kafka", "{folder}/job.py:6"]),
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_cannot_be_packaged_is_refused_with_file_and_line(tmp_path: Path, server: Server, client: FsClient, name: str) -> None:
    files, expected = REFUSED[name]
    folder = tmp_path / "project"
    write(folder, files)
    done = run(folder, server, "job.py")
    assert done.returncode == 1
    assert "PackagingError" in done.stderr
    for part in expected:
        assert part.format(folder=folder) in done.stderr, done.stderr
    assert client.show_functions().functions == []


def test_refusal_comes_before_any_server_is_asked(tmp_path: Path) -> None:
    write(tmp_path, {"job.py": job("import confluent_kafka")})
    done = subprocess.run([sys.executable, "job.py", "1"], cwd=tmp_path, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 1 and "confluent-kafka" in done.stderr and "PackagingError" in done.stderr


def test_a_traceback_shows_the_users_own_files_and_lines(tmp_path: Path, server: Server, client: FsClient) -> None:
    helper = "def divide(number):\n    # by what it is not\n    return 1 // number\n"
    deploy(
        tmp_path / "project",
        server,
        {"job.py": job("ctx.emit(helper.divide(int(data)))", "from tools import helper\n"), "tools/helper.py": helper},
    )
    client.publish("in", [b"0"])
    wait_for(lambda: status(client, "job") == "FAILED", "it failed")
    error = client.describe_function("job").last_error
    assert 'job.py", line 7, in process' in error and "ctx.emit(helper.divide(int(data)))" in error, error
    assert 'tools/helper.py", line 3, in divide' in error and "return 1 // number" in error, error
    assert "ZeroDivisionError" in error
    assert "fs_runtime" not in error


def test_a_traceback_in_init_reaches_the_user_who_creates(tmp_path: Path, server: Server, client: FsClient) -> None:
    source = job("pass").replace(
        "    def process", "    def init(self, ctx, config):\n        self.rate = float(config['rate'])\n\n    def process"
    )
    write(tmp_path / "project", {"job.py": source})
    done = run(tmp_path / "project", server, "job.py")
    assert "BadRequestError" in done.stderr and "KeyError: 'rate'" in done.stderr and 'job.py", line 6, in init' in done.stderr, done.stderr
    assert client.show_functions().functions == []


def config_yaml(**init_config: str) -> str:
    builder = WasmTaskBuilder().set_name("job").add_input_group([EmbeddedInput("in", "g")]).add_output(EmbeddedOutput("out"))
    for key, value in init_config.items():
        builder.add_init_config(key, value)
    return builder.build().to_yaml()


def test_a_package_over_the_limit_is_refused_naming_the_limit(tmp_path: Path) -> None:
    source = job("import tables, importlib.resources\nimportlib.resources.files('tables').joinpath('big.bin').read_bytes()")
    write(tmp_path / "project", {"job.py": source, "tables/__init__.py": ""})
    # Random bytes, which no compression makes fit.
    (tmp_path / "project/tables/big.bin").write_bytes(os.urandom(2 << 20))
    with Server(tmp_path / "server", {"limits": {"package_mb": 1}}) as server, server.client() as client:
        with pytest.raises(PackagingError, match=str(1 << 20)) as refused:
            client.create_python_function_from_source(between("job"), tmp_path / "project/job.py", "Job")
        assert "limits.package_mb" in refused.value.message
        with pytest.raises(ResourceExhaustedError, match=r"limits\.package_mb") as error:
            client.create_python_function("Job", [("job", source.encode()), ("big", b"#" * (2 << 20))], config_yaml())
        assert error.value.status_code == 429
        assert client.show_functions().functions == []


def test_a_class_in_a_file_that_is_not_imported_here(tmp_path: Path, client: FsClient) -> None:
    write(tmp_path, {"job.py": job("ctx.emit(helper.ANSWER)", "import helper\n"), "helper.py": "ANSWER = b'by file'\n"})
    client.create_python_function_from_source(between("job"), tmp_path / "job.py", "Job")
    client.publish("in", [b"x"])
    assert read(client, "out", 1) == [b"by file"]


def test_a_python_file_and_a_configuration_file(tmp_path: Path, client: FsClient) -> None:
    write(tmp_path, {"job.py": job("ctx.emit(b'from files')"), "job.yaml": config_yaml(class_name="Job")})
    client.create_function_from_files(tmp_path / "job.py", tmp_path / "job.yaml")
    client.publish("in", [b"x"])
    assert read(client, "out", 1) == [b"from files"]


def test_a_package_file_and_a_configuration_file(tmp_path: Path, client: FsClient) -> None:
    from fs_client.analysis import analyze, entry_of_file
    from fs_client.package import build_package

    write(
        tmp_path,
        {"job.py": job("ctx.emit(helper.ANSWER)", "import helper\n"), "helper.py": "ANSWER = b'from a zip'\n", "job.yaml": config_yaml()},
    )
    package = build_package(analyze(entry_of_file(tmp_path / "job.py", "Job"), ()))
    (tmp_path / "job.zip").write_bytes(package.content)
    client.create_function_from_files(tmp_path / "job.zip", tmp_path / "job.yaml")
    client.publish("in", [b"x"])
    assert read(client, "out", 1) == [b"from a zip"]

    client.drop_function("job")
    (tmp_path / "cut.zip").write_bytes(package.content[:-30])
    with pytest.raises(BadRequestError, match="package"):
        client.create_function_from_files(tmp_path / "cut.zip", tmp_path / "job.yaml")
