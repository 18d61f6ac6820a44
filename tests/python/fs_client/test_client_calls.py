"""What the client sends, and what it makes of answers, refusals and failures; against a gRPC server in this process."""

from __future__ import annotations

import random
import socket
import sys
import threading
import time
from collections.abc import Callable, Iterator
from typing import Any

import grpc
import pytest
from answering_server import Server, collect
from fs_api import FSProcessorDriver
from fs_client import (
    AuthenticationError,
    BadRequestError,
    ClientError,
    ConflictError,
    FsClient,
    FunctionStreamTimeoutError,
    InputPosition,
    InternalServerError,
    NetworkError,
    NotFoundError,
    PackagingError,
    PermissionDeniedError,
    Record,
    ResourceExhaustedError,
    RetainedCheckpoint,
    ServerError,
)
from fs_client._proto import function_stream_pb2 as pb
from fs_client.config import EmbeddedInput, WasmTaskBuilder, WasmTaskConfig

OK = pb.Response(status_code=pb.OK)
MATCH_STATEMENT_SINCE = (3, 10)
INFO = pb.ServerInfoResponse(version="1", python_version="3.13", max_package_bytes=1 << 26)


class Job(FSProcessorDriver):
    def process(self, ctx: object, source_id: int, data: bytes) -> None: ...


def config(name: str = "job") -> WasmTaskConfig:
    return WasmTaskBuilder().set_name(name).add_input_group([EmbeddedInput("in", "g")]).build()


@pytest.fixture
def job_file(tmp_path: Any) -> Any:
    file = tmp_path / "job.py"
    file.write_text("from fs_api import FSProcessorDriver\nclass Job(FSProcessorDriver):\n    def process(self, c, s, d): pass\n")
    return file


STATUSES = [
    (400, BadRequestError),
    (401, AuthenticationError),
    (403, PermissionDeniedError),
    (404, NotFoundError),
    (409, ConflictError),
    (422, BadRequestError),
    (429, ResourceExhaustedError),
    (500, InternalServerError),
    (501, ServerError),
    (504, FunctionStreamTimeoutError),
    (418, ServerError),
    (0, ServerError),
]


@pytest.mark.parametrize(("code", "kind"), STATUSES)
def test_a_refusal_becomes_its_exception(code: int, kind: type[ServerError], client: FsClient, server: Server) -> None:
    server.answers["StartFunction"] = pb.Response(status_code=code, message="function x: why")  # type: ignore[arg-type]
    with pytest.raises(ServerError) as raised:
        client.start_function("x")
    assert type(raised.value) is kind
    assert (raised.value.status_code, raised.value.grpc_code, str(raised.value)) == (code, None, "function x: why")


GRPC_CODES = [
    (grpc.StatusCode.UNAUTHENTICATED, AuthenticationError, 401),
    (grpc.StatusCode.PERMISSION_DENIED, PermissionDeniedError, 403),
    (grpc.StatusCode.NOT_FOUND, NotFoundError, 404),
    (grpc.StatusCode.ALREADY_EXISTS, ConflictError, 409),
    (grpc.StatusCode.INVALID_ARGUMENT, BadRequestError, 400),
    (grpc.StatusCode.RESOURCE_EXHAUSTED, ResourceExhaustedError, 429),
    (grpc.StatusCode.INTERNAL, InternalServerError, 500),
    (grpc.StatusCode.UNAVAILABLE, NetworkError, 503),
    (grpc.StatusCode.UNIMPLEMENTED, ServerError, 501),
]


@pytest.mark.parametrize(("code", "kind", "status"), GRPC_CODES)
def test_a_failed_call_becomes_its_exception(
    code: grpc.StatusCode, kind: type[ServerError], status: int, client: FsClient, server: Server
) -> None:
    server.answers["DropFunction"] = (code, "why")
    with pytest.raises(ServerError) as raised:
        client.drop_function("x")
    assert (type(raised.value), raised.value.grpc_code, raised.value.status_code) == (kind, code, status)
    assert "drop x" in str(raised.value)


def test_a_server_that_is_not_there() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        port = taken.getsockname()[1]
        with FsClient("127.0.0.1", port) as client, pytest.raises(NetworkError, match=f"show functions: cannot reach 127.0.0.1:{port}"):
            client.show_functions()


def test_a_proxy_in_the_environment_is_not_asked_for_this_machine(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:1")
    monkeypatch.delenv("no_proxy", raising=False)
    server.answers["ListTopics"] = pb.ListTopicsResponse(status_code=pb.OK)
    with FsClient("127.0.0.1", server.port) as client:
        assert client.list_topics() == []


def test_a_server_that_comes_back_is_found_again_by_the_same_client(server: Server) -> None:
    server.answers["ListTopics"] = pb.ListTopicsResponse(status_code=pb.OK)
    with FsClient("127.0.0.1", server.port) as client:
        client.list_topics()
        server.server.stop(None).wait()
        deadline = time.monotonic() + 2.5
        while time.monotonic() < deadline:
            with pytest.raises(NetworkError):
                client.list_topics()
            time.sleep(0.05)
        again = Server(server.port)
        again.answers["ListTopics"] = pb.ListTopicsResponse(status_code=pb.OK)
        deadline = time.monotonic() + 30
        while True:
            try:
                assert client.list_topics() == []
                break
            except NetworkError:
                assert time.monotonic() < deadline
                time.sleep(0.05)
        again.server.stop(None)


def test_a_server_that_does_not_answer(client: FsClient, server: Server) -> None:
    asked_enough = threading.Event()

    def later(request: Any, context: Any) -> pb.Response:
        asked_enough.wait(60)
        return OK

    server.answers["StopFunction"] = later
    with pytest.raises(FunctionStreamTimeoutError, match="stop x: no answer"):
        client.stop_function("x", timeout=0.2)
    asked_enough.set()


def test_the_management_calls(client: FsClient, server: Server) -> None:
    for method in ("StartFunction", "StopFunction", "DropFunction"):
        server.answers[method] = OK
    shown = pb.ShowFunctionsResponse(
        status_code=pb.OK, message="1", functions=[pb.FunctionInfo(name="a", task_type="python", status="RUNNING")]
    )
    server.answers["ShowFunctions"] = shown
    assert client.start_function("a") is client.stop_function("a") is client.drop_function("a") is True
    result = client.show_functions(filter_pattern="a")
    assert (result.status_code, result.message, result.functions[0].name, result.functions[0].status) == (200, "1", "a", "RUNNING")
    client.show_functions()
    assert [request.HasField("filter") for request in server.requests[-2:]] == [True, False]


def test_retained_checkpoints(client: FsClient, server: Server) -> None:
    kept = pb.RetainedCheckpoint(
        id=4,
        created_ms=5,
        reason=pb.RetainedCheckpoint.BEFORE_RESTORE,
        checkpoint_id=6,
        bytes=7,
        positions=[pb.InputPosition(source_id=1, topic="t", partition=2, offset=3)],
        problem="incomplete",
    )
    server.answers["ListCheckpoints"] = pb.ListCheckpointsResponse(status_code=pb.OK, checkpoints=[kept])
    server.answers["CreateCheckpoint"] = pb.CreateCheckpointResponse(status_code=pb.CREATED, checkpoint=kept)
    server.answers["DeleteCheckpoint"] = server.answers["StartFromCheckpoint"] = OK
    expected = RetainedCheckpoint(4, 5, "before-restore", 6, 7, [InputPosition(1, "t", 2, 3)], "incomplete")
    assert client.list_checkpoints("a") == [client.create_checkpoint("a")] == [expected]
    assert client.delete_checkpoint("a", 4) is client.start_function("a", checkpoint_id=4) is True
    assert [(one.function_name, one.id) for one in server.requests[-2:]] == [("a", 4), ("a", 4)]
    server.answers["StartFromCheckpoint"] = pb.Response(status_code=pb.NOT_FOUND, message="a: checkpoint 4: damaged")
    with pytest.raises(NotFoundError, match="damaged"):
        client.start_function("a", checkpoint_id=4)


def test_modules_and_bytes_are_sent_as_given(client: FsClient, server: Server, tmp_path: Any) -> None:
    server.answers["CreatePythonFunction"] = server.answers["CreateFunction"] = pb.Response(status_code=pb.CREATED)
    assert client.create_python_function("Job", [("job", b"x"), ("a.b", b"")], "name: a") is True
    assert client.create_function_from_bytes(b"\0asm", "name: a") is True
    (tmp_path / "f.wasm").write_bytes(b"\0asm")
    (tmp_path / "c.yaml").write_bytes(b"name: a")
    assert client.create_function_from_files(str(tmp_path / "f.wasm"), str(tmp_path / "c.yaml")) is True
    first, second, third = server.requests
    assert (first.class_name, [(one.module_name, one.module_bytes) for one in first.modules]) == ("Job", [("job", b"x"), ("a.b", b"")])
    assert second == third == pb.CreateFunctionRequest(config_bytes=b"name: a", function_bytes=b"\0asm")


def test_an_upload_is_a_header_and_chunks(client: FsClient, server: Server, job_file: Any) -> None:
    received: list[pb.UploadChunk] = []
    server.answers["GetServerInfo"] = INFO
    server.answers["UploadFunction"] = collect(received, OK)
    (job_file.parent / "noise.bin").write_bytes(random.Random(1).randbytes(900_000))
    job_file.write_text(job_file.read_text() + "__import__('pkgutil').get_data(__name__, 'noise.bin')")
    assert client.create_python_function_from_source(config(), job_file, "Job") is True
    header, *chunks = received
    assert len(chunks) == 4
    content = b"".join(chunk.bytes for chunk in chunks)
    assert WasmTaskConfig.from_yaml(header.header.config_content) == config()
    assert header.header.package_size == len(content)
    assert all(0 < len(chunk.bytes) <= 256 * 1024 for chunk in chunks)


def test_a_refused_upload_is_raised(client: FsClient, server: Server, job_file: Any) -> None:
    server.answers["GetServerInfo"] = INFO
    server.answers["UploadFunction"] = collect([], pb.Response(status_code=pb.CONFLICT, message="job: exists"))
    with pytest.raises(ConflictError, match="job: exists"):
        client.create_python_function_from_source(config(), job_file, "Job")


def test_an_old_server_gets_modules(client: FsClient, server: Server, job_file: Any) -> None:
    server.answers["CreatePythonFunction"] = OK
    (job_file.parent / "helper.py").write_text("")
    job_file.write_text("import helper\n" + job_file.read_text())
    assert client.create_python_function_from_source(config(), job_file, "Job") is True
    (request,) = server.requests
    assert (request.class_name, [one.module_name for one in request.modules]) == ("Job", ["job", "helper"])
    job_file.write_text(job_file.read_text() + "__import__('pkgutil').get_data(__name__, 'data.txt')")
    (job_file.parent / "data.txt").write_text("x")
    with pytest.raises(PackagingError, match=r"takes no data files, but the package has data\.txt"):
        client.create_python_function_from_source(config(), job_file, "Job")


def test_what_the_server_cannot_run_is_refused_before_the_upload(client: FsClient, server: Server, job_file: Any) -> None:
    received: list[Any] = []
    server.answers["UploadFunction"] = collect(received, OK)
    server.answers["GetServerInfo"] = pb.ServerInfoResponse(python_version="3.9.1", max_package_bytes=100)
    with pytest.raises(PackagingError, match="the server's limit is 100"):
        client.create_python_function_from_source(config(), job_file, "Job")
    if sys.version_info >= MATCH_STATEMENT_SINCE:
        job_file.write_text(job_file.read_text() + "match 1:\n    case _: pass\n")
        with pytest.raises(PackagingError, match=r"needs Python 3\.10, the server runs 3\.9\.1"):
            client.create_python_function_from_source(config(), job_file, "Job")
    job_file.write_text("import grpc\n" + job_file.read_text())
    server.answers["GetServerInfo"] = INFO
    with pytest.raises(PackagingError, match=r"(?s)job\.py:1: grpcio .* has native code.*__main__") as raised:
        client.create_python_function_from_source(config(), job_file, "Job")
    assert isinstance(raised.value, BadRequestError)
    assert not received


def test_broken_code_is_reported_without_a_server(job_file: Any) -> None:
    job_file.write_text("import missing\n" + job_file.read_text())
    with FsClient("127.0.0.1", 1) as client, pytest.raises(PackagingError, match=r"job\.py:1: no module named 'missing'"):
        client.create_python_function_from_source(config(), job_file, "Job")


@pytest.mark.parametrize(
    "call",
    [
        lambda client: client.start_function(""),
        lambda client: client.create_python_function("Job", [], "name: a"),
        lambda client: client.create_python_function("Job", [("job", "text")], "name: a"),
        lambda client: client.create_function_from_bytes(b"", "name: a"),
        lambda client: client.create_function_from_files("/no/such/file", "/no/such/file"),
        lambda client: client.create_python_function_from_config({"name": "x"}, Job),
        lambda client: client.create_python_function_from_config(WasmTaskConfig("x", "processor"), Job),
        lambda client: client.start_function("x", timeout=0),
        lambda client: client.start_function("x", checkpoint_id=0),
        lambda client: client.delete_checkpoint("x", "1"),
        lambda client: client.delete_checkpoint("x", True),
        lambda client: client.publish("t", [1]),
        lambda client: client.publish("t", 1),
        lambda client: client.publish("t", Record(value="text")),  # type: ignore[arg-type]
    ],
)
def test_wrong_arguments_are_client_errors(call: Callable[[FsClient], Any], client: FsClient) -> None:
    with pytest.raises(ClientError):
        call(client)


@pytest.mark.parametrize("options", [{"port": 0}, {"port": "80"}, {"host": ""}, {"host": "http://x"}, {"default_timeout": -1}])
def test_wrong_addresses_are_client_errors(options: dict[str, Any]) -> None:
    with pytest.raises(ClientError):
        FsClient(**options)


def test_a_closed_client_says_so_and_leaves_a_given_channel_open(server: Server) -> None:
    server.answers["ListTopics"] = pb.ListTopicsResponse(status_code=pb.OK)
    with grpc.insecure_channel(f"127.0.0.1:{server.port}") as channel:
        with FsClient(channel=channel) as client:
            assert client.list_topics() == []
        with pytest.raises(ClientError, match="the client is closed"):
            client.list_topics()
        client = FsClient(channel=channel)
        assert client.list_topics() == []
    for call in (client.list_topics, lambda: list(client.subscribe("t", offset=0)), lambda: client.publish("t", b"x")):
        with pytest.raises(ClientError, match="the channel is closed"):
            call()


def test_describe(client: FsClient, server: Server) -> None:
    server.answers["DescribeFunction"] = pb.DescribeFunctionResponse(
        status_code=pb.OK,
        function=pb.FunctionInfo(name="a", task_type="python", status="FAILED"),
        reason="r",
        restarts=2,
        positions=[pb.InputPosition(source_id=1, topic="t", partition=2, offset=3)],
        last_error="Traceback",
    )
    one = client.describe_function("a")
    assert (one.name, one.status, one.reason, one.restarts, one.last_error) == ("a", "FAILED", "r", 2, "Traceback")
    assert (one.positions[0].topic, one.positions[0].offset) == ("t", 3)


class Log:
    """A topic in memory, as the server's Publish sees it."""

    def __init__(self) -> None:
        self.requests: list[pb.PublishRequest] = []
        self.records: list[pb.EmbeddedRecord] = []

    def publish(self, requests: Iterator[pb.PublishRequest], context: Any) -> Iterator[pb.PublishResponse]:
        for request in requests:
            self.requests.append(request)
            first = len(self.records)
            self.records += request.records
            yield pb.PublishResponse(status_code=pb.OK, first_offset=first, count=len(request.records))


def test_publish_appends_in_order(client: FsClient, server: Server) -> None:
    log = Log()
    server.answers["Publish"] = log.publish
    result = client.publish("t", (str(i) for i in range(5000)))
    assert (result.topic, result.count, result.first_offset, result.last_offset) == ("t", 5000, 0, 4999)
    assert [record.value for record in log.records] == [str(i).encode() for i in range(5000)]
    assert 1 < len(log.requests) < 50
    one = client.publish("t", Record(b"v", key=b"k", headers=[("h", b"1"), ("n", None)], timestamp_ms=7))
    assert (one.count, one.first_offset) == (1, 5000)
    sent = log.records[-1]
    assert (sent.key, sent.headers[0].value, sent.headers[1].HasField("value"), sent.timestamp_ms) == (b"k", b"1", False, 7)
    assert client.publish("t", []).count == 0


def test_publish_stops_at_a_refusal(client: FsClient, server: Server) -> None:
    def refuse(requests: Iterator[Any], context: Any) -> Iterator[pb.PublishResponse]:
        next(requests)
        yield pb.PublishResponse(status_code=pb.TOO_MANY_REQUESTS, message="topic t: full")

    server.answers["Publish"] = refuse
    endless = (b"x" * 1000 for _ in iter(int, 1))
    with pytest.raises(ResourceExhaustedError, match="topic t: full"):
        client.publish("t", endless)


def test_publish_does_not_wait_for_ever(client: FsClient, server: Server) -> None:
    released = threading.Event()
    server.answers["Publish"] = lambda requests, context: iter(lambda: released.wait(60) and None, None)
    with pytest.raises(FunctionStreamTimeoutError, match=r"no acknowledgement .* within 0\.3 s"):
        client.publish("t", [b"x"], timeout=0.3)
    released.set()


def test_an_error_in_the_records_reaches_the_caller(client: FsClient, server: Server) -> None:
    server.answers["Publish"] = Log().publish

    def records() -> Iterator[bytes]:
        yield b"1"
        raise KeyError("mine")

    with pytest.raises(KeyError, match="mine"):
        client.publish("t", records())


def test_publish_through_a_broken_connection(client: FsClient, server: Server) -> None:
    server.answers["Publish"] = (grpc.StatusCode.UNAVAILABLE, "gone")
    with pytest.raises(NetworkError, match="publish to t"):
        client.publish("t", [b"x"])


def records(*offsets: int) -> pb.SubscribeResponse:
    return pb.SubscribeResponse(status_code=pb.OK, records=[pb.EmbeddedRecord(value=b"v%d" % o, offset=o) for o in offsets])


def test_subscribe_gives_records_until_the_end(client: FsClient, server: Server) -> None:
    server.answers["Subscribe"] = lambda request, context: iter([records(0, 1), records(2)])
    found = list(client.subscribe("t", follow=False))
    assert [(one.offset, one.value, one.key) for one in found] == [(0, b"v0", None), (1, b"v1", None), (2, b"v2", None)]


def test_subscribe_passes_on_where_to_begin(client: FsClient, server: Server) -> None:
    seen: list[pb.SubscribeRequest] = []
    server.answers["Subscribe"] = lambda request, context: iter([seen.append(request)][:0])  # type: ignore[func-returns-value]
    list(client.subscribe("t", offset=0, group_id="g", from_earliest=False, follow=False))
    list(client.subscribe("t"))
    assert seen[0] == pb.SubscribeRequest(topic="t", offset=0, group_id="g")
    assert seen[1] == pb.SubscribeRequest(topic="t", from_earliest=True, follow=True)


def test_subscribe_raises_a_refusal(client: FsClient, server: Server) -> None:
    answers = [records(0), pb.SubscribeResponse(status_code=pb.NOT_FOUND, message="topic t: deleted")]
    server.answers["Subscribe"] = lambda request, context: iter(answers)
    subscription = client.subscribe("t")
    assert next(subscription).offset == 0
    with pytest.raises(NotFoundError, match="topic t: deleted"):
        next(subscription)


def test_closing_a_subscription_ends_its_iteration(client: FsClient, server: Server) -> None:
    released = threading.Event()

    def follow(request: Any, context: Any) -> Iterator[pb.SubscribeResponse]:
        yield records(0)
        released.wait(10)

    server.answers["Subscribe"] = follow
    with client.subscribe("t") as subscription:
        assert next(subscription).offset == 0
        threading.Timer(0.2, subscription.close).start()
        assert list(subscription) == []
    released.set()


def test_topics(client: FsClient, server: Server) -> None:
    server.answers["ListTopics"] = pb.ListTopicsResponse(
        status_code=pb.OK, topics=[pb.TopicInfo(name="t", first_offset=1, next_offset=5, bytes=9)]
    )
    server.answers["DeleteTopic"] = server.answers["CommitOffset"] = OK
    (topic,) = client.list_topics()
    assert (topic.name, topic.first_offset, topic.next_offset, topic.bytes) == ("t", 1, 5, 9)
    assert client.delete_topic("t") is True
    assert client.commit_offset("t", "g", 5) is True
    assert server.requests[-1] == pb.CommitOffsetRequest(topic="t", group_id="g", offset=5)
