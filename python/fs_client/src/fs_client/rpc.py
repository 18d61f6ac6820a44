"""The channel to one server: opening it, calling through it, and turning failures into this package's exceptions."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any, Optional

import grpc

from fs_client import arguments
from fs_client._proto.function_stream_pb2_grpc import FunctionStreamExtensionsStub, FunctionStreamServiceStub
from fs_client.errors import ClientError, from_grpc, from_status

# Packages and emitted values reach tens of MiB, gRPC's own default for receiving is 4 MiB.
_MESSAGE_LIMIT_BYTES = 128 * 1024 * 1024

Options = Sequence[tuple[str, Any]]


class Connection:
    """A channel with both services on it. One given by the user is left open on close."""

    def __init__(
        self,
        host: str,
        port: int,
        secure: bool,
        channel: Optional[grpc.Channel],
        options: Optional[Options],
        credentials: Optional[grpc.ChannelCredentials],
        default_timeout: Optional[float],
    ) -> None:
        self.default_timeout = check_timeout("default_timeout", default_timeout)
        self.is_closed = False
        self._owns_channel = channel is None
        if channel is not None:
            self.target = "the given channel"
            self.channel = channel
        else:
            self.target = _target(host, port)
            self.channel = _open(host, self.target, secure, options, credentials)
        self.service: Any = FunctionStreamServiceStub(self.channel)
        self.extensions: Any = FunctionStreamExtensionsStub(self.channel)

    def close(self) -> None:
        if not self.is_closed and self._owns_channel:
            self.channel.close()
        self.is_closed = True

    def timeout(self, timeout: Optional[float]) -> Optional[float]:
        """The seconds a call may take: its own, else the client's default."""
        return self.default_timeout if timeout is None else check_timeout("timeout", timeout)

    def call(self, method: Callable[..., Any], request: Any, doing: str, timeout: Optional[float]) -> Any:
        """One call with one answer; an answer whose status is no success is raised."""
        with self.failures(doing):
            response = method(request, timeout=self.timeout(timeout))
        check_status(response)
        return response

    @contextmanager
    def failures(self, doing: str) -> Iterator[None]:
        """Runs calls on the channel; what gRPC raises leaves as a ServerError that says what was being done."""
        if self.is_closed:
            raise ClientError(f"{doing}: the client is closed")
        try:
            yield
        except grpc.RpcError as error:
            code = error.code() if isinstance(error, grpc.Call) else None
            details = error.details() if isinstance(error, grpc.Call) else str(error)
            raise from_grpc(code, details or "", doing, self.target) from error
        except ValueError as error:
            # gRPC's words depend on how far the call had come.
            if not {"channel", "closed"} <= set(re.findall(r"\w+", str(error).lower())):
                raise
            raise ClientError(f"{doing}: the channel is closed") from error


def check_status(response: Any) -> None:
    """Raises the exception for a Response, or any answer with status_code and message, that is no success."""
    code = int(response.status_code)
    if not 200 <= code < 300:
        raise from_status(code, response.message)


def check_timeout(name: str, timeout: Optional[float]) -> Optional[float]:
    if timeout is None:
        return None
    if isinstance(timeout, bool) or not isinstance(timeout, (int, float)) or not timeout > 0 or math.isinf(timeout):
        raise ClientError(f"{name}={timeout!r}: seconds above 0 are expected")
    return timeout


def _target(host: str, port: int) -> str:
    if not isinstance(host, str) or not host or "/" in host or any(c.isspace() for c in host):
        raise ClientError(f"host={host!r}: a host name or address is expected, without scheme or path")
    if isinstance(port, bool) or not isinstance(port, int) or not 0 < port < 65536:
        raise ClientError(f"port={port!r}: a number from 1 to 65535 is expected")
    return f"[{host}]:{port}" if ":" in host and not host.startswith("[") else f"{host}:{port}"


def _open(host: str, target: str, secure: bool, options: Optional[Options], credentials: Optional[grpc.ChannelCredentials]) -> grpc.Channel:
    chosen: dict[str, Any] = {
        "grpc.max_send_message_length": _MESSAGE_LIMIT_BYTES,
        "grpc.max_receive_message_length": _MESSAGE_LIMIT_BYTES,
        # gRPC waits up to two minutes before it tries a server again that was away; a restart takes a second.
        "grpc.initial_reconnect_backoff_ms": 100,
        "grpc.max_reconnect_backoff_ms": 1000,
    }
    if host in ("localhost", "::1") or host.startswith("127."):
        chosen["grpc.enable_http_proxy"] = 0  # a proxy from the environment cannot know this machine's own ports
    chosen.update(arguments.channel_options(options))
    if arguments.switch("secure", secure) or credentials is not None:
        return grpc.secure_channel(target, credentials or grpc.ssl_channel_credentials(), options=list(chosen.items()))
    return grpc.insecure_channel(target, options=list(chosen.items()))
