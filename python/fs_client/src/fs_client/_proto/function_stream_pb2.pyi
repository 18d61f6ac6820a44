from google.protobuf.internal import containers as _containers
from google.protobuf.internal import enum_type_wrapper as _enum_type_wrapper
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from typing import ClassVar as _ClassVar, Iterable as _Iterable, Mapping as _Mapping, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class StatusCode(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    STATUS_UNKNOWN: _ClassVar[StatusCode]
    OK: _ClassVar[StatusCode]
    CREATED: _ClassVar[StatusCode]
    ACCEPTED: _ClassVar[StatusCode]
    NO_CONTENT: _ClassVar[StatusCode]
    BAD_REQUEST: _ClassVar[StatusCode]
    UNAUTHORIZED: _ClassVar[StatusCode]
    FORBIDDEN: _ClassVar[StatusCode]
    NOT_FOUND: _ClassVar[StatusCode]
    METHOD_NOT_ALLOWED: _ClassVar[StatusCode]
    CONFLICT: _ClassVar[StatusCode]
    UNPROCESSABLE_ENTITY: _ClassVar[StatusCode]
    TOO_MANY_REQUESTS: _ClassVar[StatusCode]
    INTERNAL_SERVER_ERROR: _ClassVar[StatusCode]
    NOT_IMPLEMENTED: _ClassVar[StatusCode]
    BAD_GATEWAY: _ClassVar[StatusCode]
    SERVICE_UNAVAILABLE: _ClassVar[StatusCode]
    GATEWAY_TIMEOUT: _ClassVar[StatusCode]
STATUS_UNKNOWN: StatusCode
OK: StatusCode
CREATED: StatusCode
ACCEPTED: StatusCode
NO_CONTENT: StatusCode
BAD_REQUEST: StatusCode
UNAUTHORIZED: StatusCode
FORBIDDEN: StatusCode
NOT_FOUND: StatusCode
METHOD_NOT_ALLOWED: StatusCode
CONFLICT: StatusCode
UNPROCESSABLE_ENTITY: StatusCode
TOO_MANY_REQUESTS: StatusCode
INTERNAL_SERVER_ERROR: StatusCode
NOT_IMPLEMENTED: StatusCode
BAD_GATEWAY: StatusCode
SERVICE_UNAVAILABLE: StatusCode
GATEWAY_TIMEOUT: StatusCode

class Response(_message.Message):
    __slots__ = ("status_code", "message", "data")
    STATUS_CODE_FIELD_NUMBER: _ClassVar[int]
    MESSAGE_FIELD_NUMBER: _ClassVar[int]
    DATA_FIELD_NUMBER: _ClassVar[int]
    status_code: StatusCode
    message: str
    data: bytes
    def __init__(self, status_code: _Optional[_Union[StatusCode, str]] = ..., message: _Optional[str] = ..., data: _Optional[bytes] = ...) -> None: ...

class SqlRequest(_message.Message):
    __slots__ = ("sql",)
    SQL_FIELD_NUMBER: _ClassVar[int]
    sql: str
    def __init__(self, sql: _Optional[str] = ...) -> None: ...

class CreateFunctionRequest(_message.Message):
    __slots__ = ("config_bytes", "function_bytes")
    CONFIG_BYTES_FIELD_NUMBER: _ClassVar[int]
    FUNCTION_BYTES_FIELD_NUMBER: _ClassVar[int]
    config_bytes: bytes
    function_bytes: bytes
    def __init__(self, config_bytes: _Optional[bytes] = ..., function_bytes: _Optional[bytes] = ...) -> None: ...

class PythonModule(_message.Message):
    __slots__ = ("module_name", "module_bytes")
    MODULE_NAME_FIELD_NUMBER: _ClassVar[int]
    MODULE_BYTES_FIELD_NUMBER: _ClassVar[int]
    module_name: str
    module_bytes: bytes
    def __init__(self, module_name: _Optional[str] = ..., module_bytes: _Optional[bytes] = ...) -> None: ...

class CreatePythonFunctionRequest(_message.Message):
    __slots__ = ("class_name", "modules", "config_content")
    CLASS_NAME_FIELD_NUMBER: _ClassVar[int]
    MODULES_FIELD_NUMBER: _ClassVar[int]
    CONFIG_CONTENT_FIELD_NUMBER: _ClassVar[int]
    class_name: str
    modules: _containers.RepeatedCompositeFieldContainer[PythonModule]
    config_content: str
    def __init__(self, class_name: _Optional[str] = ..., modules: _Optional[_Iterable[_Union[PythonModule, _Mapping]]] = ..., config_content: _Optional[str] = ...) -> None: ...

class DropFunctionRequest(_message.Message):
    __slots__ = ("function_name",)
    FUNCTION_NAME_FIELD_NUMBER: _ClassVar[int]
    function_name: str
    def __init__(self, function_name: _Optional[str] = ...) -> None: ...

class StartFunctionRequest(_message.Message):
    __slots__ = ("function_name",)
    FUNCTION_NAME_FIELD_NUMBER: _ClassVar[int]
    function_name: str
    def __init__(self, function_name: _Optional[str] = ...) -> None: ...

class StopFunctionRequest(_message.Message):
    __slots__ = ("function_name",)
    FUNCTION_NAME_FIELD_NUMBER: _ClassVar[int]
    function_name: str
    def __init__(self, function_name: _Optional[str] = ...) -> None: ...

class ShowFunctionsRequest(_message.Message):
    __slots__ = ("filter",)
    FILTER_FIELD_NUMBER: _ClassVar[int]
    filter: str
    def __init__(self, filter: _Optional[str] = ...) -> None: ...

class FunctionInfo(_message.Message):
    __slots__ = ("name", "task_type", "status")
    NAME_FIELD_NUMBER: _ClassVar[int]
    TASK_TYPE_FIELD_NUMBER: _ClassVar[int]
    STATUS_FIELD_NUMBER: _ClassVar[int]
    name: str
    task_type: str
    status: str
    def __init__(self, name: _Optional[str] = ..., task_type: _Optional[str] = ..., status: _Optional[str] = ...) -> None: ...

class ShowFunctionsResponse(_message.Message):
    __slots__ = ("status_code", "message", "functions")
    STATUS_CODE_FIELD_NUMBER: _ClassVar[int]
    MESSAGE_FIELD_NUMBER: _ClassVar[int]
    FUNCTIONS_FIELD_NUMBER: _ClassVar[int]
    status_code: StatusCode
    message: str
    functions: _containers.RepeatedCompositeFieldContainer[FunctionInfo]
    def __init__(self, status_code: _Optional[_Union[StatusCode, str]] = ..., message: _Optional[str] = ..., functions: _Optional[_Iterable[_Union[FunctionInfo, _Mapping]]] = ...) -> None: ...

class UploadHeader(_message.Message):
    __slots__ = ("config_content", "package_size", "package_sha256")
    CONFIG_CONTENT_FIELD_NUMBER: _ClassVar[int]
    PACKAGE_SIZE_FIELD_NUMBER: _ClassVar[int]
    PACKAGE_SHA256_FIELD_NUMBER: _ClassVar[int]
    config_content: str
    package_size: int
    package_sha256: str
    def __init__(self, config_content: _Optional[str] = ..., package_size: _Optional[int] = ..., package_sha256: _Optional[str] = ...) -> None: ...

class UploadChunk(_message.Message):
    __slots__ = ("header", "bytes")
    HEADER_FIELD_NUMBER: _ClassVar[int]
    BYTES_FIELD_NUMBER: _ClassVar[int]
    header: UploadHeader
    bytes: bytes
    def __init__(self, header: _Optional[_Union[UploadHeader, _Mapping]] = ..., bytes: _Optional[bytes] = ...) -> None: ...

class Header(_message.Message):
    __slots__ = ("name", "value")
    NAME_FIELD_NUMBER: _ClassVar[int]
    VALUE_FIELD_NUMBER: _ClassVar[int]
    name: str
    value: bytes
    def __init__(self, name: _Optional[str] = ..., value: _Optional[bytes] = ...) -> None: ...

class EmbeddedRecord(_message.Message):
    __slots__ = ("key", "value", "headers", "timestamp_ms", "offset", "partition")
    KEY_FIELD_NUMBER: _ClassVar[int]
    VALUE_FIELD_NUMBER: _ClassVar[int]
    HEADERS_FIELD_NUMBER: _ClassVar[int]
    TIMESTAMP_MS_FIELD_NUMBER: _ClassVar[int]
    OFFSET_FIELD_NUMBER: _ClassVar[int]
    PARTITION_FIELD_NUMBER: _ClassVar[int]
    key: bytes
    value: bytes
    headers: _containers.RepeatedCompositeFieldContainer[Header]
    timestamp_ms: int
    offset: int
    partition: int
    def __init__(self, key: _Optional[bytes] = ..., value: _Optional[bytes] = ..., headers: _Optional[_Iterable[_Union[Header, _Mapping]]] = ..., timestamp_ms: _Optional[int] = ..., offset: _Optional[int] = ..., partition: _Optional[int] = ...) -> None: ...

class PublishRequest(_message.Message):
    __slots__ = ("topic", "records", "partition")
    TOPIC_FIELD_NUMBER: _ClassVar[int]
    RECORDS_FIELD_NUMBER: _ClassVar[int]
    PARTITION_FIELD_NUMBER: _ClassVar[int]
    topic: str
    records: _containers.RepeatedCompositeFieldContainer[EmbeddedRecord]
    partition: int
    def __init__(self, topic: _Optional[str] = ..., records: _Optional[_Iterable[_Union[EmbeddedRecord, _Mapping]]] = ..., partition: _Optional[int] = ...) -> None: ...

class PublishResponse(_message.Message):
    __slots__ = ("status_code", "message", "first_offset", "count", "partitions")
    STATUS_CODE_FIELD_NUMBER: _ClassVar[int]
    MESSAGE_FIELD_NUMBER: _ClassVar[int]
    FIRST_OFFSET_FIELD_NUMBER: _ClassVar[int]
    COUNT_FIELD_NUMBER: _ClassVar[int]
    PARTITIONS_FIELD_NUMBER: _ClassVar[int]
    status_code: StatusCode
    message: str
    first_offset: int
    count: int
    partitions: _containers.RepeatedCompositeFieldContainer[AppendedRecords]
    def __init__(self, status_code: _Optional[_Union[StatusCode, str]] = ..., message: _Optional[str] = ..., first_offset: _Optional[int] = ..., count: _Optional[int] = ..., partitions: _Optional[_Iterable[_Union[AppendedRecords, _Mapping]]] = ...) -> None: ...

class AppendedRecords(_message.Message):
    __slots__ = ("partition", "first_offset", "count")
    PARTITION_FIELD_NUMBER: _ClassVar[int]
    FIRST_OFFSET_FIELD_NUMBER: _ClassVar[int]
    COUNT_FIELD_NUMBER: _ClassVar[int]
    partition: int
    first_offset: int
    count: int
    def __init__(self, partition: _Optional[int] = ..., first_offset: _Optional[int] = ..., count: _Optional[int] = ...) -> None: ...

class SubscribeRequest(_message.Message):
    __slots__ = ("topic", "offset", "group_id", "from_earliest", "follow", "partition")
    TOPIC_FIELD_NUMBER: _ClassVar[int]
    OFFSET_FIELD_NUMBER: _ClassVar[int]
    GROUP_ID_FIELD_NUMBER: _ClassVar[int]
    FROM_EARLIEST_FIELD_NUMBER: _ClassVar[int]
    FOLLOW_FIELD_NUMBER: _ClassVar[int]
    PARTITION_FIELD_NUMBER: _ClassVar[int]
    topic: str
    offset: int
    group_id: str
    from_earliest: bool
    follow: bool
    partition: int
    def __init__(self, topic: _Optional[str] = ..., offset: _Optional[int] = ..., group_id: _Optional[str] = ..., from_earliest: bool = ..., follow: bool = ..., partition: _Optional[int] = ...) -> None: ...

class SubscribeResponse(_message.Message):
    __slots__ = ("status_code", "message", "records")
    STATUS_CODE_FIELD_NUMBER: _ClassVar[int]
    MESSAGE_FIELD_NUMBER: _ClassVar[int]
    RECORDS_FIELD_NUMBER: _ClassVar[int]
    status_code: StatusCode
    message: str
    records: _containers.RepeatedCompositeFieldContainer[EmbeddedRecord]
    def __init__(self, status_code: _Optional[_Union[StatusCode, str]] = ..., message: _Optional[str] = ..., records: _Optional[_Iterable[_Union[EmbeddedRecord, _Mapping]]] = ...) -> None: ...

class CommitOffsetRequest(_message.Message):
    __slots__ = ("topic", "group_id", "offset", "partition")
    TOPIC_FIELD_NUMBER: _ClassVar[int]
    GROUP_ID_FIELD_NUMBER: _ClassVar[int]
    OFFSET_FIELD_NUMBER: _ClassVar[int]
    PARTITION_FIELD_NUMBER: _ClassVar[int]
    topic: str
    group_id: str
    offset: int
    partition: int
    def __init__(self, topic: _Optional[str] = ..., group_id: _Optional[str] = ..., offset: _Optional[int] = ..., partition: _Optional[int] = ...) -> None: ...

class TopicInfo(_message.Message):
    __slots__ = ("name", "first_offset", "next_offset", "bytes", "partitions")
    NAME_FIELD_NUMBER: _ClassVar[int]
    FIRST_OFFSET_FIELD_NUMBER: _ClassVar[int]
    NEXT_OFFSET_FIELD_NUMBER: _ClassVar[int]
    BYTES_FIELD_NUMBER: _ClassVar[int]
    PARTITIONS_FIELD_NUMBER: _ClassVar[int]
    name: str
    first_offset: int
    next_offset: int
    bytes: int
    partitions: _containers.RepeatedCompositeFieldContainer[PartitionInfo]
    def __init__(self, name: _Optional[str] = ..., first_offset: _Optional[int] = ..., next_offset: _Optional[int] = ..., bytes: _Optional[int] = ..., partitions: _Optional[_Iterable[_Union[PartitionInfo, _Mapping]]] = ...) -> None: ...

class PartitionInfo(_message.Message):
    __slots__ = ("first_offset", "next_offset", "bytes")
    FIRST_OFFSET_FIELD_NUMBER: _ClassVar[int]
    NEXT_OFFSET_FIELD_NUMBER: _ClassVar[int]
    BYTES_FIELD_NUMBER: _ClassVar[int]
    first_offset: int
    next_offset: int
    bytes: int
    def __init__(self, first_offset: _Optional[int] = ..., next_offset: _Optional[int] = ..., bytes: _Optional[int] = ...) -> None: ...

class CreateTopicRequest(_message.Message):
    __slots__ = ("topic", "partitions")
    TOPIC_FIELD_NUMBER: _ClassVar[int]
    PARTITIONS_FIELD_NUMBER: _ClassVar[int]
    topic: str
    partitions: int
    def __init__(self, topic: _Optional[str] = ..., partitions: _Optional[int] = ...) -> None: ...

class ListTopicsRequest(_message.Message):
    __slots__ = ()
    def __init__(self) -> None: ...

class ListTopicsResponse(_message.Message):
    __slots__ = ("status_code", "message", "topics")
    STATUS_CODE_FIELD_NUMBER: _ClassVar[int]
    MESSAGE_FIELD_NUMBER: _ClassVar[int]
    TOPICS_FIELD_NUMBER: _ClassVar[int]
    status_code: StatusCode
    message: str
    topics: _containers.RepeatedCompositeFieldContainer[TopicInfo]
    def __init__(self, status_code: _Optional[_Union[StatusCode, str]] = ..., message: _Optional[str] = ..., topics: _Optional[_Iterable[_Union[TopicInfo, _Mapping]]] = ...) -> None: ...

class DeleteTopicRequest(_message.Message):
    __slots__ = ("topic",)
    TOPIC_FIELD_NUMBER: _ClassVar[int]
    topic: str
    def __init__(self, topic: _Optional[str] = ...) -> None: ...

class DescribeFunctionRequest(_message.Message):
    __slots__ = ("function_name",)
    FUNCTION_NAME_FIELD_NUMBER: _ClassVar[int]
    function_name: str
    def __init__(self, function_name: _Optional[str] = ...) -> None: ...

class DescribeFunctionResponse(_message.Message):
    __slots__ = ("status_code", "message", "function", "reason", "since_ms", "restarts", "processed", "emitted", "checkpoint_id", "positions", "last_error", "retried", "skipped", "dead_lettered", "last_error_ms", "rates", "last_checkpoint", "memory_bytes", "state_bytes", "exceptions", "log_lines_dropped", "inputs", "outputs", "instances", "watermark_ms", "source_watermarks", "observed_ms", "limits")
    STATUS_CODE_FIELD_NUMBER: _ClassVar[int]
    MESSAGE_FIELD_NUMBER: _ClassVar[int]
    FUNCTION_FIELD_NUMBER: _ClassVar[int]
    REASON_FIELD_NUMBER: _ClassVar[int]
    SINCE_MS_FIELD_NUMBER: _ClassVar[int]
    RESTARTS_FIELD_NUMBER: _ClassVar[int]
    PROCESSED_FIELD_NUMBER: _ClassVar[int]
    EMITTED_FIELD_NUMBER: _ClassVar[int]
    CHECKPOINT_ID_FIELD_NUMBER: _ClassVar[int]
    POSITIONS_FIELD_NUMBER: _ClassVar[int]
    LAST_ERROR_FIELD_NUMBER: _ClassVar[int]
    RETRIED_FIELD_NUMBER: _ClassVar[int]
    SKIPPED_FIELD_NUMBER: _ClassVar[int]
    DEAD_LETTERED_FIELD_NUMBER: _ClassVar[int]
    LAST_ERROR_MS_FIELD_NUMBER: _ClassVar[int]
    RATES_FIELD_NUMBER: _ClassVar[int]
    LAST_CHECKPOINT_FIELD_NUMBER: _ClassVar[int]
    MEMORY_BYTES_FIELD_NUMBER: _ClassVar[int]
    STATE_BYTES_FIELD_NUMBER: _ClassVar[int]
    EXCEPTIONS_FIELD_NUMBER: _ClassVar[int]
    LOG_LINES_DROPPED_FIELD_NUMBER: _ClassVar[int]
    INPUTS_FIELD_NUMBER: _ClassVar[int]
    OUTPUTS_FIELD_NUMBER: _ClassVar[int]
    INSTANCES_FIELD_NUMBER: _ClassVar[int]
    WATERMARK_MS_FIELD_NUMBER: _ClassVar[int]
    SOURCE_WATERMARKS_FIELD_NUMBER: _ClassVar[int]
    OBSERVED_MS_FIELD_NUMBER: _ClassVar[int]
    LIMITS_FIELD_NUMBER: _ClassVar[int]
    status_code: StatusCode
    message: str
    function: FunctionInfo
    reason: str
    since_ms: int
    restarts: int
    processed: int
    emitted: int
    checkpoint_id: int
    positions: _containers.RepeatedCompositeFieldContainer[InputPosition]
    last_error: str
    retried: int
    skipped: int
    dead_lettered: int
    last_error_ms: int
    rates: Rates
    last_checkpoint: Checkpoint
    memory_bytes: int
    state_bytes: int
    exceptions: int
    log_lines_dropped: int
    inputs: _containers.RepeatedCompositeFieldContainer[Traffic]
    outputs: _containers.RepeatedCompositeFieldContainer[Traffic]
    instances: _containers.RepeatedCompositeFieldContainer[InstanceInfo]
    watermark_ms: int
    source_watermarks: _containers.RepeatedCompositeFieldContainer[SourceWatermark]
    observed_ms: int
    limits: _containers.RepeatedCompositeFieldContainer[FunctionLimit]
    def __init__(self, status_code: _Optional[_Union[StatusCode, str]] = ..., message: _Optional[str] = ..., function: _Optional[_Union[FunctionInfo, _Mapping]] = ..., reason: _Optional[str] = ..., since_ms: _Optional[int] = ..., restarts: _Optional[int] = ..., processed: _Optional[int] = ..., emitted: _Optional[int] = ..., checkpoint_id: _Optional[int] = ..., positions: _Optional[_Iterable[_Union[InputPosition, _Mapping]]] = ..., last_error: _Optional[str] = ..., retried: _Optional[int] = ..., skipped: _Optional[int] = ..., dead_lettered: _Optional[int] = ..., last_error_ms: _Optional[int] = ..., rates: _Optional[_Union[Rates, _Mapping]] = ..., last_checkpoint: _Optional[_Union[Checkpoint, _Mapping]] = ..., memory_bytes: _Optional[int] = ..., state_bytes: _Optional[int] = ..., exceptions: _Optional[int] = ..., log_lines_dropped: _Optional[int] = ..., inputs: _Optional[_Iterable[_Union[Traffic, _Mapping]]] = ..., outputs: _Optional[_Iterable[_Union[Traffic, _Mapping]]] = ..., instances: _Optional[_Iterable[_Union[InstanceInfo, _Mapping]]] = ..., watermark_ms: _Optional[int] = ..., source_watermarks: _Optional[_Iterable[_Union[SourceWatermark, _Mapping]]] = ..., observed_ms: _Optional[int] = ..., limits: _Optional[_Iterable[_Union[FunctionLimit, _Mapping]]] = ...) -> None: ...

class FunctionLimit(_message.Message):
    __slots__ = ("key", "value")
    KEY_FIELD_NUMBER: _ClassVar[int]
    VALUE_FIELD_NUMBER: _ClassVar[int]
    key: str
    value: int
    def __init__(self, key: _Optional[str] = ..., value: _Optional[int] = ...) -> None: ...

class SourceWatermark(_message.Message):
    __slots__ = ("source_id", "watermark_ms")
    SOURCE_ID_FIELD_NUMBER: _ClassVar[int]
    WATERMARK_MS_FIELD_NUMBER: _ClassVar[int]
    source_id: int
    watermark_ms: int
    def __init__(self, source_id: _Optional[int] = ..., watermark_ms: _Optional[int] = ...) -> None: ...

class InstanceInfo(_message.Message):
    __slots__ = ("index", "status", "reason", "since_ms", "restarts", "processed", "emitted", "checkpoint_id", "memory_bytes", "state_bytes", "watermark_ms", "last_error", "last_error_ms")
    INDEX_FIELD_NUMBER: _ClassVar[int]
    STATUS_FIELD_NUMBER: _ClassVar[int]
    REASON_FIELD_NUMBER: _ClassVar[int]
    SINCE_MS_FIELD_NUMBER: _ClassVar[int]
    RESTARTS_FIELD_NUMBER: _ClassVar[int]
    PROCESSED_FIELD_NUMBER: _ClassVar[int]
    EMITTED_FIELD_NUMBER: _ClassVar[int]
    CHECKPOINT_ID_FIELD_NUMBER: _ClassVar[int]
    MEMORY_BYTES_FIELD_NUMBER: _ClassVar[int]
    STATE_BYTES_FIELD_NUMBER: _ClassVar[int]
    WATERMARK_MS_FIELD_NUMBER: _ClassVar[int]
    LAST_ERROR_FIELD_NUMBER: _ClassVar[int]
    LAST_ERROR_MS_FIELD_NUMBER: _ClassVar[int]
    index: int
    status: str
    reason: str
    since_ms: int
    restarts: int
    processed: int
    emitted: int
    checkpoint_id: int
    memory_bytes: int
    state_bytes: int
    watermark_ms: int
    last_error: str
    last_error_ms: int
    def __init__(self, index: _Optional[int] = ..., status: _Optional[str] = ..., reason: _Optional[str] = ..., since_ms: _Optional[int] = ..., restarts: _Optional[int] = ..., processed: _Optional[int] = ..., emitted: _Optional[int] = ..., checkpoint_id: _Optional[int] = ..., memory_bytes: _Optional[int] = ..., state_bytes: _Optional[int] = ..., watermark_ms: _Optional[int] = ..., last_error: _Optional[str] = ..., last_error_ms: _Optional[int] = ...) -> None: ...

class Rates(_message.Message):
    __slots__ = ("processed_per_second", "emitted_per_second", "p50_seconds", "p95_seconds", "p99_seconds")
    PROCESSED_PER_SECOND_FIELD_NUMBER: _ClassVar[int]
    EMITTED_PER_SECOND_FIELD_NUMBER: _ClassVar[int]
    P50_SECONDS_FIELD_NUMBER: _ClassVar[int]
    P95_SECONDS_FIELD_NUMBER: _ClassVar[int]
    P99_SECONDS_FIELD_NUMBER: _ClassVar[int]
    processed_per_second: float
    emitted_per_second: float
    p50_seconds: float
    p95_seconds: float
    p99_seconds: float
    def __init__(self, processed_per_second: _Optional[float] = ..., emitted_per_second: _Optional[float] = ..., p50_seconds: _Optional[float] = ..., p95_seconds: _Optional[float] = ..., p99_seconds: _Optional[float] = ...) -> None: ...

class Checkpoint(_message.Message):
    __slots__ = ("id", "time_ms", "seconds", "bytes")
    ID_FIELD_NUMBER: _ClassVar[int]
    TIME_MS_FIELD_NUMBER: _ClassVar[int]
    SECONDS_FIELD_NUMBER: _ClassVar[int]
    BYTES_FIELD_NUMBER: _ClassVar[int]
    id: int
    time_ms: int
    seconds: float
    bytes: int
    def __init__(self, id: _Optional[int] = ..., time_ms: _Optional[int] = ..., seconds: _Optional[float] = ..., bytes: _Optional[int] = ...) -> None: ...

class Traffic(_message.Message):
    __slots__ = ("source_id", "topic", "messages", "bytes")
    SOURCE_ID_FIELD_NUMBER: _ClassVar[int]
    TOPIC_FIELD_NUMBER: _ClassVar[int]
    MESSAGES_FIELD_NUMBER: _ClassVar[int]
    BYTES_FIELD_NUMBER: _ClassVar[int]
    source_id: int
    topic: str
    messages: int
    bytes: int
    def __init__(self, source_id: _Optional[int] = ..., topic: _Optional[str] = ..., messages: _Optional[int] = ..., bytes: _Optional[int] = ...) -> None: ...

class InputPosition(_message.Message):
    __slots__ = ("source_id", "topic", "partition", "offset", "end_offset", "instance")
    SOURCE_ID_FIELD_NUMBER: _ClassVar[int]
    TOPIC_FIELD_NUMBER: _ClassVar[int]
    PARTITION_FIELD_NUMBER: _ClassVar[int]
    OFFSET_FIELD_NUMBER: _ClassVar[int]
    END_OFFSET_FIELD_NUMBER: _ClassVar[int]
    INSTANCE_FIELD_NUMBER: _ClassVar[int]
    source_id: int
    topic: str
    partition: int
    offset: int
    end_offset: int
    instance: int
    def __init__(self, source_id: _Optional[int] = ..., topic: _Optional[str] = ..., partition: _Optional[int] = ..., offset: _Optional[int] = ..., end_offset: _Optional[int] = ..., instance: _Optional[int] = ...) -> None: ...

class LogsRequest(_message.Message):
    __slots__ = ("function_name", "tail", "follow")
    FUNCTION_NAME_FIELD_NUMBER: _ClassVar[int]
    TAIL_FIELD_NUMBER: _ClassVar[int]
    FOLLOW_FIELD_NUMBER: _ClassVar[int]
    function_name: str
    tail: int
    follow: bool
    def __init__(self, function_name: _Optional[str] = ..., tail: _Optional[int] = ..., follow: bool = ...) -> None: ...

class LogLine(_message.Message):
    __slots__ = ("time", "level", "text")
    TIME_FIELD_NUMBER: _ClassVar[int]
    LEVEL_FIELD_NUMBER: _ClassVar[int]
    TEXT_FIELD_NUMBER: _ClassVar[int]
    time: str
    level: str
    text: str
    def __init__(self, time: _Optional[str] = ..., level: _Optional[str] = ..., text: _Optional[str] = ...) -> None: ...

class LogsResponse(_message.Message):
    __slots__ = ("status_code", "message", "lines")
    STATUS_CODE_FIELD_NUMBER: _ClassVar[int]
    MESSAGE_FIELD_NUMBER: _ClassVar[int]
    LINES_FIELD_NUMBER: _ClassVar[int]
    status_code: StatusCode
    message: str
    lines: _containers.RepeatedCompositeFieldContainer[LogLine]
    def __init__(self, status_code: _Optional[_Union[StatusCode, str]] = ..., message: _Optional[str] = ..., lines: _Optional[_Iterable[_Union[LogLine, _Mapping]]] = ...) -> None: ...

class CallFunctionRequest(_message.Message):
    __slots__ = ("function_name", "payload", "instance")
    FUNCTION_NAME_FIELD_NUMBER: _ClassVar[int]
    PAYLOAD_FIELD_NUMBER: _ClassVar[int]
    INSTANCE_FIELD_NUMBER: _ClassVar[int]
    function_name: str
    payload: bytes
    instance: int
    def __init__(self, function_name: _Optional[str] = ..., payload: _Optional[bytes] = ..., instance: _Optional[int] = ...) -> None: ...

class CallFunctionResponse(_message.Message):
    __slots__ = ("status_code", "message", "answer")
    STATUS_CODE_FIELD_NUMBER: _ClassVar[int]
    MESSAGE_FIELD_NUMBER: _ClassVar[int]
    ANSWER_FIELD_NUMBER: _ClassVar[int]
    status_code: StatusCode
    message: str
    answer: bytes
    def __init__(self, status_code: _Optional[_Union[StatusCode, str]] = ..., message: _Optional[str] = ..., answer: _Optional[bytes] = ...) -> None: ...

class RetainedCheckpoint(_message.Message):
    __slots__ = ("id", "created_ms", "reason", "checkpoint_id", "bytes", "positions", "problem")
    class Reason(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
        __slots__ = ()
        UNKNOWN: _ClassVar[RetainedCheckpoint.Reason]
        PERIODIC: _ClassVar[RetainedCheckpoint.Reason]
        REQUESTED: _ClassVar[RetainedCheckpoint.Reason]
        BEFORE_RESTORE: _ClassVar[RetainedCheckpoint.Reason]
    UNKNOWN: RetainedCheckpoint.Reason
    PERIODIC: RetainedCheckpoint.Reason
    REQUESTED: RetainedCheckpoint.Reason
    BEFORE_RESTORE: RetainedCheckpoint.Reason
    ID_FIELD_NUMBER: _ClassVar[int]
    CREATED_MS_FIELD_NUMBER: _ClassVar[int]
    REASON_FIELD_NUMBER: _ClassVar[int]
    CHECKPOINT_ID_FIELD_NUMBER: _ClassVar[int]
    BYTES_FIELD_NUMBER: _ClassVar[int]
    POSITIONS_FIELD_NUMBER: _ClassVar[int]
    PROBLEM_FIELD_NUMBER: _ClassVar[int]
    id: int
    created_ms: int
    reason: RetainedCheckpoint.Reason
    checkpoint_id: int
    bytes: int
    positions: _containers.RepeatedCompositeFieldContainer[InputPosition]
    problem: str
    def __init__(self, id: _Optional[int] = ..., created_ms: _Optional[int] = ..., reason: _Optional[_Union[RetainedCheckpoint.Reason, str]] = ..., checkpoint_id: _Optional[int] = ..., bytes: _Optional[int] = ..., positions: _Optional[_Iterable[_Union[InputPosition, _Mapping]]] = ..., problem: _Optional[str] = ...) -> None: ...

class ListCheckpointsRequest(_message.Message):
    __slots__ = ("function_name",)
    FUNCTION_NAME_FIELD_NUMBER: _ClassVar[int]
    function_name: str
    def __init__(self, function_name: _Optional[str] = ...) -> None: ...

class ListCheckpointsResponse(_message.Message):
    __slots__ = ("status_code", "message", "checkpoints")
    STATUS_CODE_FIELD_NUMBER: _ClassVar[int]
    MESSAGE_FIELD_NUMBER: _ClassVar[int]
    CHECKPOINTS_FIELD_NUMBER: _ClassVar[int]
    status_code: StatusCode
    message: str
    checkpoints: _containers.RepeatedCompositeFieldContainer[RetainedCheckpoint]
    def __init__(self, status_code: _Optional[_Union[StatusCode, str]] = ..., message: _Optional[str] = ..., checkpoints: _Optional[_Iterable[_Union[RetainedCheckpoint, _Mapping]]] = ...) -> None: ...

class CreateCheckpointRequest(_message.Message):
    __slots__ = ("function_name",)
    FUNCTION_NAME_FIELD_NUMBER: _ClassVar[int]
    function_name: str
    def __init__(self, function_name: _Optional[str] = ...) -> None: ...

class CreateCheckpointResponse(_message.Message):
    __slots__ = ("status_code", "message", "checkpoint")
    STATUS_CODE_FIELD_NUMBER: _ClassVar[int]
    MESSAGE_FIELD_NUMBER: _ClassVar[int]
    CHECKPOINT_FIELD_NUMBER: _ClassVar[int]
    status_code: StatusCode
    message: str
    checkpoint: RetainedCheckpoint
    def __init__(self, status_code: _Optional[_Union[StatusCode, str]] = ..., message: _Optional[str] = ..., checkpoint: _Optional[_Union[RetainedCheckpoint, _Mapping]] = ...) -> None: ...

class DeleteCheckpointRequest(_message.Message):
    __slots__ = ("function_name", "id")
    FUNCTION_NAME_FIELD_NUMBER: _ClassVar[int]
    ID_FIELD_NUMBER: _ClassVar[int]
    function_name: str
    id: int
    def __init__(self, function_name: _Optional[str] = ..., id: _Optional[int] = ...) -> None: ...

class StartFromCheckpointRequest(_message.Message):
    __slots__ = ("function_name", "id")
    FUNCTION_NAME_FIELD_NUMBER: _ClassVar[int]
    ID_FIELD_NUMBER: _ClassVar[int]
    function_name: str
    id: int
    def __init__(self, function_name: _Optional[str] = ..., id: _Optional[int] = ...) -> None: ...

class ServerInfoRequest(_message.Message):
    __slots__ = ()
    def __init__(self) -> None: ...

class ServerInfoResponse(_message.Message):
    __slots__ = ("version", "python_version", "native_modules", "max_package_bytes")
    VERSION_FIELD_NUMBER: _ClassVar[int]
    PYTHON_VERSION_FIELD_NUMBER: _ClassVar[int]
    NATIVE_MODULES_FIELD_NUMBER: _ClassVar[int]
    MAX_PACKAGE_BYTES_FIELD_NUMBER: _ClassVar[int]
    version: str
    python_version: str
    native_modules: _containers.RepeatedScalarFieldContainer[str]
    max_package_bytes: int
    def __init__(self, version: _Optional[str] = ..., python_version: _Optional[str] = ..., native_modules: _Optional[_Iterable[str]] = ..., max_package_bytes: _Optional[int] = ...) -> None: ...
