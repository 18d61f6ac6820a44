"""One run: takes the server through its lives, then lets everything come to an end and has the oracle look at all of it."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import time
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Callable

from fs_client import FsClient
from fs_client.errors import FsError
from support.kafka import Kafka
from support.server import Server, ServerFailed

from .broker import Broker
from .embedded_pipeline import EmbeddedPipeline
from .kafka_pipeline import KafkaPipeline
from .ledger import Ledger
from .oracle import Differences, Rewind
from .pipeline import Pipeline
from .plan import Action, Life, Plan
from .recoveries import Recoveries
from .report import Report


@dataclass(frozen=True)
class Kind:
    """Of a function: where it reads and writes, how many partitions it reads, and how many instances do that."""

    is_kafka: bool
    partitions: int
    instances: int = 1
    is_by_group: bool = False


KINDS = {
    "embedded": Kind(False, 1),
    "embedded-parallel": Kind(False, 3, 2),
    "kafka-partitions": Kind(True, 2),
    "kafka-group": Kind(True, 3, is_by_group=True),
    "kafka-parallel": Kind(True, 3, 2, is_by_group=True),
}
_CALL_S = 20.0
_WATCH_S = 0.5
_PROGRESS_S = 5.0
# At the end: how long nothing may come out before what is missing counts as lost.
_PATIENCE_S = 60.0


class RunnerFailed(Exception):
    """The run could not be made or finished; says nothing about the server."""


class _ServerEnded(Exception):
    """In the middle of the run's end."""


class Run:
    """Made, run() once, close() always."""

    def __init__(self, plan: Plan, kinds: Iterable[str], folder: Path, seconds: float, say: Callable[[str], None]) -> None:
        self.folder = folder
        self.plan = plan
        self.seconds = seconds
        self.say = say
        self.differences = Differences()
        kinds = list(kinds)
        self.report = Report(plan.seed, self.differences, plan.sabotage)
        self.recoveries = Recoveries(kinds)
        self.server = Server(folder / "server", binary=Path(os.environ["FS_FAILPOINT_SERVER"]))
        if plan.sabotage:
            self.server.env["FS_SABOTAGE"] = plan.sabotage
        self.pipelines: list[Pipeline] = []
        self.broker: Broker | None = None
        self._kinds = kinds
        self._client: FsClient | None = None
        # Functions that the run itself has stopped, or tried to start without an answer.
        self._stopped: set[str] = set()
        self._events = (folder / "events.jsonl").open("a", encoding="utf-8")
        self._began = time.monotonic()
        self._next_progress = 0.0
        self._next_watch = 0.0

    def run(self) -> Report:
        if any(KINDS[kind].is_kafka for kind in self._kinds):
            self.broker = Broker(Kafka(self.folder / "kafka"))
            self.broker.kafka.start()
        self.pipelines = [self._pipeline(kind) for kind in self._kinds]
        self.server.start()
        self._listening()
        for pipeline in self.pipelines:
            try:
                pipeline.prepare(self.client())
                self.client().create_python_function_from_config(pipeline.configuration(), Ledger, timeout=60)
            except FsError as error:
                raise RunnerFailed(f"{pipeline.name} was not created: {error}\n{self._last_words()}") from error
        self._began = time.monotonic()
        for pipeline in self.pipelines:
            pipeline.begin()
        self._leave(self.server.stop())
        for life in self.plan.lives:
            if time.monotonic() - self._began >= self.seconds or not self.report.is_clean:
                break
            self._live(life)
        try:
            self._drain()
        except (FsError, ServerFailed, _ServerEnded) as error:
            self.differences.add("crashed", f"at the end of the run: {error}\n{self._last_words()}")
        self.report.seconds = time.monotonic() - self._began
        self.report.messages = {pipeline.name: pipeline.sent for pipeline in self.pipelines}
        self.report.outputs = {pipeline.name: pipeline.oracle.taken for pipeline in self.pipelines}
        self.report.recoveries = self.recoveries.seconds
        for killed_at, name, seconds in self.recoveries.slow:
            self._log("slow recovery", killed_at=round(killed_at - self._began, 3), function=name, seconds=round(seconds, 3))
        self.report.write(self.folder)
        return self.report

    def close(self) -> None:
        """Ends everything that the run started."""
        client, self._client = self._client, None
        if client is not None:
            client.close()
        if self.server.is_running():
            self.server.kill()
        try:
            for pipeline in self.pipelines:
                pipeline.close()
        finally:
            if self.broker is not None:
                self.broker.close()
            self._events.close()

    def client(self) -> FsClient:
        assert self._client is not None
        return self._client

    def _pipeline(self, kind: str) -> Pipeline:
        connect = lambda: self._client  # noqa: E731
        about = KINDS[kind]
        common = (kind, self.plan, about.partitions, connect, self.differences, self.recoveries)
        if not about.is_kafka:
            return EmbeddedPipeline(*common, parallelism=about.instances)
        assert self.broker is not None
        return KafkaPipeline(
            *common,
            broker=self.broker.kafka,
            is_by_group=about.is_by_group,
            parallelism=about.instances,
            log_file=self.folder / "clients.log",
        )

    # A life of the server

    def _live(self, life: Life) -> None:
        self.report.lives += 1
        self._log("life", number=self.report.lives, end=life.end, seconds=round(life.seconds, 3), failpoint=life.failpoint)
        self.server.env.pop("FS_FAILPOINT", None)
        if life.failpoint:
            self.server.env["FS_FAILPOINT"] = life.failpoint
        began = time.monotonic()
        actions = list(life.actions)
        try:
            self.server.start(kill_after=life.seconds if life.end == "kill" else None)
        except ServerFailed as failure:
            self._died(life, failure.code, began, str(failure))
        else:
            self.report.server_starts.append(time.monotonic() - began)
            self._listening()
            self._live_on(life, began, actions)
        for action in actions:  # the function's die with the life; the broker's do not
            if action.kind == "kill-broker":
                self._kill_broker(action)

    def _live_on(self, life: Life, began: float, actions: list[Action]) -> None:
        while self.server.is_running():
            elapsed = time.monotonic() - began
            if life.end == "stop" and elapsed >= life.seconds:
                self._stop_server(life, began)
                return
            if actions and elapsed >= actions[0].at_s:
                self._act(actions.pop(0))
            self._watch()
            time.sleep(0.005)
        self._died(life, self.server.wait_dead(), began, self.server.stderr())

    def _stop_server(self, life: Life, began: float) -> None:
        asked = time.monotonic()
        code = self.server.stop()
        took = time.monotonic() - asked
        if code == -signal.SIGKILL and life.failpoint:
            self._died(life, code, began, "")
            return
        self.report.others["SIGTERM"] += 1
        self._leave(code, f"SIGTERM took {took:.1f} s")

    def _leave(self, code: int, about: str = "") -> None:
        """After an end in order."""
        self._gone()
        self._log("stopped", code=code, about=about)
        if code != 0:
            self.differences.add("crashed", f"after SIGTERM the server ended with code {code}: {self.server.stderr()[-2000:]}")

    def _died(self, life: Life, code: int, began: float, stderr: str) -> None:
        self._gone()
        now = time.monotonic()
        is_timely = life.end == "kill" and now - began >= life.seconds
        if code != -signal.SIGKILL or not (is_timely or life.failpoint):
            self.differences.add("crashed", f"life {self.report.lives}: the server ended by itself with code {code}: {stderr[-2000:]}")
            return
        how = "random time" if is_timely else "failpoint " + life.failpoint.split(":")[0]
        self.report.kills[how] += 1
        self._log("killed", how=how, after=round(now - began, 3))
        for pipeline in self.pipelines:
            is_counted = pipeline.sent > pipeline.oracle.done() and pipeline.name not in self._stopped and self._is_reachable(pipeline)
            self.recoveries.killed(pipeline.name, now, is_counted)

    def _is_reachable(self, pipeline: Pipeline) -> bool:
        return not pipeline.has_broker or (self.broker is not None and self.broker.is_up)

    def _listening(self) -> None:
        self._client = self.server.client()
        self._next_watch = 0.0

    def _gone(self) -> None:
        client, self._client = self._client, None
        if client is not None:
            client.close()
        self._progress()

    # Within a life

    def _act(self, action: Action) -> None:
        if action.kind == "kill-broker":
            self._kill_broker(action)
            return
        pipeline = self.pipelines[action.pipeline]
        if not self._is_reachable(pipeline) or pipeline.name in self._stopped:
            return
        self._log(action.kind, function=pipeline.name)
        self.report.others[action.kind] += 1
        self._stopped.add(pipeline.name)
        self.recoveries.dismiss(pipeline.name)
        try:
            self.client().stop_function(pipeline.name, timeout=_CALL_S)
            time.sleep(action.pause_s)
            if action.kind == "restore":
                self._restore(pipeline, action.pick)
            else:
                self.client().start_function(pipeline.name, timeout=_CALL_S)
            self._stopped.discard(pipeline.name)
        except FsError as error:
            self._log("refused", what=action.kind, function=pipeline.name, error=str(error)[:500])

    def _restore(self, pipeline: Pipeline, pick: float) -> None:
        """Starts a stopped function from one of its retained checkpoints; announced to the oracle before anything can come of it."""
        choice = [one for one in self.client().list_checkpoints(pipeline.name, timeout=_CALL_S) if not one.problem]
        if not choice:
            self.client().start_function(pipeline.name, timeout=_CALL_S)
            return
        checkpoint = choice[int(pick * len(choice))]
        positions = {position.partition: position.offset for position in checkpoint.positions}
        counts: dict[bytes, int] = {}
        for partition, script in enumerate(pipeline.scripts):
            counts.update(script.counts_at(positions.get(partition, 0)))
        rewind = Rewind(f"checkpoint {checkpoint.id}", pipeline.output_ends(), counts, None)
        self._log(
            "restore", function=pipeline.name, checkpoint=checkpoint.id, reason=checkpoint.reason, positions=positions, ends=rewind.ends
        )
        pipeline.oracle.rewind(rewind)
        self.client().start_function(pipeline.name, checkpoint_id=checkpoint.id, timeout=_CALL_S)
        pipeline.oracle.confirm(rewind)
        self.report.others["restores that were answered"] += 1

    def _kill_broker(self, action: Action) -> None:
        assert self.broker is not None
        if self.broker.crash(action.pause_s):
            self.report.kills["broker"] += 1
            self._log("kill-broker", pause=round(action.pause_s, 2))
            for pipeline in self.pipelines:
                if pipeline.has_broker:
                    self.recoveries.dismiss(pipeline.name)

    def _watch(self) -> None:
        """Looks at the functions now and then: none may fail, and what the run stopped is started again."""
        self._progress()
        if time.monotonic() < self._next_watch:
            return
        self._next_watch = time.monotonic() + _WATCH_S
        for trouble in [pipeline.trouble for pipeline in self.pipelines] + [self.broker.trouble if self.broker is not None else ""]:
            if trouble:
                raise RunnerFailed(trouble)
        try:
            for function in self.client().show_functions(timeout=_CALL_S).functions:
                pipeline = next(one for one in self.pipelines if one.name == function.name)
                if function.name in self._stopped:
                    if self._is_reachable(pipeline):
                        self.client().start_function(function.name, timeout=_CALL_S)
                        self._stopped.discard(function.name)
                elif function.status == "FAILED" and not pipeline.is_dead:
                    pipeline.is_dead = True
                    self.differences.add("failed", f"{function.name}: {self.client().describe_function(function.name).reason[:3000]}")
        except FsError as error:
            if self.server.is_running():
                self._log("unanswered", error=str(error)[:500])

    # The end

    def _drain(self) -> None:
        if self.broker is not None:
            self.broker.wait_up()
        self.server.env.pop("FS_FAILPOINT", None)
        self._log("drain")
        self.server.start()
        self._listening()
        for pipeline in self.pipelines:
            pipeline.end_feeding()
        self._until("its input to be stored", lambda one: one.is_settled())
        for pipeline in self._living():
            pipeline.ask()
        self._until("its last outputs and the answers about its state", lambda one: one.oracle.is_answered())
        answered = [pipeline.name for pipeline in self._living()]
        for pipeline in self.pipelines:
            self.client().stop_function(pipeline.name, timeout=_CALL_S)
            self._stopped.add(pipeline.name)
            pipeline.mark_end()
        self._until("the end of its output", lambda one: one.is_read_out())
        for pipeline in self.pipelines:
            pipeline.oracle.finish(pipeline.handed(), pipeline.name in answered)
        self._leave(self.server.stop())

    def _living(self) -> list[Pipeline]:
        return [pipeline for pipeline in self.pipelines if not pipeline.is_dead]

    def _until(self, what: str, is_over: Callable[[Pipeline], bool]) -> None:
        """Waits until it is over for each function that lives; one that gets nowhere for long is given up as stuck."""
        moved = {pipeline.name: (-1, time.monotonic()) for pipeline in self.pipelines}
        while True:
            waiting = []
            for pipeline in self._living():
                try:
                    if not is_over(pipeline):
                        waiting.append(pipeline)
                except FsError:
                    waiting.append(pipeline)
            if not waiting:
                return
            if not self.server.is_running():
                raise _ServerEnded
            now = time.monotonic()
            for pipeline in waiting:
                taken, since = moved[pipeline.name]
                if taken != pipeline.oracle.taken:
                    moved[pipeline.name] = (pipeline.oracle.taken, now)
                elif now - since > _PATIENCE_S:
                    pipeline.is_dead = True
                    self.differences.add("stuck", f"{pipeline.name}: waited {_PATIENCE_S:.0f} s for {what}; {self._describe(pipeline)}")
            if what != "the end of its output":
                self._watch()
            time.sleep(0.02)

    def _last_words(self) -> str:
        """Of the server, where it ended by itself."""
        if not self.server.is_started():
            return ""
        try:
            code = self.server.wait_dead(2)
        except subprocess.TimeoutExpired:
            return "the server runs"
        return f"the server ended by itself with code {code}: {self.server.stderr()[-2000:]}"

    def _describe(self, pipeline: Pipeline) -> str:
        try:
            about = self.client().describe_function(pipeline.name, timeout=_CALL_S)
        except FsError as error:
            return str(error)
        return f"{about.status}, {about.reason or 'no reason'}, last error: {about.last_error or 'none'}"

    # What is told

    def _log(self, event: str, **fields: Any) -> None:
        line = {"at": round(time.monotonic() - self._began, 3), "event": event, **fields}
        self._events.write(json.dumps(line) + "\n")
        self._events.flush()

    def _progress(self) -> None:
        now = time.monotonic()
        if now < self._next_progress:
            return
        self._next_progress = now + _PROGRESS_S
        elapsed = int(now - self._began)
        flows = ", ".join(f"{one.name} {one.oracle.done()}/{one.sent}" for one in self.pipelines)
        broker = "" if self.broker is None or self.broker.is_up else " (broker away)"
        self.say(
            f"{elapsed // 60:02d}:{elapsed % 60:02d}  {self.report.kill_count} kills  outputs/messages: {flows}{broker}"
            f"  differences: {self.differences.total}"
        )
