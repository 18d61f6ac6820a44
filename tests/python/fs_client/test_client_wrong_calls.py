"""Every argument of every call and builder with everything that it cannot be: a ClientError that names it, before anything is sent."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Any

import pytest
from fs_api import FSProcessorDriver
from fs_client import FsClient
from fs_client.config import (
    EmbeddedInput,
    EmbeddedOutput,
    FileInput,
    FileOutput,
    KafkaInput,
    KafkaOutput,
    WasmTaskBuilder,
    WasmTaskConfig,
)
from fs_client.errors import ClientError


class Job(FSProcessorDriver):
    def process(self, ctx: Any, source_id: int, data: bytes) -> None: ...


ANYTHING: list[Any] = [None, 5, -1, 1.5, float("nan"), True, "", "text", b"", b"bytes", [], [1], {}, {"a": 1}, (), object(), int, len]
TEXT = [one for one in ANYTHING if one != "text"]
COUNT = [one for one in ANYTHING if one != 5 or isinstance(one, bool)]
SWITCH = [one for one in ANYTHING if not isinstance(one, bool)]


def unless(values: list[Any], *kinds: type) -> list[Any]:
    """The values that are of none of these kinds (None stands for NoneType)."""
    return [one for one in values if not isinstance(one, kinds) or (isinstance(one, bool) and bool not in kinds)]


NONE = type(None)
CONFIG = WasmTaskConfig("job", input_groups=[[EmbeddedInput("in", "g").data]])
MODULES = [("job", b"")]
PATH = unless(ANYTHING, str)
TIMEOUT = [-1, 0, float("nan"), float("inf"), True, "5", b"", [], {}, object()]

# call -> (arguments that are right, what each cannot be)
CALLS: dict[str, tuple[dict[str, Any], dict[str, list[Any]]]] = {
    "create_python_function_from_config": (
        {"config": CONFIG, "driver_class": Job},
        {"config": ANYTHING, "driver_class": ANYTHING, "include": [5, "text", b"bytes", [5], [None], True]},
    ),
    "create_python_function_from_source": (
        {"config": CONFIG, "file": __file__, "class_name": "Job"},
        {"config": ANYTHING, "file": [*PATH, "nowhere.py"], "class_name": [*TEXT, "Nobody"], "include": [5, "text", [5]]},
    ),
    "create_python_function": (
        {"class_name": "Job", "modules": MODULES, "config_content": "name: job"},
        {
            "class_name": unless(ANYTHING, str),
            "modules": [*unless(ANYTHING, NONE), None, [("a",)], [("a", "text")], [(b"a", b"")], [("a", b"", 1)], "ab"],
            "config_content": [*unless(ANYTHING, str, bytes), b"\xff"],
        },
    ),
    "create_function_from_files": (
        {"function_path": __file__, "config_path": __file__},
        {"function_path": [*PATH, "", "nowhere", "/"], "config_path": [*PATH, "", "nowhere", "/"]},
    ),
    "create_function_from_bytes": (
        {"function_bytes": b"x", "config_content": "name: job"},
        {"function_bytes": [*unless(ANYTHING, bytes), b""], "config_content": [*unless(ANYTHING, str, bytes), b"\xff"]},
    ),
    "start_function": ({"name": "job"}, {"name": TEXT, "checkpoint_id": [0, -1, 1.5, True, "5", b"", [], {}]}),
    "stop_function": ({"name": "job"}, {"name": TEXT}),
    "drop_function": ({"name": "job"}, {"name": TEXT}),
    "show_functions": ({}, {"filter_pattern": unless(ANYTHING, str, NONE)}),
    "describe_function": ({"name": "job"}, {"name": TEXT}),
    "call_function": ({"name": "job"}, {"name": TEXT, "payload": unless(ANYTHING, bytes), "instance": [*COUNT, 2**31]}),
    "logs": ({"name": "job"}, {"name": TEXT, "tail": unless(COUNT, NONE), "follow": SWITCH}),
    "list_checkpoints": ({"name": "job"}, {"name": TEXT}),
    "create_checkpoint": ({"name": "job"}, {"name": TEXT}),
    "delete_checkpoint": ({"name": "job", "checkpoint_id": 1}, {"name": TEXT, "checkpoint_id": COUNT}),
    "create_topic": ({"topic": "in"}, {"topic": TEXT, "partitions": [*COUNT, 0, 2**31]}),
    "publish": (
        {"topic": "in", "records": b"x"},
        {
            "topic": TEXT,
            "records": [None, 5, 1.5, True, [1], [None], {5: 1}, object(), int],
            "partition": [*unless(COUNT, NONE), 2**31],
        },
    ),
    "subscribe": (
        {"topic": "in"},
        {
            "topic": TEXT,
            "partition": [*COUNT, 2**31],
            "offset": unless(COUNT, NONE),
            "group_id": unless(ANYTHING, str),
            "from_earliest": SWITCH,
            "follow": SWITCH,
        },
    ),
    "commit_offset": (
        {"topic": "in", "group_id": "g", "offset": 1},
        {"topic": TEXT, "group_id": TEXT, "offset": COUNT, "partition": [*COUNT, 2**31]},
    ),
    "list_topics": ({}, {}),
    "delete_topic": ({"topic": "in"}, {"topic": TEXT}),
    "server_info": ({}, {}),
}
NOT_CALLS = {"close"}


def test_every_call_is_in_the_table() -> None:
    public = {name for name, member in inspect.getmembers(FsClient, inspect.isfunction) if not name.startswith("_")}
    assert public - NOT_CALLS == set(CALLS)
    for name, (_, wrong) in CALLS.items():
        parameters = set(inspect.signature(getattr(FsClient, name)).parameters) - {"self", "timeout"}
        assert parameters == set(wrong), name


@pytest.fixture(scope="module")
def nobody() -> FsClient:
    """A client of a port where nobody listens: a request that is sent after all is a NetworkError, and no ClientError."""
    return FsClient("127.0.0.1", 1, default_timeout=5)


@pytest.mark.parametrize(("call", "argument"), [(call, argument) for call, (_, wrong) in CALLS.items() for argument in (*wrong, "timeout")])
def test_a_wrong_argument_is_a_client_error_that_names_it(nobody: FsClient, call: str, argument: str) -> None:
    right, wrong = CALLS[call]
    for value in TIMEOUT if argument == "timeout" else wrong[argument]:
        with pytest.raises(ClientError) as error:
            getattr(nobody, call)(**{**right, argument: value})
        shown = str(error.value)
        assert shown and len(shown) < 2000, (value, shown)


BUILDER: dict[str, tuple[Callable[..., Any], dict[str, Any], dict[str, list[Any]]]] = {
    "set_name": (lambda **one: WasmTaskBuilder().set_name(**one).add_input_group([EmbeddedInput("t", "g")]).build(), {}, {"name": TEXT}),
    "set_type": (lambda **one: WasmTaskBuilder().set_type(**one), {}, {"task_type": ANYTHING}),
    "set_builtin_serialization": (lambda **one: WasmTaskBuilder().set_builtin_serialization(**one), {}, {"enabled": SWITCH}),
    "configure_checkpoint": (
        lambda **one: WasmTaskBuilder().configure_checkpoint(**one),
        {"enabled": True},
        {"enabled": SWITCH, "interval": [*unless(ANYTHING, int, float), 0, -1, float("nan"), float("inf"), True]},
    ),
    "add_init_config": (
        lambda **one: WasmTaskBuilder().add_init_config(**one),
        {"key": "a", "value": "b"},
        {"key": TEXT, "value": [None, b"bytes", object(), int, {1, 2}, [object()], {"a": {1}}]},
    ),
    "add_input_group": (lambda **one: WasmTaskBuilder().add_input_group(**one), {}, {"inputs": [*ANYTHING, [EmbeddedOutput("t")], [{}]]}),
    "add_output": (lambda **one: WasmTaskBuilder().add_output(**one), {}, {"output": [*ANYTHING, EmbeddedInput("t", "g"), KafkaOutput]}),
    "set_parallelism": (
        lambda **one: WasmTaskBuilder().set_parallelism(**one),
        {},
        {"parallelism": [*COUNT, 0, 1025, "5", "partition"]},
    ),
    "set_option": (
        lambda **one: WasmTaskBuilder().set_option(**one),
        {"key": "delivery", "value": "x"},
        {"key": [*TEXT, "name", "outputs"]},
    ),
    "KafkaInput": (
        KafkaInput,
        {"bootstrap_servers": "a:1", "topic": "t", "group_id": "g"},
        {"bootstrap_servers": TEXT, "topic": TEXT, "group_id": TEXT, "partition": unless(COUNT, NONE)},
    ),
    "KafkaOutput": (
        KafkaOutput,
        {"bootstrap_servers": "a:1", "topic": "t"},
        {"bootstrap_servers": TEXT, "topic": TEXT, "partition": unless(COUNT, NONE)},
    ),
    "EmbeddedInput": (
        EmbeddedInput,
        {"topic": "t", "group_id": "g"},
        {"topic": TEXT, "group_id": TEXT, "partition": unless(COUNT, NONE)},
    ),
    "EmbeddedOutput": (EmbeddedOutput, {"topic": "t"}, {"topic": TEXT, "partition": unless(COUNT, NONE)}),
    "FileInput": (FileInput, {"path": "p"}, {"path": TEXT}),
    "FileOutput": (FileOutput, {"path": "p"}, {"path": TEXT}),
    "from_yaml": (
        WasmTaskConfig.from_yaml,
        {},
        {
            "text": [
                *ANYTHING,
                "- a",
                "a: [",
                "name: 5",
                "name: a\ninput-groups: 5",
                "name: a\noutputs: [5]",
                "\x00",
                b"\xff",
                "a: !!python/x y",
            ]
        },
    ),
    "FsClient": (
        FsClient,
        {"host": "127.0.0.1", "port": 1},
        {
            "host": [*TEXT, "http://a", "a b", "a/b"],
            "port": [*unless(ANYTHING, int), 0, -1, 65536, True],
            "default_timeout": TIMEOUT,
            "options": [5, "text", [1], [("a",)], [(1, 2)], {"a": 1}, True],
            "secure": SWITCH,
        },
    ),
}


@pytest.mark.parametrize(("call", "argument"), [(call, argument) for call, (_, _, wrong) in BUILDER.items() for argument in wrong])
def test_a_wrong_argument_of_a_builder_is_a_client_error_that_names_it(call: str, argument: str) -> None:
    build, right, wrong = BUILDER[call]
    for value in wrong[argument]:
        with pytest.raises(ClientError) as error:
            build(**{**right, argument: value})
        assert str(error.value) and len(str(error.value)) < 2000, (value, error.value)


WRONG_ATTRIBUTES: dict[str, list[Any]] = {
    "name": [None, 5, ["a"]],
    "task_type": [None, 5, "", "pyton"],
    "input_groups": [None, 5, "text", [5], [[5]], [["text"]]],
    "outputs": [None, 5, "text", [5], [["text"]]],
    "init_config": [5, "text", ["a"]],
    "options": [None, 5, "text", {5: 1}, {"limits": object()}],
}


@pytest.mark.parametrize("attribute", WRONG_ATTRIBUTES)
def test_a_configuration_that_was_changed_into_nonsense_is_a_client_error(nobody: FsClient, attribute: str) -> None:
    for value in WRONG_ATTRIBUTES[attribute]:
        config = WasmTaskConfig("job", input_groups=[[EmbeddedInput("in", "g").data]], outputs=[EmbeddedOutput("out").data])
        setattr(config, attribute, value)
        with pytest.raises(ClientError) as error:
            nobody.create_python_function_from_config(config, Job)
        assert str(error.value), value
