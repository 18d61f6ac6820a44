"""Every key of a function's configuration with everything wrong that can stand there: 400, naming path, line and remedy; nothing stays."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

import pytest
from fs_client import FsClient
from fs_client.errors import BadRequestError, ResourceExhaustedError, ServerError
from support.leftovers import assert_nothing_left, clear
from support.server import Server
from support.wrong_values import Key, keys, slips, wrong_values

ECHO = b"""
from fs_api import FSProcessorDriver
class Echo(FSProcessorDriver):
    def process(self, ctx, source_id, data):
        ctx.emit(data)
"""
KEYS = keys("Function configuration")
RIGHT: dict[str, Any] = {
    "name": "job",
    "type": "python",
    "input-groups": [{"inputs": [{"input-type": "embedded", "topic": "in", "group_id": "g"}]}],
    "outputs": [{"output-type": "embedded", "topic": "out"}],
}


class Raw(str):
    """YAML to be written as it is."""


def render(value: object, indent: int = 0) -> list[str]:
    """Block YAML, a key a line; Raw values stand behind their key."""
    space = "  " * indent
    lines: list[str] = []
    if isinstance(value, dict):
        for key, inner in value.items():
            if isinstance(inner, Raw):
                lines.append(f"{space}{key}: {inner}")
            elif isinstance(inner, (dict, list)):
                lines += [f"{space}{key}:", *render(inner, indent + 1)]
            else:
                lines.append(f"{space}{key}: {inner}")
    else:
        assert isinstance(value, list)
        for item in value:
            first, *rest = render(item, indent + 1)
            lines += [f"{space}- {first.strip()}", *rest]
    return lines


def document(path: str, value: str, name: str | None = None) -> tuple[str, int]:
    """A configuration that is right but for the value at `path` (and the name of its key, where one is given), and that key's line."""
    tree: dict[str, Any] = dict(RIGHT)
    tree["input-groups"] = [{"inputs": [dict(RIGHT["input-groups"][0]["inputs"][0])]}]
    parent: Any = tree
    *folders, last = path.split(".")
    for folder in folders:
        parent = parent[folder[:-2]][0] if folder.endswith("[]") else parent.setdefault(folder, {})
    replaced = {(name or key) if key == last else key: inner for key, inner in parent.items()}
    replaced[name or last] = Raw(value)
    parent.clear()
    parent.update(replaced)
    lines = render(tree)
    marker = f"{name or last}: {value}"
    line = next(
        number for number, text in enumerate(lines, 1) if text.lstrip(" -") == marker.strip() or text.strip(" -") == marker.strip(" -")
    )
    return "\n".join(lines) + "\n", line


def place(path: str) -> str:
    """The path as an error shows it: with the index of the only group that there is."""
    return path.replace("[]", "[0]")


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


def refusal(client: FsClient, text: str | bytes) -> ServerError:
    """The error that creating a function of this configuration ends with."""
    with pytest.raises(ServerError) as error:
        client.create_python_function("Echo", [("echo", ECHO)], text)
    return error.value


def assert_names(error: ServerError, *parts: str) -> None:
    for part in parts:
        assert part in error.message, f"{part!r} is not in: {error.message}"
    # One sentence for people: nothing that commands a terminal, nothing without end.
    assert not re.search(r"[\x00-\x08\x0b-\x1f\x7f]", error.message), repr(error.message)
    assert len(error.message) < 2000, error.message


@pytest.mark.parametrize("key", KEYS, ids=lambda key: key.path)
def test_every_wrong_value_of_every_key_is_refused_by_path_and_line(client: FsClient, key: Key) -> None:
    for value in wrong_values(key.form):
        text, line = document(key.path, value)
        error = refusal(client, text)
        assert error.status_code == 400, (value, error.message)
        assert place(key.path) in error.message, (value, error.message)
        assert f"line {line}" in error.message, (value, error.message)
        assert_names(error)


@pytest.mark.parametrize("key", KEYS, ids=lambda key: key.path)
def test_a_slip_in_any_key_is_answered_with_the_right_name(client: FsClient, key: Key) -> None:
    for slip in slips(key.name):
        if slip in {other.name for other in KEYS if other.parent == key.parent}:
            continue
        text, line = document(key.path, "1", slip)
        error = refusal(client, text)
        assert error.status_code == 400, (slip, error.message)
        assert_names(error, f"(line {line})", f"unknown key `{slip}`", "did you mean `", f"`{key.name}`")


@pytest.mark.parametrize("key", KEYS, ids=lambda key: key.path)
def test_any_key_given_twice_names_both_lines(client: FsClient, key: Key) -> None:
    text, line = document(key.path, "1")
    lines = text.splitlines()
    indent = len(lines[line - 1]) - len(lines[line - 1].lstrip(" -"))
    lines.insert(line, " " * indent + f"{key.name}: 1")
    error = refusal(client, "\n".join(lines) + "\n")
    assert error.status_code == 400
    assert_names(error, f"{place(key.path)} (line {line + 1}): given twice; first on line {line}")


@pytest.mark.parametrize("key", [key for key in KEYS if key.is_required], ids=lambda key: key.path)
@pytest.mark.parametrize("value", ["", "~", "null"])
def test_a_required_key_without_a_value_is_asked_for(client: FsClient, key: Key, value: str) -> None:
    if key.path.startswith("on_error."):
        text = "\n".join(render({**RIGHT, "on_error": {"policy": "dead-letter", "dead_letter_output": Raw(value)}}))
    else:
        text, _ = document(key.path, value)
    error = refusal(client, text)
    assert error.status_code == 400
    assert_names(error, place(key.path), "required", "line ")


@pytest.mark.parametrize(
    "key", [key for key in KEYS if "." not in key.path and not key.path.startswith("on_error")], ids=lambda key: key.path
)
def test_a_key_that_is_left_out_is_only_missed_where_it_is_required(client: FsClient, key: Key) -> None:
    text = "\n".join(render({name: value for name, value in RIGHT.items() if name != key.name}))
    if key.is_required:
        assert_names(refusal(client, text), key.path, "required")
    else:
        client.create_python_function("Echo", [("echo", ECHO)], text)
        clear(client)


GOOD = "\n".join(render(RIGHT)) + "\n"


def bomb() -> str:
    levels = ["a: &a [x, x, x, x, x, x, x, x, x, x]"]
    for before, level in zip("abcdefgh", "bcdefghi"):
        levels.append(f"{level}: &{level} [{', '.join([f'*{before}'] * 10)}]")
    return "\n".join(levels) + "\n"


# Texts that are no configuration at all. -> (text, what the message must name)
TEXTS: dict[str, tuple[str | bytes, list[str]]] = {
    "empty": ("", ["empty", "name, type, input-groups"]),
    "blank": (" \n \n", ["map of keys"]),
    "only a comment": ("# name: job\n", ["map of keys"]),
    "null": ("~\n", ["line 1", "map of keys"]),
    "a word": ("job\n", ["line 1", "a map of keys", "plain value"]),
    "a list": ("- name: job\n", ["line 1", "a list"]),
    "json that ends early": ('{"name": "job", ', ["line 1"]),
    "a tab as indentation": (GOOD.replace("  - inputs", "\t- inputs"), ["line 4"]),
    "an open bracket": (GOOD + "init_config: {a: b\n", ["line 12"]),
    "an open quote": (GOOD + 'init_config: {a: "b}\n', ["line 12"]),
    "a wrong indentation": (GOOD.replace("        topic: in", "    topic: in"), ["line 7"]),
    "a stray colon": (GOOD.replace("name: job", "name: job: work"), ["line 1"]),
    "an unknown alias": (GOOD + "init_config: *nothing\n", ["line 11", "anchor is not defined"]),
    "an alias of itself": (GOOD + "init_config: &self {a: *self}\n", ["line 11", "alias"]),
    "a bomb of aliases": (GOOD + "init_config: *i\n" + bomb(), ["line "]),
    "a bomb of aliases in its order": (bomb() + GOOD, ["line ", "10000"]),
    "a merge key": (GOOD + "restart:\n  <<: {max_attempts: 1}\n", ["line 12", "<<"]),
    "a tag": (GOOD + "parallelism: !!int 1\n", ["line 11", "tag"]),
    "a python tag": (GOOD + "init_config: !!python/object/apply:os.system [ls]\n", ["line 11", "tag"]),
    "an anchor on a key": (GOOD.replace("name: job", "&a name: [job]"), ["line 1"]),
    "a map as a key": (GOOD + "{a: b}: c\n", ["line 11"]),
    "a list as a key": (GOOD + "? [a]\n: c\n", ["line 11"]),
    "an empty key": (GOOD + "'': c\n", ["line 11", "empty"]),
    "a long key": (GOOD + "k" * 2000 + ": c\n", ["line 11"]),
    "a numeric key": (GOOD + "5: c\n", ["line 11", "unknown key `5`"]),
    "two documents": (GOOD + "---\nname: other\n", ["more than one document"]),
    "latin-1": (GOOD.encode() + b"# caf\xe9\n", ["line 11", "UTF-8"]),
    "utf-16": (GOOD.encode("utf-16"), ["line 1"]),
    "a lone surrogate": (GOOD.encode() + b"init_config: {a: '\xed\xa0\x80'}\n", ["line 11", "UTF-8"]),
    "an overlong form": (GOOD.encode() + b"# \xc0\xaf\n", ["line 11", "UTF-8"]),
    "a zero byte": (GOOD + "# \0\n", ["line 11", "zero byte"]),
    "an escape character": (GOOD + "init_config: {a: '\x1b[2J'}\n", ["line 11", "0x1b"]),
    "a bell": (GOOD.replace("name: job", "name: j\x07ob"), ["line 1", "0x07"]),
    "a deep nest": (GOOD + "init_config: " + "[" * 10_000 + "]" * 10_000 + "\n", ["line 11", "deep"]),
    "deep maps": (GOOD + "init_config: " + "{a: " * 500 + "}" * 500 + "\n", ["line 11", "deep"]),
    "more than ten thousand values": (GOOD + "init_config: {" + ", ".join(f"k{n}: v" for n in range(10_001)) + "}\n", ["line 11", "10000"]),
    "a value of a mebibyte": (GOOD + "name2: " + "x" * ((1 << 20) - 1000) + "\n", ["line 11", "unknown key `name2`"]),
    "windows line ends and a mistake": (GOOD.replace("\n", "\r\n") + "limits: {memory_mb: 0}\r\n", ["limits.memory_mb (line 11)"]),
}


@pytest.mark.parametrize("name", TEXTS)
def test_a_text_that_is_no_configuration_is_refused_with_its_line(client: FsClient, name: str) -> None:
    text, named = TEXTS[name]
    content = text if isinstance(text, bytes) else text.encode()
    # By the way that sends bytes as they are: the other one is a protobuf string, which is UTF-8 by itself.
    with pytest.raises(BadRequestError) as error:
        create_from_bytes(client, content)
    assert_names(error.value, *named)


def test_a_text_over_the_servers_limit_is_refused_by_the_limits_name(client: FsClient) -> None:
    with pytest.raises(ResourceExhaustedError) as error:
        create_from_bytes(client, (GOOD + "# " + "x" * (1 << 20) + "\n").encode())
    assert_names(error.value, "function configuration", "bytes", str(1 << 20), "limits.config_kb")


def create_from_bytes(client: FsClient, config: bytes) -> None:
    from fs_client._proto import function_stream_pb2 as pb

    request = pb.CreateFunctionRequest(config_bytes=config, function_bytes=ECHO)
    client._connection.call(client._connection.service.CreateFunction, request, "create function", None)


def test_a_byte_order_mark_and_windows_line_ends_are_no_mistake(client: FsClient) -> None:
    create_from_bytes(client, b"\xef\xbb\xbf" + GOOD.replace("\n", "\r\n").encode())
    clear(client)


INPUT = "input-groups[0].inputs[0]"


def with_input(**properties: str) -> str:
    tree = {**RIGHT, "input-groups": [{"inputs": [{key: Raw(value) for key, value in properties.items()}]}]}
    return "\n".join(render(tree)) + "\n"


def with_output(**properties: str) -> str:
    return "\n".join(render({**RIGHT, "outputs": [{key: Raw(value) for key, value in properties.items()}]})) + "\n"


KAFKA = {"input-type": "kafka", "bootstrap_servers": "127.0.0.1:1", "topic": "in", "group_id": "g"}
KAFKA_OUT = {"output-type": "kafka", "bootstrap_servers": "127.0.0.1:1", "topic": "out"}
EMBEDDED = {"input-type": "embedded", "topic": "in", "group_id": "g"}
FILE = {"input-type": "file", "path": "in.txt"}
LONG = "t" * 250

NO_BROKERS = (
    "nonsense 127.0.0.1 :9092 '127.0.0.1:' 127.0.0.1:0 127.0.0.1:65536 127.0.0.1:port 127.0.0.1:9092:9092 http://host:80 "
    "a:1,,b:2 'a:1,' '[::1]' '[::1' '[zz]:1' \"\" 5 true host:9092/path host:+1 host:-1 'hö:1' \"a:1\\nb:2\""
).split(" ")
NO_TOPICS = ['""', ".", "..", "a/b", "'a b'", "naïve", '"a\\0b"', LONG, "'*'", '"a\\n"']
NO_VALUES = ["", "~", "[a]", "{a: b}"]
# (properties that are right, the one that is not, its values)
ENDPOINTS: list[tuple[dict[str, str], str, list[str]]] = [
    (KAFKA, "bootstrap_servers", [*NO_BROKERS, *NO_VALUES]),
    (KAFKA, "topic", [*NO_TOPICS, *NO_VALUES]),
    (KAFKA, "group_id", ['""', *NO_VALUES]),
    (KAFKA, "partition", ["-1", "one", '"0"', "1.5", "2147483648", "007", "true", *NO_VALUES]),
    (KAFKA, "input-type", ["kafkaa", "Kafka", "rabbit", "5", "k" * 100, '""', *NO_VALUES]),
    (KAFKA, "fetch.wait.max.ms", ["soon", "-1", "1.5", "99999999999", '""', *NO_VALUES]),
    (KAFKA, "auto.offset.reset", ["sometimes", "0", *NO_VALUES]),
    (KAFKA, "enable.auto.commit", ["maybe", "true", "false"]),
    (KAFKA, "group.id", ["other"]),
    (KAFKA, "bootstrap.servers", ["other:1"]),
    (KAFKA, "plugin.library.paths", ["/tmp/evil.so"]),
    (KAFKA, "runtime", ["5", "text", "[a]", "{fetch.wait.max.ms: }", "{fetch.wait.max.ms: [1]}", "{no.such.property: 1}"]),
    (KAFKA_OUT, "bootstrap_servers", NO_BROKERS),
    (KAFKA_OUT, "topic", NO_TOPICS),
    (KAFKA_OUT, "partition", ["-1", "one", '"0"', "1.5", "2147483648"]),
    (KAFKA_OUT, "compression.type", ["zip", "5", '""']),
    (KAFKA_OUT, "acks", ["some", "-2", "1001"]),
    (KAFKA_OUT, "transactional.id", ["mine"]),
    (KAFKA_OUT, "output-type", ["kafak", "input", *NO_VALUES]),
    (EMBEDDED, "topic", [*NO_TOPICS[:-3], "a" * 256, *NO_VALUES]),
    (EMBEDDED, "group_id", ['""', *NO_VALUES]),
    (EMBEDDED, "partition", ["-1", "x", "1.5", '"0"', "99999999999"]),
    (EMBEDDED, "auto.offset.reset", ["sometimes", "0"]),
    (FILE, "path", ['""', "../x", "/etc/passwd", ".", "a/", '"a\\0b"', "p" * 5000, *NO_VALUES]),
    (FILE, "topic", ["in"]),
]


@pytest.mark.parametrize(
    ("right", "key", "values"), ENDPOINTS, ids=[f"{(one[0].get('input-type') or one[0]['output-type'])} {one[1]}" for one in ENDPOINTS]
)
def test_every_wrong_value_of_an_endpoints_key_is_refused_by_path_and_line(
    client: FsClient, right: dict[str, str], key: str, values: list[str]
) -> None:
    is_input = "input-type" in right
    for value in values:
        properties = {**right, key: value}
        text = with_input(**properties) if is_input else with_output(**properties)
        line = next(number for number, shown in enumerate(text.splitlines(), 1) if shown.strip(" -") == f"{key}: {value}".strip(" -"))
        error = refusal(client, text)
        assert error.status_code == 400, (value, error.message)
        assert_names(error, f"{INPUT if is_input else 'outputs[0]'}.{key}", f"line {line}")


@pytest.mark.parametrize(
    ("right", "missing"),
    [(right, key) for right in (KAFKA, KAFKA_OUT, EMBEDDED, FILE) for key in right],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_a_missing_key_of_an_endpoint_is_asked_for(client: FsClient, right: dict[str, str], missing: str) -> None:
    properties = {key: value for key, value in right.items() if key != missing}
    text = with_input(**properties) if "input-type" in right else with_output(**properties)
    error = refusal(client, text)
    assert error.status_code == 400
    assert_names(error, missing, "required", "(line 5)" if "input-type" in right else "(line 9)")


SLIPS = [
    (KAFKA, "bootstrap_server", "bootstrap_servers"),
    (KAFKA, "bootstrap.servers", "bootstrap_servers"),
    (KAFKA, "groupid", "group_id"),
    (KAFKA, "topics", "topic"),
    (KAFKA, "fetch.wait.max.mss", "fetch.wait.max.ms"),
    (KAFKA, "auto_offset_reset", "auto.offset.reset"),
    (KAFKA, "input_type", "input-type"),
    (KAFKA_OUT, "compresion.type", "compression.type"),
    (KAFKA_OUT, "outputtype", "output-type"),
    (KAFKA_OUT, "input-type", "output-type"),
    (EMBEDDED, "topik", "topic"),
    (EMBEDDED, "group-id", "group_id"),
    (EMBEDDED, "output-type", "input-type"),
    (FILE, "pth", "path"),
]


@pytest.mark.parametrize(("right", "slip", "meant"), SLIPS, ids=[f"{slip} for {meant}" for _, slip, meant in SLIPS])
def test_a_slip_in_an_endpoints_key_is_answered_with_the_right_name(client: FsClient, right: dict[str, str], slip: str, meant: str) -> None:
    properties = {slip if key == meant else key: value for key, value in right.items()}
    properties.setdefault(slip, "x")
    text = with_input(**properties) if "input-type" in right else with_output(**properties)
    line = [number for number, shown in enumerate(text.splitlines(), 1) if shown.strip(" -").startswith(f"{slip}:")][
        0 if "input-type" in right else -1
    ]
    error = refusal(client, text)
    assert error.status_code == 400
    assert_names(error, f".{slip} (line {line})", f"`{meant}`")
