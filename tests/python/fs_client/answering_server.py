"""A gRPC server in this process, for what the client does with answers that a real server gives only in trouble."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from concurrent import futures
from typing import Any

import grpc
from fs_client._proto import function_stream_pb2_grpc as rpc


class Server:
    """Both services, answering with what a test put into `answers` by method name: a message, an exception, or a function."""

    def __init__(self, port: int = 0) -> None:
        self.answers: dict[str, Any] = {}
        self.requests: list[Any] = []
        self.server = grpc.server(futures.ThreadPoolExecutor(8))
        rpc.add_FunctionStreamServiceServicer_to_server(self, self.server)
        rpc.add_FunctionStreamExtensionsServicer_to_server(self, self.server)
        self.port = self.server.add_insecure_port(f"127.0.0.1:{port}")
        self.server.start()

    def __getattr__(self, method: str) -> Callable[[Any, grpc.ServicerContext], Any]:
        if not method[:1].isupper():
            raise AttributeError(method)
        return lambda request, context: self.answer(method, request, context)

    def answer(self, method: str, request: Any, context: grpc.ServicerContext) -> Any:
        answer = self.answers.get(method)
        if answer is None:
            context.abort(grpc.StatusCode.UNIMPLEMENTED, method)
        if isinstance(answer, tuple):
            context.abort(*answer)
        if callable(answer):
            return answer(request, context)
        self.requests.append(request)
        return answer


def collect(received: list[Any], answer: Any) -> Callable[[Iterator[Any], Any], Any]:
    def take(requests: Iterator[Any], context: Any) -> Any:
        received.extend(requests)
        return answer

    return take
