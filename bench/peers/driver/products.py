"""The products that are compared: what each needs, how its program is started, and which version of it ran."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from .environments import PEERS, Environment
from .workloads import Workload

PROGRAMS = PEERS / "systems"
FS_API = PEERS.parents[1] / "python" / "fs_api" / "src"

Environments = Mapping[str, Environment]


@dataclass(frozen=True)
class Task:
    """Which topics and folder a run has. Programs read it as PEERS_*."""

    broker: str
    source: str
    target: str
    group: str
    state: Path
    workload: Workload

    def environment(self) -> dict[str, str]:
        return {
            "PEERS_BROKER": self.broker,
            "PEERS_IN": self.source,
            "PEERS_OUT": self.target,
            "PEERS_GROUP": self.group,
            "PEERS_STATE": str(self.state),
            "PEERS_FUNCTION": str(self.workload.source),
            "PEERS_CLASS": self.workload.class_name,
            "PEERS_STORE": "rocksdb" if self.workload.has_large_state else "memory",
        }


@dataclass(frozen=True)
class Product:
    """`needs`: environments; `named`: the packages in them whose versions the table tells.

    Without `needs` it is of this build, and `binary` tells its version.
    """

    command: Callable[[Environments, Task], list[str]]
    needs: tuple[str, ...] = ()
    named: tuple[str, ...] = ()
    binary: Callable[[], str] | None = None

    def missing(self, environments: Environments) -> str:
        """Why it cannot run; empty: it can."""
        return "; ".join(f"{name}: {environments[name].reason}" for name in self.needs if environments[name].reason)

    def version(self, environments: Environments) -> str:
        if self.binary is not None:
            return subprocess.run([self.binary(), "--version"], stdout=subprocess.PIPE, text=True, check=True).stdout.strip()
        found = {key: value for name in self.needs for key, value in environments[name].versions.items()}
        return ", ".join(f"{name} {found[name]}" for name in self.named if name in found)

    def environment(self, environments: Environments, task: Task) -> dict[str, str]:
        result = {**os.environ, "PYTHONUNBUFFERED": "1", **task.environment()}
        if self.needs:  # an environment of its own sees nothing of ours but fs_api, which is pure Python
            result["PYTHONPATH"] = str(FS_API)
        if "flink-jars" in self.needs:
            result["PEERS_JARS"] = str(environments["flink-jars"].folder)
        return result


def _in(environment: str, program: str) -> Callable[[Environments, Task], list[str]]:
    return lambda environments, task: [environments[environment].python, str(PROGRAMS / program)]


def _function_stream(environments: Environments, task: Task) -> list[str]:
    return [sys.executable, str(PROGRAMS / "function_stream.py")]


def _kafka_streams(environments: Environments, task: Task) -> list[str]:
    folder = environments["kafka-streams"].folder
    quiet = "-Dorg.slf4j.simpleLogger.defaultLogLevel=warn"
    return ["java", "-Xmx1g", quiet, "-cp", f"{folder}/classes:{folder}/jars/*", "MetricProcessor"]


def _pass_through(environments: Environments, task: Task) -> list[str]:
    return [_pass_through_binary()]


def _server() -> str:
    return os.environ["FS_SERVER"]


def _pass_through_binary() -> str:
    return str(Path(_server()).parent / "bench" / "fs-peers-pass-through")


FUNCTION_STREAM = Product(_function_stream, binary=_server)
LIBRDKAFKA = Product(_pass_through, binary=_pass_through_binary)
CONFLUENT = Product(_in("confluent", "confluent_loop.py"), ("confluent",), ("confluent-kafka", "python"))
BYTEWAX = Product(_in("bytewax", "bytewax_flow.py"), ("bytewax",), ("bytewax", "python"))
QUIX = Product(_in("quix", "quix_application.py"), ("quix",), ("quixstreams", "python"))
FAUST = Product(_in("faust", "faust_app.py"), ("faust",), ("faust-streaming", "python"))
FLINK = Product(_in("flink", "flink_job.py"), ("flink", "flink-jars"), ("apache-flink", "python"))
KAFKA_STREAMS = Product(_kafka_streams, ("kafka-streams",), ("kafka-streams",))
