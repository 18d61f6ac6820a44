"""Quix Streams: a topic, a stateful apply (RocksDB and its changelog topic), a topic. PEERS_DELIVERY is its processing_guarantee."""

from __future__ import annotations

import os
from typing import Any

from quixstreams import Application

environment = os.environ


def add(value: dict[str, Any], state: Any) -> dict[str, Any]:
    total = state.get("count:user_click", 0) + value["value"]
    state.set("count:user_click", total)
    return {"metric": "user_click", "total": total}


def main() -> None:
    application = Application(
        broker_address=environment["PEERS_BROKER"],
        consumer_group=environment["PEERS_GROUP"],
        auto_offset_reset="earliest",
        processing_guarantee=environment["PEERS_DELIVERY"],
        state_dir=environment["PEERS_STATE"] + "/rocksdb",
        commit_interval=float(environment["PEERS_INTERVAL_S"]),
    )
    source = application.topic(environment["PEERS_IN"], value_deserializer="json", key_deserializer="bytes")
    target = application.topic(environment["PEERS_OUT"], value_serializer="json", key_serializer="bytes")
    application.dataframe(source).apply(add, stateful=True).to_topic(target)
    application.run()


if __name__ == "__main__":
    main()
