"""Streams to and from a server: publishing to its topics, reading them, and functions' logs."""

from __future__ import annotations

import queue
import threading
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, Generic, Optional, TypeVar, Union

import grpc

from fs_client._proto import function_stream_pb2 as pb
from fs_client.errors import ClientError, FunctionStreamTimeoutError
from fs_client.models import LogLine, PublishResult, Record
from fs_client.rpc import Connection, check_status

Publishable = Union[Record, bytes, str]
Item = TypeVar("Item")
Self = TypeVar("Self", bound="_Stream[Any]")

BATCH_RECORDS = 1000
BATCH_BYTES = 512 * 1024
# Batches that may be on their way without an acknowledgement.
_WINDOW = 16


def to_batches(records: Union[Publishable, Iterable[Publishable]]) -> Iterator[list[Record]]:
    """Groups records into appends of a sensible size. Raises ClientError for what is no record."""
    many: Iterable[Publishable] = [records] if isinstance(records, (Record, bytes, str)) else records
    batch: list[Record] = []
    size = 0
    try:
        iterator = iter(many)
    except TypeError:
        raise ClientError(f"publish: bytes, a str, a Record or an iterable of these is expected, not {type(many).__name__}") from None
    for one in iterator:
        record = _record(one)
        batch.append(record)
        size += len(record.value) + len(record.key or b"")
        if len(batch) >= BATCH_RECORDS or size >= BATCH_BYTES:
            yield batch
            batch, size = [], 0
    if batch:
        yield batch


def publish_batches(
    connection: Connection, topic: str, batches: Iterable[list[Record]], timeout: Optional[float], partition: Optional[int] = None
) -> PublishResult:
    """Appends each batch atomically and in order; returns when all are durable. Without `partition` the keys decide.

    `timeout` bounds the wait for each acknowledgement. After an error, what was acknowledged before it stays.
    """
    publishing = _Publishing(connection, topic, connection.timeout(timeout), partition)
    return publishing.run(batches)


class _Publishing:
    """One publish: the caller's thread takes the records, gRPC's sends them, a thread of our own reads the acknowledgements."""

    def __init__(self, connection: Connection, topic: str, timeout: Optional[float], partition: Optional[int]) -> None:
        self.connection = connection
        self.topic = topic
        self.partition = partition
        self.timeout = timeout
        self.requests: queue.Queue[Optional[pb.PublishRequest]] = queue.Queue()
        self.changed = threading.Condition()
        self.unacknowledged = 0
        self.acknowledged = 0
        self.is_over = False
        self.failure: Optional[BaseException] = None
        self.count = 0
        self.first_offset = -1
        self.last_offset = -1

    def run(self, batches: Iterable[list[Record]]) -> PublishResult:
        with self.connection.failures(f"publish to {self.topic}"):
            call = self.connection.extensions.Publish(iter(self.requests.get, None))
            reader = threading.Thread(target=self.read, args=(call,), name="fs-publish", daemon=True)
            reader.start()
            try:
                for batch in batches:
                    self.send(batch)
                self.requests.put(None)
                self.wait(lambda: self.is_over)
            except BaseException:
                self.requests.put(None)
                call.cancel()
                raise
            finally:
                reader.join(timeout=5)
            if self.failure is not None:
                raise self.failure
        return PublishResult(self.topic, self.count, self.first_offset, self.last_offset)

    def send(self, batch: list[Record]) -> None:
        self.wait(lambda: self.is_over or self.unacknowledged < _WINDOW)
        with self.changed:
            if self.is_over:
                raise self.failure or ClientError(f"publish to {self.topic}: the server ended the stream")
            self.unacknowledged += 1
        self.requests.put(pb.PublishRequest(topic=self.topic, partition=self.partition, records=[_to_proto(record) for record in batch]))

    def wait(self, condition: Any) -> None:
        """Waits for the condition, at most `timeout` from one acknowledgement to the next."""
        with self.changed:
            while not condition():
                before = self.acknowledged
                if not self.changed.wait_for(lambda: condition() or self.acknowledged != before, self.timeout):  # noqa: B023
                    raise FunctionStreamTimeoutError(
                        f"publish to {self.topic}: no acknowledgement from {self.connection.target} within {self.timeout} s; "
                        f"{self.count} messages were acknowledged before",
                        grpc_code=grpc.StatusCode.DEADLINE_EXCEEDED,
                    )

    def read(self, call: Any) -> None:
        try:
            for response in call:
                check_status(response)
                with self.changed:
                    self.unacknowledged -= 1
                    self.acknowledged += 1
                    if response.count:
                        self.count += response.count
                        self.first_offset = response.first_offset if self.first_offset < 0 else self.first_offset
                        self.last_offset = response.first_offset + response.count - 1
                    self.changed.notify_all()
        except BaseException as error:
            self.failure = error
            call.cancel()
        finally:
            with self.changed:
                if self.failure is None and self.unacknowledged > 0:
                    self.failure = ClientError(f"publish to {self.topic}: the server ended the stream without acknowledging all")
                self.is_over = True
                self.changed.notify_all()


class _Stream(Generic[Item]):
    """What a server's stream brings, one by one; an iterator, and a context manager that ends the stream.

    Raises a ServerError from the iteration where the server refuses or the connection breaks.
    """

    def __init__(self, connection: Connection, doing: str, method: Any, request: Any, timeout: Optional[float]) -> None:
        self._connection = connection
        self._doing = doing
        self._is_closed = False
        with connection.failures(doing):
            self._call: Any = method(request, timeout=timeout)
        self._items: Iterator[Item] = iter(())

    def _unpack(self, response: Any) -> list[Item]:
        raise NotImplementedError

    def __iter__(self: Self) -> Self:
        return self

    def __next__(self) -> Item:
        while True:
            item = next(self._items, None)
            if item is not None:
                return item
            if self._is_closed:
                raise StopIteration
            with self._connection.failures(self._doing):
                try:
                    response = next(self._call)
                except StopIteration:
                    self._is_closed = True
                    raise
                except grpc.RpcError as error:
                    if self._is_closed and isinstance(error, grpc.Call) and error.code() is grpc.StatusCode.CANCELLED:
                        raise StopIteration from None
                    raise
            items = self._unpack(response)
            if int(response.status_code) != pb.STATUS_UNKNOWN or not items:
                check_status(response)
            self._items = iter(items)

    def close(self) -> None:
        """Ends the stream; from any thread. An iteration that waits elsewhere ends."""
        self._is_closed = True
        self._call.cancel()

    def __enter__(self: Self) -> Self:
        return self

    def __exit__(self, *exception: object) -> None:
        self.close()


class Subscription(_Stream[Record]):
    """The messages of a topic, as they come."""

    def __init__(self, connection: Connection, request: pb.SubscribeRequest, timeout: Optional[float]) -> None:
        super().__init__(connection, f"subscribe to {request.topic}", connection.extensions.Subscribe, request, timeout)

    def _unpack(self, response: pb.SubscribeResponse) -> list[Record]:
        return [_from_proto(record) for record in response.records]


class LogStream(_Stream[LogLine]):
    """The lines of a function's log, as they come."""

    def __init__(self, connection: Connection, request: pb.LogsRequest, timeout: Optional[float]) -> None:
        super().__init__(connection, f"logs of {request.function_name}", connection.extensions.ReadLogs, request, timeout)

    def _unpack(self, response: pb.LogsResponse) -> list[LogLine]:
        return [LogLine(line.time, line.level, line.text) for line in response.lines]


def _record(one: object) -> Record:
    if isinstance(one, str):
        return Record(one.encode())
    if isinstance(one, (bytes, bytearray)):
        return Record(bytes(one))
    if not isinstance(one, Record):
        raise ClientError(f"publish: bytes, a str or a Record is expected, not {type(one).__name__}")
    if not isinstance(one.value, bytes) or not isinstance(one.key, (bytes, type(None))):
        raise ClientError(f"publish: value and key of a Record must be bytes: {one!r:.200}")
    return one


def _to_proto(record: Record) -> pb.EmbeddedRecord:
    try:
        pairs = record.headers.items() if isinstance(record.headers, Mapping) else record.headers
        headers = [pb.Header(name=name, value=value) for name, value in pairs]
        return pb.EmbeddedRecord(value=record.value, key=record.key, headers=headers, timestamp_ms=record.timestamp_ms)
    except (TypeError, ValueError) as error:
        raise ClientError(f"publish: a Record's headers are pairs of str and bytes, its timestamp_ms an int: {error}") from error


def _from_proto(record: pb.EmbeddedRecord) -> Record:
    return Record(
        value=record.value,
        key=record.key if record.HasField("key") else None,
        headers=tuple((one.name, one.value if one.HasField("value") else None) for one in record.headers),
        timestamp_ms=record.timestamp_ms if record.HasField("timestamp_ms") else None,
        offset=record.offset,
        partition=record.partition,
    )
