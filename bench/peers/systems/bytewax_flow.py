"""Bytewax: Kafka, a stateful map, Kafka. PEERS_SNAPSHOT_S: seconds between snapshots of state and positions; empty: none."""

from __future__ import annotations

import json
import os
import runpy
import sys
from pathlib import Path
from typing import Optional

import bytewax.operators as op
from bytewax.connectors.kafka import KafkaSinkMessage
from bytewax.connectors.kafka import operators as kafka
from bytewax.dataflow import Dataflow
from bytewax.recovery import init_db_dir
from confluent_kafka import OFFSET_BEGINNING

environment = os.environ
brokers = [environment["PEERS_BROKER"]]


def add(total: Optional[int], value: int) -> tuple[int, int]:
    total = (total or 0) + value
    return total, total


def answer(item: tuple[str, int]) -> KafkaSinkMessage:
    return KafkaSinkMessage(None, json.dumps({"metric": "user_click", "total": item[1]}).encode())


flow = Dataflow("metric")
source = kafka.input("in", flow, brokers=brokers, topics=[environment["PEERS_IN"]], starting_offset=OFFSET_BEGINNING, batch_size=1000)
values = op.map("parse", source.oks, lambda message: ("count:user_click", json.loads(message.value)["value"]))
totals = op.stateful_map("add", values, add)
kafka.output("out", op.map("answer", totals, answer), brokers=brokers, topic=environment["PEERS_OUT"])

if __name__ == "__main__":
    snapshot_s = environment.get("PEERS_SNAPSHOT_S", "")
    sys.argv = ["bytewax.run", f"{Path(__file__).resolve()}:flow"]
    if snapshot_s:
        folder = Path(environment["PEERS_STATE"]) / "recovery"
        folder.mkdir()
        init_db_dir(folder, 1)
        sys.argv += ["-r", str(folder), "-s", snapshot_s, "-b", "0"]
    runpy.run_module("bytewax.run", run_name="__main__")
