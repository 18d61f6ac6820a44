"""FsClient: everything that a program can ask of a server."""

from __future__ import annotations

import warnings
from collections.abc import Collection, Iterable
from pathlib import Path
from typing import Literal, Optional, Union

import grpc

from fs_client import arguments
from fs_client._proto import function_stream_pb2 as pb
from fs_client.analysis import Entry, NativeNeed, Project, Runtime, analyze, entry_of_class, entry_of_file
from fs_client.config import WasmTaskConfig
from fs_client.errors import ClientError, ConfigurationError, PackagingError, PackagingWarning, ServerError
from fs_client.models import (
    Checkpoint,
    FunctionDescription,
    FunctionInfo,
    InputPosition,
    InstanceInfo,
    PartitionInfo,
    PublishResult,
    Rates,
    RetainedCheckpoint,
    ServerInfo,
    ShowFunctionsResult,
    TopicInfo,
    Traffic,
)
from fs_client.package import MAX_PACKAGE_BYTES, build_package
from fs_client.rpc import Connection, Options
from fs_client.streams import LogStream, Publishable, Subscription, publish_batches, to_batches
from fs_client.upload import upload


class FsClient:
    """A connection to one server; a context manager, and safe to use from several threads.

    Every call takes `timeout` in seconds (else `default_timeout`) and raises a ServerError where the server refuses or cannot be
    reached, a ClientError where it is refused before anything is sent. `secure` uses TLS with the system's certificates,
    `credentials` other ones. `options` are gRPC channel options. A `channel` of one's own is used as it is, and left open on close.
    """

    def __init__(
        self,
        host: str = "localhost",
        port: int = 8080,
        secure: bool = False,
        channel: Optional[grpc.Channel] = None,
        options: Optional[Options] = None,
        default_timeout: Optional[float] = 30.0,
        *,
        credentials: Optional[grpc.ChannelCredentials] = None,
    ) -> None:
        self._connection = Connection(host, port, secure, channel, options, credentials, default_timeout)

    def __enter__(self) -> FsClient:
        return self

    def __exit__(self, *exception: object) -> None:
        self.close()

    def close(self) -> None:
        """Closes the connection; calls after it raise ClientError."""
        self._connection.close()

    # Functions

    def create_python_function_from_config(
        self,
        config: WasmTaskConfig,
        driver_class: type,
        *,
        include: Collection[str] = (),
        timeout: Optional[float] = None,
    ) -> bool:
        """Packages the class with all that it imports, uploads it, and returns True once it runs.

        `include` names modules or packages that no import statement shows, such as plugins found by name. Raises PackagingError for
        what cannot be packaged, with file and line; ConflictError where the name is taken; BadRequestError for a configuration or a
        class that the server refuses, with the user's traceback. Unusual findings are a PackagingWarning.
        """
        _check_python(config)
        return self._create(config, entry_of_class(driver_class), arguments.names("include", include), timeout)

    def create_python_function_from_source(
        self,
        config: WasmTaskConfig,
        file: Union[str, Path],
        class_name: str,
        *,
        include: Collection[str] = (),
        timeout: Optional[float] = None,
    ) -> bool:
        """Like `create_python_function_from_config`, for a class in a file that this program does not import."""
        _check_python(config)
        return self._create(config, entry_of_file(arguments.path("file", file), class_name), arguments.names("include", include), timeout)

    def create_python_function(
        self,
        class_name: str,
        modules: Iterable[tuple[str, bytes]],
        config_content: Union[str, bytes],
        *,
        timeout: Optional[float] = None,
    ) -> bool:
        """Registers a class from modules given as (dotted name, source bytes); no analysis is made."""
        request = pb.CreatePythonFunctionRequest(
            class_name=arguments.text("class_name", class_name, may_be_empty=True),
            config_content=arguments.yaml_text("config_content", config_content),
        )
        for name, source in arguments.modules(modules):
            request.modules.add(module_name=name, module_bytes=source)
        self._connection.call(self._connection.service.CreatePythonFunction, request, "create function", timeout)
        return True

    def create_function_from_files(
        self, function_path: Union[str, Path], config_path: Union[str, Path], *, timeout: Optional[float] = None
    ) -> bool:
        """Registers a WASM module and its YAML configuration, both read from files."""
        code = arguments.content_of("function_path", function_path)
        return self.create_function_from_bytes(code, arguments.content_of("config_path", config_path), timeout=timeout)

    def create_function_from_bytes(
        self, function_bytes: bytes, config_content: Union[str, bytes], *, timeout: Optional[float] = None
    ) -> bool:
        """Registers a WASM module with its YAML configuration."""
        if not isinstance(function_bytes, bytes) or not function_bytes:
            raise ClientError("function_bytes: the bytes of a WASM module are expected")
        request = pb.CreateFunctionRequest(
            config_bytes=arguments.yaml_text("config_content", config_content).encode(), function_bytes=function_bytes
        )
        self._connection.call(self._connection.service.CreateFunction, request, "create function", timeout)
        return True

    def start_function(self, name: str, *, checkpoint_id: Optional[int] = None, timeout: Optional[float] = None) -> bool:
        """Starts a stopped function; a running one stays as it is. NotFoundError where there is none of that name.

        With `checkpoint_id`, the `id` of a retained checkpoint, state, positions and take_checkpoint's bytes first become what they were
        then: what came after is processed, and emitted, again. ConflictError where the function runs; NotFoundError where the checkpoint
        is unknown, incomplete or damaged, and then the function's state is left as it was.
        """
        if checkpoint_id is not None:
            restore = pb.StartFromCheckpointRequest(
                function_name=arguments.text("name", name),
                id=arguments.count("checkpoint_id", checkpoint_id, 1, "the id of a retained checkpoint"),
            )
            self._connection.call(self._connection.extensions.StartFromCheckpoint, restore, f"start {name}", timeout)
            return True
        request = pb.StartFunctionRequest(function_name=arguments.text("name", name))
        self._connection.call(self._connection.service.StartFunction, request, f"start {name}", timeout)
        return True

    def stop_function(self, name: str, *, timeout: Optional[float] = None) -> bool:
        """Stops a function after a last checkpoint; its state stays. A stopped one stays as it is."""
        request = pb.StopFunctionRequest(function_name=arguments.text("name", name))
        self._connection.call(self._connection.service.StopFunction, request, f"stop {name}", timeout)
        return True

    def drop_function(self, name: str, *, timeout: Optional[float] = None) -> bool:
        """Removes a function with its package, state and log, stopping it first where it runs."""
        request = pb.DropFunctionRequest(function_name=arguments.text("name", name))
        self._connection.call(self._connection.service.DropFunction, request, f"drop {name}", timeout)
        return True

    def show_functions(self, filter_pattern: Optional[str] = None, *, timeout: Optional[float] = None) -> ShowFunctionsResult:
        """The functions whose name matches the pattern, or all."""
        request = pb.ShowFunctionsRequest(filter=arguments.optional_text("filter_pattern", filter_pattern))
        response = self._connection.call(self._connection.service.ShowFunctions, request, "show functions", timeout)
        functions = [FunctionInfo(one.name, one.task_type, one.status) for one in response.functions]
        return ShowFunctionsResult(int(response.status_code), response.message, functions)

    def describe_function(self, name: str, *, timeout: Optional[float] = None) -> FunctionDescription:
        """One function's status with its reason, counters, positions and last error."""
        request = pb.DescribeFunctionRequest(function_name=arguments.text("name", name))
        one = self._connection.call(self._connection.extensions.DescribeFunction, request, f"describe {name}", timeout)
        return FunctionDescription(
            name=one.function.name,
            task_type=one.function.task_type,
            status=one.function.status,
            reason=one.reason,
            since_ms=one.since_ms,
            restarts=one.restarts,
            processed=one.processed,
            emitted=one.emitted,
            checkpoint_id=one.checkpoint_id,
            positions=[
                InputPosition(
                    at.source_id, at.topic, at.partition, at.offset, at.end_offset if at.HasField("end_offset") else None, at.instance
                )
                for at in one.positions
            ],
            last_error=one.last_error,
            retried=one.retried,
            skipped=one.skipped,
            dead_lettered=one.dead_lettered,
            last_error_ms=one.last_error_ms,
            rates=_rates(one.rates),
            last_checkpoint=_last_checkpoint(one.last_checkpoint) if one.HasField("last_checkpoint") else None,
            watermark_ms=one.watermark_ms if one.HasField("watermark_ms") else None,
            source_watermarks_ms={at.source_id: at.watermark_ms for at in one.source_watermarks},
            observed_ms=one.observed_ms,
            limits={limit.key: limit.value for limit in one.limits},
            memory_bytes=one.memory_bytes,
            state_bytes=one.state_bytes,
            exceptions=one.exceptions,
            log_lines_dropped=one.log_lines_dropped,
            inputs=[Traffic(at.source_id, at.topic, at.messages, at.bytes) for at in one.inputs],
            outputs=[Traffic(at.source_id, at.topic, at.messages, at.bytes) for at in one.outputs],
            instances=[_instance(each) for each in one.instances],
        )

    def call_function(self, name: str, payload: bytes = b"", *, instance: int = 0, timeout: Optional[float] = None) -> bytes:
        """What the function's `custom(payload)` returns; at most 4 MiB either way. Of several instances, `instance` is asked.

        It is called between two batches of messages. What it wrote and emitted is committed with the next checkpoint, so a crash right
        after the answer can undo it; of a call that failed nothing stays. BadRequestError with the user's traceback where it raised,
        ConflictError where the function does not run, ResourceExhaustedError where 64 calls wait already, and
        FunctionStreamTimeoutError where the answer did not come in time.
        """
        request = pb.CallFunctionRequest(
            function_name=arguments.text("name", name),
            payload=arguments.payload("payload", payload),
            instance=arguments.index("instance", instance),
        )
        response = self._connection.call(self._connection.extensions.CallFunction, request, f"call {name}", timeout)
        answer: bytes = response.answer
        return answer

    def logs(self, name: str, *, tail: Optional[int] = None, follow: bool = False, timeout: Optional[float] = None) -> LogStream:
        """The lines of a function's own log, oldest first; with `tail` only the last so many.

        With `follow` the iteration goes on with what is written, until the function is dropped. `timeout` ends the whole stream with a
        FunctionStreamTimeoutError; without it the stream may last. NotFoundError, from the iteration, where there is none of that name.
        """
        request = pb.LogsRequest(
            function_name=arguments.text("name", name),
            tail=arguments.optional_count("tail", tail, 0, "a number of lines"),
            follow=arguments.switch("follow", follow),
        )
        return LogStream(self._connection, request, None if timeout is None else self._connection.timeout(timeout))

    # Retained checkpoints

    def list_checkpoints(self, name: str, *, timeout: Optional[float] = None) -> list[RetainedCheckpoint]:
        """The checkpoints that the function can be started from, oldest first."""
        request = pb.ListCheckpointsRequest(function_name=arguments.text("name", name))
        response = self._connection.call(self._connection.extensions.ListCheckpoints, request, f"list checkpoints of {name}", timeout)
        return [_retained(one) for one in response.checkpoints]

    def create_checkpoint(self, name: str, *, timeout: Optional[float] = None) -> RetainedCheckpoint:
        """Takes a checkpoint now and keeps it until it is deleted.

        Of a running function it is the next one, which the call waits for; of one that does not run, its last.
        """
        request = pb.CreateCheckpointRequest(function_name=arguments.text("name", name))
        response = self._connection.call(self._connection.extensions.CreateCheckpoint, request, f"create checkpoint of {name}", timeout)
        return _retained(response.checkpoint)

    def delete_checkpoint(self, name: str, checkpoint_id: int, *, timeout: Optional[float] = None) -> bool:
        """Deletes a retained checkpoint; NotFoundError where there is none of that `id`."""
        request = pb.DeleteCheckpointRequest(
            function_name=arguments.text("name", name),
            id=arguments.count("checkpoint_id", checkpoint_id, 1, "the id of a retained checkpoint"),
        )
        doing = f"delete checkpoint {checkpoint_id} of {name}"
        self._connection.call(self._connection.extensions.DeleteCheckpoint, request, doing, timeout)
        return True

    # Topics of the embedded log

    def create_topic(self, topic: str, partitions: int = 1, *, timeout: Optional[float] = None) -> bool:
        """Makes a topic; without it, the first message makes one with one partition. ConflictError: it is there with another number."""
        if arguments.index("partitions", partitions) == 0:
            raise ClientError("partitions: a number from 1 to 1024 is expected, not 0")
        request = pb.CreateTopicRequest(topic=arguments.text("topic", topic), partitions=partitions)
        self._connection.call(self._connection.extensions.CreateTopic, request, f"create topic {topic}", timeout)
        return True

    def publish(
        self,
        topic: str,
        records: Union[Publishable, Iterable[Publishable]],
        *,
        partition: Optional[int] = None,
        timeout: Optional[float] = None,
    ) -> PublishResult:
        """Appends one record or many to a topic, in order; returns when all are durable.

        A record is bytes, a str (sent as UTF-8) or a Record. An iterable is read as it is sent, so it may be long; `timeout` bounds
        the wait for each acknowledgement, not the whole. After an error, what was acknowledged before it stays. All go to `partition`;
        without it each record's key says where (as Java's Kafka client does it), and those without a key go anywhere.
        """
        place = None if partition is None else arguments.index("partition", partition)
        return publish_batches(self._connection, arguments.text("topic", topic), to_batches(records), timeout, place)

    def subscribe(
        self,
        topic: str,
        *,
        partition: int = 0,
        offset: Optional[int] = None,
        group_id: str = "",
        from_earliest: bool = True,
        follow: bool = True,
        timeout: Optional[float] = None,
    ) -> Subscription:
        """Reads a partition of a topic: from `offset`, else from where the group stands, else from its beginning or (`from_earliest=False`)
        its end.

        With `follow=False` the iteration ends at the topic's present end. `timeout` ends the whole stream with a
        FunctionStreamTimeoutError; without it the stream may last. Positions move only by `commit_offset`.
        """
        request = pb.SubscribeRequest(
            topic=arguments.text("topic", topic),
            offset=arguments.optional_count("offset", offset, 0, "an offset"),
            group_id=arguments.text("group_id", group_id, may_be_empty=True),
            from_earliest=arguments.switch("from_earliest", from_earliest),
            follow=arguments.switch("follow", follow),
            partition=arguments.index("partition", partition),
        )
        return Subscription(self._connection, request, None if timeout is None else self._connection.timeout(timeout))

    def commit_offset(self, topic: str, group_id: str, offset: int, *, partition: int = 0, timeout: Optional[float] = None) -> bool:
        """Sets where the group reads on: `offset` is that of the next message, so a message's own offset plus one."""
        request = pb.CommitOffsetRequest(
            topic=arguments.text("topic", topic),
            group_id=arguments.text("group_id", group_id),
            offset=arguments.count("offset", offset, 0, "an offset"),
            partition=arguments.index("partition", partition),
        )
        self._connection.call(self._connection.extensions.CommitOffset, request, f"commit offset of {group_id}", timeout)
        return True

    def list_topics(self, *, timeout: Optional[float] = None) -> list[TopicInfo]:
        """The topics of the embedded log."""
        response = self._connection.call(self._connection.extensions.ListTopics, pb.ListTopicsRequest(), "list topics", timeout)
        return [
            TopicInfo(
                one.name,
                one.first_offset,
                one.next_offset,
                one.bytes,
                [PartitionInfo(each.first_offset, each.next_offset, each.bytes) for each in one.partitions],
            )
            for one in response.topics
        ]

    def delete_topic(self, topic: str, *, timeout: Optional[float] = None) -> bool:
        """Deletes a topic with its messages and its groups' positions."""
        request = pb.DeleteTopicRequest(topic=arguments.text("topic", topic))
        self._connection.call(self._connection.extensions.DeleteTopic, request, f"delete topic {topic}", timeout)
        return True

    def server_info(self, *, timeout: Optional[float] = None) -> ServerInfo:
        """The server's version, its sandbox's Python, and its limits."""
        with self._connection.failures("server info"):
            info = self._connection.extensions.GetServerInfo(pb.ServerInfoRequest(), timeout=self._connection.timeout(timeout))
        return ServerInfo(info.version, info.python_version, tuple(info.native_modules), info.max_package_bytes)

    # Packaging

    def _create(self, config: WasmTaskConfig, entry: Entry, include: Collection[str], timeout: Optional[float]) -> bool:
        self._connection.timeout(timeout)  # checked before the analysis, which may take long
        config_yaml = config.to_yaml()
        project = analyze(entry, include)
        info = self._info_for(project, timeout)
        if info is not None:
            project = _for_server(project, info, include)
        if project.natives:
            raise PackagingError(_native_refusal(project.natives))
        for warning in project.warnings:
            warnings.warn(warning, PackagingWarning, stacklevel=3)
        package = build_package(project)
        limit = info.max_package_bytes if info is not None and info.max_package_bytes else MAX_PACKAGE_BYTES
        if len(package.content) > limit:
            raise PackagingError(
                f"{config.name}: the package has {len(package.content)} bytes; the server's limit is {limit} (limits.package_mb)"
            )
        upload(self._connection, package, config_yaml, config.name, timeout)
        return True

    def _info_for(self, project: Project, timeout: Optional[float]) -> Optional[ServerInfo]:
        """What the server can run; None from one too old to say, or where native code will be refused anyway."""
        try:
            return self.server_info(timeout=timeout)
        except ServerError as error:
            if error.grpc_code is grpc.StatusCode.UNIMPLEMENTED or project.natives:
                return None
            raise


def _instance(one: pb.InstanceInfo) -> InstanceInfo:
    return InstanceInfo(
        index=one.index,
        status=one.status,
        reason=one.reason,
        since_ms=one.since_ms,
        restarts=one.restarts,
        processed=one.processed,
        emitted=one.emitted,
        checkpoint_id=one.checkpoint_id,
        memory_bytes=one.memory_bytes,
        state_bytes=one.state_bytes,
        watermark_ms=one.watermark_ms if one.HasField("watermark_ms") else None,
        last_error=one.last_error,
        last_error_ms=one.last_error_ms,
    )


def _rates(rates: pb.Rates) -> Rates:
    def seconds(field: Literal["p50_seconds", "p95_seconds", "p99_seconds"]) -> Optional[float]:
        return getattr(rates, field) if rates.HasField(field) else None

    return Rates(
        rates.processed_per_second, rates.emitted_per_second, seconds("p50_seconds"), seconds("p95_seconds"), seconds("p99_seconds")
    )


def _last_checkpoint(checkpoint: pb.Checkpoint) -> Checkpoint:
    return Checkpoint(checkpoint.id, checkpoint.time_ms, checkpoint.seconds, checkpoint.bytes)


def _for_server(project: Project, info: ServerInfo, include: Collection[str]) -> Project:
    """The project seen with the server's Python and native modules. Raises PackagingError where its Python is too old."""
    version = _version(info.python_version)
    if version is not None and project.python_requires > version:
        needed = "{}.{}".format(*project.python_requires)
        raise PackagingError(
            f"{project.entry.class_name}: its syntax needs Python {needed}, the server runs {info.python_version}; use the older syntax"
        )
    runtime = Runtime(version) if version is not None else Runtime()
    if runtime == Runtime() and not (project.natives and info.native_modules):
        return project
    return analyze(project.entry, include, info.native_modules, runtime)


def _version(text: str) -> Optional[tuple[int, int]]:
    parts = text.split(".")
    return (int(parts[0]), int(parts[1])) if len(parts) > 1 and parts[0].isdigit() and parts[1].isdigit() else None


def _native_refusal(natives: list[NativeNeed]) -> str:
    listed = "\n".join(f"  {need}" for need in natives)
    return (
        f"third-party code that cannot run in the sandbox:\n{listed}\n"
        "Do without it in the function. Where only the part that registers the function needs it, import it under: "
        'if __name__ == "__main__":'
    )


def _check_python(config: object) -> None:
    if not isinstance(config, WasmTaskConfig):
        raise ClientError(f"config: a WasmTaskConfig is expected, as WasmTaskBuilder().build() makes it, not {type(config).__name__}")
    if config.task_type != "python":
        raise ConfigurationError(f"type: {config.task_type!r}: a Python class needs set_type('python')")


def _retained(one: pb.RetainedCheckpoint) -> RetainedCheckpoint:
    return RetainedCheckpoint(
        id=one.id,
        created_ms=one.created_ms,
        reason=pb.RetainedCheckpoint.Reason.Name(one.reason).lower().replace("_", "-"),
        checkpoint_id=one.checkpoint_id,
        bytes=one.bytes,
        positions=[InputPosition(at.source_id, at.topic, at.partition, at.offset, instance=at.instance) for at in one.positions],
        problem=one.problem,
    )
