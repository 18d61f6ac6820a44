"""Sends a package to the server in chunks, with a progress bar where a person watches."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, Optional

import grpc

from fs_client._proto import function_stream_pb2 as pb
from fs_client.errors import PackagingError, ServerError
from fs_client.package import Package
from fs_client.rpc import Connection, check_status

CHUNK_BYTES = 256 * 1024
# What a slow link may take for a package, on top of the time that the server gets for its answer.
_SLOW_LINK_BYTES_PER_SECOND = 1024 * 1024

Advance = Callable[[int], None]


def upload(connection: Connection, package: Package, config_yaml: str, name: str, timeout: Optional[float]) -> None:
    """Registers and starts the function. A server without the streaming method gets the modules in one request."""
    doing = f"create {name}"
    limit = connection.timeout(timeout)
    if timeout is None and limit is not None:
        limit += len(package.content) / _SLOW_LINK_BYTES_PER_SECOND
    try:
        with _progress(name, len(package.content)) as advance, connection.failures(doing):
            chunks = _chunks(package, config_yaml, advance)
            response = connection.extensions.UploadFunction(chunks, timeout=limit)
    except ServerError as error:
        if error.grpc_code is not grpc.StatusCode.UNIMPLEMENTED:
            raise
        response = _upload_modules(connection, package, config_yaml, doing, limit)
    check_status(response)


def _chunks(package: Package, config_yaml: str, advance: Advance) -> Iterator[pb.UploadChunk]:
    content = package.content
    header = pb.UploadHeader(config_content=config_yaml, package_size=len(content), package_sha256=package.sha256)
    yield pb.UploadChunk(header=header)
    for start in range(0, len(content), CHUNK_BYTES):
        chunk = content[start : start + CHUNK_BYTES]
        yield pb.UploadChunk(bytes=chunk)
        advance(len(chunk))


def _upload_modules(connection: Connection, package: Package, config_yaml: str, doing: str, limit: Optional[float]) -> Any:
    data = [file.path for file in package.files if file.kind == "data" and ".dist-info/" not in file.path]
    if data:
        raise PackagingError(
            f"{doing}: the server at {connection.target} is older than this client and takes no data files, "
            f"but the package has {', '.join(data[:3])}"
        )
    entry = package.manifest["entry_module"]
    modules = sorted((file for file in package.files if file.module), key=lambda file: file.module != entry)
    request = pb.CreatePythonFunctionRequest(
        class_name=package.manifest["class_name"],
        modules=[pb.PythonModule(module_name=file.module, module_bytes=file.content) for file in modules],
        config_content=config_yaml,
    )
    with connection.failures(doing):
        return connection.service.CreatePythonFunction(request, timeout=limit)


@contextmanager
def _progress(name: str, total: int) -> Iterator[Advance]:
    if not sys.stderr.isatty():
        yield lambda count: None
        return
    from rich.console import Console
    from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TransferSpeedColumn

    columns = (TextColumn("{task.description}"), BarColumn(), DownloadColumn(), TransferSpeedColumn())
    with Progress(*columns, console=Console(stderr=True), transient=True) as progress:
        task = progress.add_task(f"uploading {name}", total=total)
        yield lambda count: progress.advance(task, count)
