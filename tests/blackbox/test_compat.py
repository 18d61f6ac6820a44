"""Clients already in the field: raw gRPC with the contract's names and numbers, reflection and health."""

from __future__ import annotations

import grpc
import pytest
from fs_client._proto import function_stream_pb2 as pb
from fs_client._proto import function_stream_pb2_grpc as rpc
from support.server import Server
from test_bad_configuration import ECHO, GOOD


@pytest.fixture
def stub(server: Server) -> rpc.FunctionStreamServiceStub:
    return rpc.FunctionStreamServiceStub(grpc.insecure_channel(f"127.0.0.1:{server.port}"))


def test_the_old_calls_answer_with_http_numbers(stub: rpc.FunctionStreamServiceStub) -> None:
    create = pb.CreatePythonFunctionRequest(
        class_name="Echo", modules=[pb.PythonModule(module_name="echo", module_bytes=ECHO)], config_content=GOOD
    )
    assert stub.CreatePythonFunction(create).status_code == pb.CREATED
    again = stub.CreatePythonFunction(create)
    assert again.status_code == pb.CONFLICT and "job" in again.message
    shown = stub.ShowFunctions(pb.ShowFunctionsRequest())
    assert shown.status_code == pb.OK
    assert [(one.name, one.task_type, one.status) for one in shown.functions] == [("job", "python", "RUNNING")]
    assert stub.StopFunction(pb.StopFunctionRequest(function_name="job")).status_code == pb.OK
    assert stub.StartFunction(pb.StartFunctionRequest(function_name="job")).status_code == pb.OK
    assert stub.DropFunction(pb.DropFunctionRequest(function_name="job")).status_code == pb.OK
    assert stub.DropFunction(pb.DropFunctionRequest(function_name="job")).status_code == pb.NOT_FOUND


def test_sql_is_refused_in_words(stub: rpc.FunctionStreamServiceStub) -> None:
    answer = stub.ExecuteSql(pb.SqlRequest(sql="SHOW FUNCTIONS"))
    assert answer.status_code == pb.NOT_IMPLEMENTED and "ShowFunctions" in answer.message


def test_create_function_takes_a_python_source(stub: rpc.FunctionStreamServiceStub) -> None:
    answer = stub.CreateFunction(
        pb.CreateFunctionRequest(config_bytes=(GOOD + "init_config: {class_name: Echo}\n").encode(), function_bytes=ECHO)
    )
    assert answer.status_code == pb.CREATED, answer.message


def test_a_package_may_come_without_the_parents_of_its_modules(stub: rpc.FunctionStreamServiceStub) -> None:
    modules = [
        pb.PythonModule(
            module_name="acme.jobs.echo", module_bytes=b"from acme.common import wrap\n" + ECHO.replace(b"emit(data)", b"emit(wrap(data))")
        ),
        pb.PythonModule(module_name="acme.common", module_bytes=b"def wrap(data): return data\n"),
    ]
    answer = stub.CreatePythonFunction(pb.CreatePythonFunctionRequest(class_name="Echo", modules=modules, config_content=GOOD))
    assert answer.status_code == pb.CREATED, answer.message


def _method(channel: grpc.Channel, path: str) -> grpc.StreamStreamMultiCallable:
    return channel.stream_stream(path, request_serializer=lambda raw: raw, response_deserializer=lambda raw: raw)


def test_reflection_lists_the_services_and_health_is_serving(server: Server) -> None:
    channel = grpc.insecure_channel(f"127.0.0.1:{server.port}")
    # ServerReflectionRequest{list_services=7: "*"}, by its bytes: the reflection package is no dependency of ours.
    listed = b"".join(_method(channel, "/grpc.reflection.v1alpha.ServerReflection/ServerReflectionInfo")(iter([b"\x3a\x01*"])))
    for service in (b"function_stream.FunctionStreamService", b"function_stream.FunctionStreamExtensions", b"grpc.health.v1.Health"):
        assert service in listed
    check = channel.unary_unary("/grpc.health.v1.Health/Check", request_serializer=lambda raw: raw, response_deserializer=lambda raw: raw)
    assert check(b"") == b"\x08\x01"
