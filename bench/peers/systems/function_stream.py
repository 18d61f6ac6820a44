"""A Function Stream server with one function, until SIGTERM. Runs in the environment of ./dev, FS_SERVER names the binary.

PEERS_DELIVERY: exactly-once or at-least-once; PEERS_INTERVAL_S: seconds between checkpoints.
"""

from __future__ import annotations

import os
import signal
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[3] / "tests" / "blackbox"))

from fs_client.config import KafkaInput, KafkaOutput, WasmTaskBuilder
from support.server import Server


def main() -> None:
    environment = os.environ
    broker = environment["PEERS_BROKER"]
    config = (
        WasmTaskBuilder()
        .set_name("peer")
        .add_init_config("metric_name", "user_click")
        .add_input_group([KafkaInput(broker, environment["PEERS_IN"], environment["PEERS_GROUP"])])
        .add_output(KafkaOutput(broker, environment["PEERS_OUT"]))
        .build()
    )
    config.options.update(delivery=environment["PEERS_DELIVERY"], checkpoint_interval_seconds=float(environment["PEERS_INTERVAL_S"]))
    signals = {signal.SIGTERM, signal.SIGINT}
    signal.pthread_sigmask(signal.SIG_BLOCK, signals)
    server = Server(Path(environment["PEERS_STATE"]))
    server.start()
    try:
        with server.client() as client:
            client.create_python_function_from_source(config, Path(environment["PEERS_FUNCTION"]), environment["PEERS_CLASS"])
            signal.sigwait(signals)
            print(client.describe_function("peer"), flush=True)
    finally:
        server.stop()


main()
