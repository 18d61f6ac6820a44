"""Every key of the server's configuration with everything wrong that can stand there: exit code 2, one line naming file, key and line."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest
from support.wrong_values import Key, keys, slips, wrong_values

KEYS = keys("Server configuration")


def text_with(key: Key, value: str, name: str | None = None) -> tuple[str, int]:
    """A configuration of this one key, and its line."""
    sections = key.parent.split(".") if key.parent else []
    lines = [f"{'  ' * depth}{section}:" for depth, section in enumerate(sections)]
    lines.append(f"{'  ' * len(sections)}{name or key.name}: {value}")
    return "\n".join(["# one key", *lines, ""]), len(lines) + 1


def start(folder: Path, text: str | bytes) -> subprocess.CompletedProcess[str]:
    """Runs the server on this configuration until it ends by itself."""
    file = folder / "server.yaml"
    file.write_bytes(text if isinstance(text, bytes) else text.encode())
    return run(folder, "--config", str(file))


def run(folder: Path, *arguments: str, **env: str) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, "FUNCTION_STREAM_HOME": str(folder), **env}
    return subprocess.run(
        [os.environ["FS_SERVER"], *arguments], cwd=folder, env=environment, capture_output=True, text=True, timeout=20, check=False
    )


def assert_refused(folder: Path, done: subprocess.CompletedProcess[str], *named: str) -> None:
    assert done.returncode == 2, (done.returncode, done.stderr)
    assert done.stdout == ""
    assert done.stderr.startswith("function-stream: ") and done.stderr.count("\n") == 1, done.stderr
    assert done.stderr[:-1].isprintable(), repr(done.stderr)
    for part in named:
        assert part in done.stderr, f"{part!r} is not in: {done.stderr}"
    # Nothing was made before the configuration was read.
    assert {path.name for path in folder.iterdir()} <= {"server.yaml"}


@pytest.mark.parametrize("key", KEYS, ids=lambda key: key.path)
def test_every_wrong_value_of_every_key_is_refused_by_file_path_and_line(tmp_path: Path, key: Key) -> None:
    for value in wrong_values(key.form):
        text, line = text_with(key, value)
        assert_refused(tmp_path, start(tmp_path, text), str(tmp_path / "server.yaml"), key.path, f"line {line}")


@pytest.mark.parametrize("key", KEYS, ids=lambda key: key.path)
def test_a_slip_in_any_key_is_answered_with_the_right_name(tmp_path: Path, key: Key) -> None:
    for slip in slips(key.name):
        text, line = text_with(key, "1", slip)
        assert_refused(
            tmp_path, start(tmp_path, text), str(tmp_path / "server.yaml"), f"{slip} (line {line})", f"did you mean `{key.name}`?"
        )


@pytest.mark.parametrize("key", KEYS, ids=lambda key: key.path)
def test_any_key_given_twice_names_both_lines(tmp_path: Path, key: Key) -> None:
    text, line = text_with(key, "1")
    text += text.splitlines()[-1] + "\n"
    assert_refused(tmp_path, start(tmp_path, text), f"{key.path} (line {line + 1}): given twice; first on line {line}")


BOMB = b"a: &a [x, x, x, x, x, x, x, x, x]\n" + b"".join(
    b"%c: &%c [%s]\n" % (n + 1, n + 1, b", ".join([b"*%c" % n] * 9)) for n in range(ord("a"), ord("i"))
)
# Files that are no configuration at all. -> (bytes, what the message must name)
FILES: dict[str, tuple[bytes, list[str]]] = {
    "a list": (b"- service\n", ["line 1", "a map of keys, not a list"]),
    "a word": (b"service\n", ["line 1", "a map of keys"]),
    "malformed": (b"service: {port: 1\n", ["line 2"]),
    "a tab": (b"service:\n\tport: 1\n", ["line 2"]),
    "not utf-8": (b"# \xff\n", ["line 1", "UTF-8"]),
    "a zero byte": (b"service:\n  host: \0\n", ["line 2", "zero byte"]),
    "an escape": (b"service:\n  host: '\x1b[2J'\n", ["line 2", "0x1b"]),
    "an escaped escape": (b'service:\n  "\\e[2J": 1\n  por: 1\n', ["line 3", "port"]),
    "two documents": (b"service: {}\n---\nhttp: {}\n", ["more than one document"]),
    "a bomb": (BOMB, ["line ", "10000"]),
    "more than a mebibyte": (b"# " + b"x" * (1 << 20) + b"\n", ["bytes", str(1 << 20)]),
    "a binary": (bytes(range(256)) * 10, ["line 1"]),
}


@pytest.mark.parametrize("name", FILES)
def test_a_file_that_is_no_configuration_is_named_with_the_line(tmp_path: Path, name: str) -> None:
    content, named = FILES[name]
    assert_refused(tmp_path, start(tmp_path, content), str(tmp_path / "server.yaml"), *named)


def test_a_file_that_is_not_there_is_named_with_who_asked_for_it(tmp_path: Path) -> None:
    assert_refused(tmp_path, run(tmp_path, "--config", "nowhere.yaml"), "--config", str(tmp_path / "nowhere.yaml"), "no such file")
    assert_refused(tmp_path, run(tmp_path, FUNCTION_STREAM_CONF="nowhere"), "FUNCTION_STREAM_CONF", str(tmp_path / "nowhere"))
    assert_refused(tmp_path, run(tmp_path, FUNCTION_STREAM_HOME=str(tmp_path / "away")), "FUNCTION_STREAM_HOME", str(tmp_path / "away"))


def test_a_file_that_is_no_file_is_named(tmp_path: Path) -> None:
    pipe = tmp_path / "server.yaml"
    os.mkfifo(pipe)
    assert_refused(tmp_path, run(tmp_path, "--config", str(pipe)), str(pipe), "not a file")


@pytest.mark.parametrize("arguments", [["--port", "1"], ["start"], ["--config"]])
def test_a_bad_command_line_ends_with_two_and_points_to_help(tmp_path: Path, arguments: list[str]) -> None:
    done = run(tmp_path, *arguments)
    assert done.returncode == 2, done
    assert "--help" in done.stderr and arguments[-1] in done.stderr
