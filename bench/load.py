"""Messages at a steady rate to topics of the embedded log, and how long each takes to come out of the function behind the topic.

Messages are JSON with `sent`, nanoseconds of the machine's monotonic clock, which the function hands on. Sender and readers are
processes of their own, so that neither waits for the other's interpreter.
"""

from __future__ import annotations

import json
import multiprocessing
import queue
import time
from collections.abc import Iterator, Sequence
from typing import Any

from fs_client import FsClient
from fs_client._proto import function_stream_pb2 as pb

_STREAMS = 8


def message() -> bytes:
    return json.dumps({"sensor": "sensor-1", "value": 17, "sent": time.monotonic_ns()}).encode()


def _send(port: int, topics: Sequence[str], per_topic: int, rate: float, per_request: int) -> None:
    """`rate` messages a second to each topic, `per_request` of them at once, until each has got `per_topic`."""
    with FsClient(host="127.0.0.1", port=port) as client:
        # An append is acknowledged when it is durable, and a stream's appends follow each other.
        streams: list[queue.SimpleQueue[pb.PublishRequest | None]] = [queue.SimpleQueue() for _ in topics[:_STREAMS]]
        calls = [client._connection.extensions.Publish(iter(stream.get, None)) for stream in streams]
        started = time.monotonic()
        interval = per_request / rate / len(topics)
        for step in range(per_topic // per_request * len(topics)):
            ahead = started + step * interval - time.monotonic()
            if ahead > 0:
                time.sleep(ahead)
            number = step % len(topics)
            records = [pb.EmbeddedRecord(value=message()) for _ in range(per_request)]
            streams[number % len(streams)].put(pb.PublishRequest(topic=topics[number], records=records))
        for stream in streams:
            stream.put(None)
        for call in calls:
            for response in call:
                assert response.status_code == pb.OK, response.message


def _read(port: int, topic: str, count: int, ready: Any, results: Any) -> None:
    latencies = []
    with FsClient(host="127.0.0.1", port=port) as client, client.subscribe(topic, from_earliest=False) as records:
        records._call.initial_metadata()
        ready.release()
        for record in records:
            latencies.append((time.monotonic_ns() - json.loads(record.value)["sent"]) / 1e6)
            if len(latencies) == count:
                break
    results.put(latencies)


def latencies_ms(
    port: int, topics: Sequence[str], outputs: Sequence[str], per_topic: int, rate: float, per_request: int, senders: int = 1
) -> Iterator[float]:
    """Sends to all topics and reads the outputs given, each of which gets `per_topic` messages. Fails where they do not all come."""
    context = multiprocessing.get_context("spawn")
    ready, results = context.Semaphore(0), context.Queue()
    readers = [context.Process(target=_read, args=(port, output, per_topic, ready, results), daemon=True) for output in outputs]
    shares = [topics[i::senders] for i in range(senders)]
    sending = [context.Process(target=_send, args=(port, share, per_topic, rate, per_request), daemon=True) for share in shares]
    try:
        for reader in readers:
            reader.start()
        for _ in readers:
            assert ready.acquire(timeout=30), "a reader did not start"
        for sender in sending:
            sender.start()
        for sender in sending:
            sender.join()
            assert sender.exitcode == 0, "a sender failed"
        for _ in readers:
            yield from results.get(timeout=60)
    finally:
        for process in [*readers, *sending]:
            if process.pid is not None:
                process.kill()
                process.join()
