"""The commands of `fs`: thin shells around FsClient. Results go to stdout, errors to stderr in one line.

Exit codes: 0 done, 1 refused by the server, 2 wrong usage or refused by the client, 3 server not reachable, 4 timed out.
"""

# Annotations are not postponed here: on Python 3.9 typer cannot read those.
import json
import sys
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from datetime import datetime
from pathlib import Path
from typing import Annotated, Any, Optional

import typer
from rich.console import Console
from rich.table import Table

from fs_client._version import __version__
from fs_client.cli.describe import described, moment
from fs_client.cli.lines import record_batches
from fs_client.client import FsClient
from fs_client.config import WasmTaskConfig
from fs_client.errors import ClientError, FsError, FunctionStreamTimeoutError, NetworkError, PackagingWarning
from fs_client.models import Record, RetainedCheckpoint
from fs_client.streams import publish_batches

app = typer.Typer(
    name="fs",
    help="Manage functions and topics of a Function Stream server.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)
checkpoints = typer.Typer(name="checkpoints", help="Keep a function's checkpoints, to start from them again.", no_args_is_help=True)
app.add_typer(checkpoints)
_output = Console(soft_wrap=True)
_STYLES = {"RUNNING": "green", "STOPPED": "yellow", "CREATED": "cyan", "RESTARTING": "yellow", "FAILED": "red"}


@dataclass
class Settings:
    """What the options before the command say."""

    host: str
    port: int
    secure: bool
    timeout: float
    as_json: bool


@app.callback()
def options(
    context: typer.Context,
    host: Annotated[str, typer.Option(envvar="FS_HOST", help="The server's host.")] = "localhost",
    port: Annotated[int, typer.Option(envvar="FS_PORT", help="The server's gRPC port.")] = 8080,
    secure: Annotated[bool, typer.Option("--secure", help="Use TLS.")] = False,
    timeout: Annotated[float, typer.Option(help="Seconds to wait for an answer.")] = 30.0,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON, one value per line.")] = False,
    version: Annotated[Optional[bool], typer.Option("--version", callback=lambda value: _version(value), is_eager=True)] = None,
) -> None:
    context.obj = Settings(host, port, secure, timeout, as_json)


@app.command()
def create(
    context: typer.Context,
    function: Annotated[str, typer.Argument(metavar="FILE.py:CLASS", help="The source file and the class in it.")],
    config: Annotated[Path, typer.Option("--config", "-c", help="The function's YAML configuration.")],
    name: Annotated[Optional[str], typer.Option(help="Instead of the name in the configuration.")] = None,
    include: Annotated[Optional[list[str]], typer.Option(help="A module or package to pack that no import shows; may be repeated.")] = None,
) -> None:
    """Package a Python class, upload it and run it."""
    file, separator, class_name = function.rpartition(":")
    if not separator or not file or not class_name:
        raise ClientError(f"{function}: FILE.py:CLASS is expected, such as jobs/metrics.py:MetricProcessor")
    settings = WasmTaskConfig.from_yaml(_read(config))
    if name is not None:
        settings.name = name
    with _client(context) as client:
        client.create_python_function_from_source(settings, file, class_name, include=include or ())
    _done(context, f"{settings.name} is running", name=settings.name)


@app.command()
def start(
    context: typer.Context,
    name: str,
    checkpoint: Annotated[Optional[int], typer.Option(help="Go back to this retained checkpoint first.")] = None,
) -> None:
    """Start a stopped function."""
    with _client(context) as client:
        client.start_function(name, checkpoint_id=checkpoint)
    _done(context, f"{name} is running" + (f" from checkpoint {checkpoint}" if checkpoint is not None else ""), name=name)


@app.command()
def stop(context: typer.Context, name: str) -> None:
    """Stop a function after a last checkpoint; its state stays."""
    with _client(context) as client:
        client.stop_function(name)
    _done(context, f"{name} is stopped", name=name)


@app.command()
def drop(context: typer.Context, name: str) -> None:
    """Remove a function with its package, state and log."""
    with _client(context) as client:
        client.drop_function(name)
    _done(context, f"{name} is dropped", name=name)


@app.command("list")
def list_functions(
    context: typer.Context, pattern: Annotated[Optional[str], typer.Argument(help="Only functions whose name matches.")] = None
) -> None:
    """Show functions and their status."""
    with _client(context) as client:
        functions = client.show_functions(pattern).functions
    if _settings(context).as_json:
        _print_json(*(asdict(one) for one in functions))
        return
    _table(("name", "type", "status"), [(one.name, one.task_type, _styled(one.status)) for one in functions], "no functions")


app.command("show", hidden=True)(list_functions)


@app.command()
def describe(context: typer.Context, name: str) -> None:
    """Tell everything about one function."""
    with _client(context) as client:
        one = client.describe_function(name)
    if _settings(context).as_json:
        _print_json(asdict(one))
        return
    for label, value in described(one):
        _output.print(f"{label:<12} {value}", markup=False, highlight=False)
    if one.last_error:
        _output.print(f"last error ({moment(one.last_error_ms)})\n{one.last_error}", markup=False, highlight=False)


@app.command()
def logs(
    context: typer.Context,
    name: str,
    follow: Annotated[bool, typer.Option("--follow", "-f", help="Go on with what is written, until the function is dropped.")] = False,
    tail: Annotated[Optional[int], typer.Option("--tail", "-n", min=0, help="Only the last so many lines.")] = None,
) -> None:
    """Print what a function has printed and logged."""
    as_json = _settings(context).as_json
    with _client(context) as client, client.logs(name, tail=tail, follow=follow) as lines:
        try:
            for line in lines:
                if as_json:
                    _print_json(asdict(line))
                else:
                    print(line, flush=True)
        except KeyboardInterrupt:
            raise typer.Exit(130) from None


@checkpoints.command("list")
def list_checkpoints(context: typer.Context, name: str) -> None:
    """Show the checkpoints that a function can be started from."""
    with _client(context) as client:
        found = client.list_checkpoints(name)
    if _settings(context).as_json:
        _print_json(*(asdict(one) for one in found))
        return
    rows = [(str(one.id), _when(one.created_ms), one.reason, str(one.bytes), one.problem or _positions(one)) for one in found]
    _table(("id", "created", "reason", "bytes", "positions"), rows, "no checkpoints")


@checkpoints.command("create")
def create_checkpoint(context: typer.Context, name: str) -> None:
    """Take a checkpoint now and keep it until it is deleted."""
    with _client(context) as client:
        made = client.create_checkpoint(name)
    _done(context, f"checkpoint {made.id} of {name}", **asdict(made))


@checkpoints.command("delete")
def delete_checkpoint(context: typer.Context, name: str, checkpoint: Annotated[int, typer.Argument(metavar="ID")]) -> None:
    """Delete a retained checkpoint."""
    with _client(context) as client:
        client.delete_checkpoint(name, checkpoint)
    _done(context, f"checkpoint {checkpoint} of {name} is deleted", name=name, id=checkpoint)


@app.command()
def topics(context: typer.Context) -> None:
    """Show the topics of the embedded log."""
    with _client(context) as client:
        found = client.list_topics()
    if _settings(context).as_json:
        _print_json(*(asdict(one) for one in found))
        return
    rows = [
        (f"{one.name}[{number}]" if len(one.partitions) > 1 else one.name, str(at.first_offset), str(at.next_offset), str(at.bytes))
        for one in found
        for number, at in enumerate(one.partitions)
    ]
    _table(("topic", "first offset", "next offset", "bytes"), rows, "no topics")


@app.command("create-topic")
def create_topic(
    context: typer.Context, topic: str, partitions: Annotated[int, typer.Option("--partitions", "-p", min=1, max=1024)] = 1
) -> None:
    """Make a topic of the embedded log; without this the first message makes one with one partition."""
    with _client(context) as client:
        client.create_topic(topic, partitions)
    _done(context, f"{topic} is there, with {partitions} partition(s)", topic=topic, partitions=partitions)


@app.command("delete-topic")
def delete_topic(context: typer.Context, topic: str) -> None:
    """Delete a topic of the embedded log with its messages."""
    with _client(context) as client:
        client.delete_topic(topic)
    _done(context, f"{topic} is deleted", topic=topic)


@app.command()
def publish(
    context: typer.Context,
    topic: str,
    file: Annotated[Optional[Path], typer.Option("--file", "-f", help="Read from this file instead of stdin.")] = None,
    key_separator: Annotated[Optional[str], typer.Option(help="Split each line into key and value at the first of these.")] = None,
    partition: Annotated[Optional[int], typer.Option(min=0, help="Append to this one; without it the keys decide.")] = None,
) -> None:
    """Append lines to a topic, a message per line."""
    separator = key_separator.encode() if key_separator else None
    with _client(context) as client, _input(file) as descriptor:
        result = publish_batches(client._connection, topic, record_batches(descriptor, separator), None, partition)
    _done(context, f"{result.count} messages to {topic}", **asdict(result))


@app.command()
def subscribe(
    context: typer.Context,
    topic: str,
    partition: Annotated[int, typer.Option(min=0, help="Read this one.")] = 0,
    offset: Annotated[Optional[int], typer.Option(help="Begin at this offset.")] = None,
    group: Annotated[str, typer.Option(help="Begin where this group stands, and commit its position.")] = "",
    latest: Annotated[bool, typer.Option("--latest", help="Begin at the end instead of the beginning.")] = False,
    follow: Annotated[bool, typer.Option("--follow/--no-follow", help="Wait for more at the topic's end.")] = True,
    limit: Annotated[Optional[int], typer.Option("--limit", "-n", min=1, help="End after so many messages.")] = None,
) -> None:
    """Print a topic's messages, one per line."""
    as_json = _settings(context).as_json
    count, last = 0, -1
    with _client(context) as client:
        records = client.subscribe(topic, partition=partition, offset=offset, group_id=group, from_earliest=not latest, follow=follow)
        with records:
            try:
                for record in records:
                    if as_json:
                        _print_json(_readable(record))
                    else:
                        sys.stdout.buffer.write(record.value + b"\n")
                        sys.stdout.buffer.flush()
                    count, last = count + 1, record.offset
                    if count == limit:
                        break
            except KeyboardInterrupt:
                raise typer.Exit(130) from None
            finally:
                if group and last >= 0:
                    client.commit_offset(topic, group, last + 1, partition=partition)


def main() -> None:
    """Runs the command; errors become one line and an exit code."""
    warnings.showwarning = _show_warning
    warnings.simplefilter("always", PackagingWarning)
    try:
        app(_common_options_first(sys.argv[1:]))
    except NetworkError as error:
        _fail(error, 3)
    except FunctionStreamTimeoutError as error:
        _fail(error, 4)
    except ClientError as error:
        _fail(error, 2)
    except FsError as error:
        _fail(error, 1)
    except BrokenPipeError:
        # The reader of our output has gone; nothing more can be told it, at exit neither.
        sys.stdout = sys.stderr
        sys.exit(0)
    except KeyboardInterrupt:
        sys.exit(130)


def _common_options_first(arguments: list[str]) -> list[str]:
    """The options that every command has may also stand behind the command."""
    first: list[str] = []
    rest: list[str] = []
    pending = iter(arguments)
    for argument in pending:
        if argument == "--":
            rest += [argument, *pending]
        elif argument in ("--json", "--secure") or argument.startswith(("--host=", "--port=", "--timeout=")):
            first.append(argument)
        elif argument in ("--host", "--port", "--timeout"):
            first += [argument, *[value for value in [next(pending, None)] if value is not None]]
        else:
            rest.append(argument)
    return first + rest


def _version(value: Optional[bool]) -> None:
    if value:
        print(f"fs_client {__version__}")
        raise typer.Exit


def _settings(context: typer.Context) -> Settings:
    settings = context.obj
    assert isinstance(settings, Settings)
    return settings


def _client(context: typer.Context) -> FsClient:
    settings = _settings(context)
    return FsClient(settings.host, settings.port, secure=settings.secure, default_timeout=settings.timeout)


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise ClientError(f"{path}: {error.strerror or error}") from error


@contextmanager
def _input(file: Optional[Path]) -> Iterator[int]:
    if file is None:
        yield sys.stdin.fileno()
        return
    try:
        stream = file.open("rb")
    except OSError as error:
        raise ClientError(f"{file}: {error.strerror or error}") from error
    with stream:
        yield stream.fileno()


def _done(context: typer.Context, text: str, **values: Any) -> None:
    if _settings(context).as_json:
        _print_json(values)
    else:
        _output.print(text, markup=False, highlight=False)


def _print_json(*values: dict[str, Any]) -> None:
    for value in values:
        print(json.dumps(value, ensure_ascii=False), flush=True)


def _readable(record: Record) -> dict[str, Any]:
    def text(value: Optional[bytes]) -> Optional[str]:
        return None if value is None else value.decode(errors="backslashreplace")

    return {
        "offset": record.offset,
        "timestamp_ms": record.timestamp_ms,
        "key": text(record.key),
        "value": text(record.value),
        "headers": [[name, text(value)] for name, value in record.headers],
    }


def _when(ms: int) -> str:
    return datetime.fromtimestamp(ms / 1000).astimezone().strftime("%Y-%m-%d %H:%M:%S") if ms else ""


def _positions(checkpoint: RetainedCheckpoint) -> str:
    return ", ".join(f"{at.topic}\\[{at.partition}] at {at.offset}" for at in checkpoint.positions)


def _styled(status: str) -> str:
    style = _STYLES.get(status)
    return f"[{style}]{status}[/{style}]" if style else status


def _table(titles: tuple[str, ...], rows: Sequence[tuple[str, ...]], when_empty: str) -> None:
    if not rows:
        _output.print(when_empty)
        return
    table = Table(*titles, box=None, pad_edge=False)
    for row in rows:
        table.add_row(*row)
    _output.print(table)


def _show_warning(message: Any, category: type[Warning], *_: Any, **__: Any) -> None:
    print(f"fs: warning: {message}", file=sys.stderr)


def _fail(error: FsError, code: int) -> None:
    print(f"fs: {error}", file=sys.stderr)
    sys.exit(code)
