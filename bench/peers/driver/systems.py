"""The systems, one row each: a product, how it is set, and what it then promises."""

from __future__ import annotations

from dataclasses import dataclass, field

from .products import BYTEWAX, CONFLUENT, FAUST, FLINK, FUNCTION_STREAM, KAFKA_STREAMS, LIBRDKAFKA, QUIX, Product

EXACTLY_ONCE = "exactly once"
AT_LEAST_ONCE = "at least once"
NOT_STATE = "; state is lost"


@dataclass(frozen=True)
class System:
    """`promise`: what is so after a crash.

    `share`: the part of MetricProcessor's messages that it gets, so that a slow one does not take all the time.
    """

    key: str
    title: str
    product: Product
    promise: str
    settings: dict[str, str] = field(default_factory=dict)
    share: float = 1.0


def how(delivery: str, interval_s: float = 1) -> dict[str, str]:
    """The delivery in the product's own words, and seconds between commits."""
    return {"PEERS_DELIVERY": delivery, "PEERS_INTERVAL_S": str(interval_s)}


# A pair of ours and theirs with the same promise stands for each comparison; the first is what all ratios are taken against.
SYSTEMS = {
    system.key: system
    for system in (
        System("function-stream", "Function Stream, exactly-once, 1 s", FUNCTION_STREAM, EXACTLY_ONCE, how("exactly-once")),
        System("function-stream-100ms", "Function Stream, exactly-once, 100 ms", FUNCTION_STREAM, EXACTLY_ONCE, how("exactly-once", 0.1)),
        System("function-stream-alo", "Function Stream, at-least-once, 1 s", FUNCTION_STREAM, AT_LEAST_ONCE, how("at-least-once")),
        System(
            "confluent-transactional",
            "confluent-kafka loop, transactional, 1 s",
            CONFLUENT,
            EXACTLY_ONCE + NOT_STATE,
            how("transactional"),
            0.6,
        ),
        System("confluent", "confluent-kafka loop, plain", CONFLUENT, AT_LEAST_ONCE + NOT_STATE, how("plain"), 0.6),
        System("kafka-streams", "Kafka Streams (Java), exactly-once v2, 1 s", KAFKA_STREAMS, EXACTLY_ONCE, how("exactly_once_v2")),
        System("kafka-streams-alo", "Kafka Streams (Java), at-least-once, 1 s", KAFKA_STREAMS, AT_LEAST_ONCE, how("at_least_once")),
        System("bytewax", "Bytewax, snapshots each 1 s", BYTEWAX, AT_LEAST_ONCE, {"PEERS_SNAPSHOT_S": "1"}, 0.4),
        System("bytewax-plain", "Bytewax, no snapshots", BYTEWAX, "all begins anew", share=0.4),
        System("quix", "Quix Streams, exactly-once, 1 s", QUIX, EXACTLY_ONCE, how("exactly-once"), 0.3),
        System("quix-alo", "Quix Streams, at-least-once, 1 s", QUIX, AT_LEAST_ONCE, how("at-least-once"), 0.3),
        System("flink", "PyFlink, exactly-once, 1 s", FLINK, EXACTLY_ONCE, how("exactly-once"), 0.15),
        System("faust", "Faust, at-least-once, RocksDB", FAUST, AT_LEAST_ONCE, how("at_least_once"), 0.015),
        System(
            "librdkafka-transactional",
            "C++ and librdkafka alone, transactional, 1 s",
            LIBRDKAFKA,
            EXACTLY_ONCE + NOT_STATE,
            how("transactional"),
        ),
        System("librdkafka", "C++ and librdkafka alone, plain", LIBRDKAFKA, AT_LEAST_ONCE + NOT_STATE, how("plain")),
    )
}

_PYTHON = ("function-stream", "confluent-transactional")
_LIMITS = ("function-stream-alo", "confluent", "librdkafka-transactional", "librdkafka")


def systems_for(workload: str) -> tuple[str, ...]:
    """Everybody does MetricProcessor's work; the others are the same class in Function Stream and in native Python."""
    if workload == "metric":
        return tuple(SYSTEMS)
    return (*_PYTHON, *_LIMITS) if workload == "pass-through" else _PYTHON
