"""What the client's calls return: plain, immutable values."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Optional


@dataclass(frozen=True)
class FunctionInfo:
    """A function as shown in a list; `status` is CREATED, RUNNING, STOPPED, FAILED or RESTARTING."""

    name: str
    task_type: str
    status: str


@dataclass(frozen=True)
class ShowFunctionsResult:
    """The answer of `show_functions`; `functions` is empty where nothing matches."""

    status_code: int
    message: str
    functions: list[FunctionInfo]


@dataclass(frozen=True)
class InputPosition:
    """Where a function reads on: `offset` is that of the next message, as of the last checkpoint.

    `end_offset` is that of the next message to arrive, None while it is not known, and `lag` what lies between: messages, of a file
    bytes. `instance` is which of the function's reads the partition.
    """

    source_id: int
    topic: str
    partition: int
    offset: int
    end_offset: Optional[int] = None
    instance: int = 0

    @property
    def lag(self) -> Optional[int]:
        return None if self.end_offset is None else max(self.end_offset - self.offset, 0)


@dataclass(frozen=True)
class Rates:
    """How fast a function is: messages in the last ten seconds, and how long `process` takes for one of them.

    The percentiles are of all messages where there were none in the last ten seconds, and None before the first.
    """

    processed_per_second: float = 0.0
    emitted_per_second: float = 0.0
    p50_seconds: Optional[float] = None
    p95_seconds: Optional[float] = None
    p99_seconds: Optional[float] = None


@dataclass(frozen=True)
class Checkpoint:
    """A completed checkpoint: when, how long it took, and how many bytes it made durable."""

    id: int
    time_ms: int
    seconds: float
    bytes: int


@dataclass(frozen=True)
class Traffic:
    """What went through one input (of group `source_id`) or one output."""

    source_id: int
    topic: str
    messages: int
    bytes: int


@dataclass(frozen=True)
class LogLine:
    """A line of a function's own log; `time` is RFC 3339 in UTC, `text` has control characters as escapes."""

    time: str
    level: str
    text: str

    def __str__(self) -> str:
        return f"{self.time} {self.level} {self.text}"


@dataclass(frozen=True)
class InstanceInfo:
    """One of a function's instances, each with a thread, partitions and state of its own; the fields are as FunctionDescription's."""

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
    watermark_ms: Optional[int]
    last_error: str
    last_error_ms: int


@dataclass(frozen=True)
class FunctionDescription:
    """All that the server tells of one function. Counters start at zero with the server.

    `reason` says why it is FAILED or RESTARTING, or what a RUNNING one waits for. `last_error` has the user's traceback.
    `watermark_ms` is how far event time has come, the minimum over sources; None before each has one.
    `source_watermarks_ms` has it by source, of those that have one. `observed_ms` is when lag, memory and state were last looked at:
    about a second ago while something happens, a heartbeat ago at most, and longer where the function is in a long call. 0: not yet.
    `last_checkpoint` is None before the first since the server started.
    `processed` counts neither `skipped` nor `dead_lettered` messages; both are counted when they are committed. `retried` counts the
    further attempts at messages that failed. Of several instances (`parallelism`) it tells the sums, the worst status, the least watermark
    and the newest checkpoint and error; `instances` has each on its own.
    `limits` are those in force for each instance, by their keys in the configuration and in the unit that a key names: as written, by
    default, or a default that the server's own limits lower.
    """

    name: str
    task_type: str
    status: str
    reason: str
    since_ms: int
    restarts: int
    processed: int
    emitted: int
    checkpoint_id: int
    positions: list[InputPosition]
    last_error: str
    retried: int
    skipped: int
    dead_lettered: int
    last_error_ms: int = 0
    rates: Rates = field(default_factory=Rates)
    last_checkpoint: Optional[Checkpoint] = None
    memory_bytes: int = 0
    state_bytes: int = 0
    exceptions: int = 0
    log_lines_dropped: int = 0
    inputs: list[Traffic] = field(default_factory=list)
    outputs: list[Traffic] = field(default_factory=list)
    watermark_ms: Optional[int] = None
    instances: list[InstanceInfo] = field(default_factory=list)
    source_watermarks_ms: dict[int, int] = field(default_factory=dict)
    observed_ms: int = 0
    limits: dict[str, int] = field(default_factory=dict)


@dataclass(frozen=True)
class RetainedCheckpoint:
    """A checkpoint that a function can be started from again.

    `reason` is "periodic" (`enable_checkpoint`), "requested" (`create_checkpoint`) or "before-restore" (what a restore replaced).
    `checkpoint_id` is the number that `take_checkpoint` got, in the instance that came last where there are several. `problem` says why
    it cannot be restored, and is empty where nothing is known to be wrong with it.
    """

    id: int
    created_ms: int
    reason: str
    checkpoint_id: int
    bytes: int
    positions: list[InputPosition]
    problem: str = ""


@dataclass(frozen=True)
class Record:
    """A message of an embedded topic.

    To publish, only `value` is needed. `offset` and `partition` are set by the server; `timestamp_ms` counts from the epoch and
    is the server's clock where it was left None.
    """

    value: bytes
    key: Optional[bytes] = None
    headers: Sequence[tuple[str, Optional[bytes]]] = field(default=())
    timestamp_ms: Optional[int] = None
    offset: int = -1
    partition: int = 0


@dataclass(frozen=True)
class PublishResult:
    """What a publish appended: how many, and the offsets of the first and the last (-1 where there was none).

    Of a topic with several partitions the offsets are those in the partition that the last request began with.
    """

    topic: str
    count: int
    first_offset: int
    last_offset: int


@dataclass(frozen=True)
class PartitionInfo:
    """One partition of an embedded topic."""

    first_offset: int
    next_offset: int
    bytes: int


@dataclass(frozen=True)
class TopicInfo:
    """An embedded topic: `first_offset` is the oldest that retention left, `next_offset` that of the next message.

    Of several partitions, which `partitions` has by number, these are the sums.
    """

    name: str
    first_offset: int
    next_offset: int
    bytes: int
    partitions: list[PartitionInfo] = field(default_factory=list)


@dataclass(frozen=True)
class ServerInfo:
    """What the server is and can run. `native_modules` are extension modules beyond the standard library."""

    version: str
    python_version: str
    native_modules: tuple[str, ...]
    max_package_bytes: int
