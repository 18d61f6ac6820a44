"""Functions between embedded topics, as the tests make them again and again."""

from __future__ import annotations

import json
from typing import Any

from fs_api import FSProcessorDriver
from fs_client import FsClient
from fs_client.config import EmbeddedInput, EmbeddedOutput, WasmTaskBuilder, WasmTaskConfig


def between(name: str, source: str = "in", target: str = "out", **options: Any) -> WasmTaskConfig:
    """The configuration of a function from one topic to another; `options` are further top-level keys."""
    config = (
        WasmTaskBuilder()
        .set_name(name)
        .add_input_group([EmbeddedInput(topic=source, group_id=f"{name}-group")])
        .add_output(EmbeddedOutput(topic=target))
        .build()
    )
    config.options.update(options)
    return config


def create(client: FsClient, name: str, function: type[FSProcessorDriver], source: str = "in", target: str = "out", **options: Any) -> None:
    client.create_python_function_from_config(between(name, source, target, **options), function)


def read(client: FsClient, topic: str, count: int, timeout: float = 30.0) -> list[bytes]:
    """The first `count` values of a topic, waiting for them."""
    values: list[bytes] = []
    if count == 0:
        return values
    with client.subscribe(topic, offset=0, timeout=timeout) as records:
        for record in records:
            values.append(record.value)
            if len(values) == count:
                break
    return values


def read_all(client: FsClient, topic: str) -> list[bytes]:
    """What a topic holds now."""
    return [record.value for record in client.subscribe(topic, offset=0, follow=False, timeout=30.0)]


def read_json(client: FsClient, topic: str, count: int, timeout: float = 30.0) -> list[Any]:
    return [json.loads(value) for value in read(client, topic, count, timeout)]


def status(client: FsClient, name: str) -> str:
    return client.describe_function(name).status
