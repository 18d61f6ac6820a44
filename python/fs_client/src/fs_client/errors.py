"""Everything that this package raises on purpose, and how the server's answers become exceptions."""

from __future__ import annotations

from typing import Optional

import grpc


class FsError(Exception):
    """Base of all errors of fs_client."""


class ClientError(FsError):
    """Refused on this side, before anything was sent: a class that cannot be packaged, a missing file, a wrong argument."""


class ServerError(FsError):
    """Refused by the server, or the way to it failed.

    `status_code` has HTTP's meaning; `grpc_code` is set when gRPC itself failed, and None when the server answered.
    """

    default_status = 500

    def __init__(self, message: str = "", status_code: Optional[int] = None, grpc_code: Optional[grpc.StatusCode] = None) -> None:
        super().__init__(message)
        self.message = message
        self.status_code = self.default_status if status_code is None else status_code
        self.grpc_code = grpc_code


class BadRequestError(ServerError):
    """400: the configuration, the package or the request does not meet its specification."""

    default_status = 400


class AuthenticationError(ServerError):
    """401: the server does not know who is asking."""

    default_status = 401


class PermissionDeniedError(ServerError):
    """403: the caller is known, and may not do this."""

    default_status = 403


class NotFoundError(ServerError):
    """404: no such function, topic or checkpoint."""

    default_status = 404


class ConflictError(ServerError):
    """409: the name is registered already."""

    default_status = 409


class ResourceExhaustedError(ServerError):
    """429: over a limit of the server; the message names it."""

    default_status = 429


class InternalServerError(ServerError):
    """500: the server's storage or runtime failed; the message names the path or the cause."""


class NetworkError(ServerError):
    """The server could not be reached, or the connection broke."""

    default_status = 503


class FunctionStreamTimeoutError(ServerError):
    """No answer within the timeout. Whether the request was carried out is unknown."""

    default_status = 504


class ConfigurationError(ClientError, BadRequestError, ValueError):
    """A configuration that cannot be right, found before it was sent.

    Also a BadRequestError, so that code which handles the server's 400 handles this one too.
    """

    def __init__(self, message: str) -> None:
        BadRequestError.__init__(self, message)


class PackagingError(ClientError, BadRequestError):
    """A class that cannot be packaged: a missing or circular import, native code that the runtime lacks, no file to read.

    Found before anything was sent. Also a BadRequestError, as the server would have refused the package with 400.
    """

    def __init__(self, message: str) -> None:
        BadRequestError.__init__(self, message)


class PackagingWarning(UserWarning):
    """Something about the code being packaged that may not be meant, such as a module that shadows the standard library."""


_BY_STATUS: dict[int, type[ServerError]] = {
    400: BadRequestError,
    401: AuthenticationError,
    403: PermissionDeniedError,
    404: NotFoundError,
    405: BadRequestError,
    409: ConflictError,
    422: BadRequestError,
    429: ResourceExhaustedError,
    500: InternalServerError,
    504: FunctionStreamTimeoutError,
}

_BY_GRPC_CODE: dict[grpc.StatusCode, tuple[type[ServerError], int]] = {
    grpc.StatusCode.CANCELLED: (ServerError, 499),
    grpc.StatusCode.UNKNOWN: (InternalServerError, 500),
    grpc.StatusCode.INVALID_ARGUMENT: (BadRequestError, 400),
    grpc.StatusCode.DEADLINE_EXCEEDED: (FunctionStreamTimeoutError, 504),
    grpc.StatusCode.NOT_FOUND: (NotFoundError, 404),
    grpc.StatusCode.ALREADY_EXISTS: (ConflictError, 409),
    grpc.StatusCode.PERMISSION_DENIED: (PermissionDeniedError, 403),
    grpc.StatusCode.RESOURCE_EXHAUSTED: (ResourceExhaustedError, 429),
    grpc.StatusCode.FAILED_PRECONDITION: (BadRequestError, 400),
    grpc.StatusCode.ABORTED: (ConflictError, 409),
    grpc.StatusCode.OUT_OF_RANGE: (BadRequestError, 400),
    grpc.StatusCode.UNIMPLEMENTED: (ServerError, 501),
    grpc.StatusCode.INTERNAL: (InternalServerError, 500),
    grpc.StatusCode.UNAVAILABLE: (NetworkError, 503),
    grpc.StatusCode.DATA_LOSS: (InternalServerError, 500),
    grpc.StatusCode.UNAUTHENTICATED: (AuthenticationError, 401),
}


def from_status(status_code: int, message: str) -> ServerError:
    """The exception for a Response that is not a success; codes without a class of their own give ServerError."""
    kind = _BY_STATUS.get(status_code, ServerError)
    return kind(message or f"the server answered {status_code} without a message", status_code)


def from_grpc(code: Optional[grpc.StatusCode], details: str, doing: str, where: str) -> ServerError:
    """The exception for a failed call; `doing` and `where` make its message a sentence."""
    kind, status = _BY_GRPC_CODE.get(code, (ServerError, 500)) if code is not None else (ServerError, 500)
    if kind is NetworkError:
        message = f"{doing}: cannot reach {where}: {details}"
    elif kind is FunctionStreamTimeoutError:
        message = f"{doing}: no answer from {where} within the timeout"
    elif code is grpc.StatusCode.UNIMPLEMENTED:
        message = f"{doing}: the server at {where} does not have this method: it is older than this client"
    elif code is grpc.StatusCode.RESOURCE_EXHAUSTED and "larger than max" in details:
        # gRPC's own words, for a message that the server has not even looked at.
        message = f"{doing}: {details}; the limit is limits.message_mb of the server"
    else:
        message = f"{doing}: {details or (code.name if code is not None else 'failed')}"
    return kind(message, status, code)
