"""Faust (faust-streaming): an agent and a table in RocksDB with its changelog topic. PEERS_DELIVERY is its processing_guarantee."""

from __future__ import annotations

import os
import sys
from typing import Any

import faust

environment = os.environ
app = faust.App(
    "metric-" + environment["PEERS_GROUP"],
    broker="kafka://" + environment["PEERS_BROKER"],
    store="rocksdb://",
    datadir=environment["PEERS_STATE"] + "/faust",
    processing_guarantee=environment["PEERS_DELIVERY"],
    topic_partitions=1,
    topic_replication_factor=1,
    consumer_auto_offset_reset="earliest",
    web_enabled=False,
    stream_wait_empty=False,
)
source = app.topic(environment["PEERS_IN"], key_type=bytes, value_serializer="json")
target = app.topic(environment["PEERS_OUT"], value_serializer="json")
counts = app.Table("counts", default=int, partitions=1)


@app.agent(source, concurrency=1)
async def metric(stream: Any) -> None:
    async for event in stream:
        total = counts["count:user_click"] + event["value"]
        counts["count:user_click"] = total
        target.send_soon(key=b"user_click", value={"metric": "user_click", "total": total})


if __name__ == "__main__":
    sys.argv = [sys.argv[0], "worker", "--loglevel", "info", "--without-web"]
    app.main()
