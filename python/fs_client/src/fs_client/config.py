"""A function's configuration: its inputs, outputs and settings, built by chained calls, written as the YAML that the server reads."""

from __future__ import annotations

import copy
import json
import re
from collections.abc import Iterable, Mapping
from typing import Any, Optional, Union

import yaml

from fs_client.errors import ConfigurationError

_NAME = re.compile(r"[A-Za-z0-9._-]{1,255}")
_TYPES = ("python", "processor")
_OWN_KEYS = (
    "name",
    "type",
    "input-groups",
    "outputs",
    "init_config",
    "enable_checkpoint",
    "checkpoint_interval_seconds",
    "use_builtin_event_serialization",
)


class _Endpoint:
    """An input or output: `data` is its YAML mapping, to which any property of the connector may be added."""

    data: dict[str, Any]

    def __init__(self, data: dict[str, Any]) -> None:
        self.data = data

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.data!r})"

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _Endpoint) and self.data == other.data

    __hash__ = None  # type: ignore[assignment]


class KafkaInput(_Endpoint):
    """Reads a Kafka topic: one partition where it is given, else those that the group's protocol assigns.

    Any Kafka client property goes into `data`: `source.data["auto.offset.reset"] = "earliest"`.
    """

    def __init__(self, bootstrap_servers: str, topic: str, group_id: str, partition: Optional[int] = None) -> None:
        super().__init__(
            {
                "input-type": "kafka",
                "bootstrap_servers": _text("KafkaInput", "bootstrap_servers", bootstrap_servers),
                "topic": _text("KafkaInput", "topic", topic),
                "group_id": _text("KafkaInput", "group_id", group_id),
            }
        )
        if partition is not None:
            self.data["partition"] = _partition("KafkaInput", partition)


class KafkaOutput(_Endpoint):
    """Writes a Kafka topic: one partition where it is given, else the one that the message's key decides."""

    def __init__(self, bootstrap_servers: str, topic: str, partition: Optional[int] = None) -> None:
        super().__init__(
            {
                "output-type": "kafka",
                "bootstrap_servers": _text("KafkaOutput", "bootstrap_servers", bootstrap_servers),
                "topic": _text("KafkaOutput", "topic", topic),
            }
        )
        if partition is not None:
            self.data["partition"] = _partition("KafkaOutput", partition)


class EmbeddedInput(_Endpoint):
    """Reads a topic of the server's own log."""

    def __init__(self, topic: str, group_id: str) -> None:
        super().__init__(
            {
                "input-type": "embedded",
                "topic": _text("EmbeddedInput", "topic", topic),
                "group_id": _text("EmbeddedInput", "group_id", group_id),
            }
        )


class EmbeddedOutput(_Endpoint):
    """Writes a topic of the server's own log, made on first use."""

    def __init__(self, topic: str) -> None:
        super().__init__({"output-type": "embedded", "topic": _text("EmbeddedOutput", "topic", topic)})


class FileInput(_Endpoint):
    """Reads a file on the server's machine, a message per line."""

    def __init__(self, path: str) -> None:
        super().__init__({"input-type": "file", "path": _text("FileInput", "path", path)})


class FileOutput(_Endpoint):
    """Appends to a file on the server's machine, a line per message."""

    def __init__(self, path: str) -> None:
        super().__init__({"output-type": "file", "path": _text("FileOutput", "path", path)})


Input = Union[KafkaInput, EmbeddedInput, FileInput, Mapping[str, Any]]
Output = Union[KafkaOutput, EmbeddedOutput, FileOutput, Mapping[str, Any]]


class WasmTaskConfig:
    """A complete configuration. `to_yaml` is what the server is sent; `from_yaml` reads it back, unknown keys included.

    `options` holds the top-level keys beyond those with an attribute of their own, such as `delivery` or `limits`.
    """

    def __init__(
        self,
        name: str,
        task_type: str = "python",
        input_groups: Iterable[Iterable[Mapping[str, Any]]] = (),
        outputs: Iterable[Mapping[str, Any]] = (),
        init_config: Optional[Mapping[str, Any]] = None,
        enable_checkpoint: Optional[bool] = None,
        checkpoint_interval_seconds: Optional[float] = None,
        use_builtin_event_serialization: Optional[bool] = None,
        options: Optional[Mapping[str, Any]] = None,
    ) -> None:
        self.name = name
        self.task_type = task_type
        self.input_groups = [[dict(one) for one in group] for group in input_groups]
        self.outputs = [dict(one) for one in outputs]
        self.init_config = {key: init_value(key, value) for key, value in (init_config or {}).items()}
        self.enable_checkpoint = enable_checkpoint
        self.checkpoint_interval_seconds = checkpoint_interval_seconds
        self.use_builtin_event_serialization = use_builtin_event_serialization
        self.options = dict(options or {})
        self._read: Optional[tuple[str, dict[str, Any]]] = None

    def to_dict(self) -> dict[str, Any]:
        """The YAML document as plain values, a copy; settings that were not made are left to the server's defaults."""
        document: dict[str, Any] = {
            "name": self.name,
            "type": self.task_type,
            "input-groups": [{"inputs": group} for group in self.input_groups],
            "outputs": self.outputs,
        }
        if self.init_config:
            document["init_config"] = self.init_config
        if self.enable_checkpoint is not None:
            document["enable_checkpoint"] = self.enable_checkpoint
        if self.checkpoint_interval_seconds is not None:
            document["checkpoint_interval_seconds"] = self.checkpoint_interval_seconds
        if self.use_builtin_event_serialization is not None:
            document["use_builtin_event_serialization"] = self.use_builtin_event_serialization
        document.update(self.options)
        return copy.deepcopy(document)

    def to_yaml(self) -> str:
        """The document as YAML. Raises ConfigurationError for an attribute of a wrong shape, or a value that is no YAML.

        What `from_yaml` read and nobody changed is given back as it was written, so that the lines in the server's errors are the file's.
        """
        self._check_shape()
        if self._read is not None and self._read[1] == self.to_dict():
            return self._read[0]
        try:
            # A wide line, because folded strings are harder to find again by the line that an error names.
            return yaml.dump(
                self.to_dict(),
                Dumper=_Dumper,
                sort_keys=False,
                allow_unicode=True,
                default_flow_style=False,
                width=10000,
            )
        except yaml.YAMLError as error:
            raise ConfigurationError(f"configuration of {self.name}: cannot be written as YAML: {error}") from error

    def _check_shape(self) -> None:
        """Attributes may be set by anyone; what they mean is the server's to check."""
        for key, value in (("name", self.name), ("type", self.task_type)):
            if not isinstance(value, str):
                raise ConfigurationError(f"{key}: a string is expected, not {value!r:.100}")
        for key, mapping in (("init_config", self.init_config), ("options", self.options)):
            if not isinstance(mapping, Mapping) or not all(isinstance(name, str) for name in mapping):
                raise ConfigurationError(f"{key}: a mapping with strings as keys is expected, not {mapping!r:.100}")
        if not isinstance(self.input_groups, list):
            raise ConfigurationError(f"input_groups: a list of groups is expected, not {self.input_groups!r:.100}")
        for index, group in enumerate(self.input_groups):
            _mappings(f"input_groups[{index}]", group)
        _mappings("outputs", self.outputs)

    @classmethod
    def from_yaml(cls, text: Union[str, bytes]) -> WasmTaskConfig:
        """Reads what `to_yaml` wrote, or a file of the user's.

        Checks shape and types of the keys that it knows, not their meaning: that is the server's. Raises ConfigurationError.
        """
        if not isinstance(text, (str, bytes)):
            raise ConfigurationError(f"configuration: YAML as str or bytes is expected, not {type(text).__name__}")
        try:
            document = yaml.safe_load(text)
        except yaml.YAMLError as error:
            raise ConfigurationError(f"configuration: not YAML: {error}") from error
        if not isinstance(document, dict):
            raise ConfigurationError("configuration: a mapping with name, type, input-groups and outputs is expected")
        reader = _Reader(document)
        config = cls(
            name=reader.take("name", str, required=True),
            task_type=reader.take("type", str) or "python",
            input_groups=reader.input_groups(),
            outputs=reader.mappings("outputs", document.get("outputs")),
            init_config=reader.take("init_config", dict),
            enable_checkpoint=reader.take("enable_checkpoint", bool),
            checkpoint_interval_seconds=reader.take("checkpoint_interval_seconds", float),
            use_builtin_event_serialization=reader.take("use_builtin_event_serialization", bool),
            options={key: value for key, value in document.items() if key not in _OWN_KEYS},
        )
        if "type" in document:
            config._read = (text if isinstance(text, str) else text.decode(), config.to_dict())
        return config

    def __eq__(self, other: object) -> bool:
        return isinstance(other, WasmTaskConfig) and self.to_dict() == other.to_dict()

    __hash__ = None  # type: ignore[assignment]

    def __repr__(self) -> str:
        return f"WasmTaskConfig({self.to_dict()!r})"


class WasmTaskBuilder:
    """Builds a WasmTaskConfig by chained calls; `build` says which call is missing.

    The order of `add_input_group` gives `process` its source_id, the order of `add_output` gives `emit` its channel.
    """

    def __init__(self) -> None:
        self._name: Optional[str] = None
        self._type = "python"
        self._input_groups: list[list[dict[str, Any]]] = []
        self._outputs: list[dict[str, Any]] = []
        self._init_config: dict[str, str] = {}
        self._enable_checkpoint: Optional[bool] = None
        self._checkpoint_interval: Optional[float] = None
        self._builtin_serialization: Optional[bool] = None
        self._options: dict[str, Any] = {}

    def set_name(self, name: str) -> WasmTaskBuilder:
        """The function's name, unique on the server: letters, digits, `.`, `_` and `-`; 1 to 255; not `.` or `..`."""
        self._name = name
        return self

    def set_type(self, task_type: str) -> WasmTaskBuilder:
        """`python` (the default), or `processor` for a WASM module of one's own."""
        if task_type not in _TYPES:
            raise ConfigurationError(f"set_type({task_type!r}): one of {', '.join(_TYPES)} is expected")
        self._type = task_type
        return self

    def set_builtin_serialization(self, enabled: bool) -> WasmTaskBuilder:
        """Whether events use the server's own serialization."""
        self._builtin_serialization = _flag("set_builtin_serialization", enabled)
        return self

    def configure_checkpoint(self, enabled: bool, interval: float = 1) -> WasmTaskBuilder:
        """Retained checkpoints on or off, and the seconds (fractions allowed) between commits."""
        self._enable_checkpoint = _flag("configure_checkpoint", enabled)
        if isinstance(interval, bool) or not isinstance(interval, (int, float)) or not 0 < interval < float("inf"):
            raise ConfigurationError(f"configure_checkpoint(interval={interval!r}): seconds above 0 are expected")
        self._checkpoint_interval = interval
        return self

    def add_init_config(self, key: str, value: object) -> WasmTaskBuilder:
        """An entry of the `config` that `init` gets, where all values are strings.

        A string stays as it is, a bool becomes `true` or `false`, a number its decimal text; a list or dict becomes JSON.
        """
        if not isinstance(key, str) or not key:
            raise ConfigurationError(f"add_init_config({key!r}, ...): the key must be a string that is not empty")
        self._init_config[key] = init_value(key, value)
        return self

    def add_input_group(self, inputs: Iterable[Input]) -> WasmTaskBuilder:
        """One or more inputs whose messages arrive under the same source_id."""
        if isinstance(inputs, (_Endpoint, Mapping, str)):
            raise ConfigurationError("add_input_group: a list of inputs is expected; put the single input into [ ]")
        if not isinstance(inputs, Iterable):
            raise ConfigurationError(f"add_input_group: a list of inputs is expected, not {type(inputs).__name__}")
        group = [_endpoint("add_input_group", "input", one) for one in inputs]
        if not group:
            raise ConfigurationError("add_input_group: the group is empty; give it at least one input")
        self._input_groups.append(group)
        return self

    def add_output(self, output: Output) -> WasmTaskBuilder:
        """The next output; the first one is channel 0."""
        self._outputs.append(_endpoint("add_output", "output", output))
        return self

    def set_option(self, key: str, value: object) -> WasmTaskBuilder:
        """Any other top-level key of the YAML, such as `delivery`, `input-selector`, `parallelism`, `on_error` or `limits`."""
        if not isinstance(key, str) or not key:
            raise ConfigurationError(f"set_option({key!r}, ...): the key must be a string that is not empty")
        if key in _OWN_KEYS:
            raise ConfigurationError(f"set_option({key!r}, ...): this key has a call of its own in WasmTaskBuilder")
        self._options[key] = copy.deepcopy(value)
        return self

    def build(self) -> WasmTaskConfig:
        """The configuration. Raises ConfigurationError, which says which call is missing or wrong."""
        if self._name is None:
            raise ConfigurationError("build: the function has no name; call set_name(...) first")
        if not isinstance(self._name, str) or not _NAME.fullmatch(self._name) or self._name in (".", ".."):
            raise ConfigurationError(
                f"set_name({self._name!r}): letters, digits, '.', '_' and '-' are allowed, 1 to 255 of them, and not '.' or '..'"
            )
        if not self._input_groups:
            raise ConfigurationError(f"build: {self._name} has no input; call add_input_group([...]) at least once")
        return WasmTaskConfig(
            name=self._name,
            task_type=self._type,
            input_groups=copy.deepcopy(self._input_groups),
            outputs=copy.deepcopy(self._outputs),
            init_config=self._init_config,
            enable_checkpoint=self._enable_checkpoint,
            checkpoint_interval_seconds=self._checkpoint_interval,
            use_builtin_event_serialization=self._builtin_serialization,
            options=copy.deepcopy(self._options),
        )


class _Dumper(yaml.SafeDumper):
    """Without YAML's anchors: the same mapping used twice is written twice."""

    def ignore_aliases(self, data: Any) -> bool:
        return True


class _Reader:
    """Takes typed values out of a YAML document, naming the key in each error."""

    def __init__(self, document: Mapping[Any, Any]) -> None:
        self.document = document

    def take(self, key: str, kind: type, required: bool = False) -> Any:
        value = self.document.get(key)
        if value is None:
            if required:
                raise ConfigurationError(f"{key}: missing")
            return None
        accepted: tuple[type, ...] = (int, float) if kind is float else (kind,)
        if not isinstance(value, accepted) or (kind is float and isinstance(value, bool)):
            expected = {str: "a string", bool: "true or false", float: "a number", dict: "a mapping"}[kind]
            raise ConfigurationError(f"{key}: {expected} is expected, not {value!r}")
        return value

    def mappings(self, key: str, value: object) -> list[dict[str, Any]]:
        return [] if value is None else _mappings(key, value)

    def input_groups(self) -> list[list[dict[str, Any]]]:
        groups = self.mappings("input-groups", self.document.get("input-groups"))
        for index, group in enumerate(groups):
            for key in group:
                if key != "inputs":
                    raise ConfigurationError(f"input-groups[{index}].{key}: unknown key; 'inputs' is expected")
        return [self.mappings(f"input-groups[{i}].inputs", group.get("inputs")) for i, group in enumerate(groups)]


def _mappings(key: str, value: object) -> list[dict[str, Any]]:
    if not isinstance(value, list) or not all(isinstance(one, dict) for one in value):
        raise ConfigurationError(f"{key}: a list of mappings is expected")
    return value


def init_value(key: str, value: object) -> str:
    """A value of init_config as the string that the function will see. Raises ConfigurationError."""
    if isinstance(value, str):
        return value
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, (int, float)):
        return str(value)
    if isinstance(value, (list, tuple, dict)):
        try:
            return json.dumps(value)
        except (TypeError, ValueError) as error:
            raise ConfigurationError(f"init_config.{key}: cannot be written as JSON: {error}") from error
    raise ConfigurationError(f"init_config.{key}: a string, number, bool, list or dict is expected, not {type(value).__name__}")


def _endpoint(call: str, direction: str, one: object) -> dict[str, Any]:
    data = one.data if isinstance(one, _Endpoint) else one
    if not isinstance(data, Mapping):
        raise ConfigurationError(f"{call}: {one!r} is no {direction}; expected is one such as Kafka{direction.title()}(...)")
    if f"{direction}-type" not in data:
        found = "an output" if "output-type" in data else "an input" if "input-type" in data else "it"
        raise ConfigurationError(
            f"{call}: {found} has no '{direction}-type'; expected is an {direction}, such as Kafka{direction.title()}(...)"
        )
    return copy.deepcopy(dict(data))


def _text(owner: str, name: str, value: object) -> str:
    if not isinstance(value, str) or not value:
        raise ConfigurationError(f"{owner}({name}={value!r}): a string that is not empty is expected")
    return value


def _partition(owner: str, value: object) -> int:
    if isinstance(value, bool) or not isinstance(value, int) or value < 0:
        raise ConfigurationError(f"{owner}(partition={value!r}): a partition number from 0 is expected")
    return value


def _flag(call: str, value: object) -> bool:
    if not isinstance(value, bool):
        raise ConfigurationError(f"{call}({value!r}): True or False is expected")
    return value
