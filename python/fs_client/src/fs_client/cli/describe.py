"""A function's description as labelled lines for people."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timezone
from typing import Optional

from fs_client.models import FunctionDescription


def described(one: FunctionDescription) -> Iterator[tuple[str, str]]:
    """Label and text of each line; what there is nothing to tell of is left out."""
    yield "name", one.name
    yield "type", one.task_type
    yield "status", f"{one.status} since {moment(one.since_ms)}"
    if one.reason:
        yield "reason", one.reason
    yield "restarts", str(one.restarts)
    yield "processed", f"{one.processed} ({one.rates.processed_per_second:.1f}/s)"
    yield "emitted", f"{one.emitted} ({one.rates.emitted_per_second:.1f}/s)"
    if one.exceptions:
        yield "exceptions", str(one.exceptions)
    if one.retried:
        yield "retried", str(one.retried)
    if one.skipped:
        yield "skipped", str(one.skipped)
    if one.dead_lettered:
        yield "dead letters", str(one.dead_lettered)
    if one.rates.p50_seconds is not None:
        quantiles = (one.rates.p50_seconds, one.rates.p95_seconds, one.rates.p99_seconds)
        yield "per message", " / ".join(_seconds(value) for value in quantiles) + " (median / 95 % / 99 %)"
    for at in one.inputs:
        yield "input", f"{at.source_id}: {at.topic}: {at.messages} messages, {_size(at.bytes)}"
    for channel, to in enumerate(one.outputs):
        yield "output", f"{channel}: {to.topic}: {to.messages} messages, {_size(to.bytes)}"
    for position in one.positions:
        lag = "unknown" if position.lag is None else str(position.lag)
        reader = f", instance {position.instance}" if len(one.instances) > 1 else ""
        yield "position", f"input {position.source_id}: {position.topic}[{position.partition}] at {position.offset}, lag {lag}{reader}"
    for each in one.instances if len(one.instances) > 1 else ():
        reason = f": {each.reason}" if each.reason else ""
        yield "instance", f"{each.index}: {each.status}{reason}; {each.processed} processed, {each.restarts} restarts"
    if one.watermark_ms is not None:
        yield "watermark", f"{one.watermark_ms} ms since the epoch"
    if len(one.source_watermarks_ms) > 1:
        for source_id, watermark_ms in sorted(one.source_watermarks_ms.items()):
            yield "", f"source {source_id}: {watermark_ms}"
    if one.observed_ms:
        yield "as of", f"{moment(one.observed_ms)} (lag, memory, state)"
    yield "memory", _size(one.memory_bytes)
    yield "state", _size(one.state_bytes)
    if one.last_checkpoint is not None:
        last = one.last_checkpoint
        yield "checkpoint", f"{last.id} at {moment(last.time_ms)}, {_seconds(last.seconds)}, {_size(last.bytes)}"
    else:
        yield "checkpoint", str(one.checkpoint_id or "none yet")
    if one.limits:
        yield "limits", ", ".join(f"{key} {value}" for key, value in one.limits.items())
    if one.log_lines_dropped:
        yield "log", f"{one.log_lines_dropped} lines dropped: more than its limit in a second"


def moment(milliseconds: int) -> str:
    """Milliseconds since the epoch as RFC 3339."""
    return datetime.fromtimestamp(milliseconds / 1000, timezone.utc).isoformat(timespec="seconds").replace("+00:00", "Z")


def _seconds(seconds: Optional[float]) -> str:
    if seconds is None:
        return "unknown"
    if seconds < 0.001:
        return f"{seconds * 1e6:.3g} \u00b5s"
    return f"{seconds * 1e3:.3g} ms" if seconds < 1 else f"{seconds:.3g} s"


def _size(count: int) -> str:
    size = float(count)
    for unit in ("bytes", "KiB", "MiB", "GiB"):
        if size < 1024 or unit == "GiB":
            break
        size /= 1024
    return f"{count} bytes" if unit == "bytes" else f"{size:.1f} {unit}"
