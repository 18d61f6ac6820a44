"""PyFlink's DataStream API on a mini cluster of its own: KafkaSource, a keyed process function with ValueState, KafkaSink.

PEERS_DELIVERY: exactly-once (transactions, checkpoints each PEERS_INTERVAL_S) or none (no checkpoints). PEERS_JARS: the Kafka connector's.
"""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from pyflink.common import Configuration, Types, WatermarkStrategy
from pyflink.common.serialization import SimpleStringSchema
from pyflink.datastream import KeyedProcessFunction, RuntimeContext, StreamExecutionEnvironment
from pyflink.datastream.connectors.base import DeliveryGuarantee
from pyflink.datastream.connectors.kafka import KafkaOffsetsInitializer, KafkaRecordSerializationSchema, KafkaSink, KafkaSource
from pyflink.datastream.state import ValueStateDescriptor

environment = os.environ
is_exactly_once = environment["PEERS_DELIVERY"] == "exactly-once"


class Metric(KeyedProcessFunction):
    def open(self, context: RuntimeContext) -> None:
        self.total = context.get_state(ValueStateDescriptor("total", Types.LONG()))

    def process_element(self, data: str, context: Any) -> Iterator[str]:
        total = (self.total.value() or 0) + json.loads(data)["value"]
        self.total.update(total)
        yield json.dumps({"metric": "user_click", "total": total})


def configuration() -> Configuration:
    jars = ";".join(jar.as_uri() for jar in sorted(Path(environment["PEERS_JARS"]).glob("*.jar")))
    settings = {
        "pipeline.jars": jars,
        "pipeline.classpaths": jars,
        "python.executable": sys.executable,
        "python.fn-execution.bundle.size": "1000",
        "parallelism.default": "1",
        "rest.address": "127.0.0.1",
        "rest.bind-address": "127.0.0.1",
        "rest.port": "0",
        "rest.bind-port": "0",
    }
    if is_exactly_once:
        settings["execution.checkpointing.interval"] = f"{float(environment['PEERS_INTERVAL_S']) * 1000:.0f} ms"
        settings["execution.checkpointing.dir"] = (Path(environment["PEERS_STATE"]) / "checkpoints").as_uri()
        settings["execution.checkpointing.mode"] = "EXACTLY_ONCE"
    result = Configuration()
    for key, value in settings.items():
        result.set_string(key, value)
    return result


def main() -> None:
    stream = StreamExecutionEnvironment.get_execution_environment(configuration())
    source = (
        KafkaSource.builder()
        .set_bootstrap_servers(environment["PEERS_BROKER"])
        .set_topics(environment["PEERS_IN"])
        .set_group_id(environment["PEERS_GROUP"])
        .set_starting_offsets(KafkaOffsetsInitializer.earliest())
        .set_value_only_deserializer(SimpleStringSchema())
        .build()
    )
    records = (
        KafkaRecordSerializationSchema.builder()
        .set_topic(environment["PEERS_OUT"])
        .set_value_serialization_schema(SimpleStringSchema())
        .build()
    )
    sink = KafkaSink.builder().set_bootstrap_servers(environment["PEERS_BROKER"]).set_record_serializer(records)
    if is_exactly_once:
        sink = sink.set_delivery_guarantee(DeliveryGuarantee.EXACTLY_ONCE).set_transactional_id_prefix(environment["PEERS_GROUP"])
        sink = sink.set_property("transaction.timeout.ms", "600000")
    else:
        sink = sink.set_delivery_guarantee(DeliveryGuarantee.NONE)
    (
        stream.from_source(source, WatermarkStrategy.no_watermarks(), "events")
        .key_by(lambda _: "count:user_click", key_type=Types.STRING())
        .process(Metric(), output_type=Types.STRING())
        .sink_to(sink.build())
    )
    stream.execute("metric")


if __name__ == "__main__":
    main()
