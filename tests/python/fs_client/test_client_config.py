"""The builder, the YAML it gives and takes, and what it refuses."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import yaml
from fs_client import BadRequestError, ClientError, ConfigurationError
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


def builder() -> Any:
    """Untyped, because the cases below pass what a type checker would refuse."""
    return WasmTaskBuilder().set_name("job").add_input_group([EmbeddedInput("in", "g")])


def test_the_guide_s_example() -> None:
    config = (
        WasmTaskBuilder()
        .set_name("python-etl-job")
        .add_init_config("metric_name", "user_click")
        .add_input_group([KafkaInput(bootstrap_servers="kafka:9092", topic="raw-data", group_id="fs-group")])
        .add_output(KafkaOutput(bootstrap_servers="kafka:9092", topic="clean-data", partition=0))
        .build()
    )
    kafka_in = {"input-type": "kafka", "bootstrap_servers": "kafka:9092", "topic": "raw-data", "group_id": "fs-group"}
    kafka_out = {"output-type": "kafka", "bootstrap_servers": "kafka:9092", "topic": "clean-data", "partition": 0}
    expected = {
        "name": "python-etl-job",
        "type": "python",
        "input-groups": [{"inputs": [kafka_in]}],
        "outputs": [kafka_out],
        "init_config": {"metric_name": "user_click"},
    }
    assert config.to_dict() == expected
    assert yaml.safe_load(config.to_yaml()) == expected
    assert list(yaml.safe_load(config.to_yaml())) == list(expected)


def test_everything_survives_the_way_through_yaml() -> None:
    source = KafkaInput("a:1,b:2", "t", "g", partition=3)
    source.data["auto.offset.reset"] = "earliest"
    source.data["enable.auto.commit"] = False
    config = (
        WasmTaskBuilder()
        .set_name("a.b_c-1")
        .set_type("processor")
        .set_builtin_serialization(True)
        .configure_checkpoint(True, 0.5)
        .add_init_config("text", "yes: [no] # 1\nä" + "x" * 200)
        .add_init_config("null-like", "null")
        .add_input_group([source, FileInput("/in")])
        .add_input_group([EmbeddedInput("e", "g")])
        .add_output(FileOutput("/out"))
        .add_output(EmbeddedOutput("e"))
        .set_option("delivery", "at-least-once")
        .set_option("limits", {"memory_mb": 64})
        .build()
    )
    again = WasmTaskConfig.from_yaml(config.to_yaml())
    assert again == config
    assert again.to_yaml() == config.to_yaml()
    assert again.options == {"delivery": "at-least-once", "limits": {"memory_mb": 64}}


def test_the_same_source_twice_is_written_twice() -> None:
    source = EmbeddedInput("in", "g")
    text = WasmTaskBuilder().set_name("n").add_input_group([source]).add_input_group([source]).build().to_yaml()
    assert "&" not in text
    assert text.count("topic: in") == 2


def test_a_built_configuration_no_longer_follows_the_builder() -> None:
    source = EmbeddedInput("in", "g")
    start = WasmTaskBuilder().set_name("n").add_input_group([source])
    config = start.build()
    source.data["topic"] = "changed"
    start.add_output(EmbeddedOutput("later"))
    assert (config.input_groups[0][0]["topic"], config.outputs) == ("in", [])


@pytest.mark.parametrize(
    ("value", "text"),
    [("as is", "as is"), (True, "true"), (False, "false"), (3, "3"), (0.5, "0.5"), ([1, "a"], '[1, "a"]'), ({"k": None}, '{"k": null}')],
)
def test_init_values_become_strings(value: object, text: str) -> None:
    assert builder().add_init_config("key", value).build().init_config == {"key": text}


def test_checkpoint_defaults() -> None:
    document = builder().configure_checkpoint(True).build().to_dict()
    assert (document["enable_checkpoint"], document["checkpoint_interval_seconds"]) == (True, 1)
    assert "enable_checkpoint" not in builder().build().to_dict()


def text(value: Any) -> Any:
    return value


REFUSED: dict[str, tuple[Callable[[], Any], str]] = {
    "no name": (lambda: WasmTaskBuilder().add_input_group([EmbeddedInput("in", "g")]).build(), r"call set_name\(\.\.\.\) first"),
    "no input": (lambda: WasmTaskBuilder().set_name("job").build(), r"call add_input_group"),
    "a path as name": (lambda: builder().set_name("../x").build(), r"set_name\('\.\./x'\)"),
    "two dots": (lambda: builder().set_name("..").build(), r"not '\.' or '\.\.'"),
    "a line end in the name": (lambda: builder().set_name("job\n").build(), "set_name"),
    "a long name": (lambda: builder().set_name("x" * 256).build(), "1 to 255"),
    "an unknown type": (lambda: builder().set_type("java"), "one of python, processor"),
    "an empty group": (lambda: builder().add_input_group([]), "the group is empty"),
    "an input without its list": (lambda: builder().add_input_group(EmbeddedInput("in", "g")), r"put the single input into \[ \]"),
    "an output as input": (lambda: builder().add_input_group([EmbeddedOutput("o")]), "an output has no 'input-type'"),
    "an input as output": (lambda: builder().add_output(EmbeddedInput("i", "g")), "an input has no 'output-type'"),
    "a topic as output": (lambda: builder().add_output("topic"), "'topic' is no output"),
    "a partition below 0": (lambda: KafkaInput("b:1", "t", "g", partition=-1), r"KafkaInput\(partition=-1\)"),
    "a text as partition": (lambda: KafkaOutput("b:1", "t", partition=text("0")), r"KafkaOutput\(partition='0'\)"),
    "no topic": (lambda: KafkaInput("b:1", "", "g"), r"KafkaInput\(topic=''\)"),
    "an interval of 0": (lambda: builder().configure_checkpoint(True, 0), "seconds above 0"),
    "a text as flag": (lambda: builder().configure_checkpoint("yes"), "True or False"),
    "a value that is no value": (lambda: builder().add_init_config("k", object()), "init_config.k"),
    "an own key as option": (lambda: builder().set_option("name", "x"), "a call of its own"),
    "an object in the data": (lambda: WasmTaskConfig("n", outputs=[{"output-type": object()}]).to_yaml(), "cannot be written as YAML"),
    "no YAML": (lambda: WasmTaskConfig.from_yaml("a: [1"), "not YAML"),
    "a list as YAML": (lambda: WasmTaskConfig.from_yaml("- 1"), "a mapping"),
    "YAML without a name": (lambda: WasmTaskConfig.from_yaml("type: python"), "name: missing"),
    "a number as name": (lambda: WasmTaskConfig.from_yaml("name: 1"), "name: a string is expected, not 1"),
    "a text as interval": (lambda: WasmTaskConfig.from_yaml("name: a\ncheckpoint_interval_seconds: x"), "a number is expected"),
    "inputs misspelt": (lambda: WasmTaskConfig.from_yaml("name: a\ninput-groups: [{input: []}]"), r"input-groups\[0\]\.input: unknown key"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_what_cannot_be_right_is_refused(case: str) -> None:
    make, message = REFUSED[case]
    with pytest.raises(ConfigurationError, match=message) as raised:
        make()
    assert isinstance(raised.value, (ClientError, ValueError))
    assert isinstance(raised.value, BadRequestError)
    assert raised.value.status_code == 400
