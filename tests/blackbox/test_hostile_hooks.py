"""Hooks that never come back, answer the wrong thing, or raise what cannot be told: who manages the function has an answer in time."""

from __future__ import annotations

import json
import re
import threading
import time
from collections.abc import Iterator

import pytest
from fs_client.errors import BadRequestError, ServerError
from functions.hooks import HangsIn
from functions.hostile.hooking import ERRORS, Answers, HangsInConstructor, HangsSecondTime, Raises
from support.hostile import STOPPED_BY_S, Arena, arena
from support.topics import read
from support.wait import wait_for

LIMITS = {"memory_mb": 96, "process_timeout_ms": 700}
# An hour: only the request itself, not the limit, can end the wait.
PATIENT = {"process_timeout_ms": 3_600_000}
MESSAGE_BYTES = 70_000


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Arena]:
    with arena(tmp_path_factory.mktemp("hooks") / "server") as one:
        yield one
        for line in (one.server.home / "logs/app.log").read_bytes().decode("utf-8").split("\n")[:-1]:
            assert isinstance(json.loads(line)["message"], str), line


@pytest.fixture
def ring(shared: Arena) -> Iterator[Arena]:
    """With the neighbour alone."""
    try:
        yield shared
    finally:
        shared.clear()


@pytest.fixture
def bound() -> Iterator[None]:
    began = time.monotonic()
    yield
    assert time.monotonic() - began < 3 * STOPPED_BY_S


SOURCE = (
    "from fs_api import FSProcessorDriver\n{}\nclass Job(FSProcessorDriver):\n    def process(self, ctx, source_id, data):\n        {}\n"
)
LOADS = {
    "import": ("while True: pass", "pass", "load: took longer"),
    "import in C": ("10 ** 10 ** 9", "pass", "load: took longer"),
    "import that sleeps": ("import time; time.sleep(1e9)", "pass", "load: took longer"),
    "import that exits": ("raise SystemExit(3)", "pass", "SystemExit: 3"),
    "import that leaves": ("import os; os._exit(3)", "pass", "exit code 3"),
    "import that aborts": ("import os; os.abort()", "pass", "crashed"),
    "import that takes all memory": ("x = []\nwhile True: x.append(bytearray(1 << 20))", "pass", "memory"),
    "import that recurses": ("def f(): f()\nf()", "pass", "RecursionError"),
    "decorator": ("def d(c):\n    while True: pass\n@d", "pass", "load: took longer"),
    "metaclass": (
        "class M(type(FSProcessorDriver)):\n    def __call__(cls):\n        while True: pass\n"
        "class FSProcessorDriver(FSProcessorDriver, metaclass=M): pass",
        "pass",
        "load: took longer",
    ),
    "attributes": (
        "class M(type(FSProcessorDriver)):\n    def __getattribute__(cls, name):\n        while True: pass\n"
        "class FSProcessorDriver(FSProcessorDriver, metaclass=M):\n    def process(self): pass",
        "pass",
        "load: took longer",
    ),
    "module's attributes": (
        "import sys\nclass E(type(sys)):\n    def __getattribute__(self, name):\n        while True: pass\n"
        "sys.modules[__name__].__class__ = E",
        "pass",
        "load: took longer",
    ),
    "module that is not one": ("import sys\nsys.modules[__name__] = 7", "pass", ""),
    "nested source": ("x = " + "(" * 5000, "pass", "too complex"),
    "nested signs": ("x = " + "-" * 200_000 + "1", "pass", ""),
    "huge line": ("x = '" + "y" * 300_000 + "'; 1 / 0", "pass", "ZeroDivisionError"),
    "null in the source": ("\x00", "pass", "null"),
    "odd encoding": ("# -*- coding: nowhere -*-", "", "unknown encoding: nowhere"),
}


@pytest.mark.parametrize("name", LOADS)
def test_code_that_hangs_or_dies_while_it_is_loaded_fails_the_create_and_leaves_nothing(ring: Arena, name: str, bound: None) -> None:
    before, body, expected = LOADS[name]
    source = (before if name == "odd encoding" else SOURCE.format(before, body)).encode()
    with pytest.raises(ServerError) as refused:
        ring.client.create_python_function("Job", [("job", source)], ring.config(limits=LIMITS).to_yaml())
    assert expected in refused.value.message
    assert len(refused.value.message.encode()) < 2 * MESSAGE_BYTES
    assert [one.name for one in ring.client.show_functions().functions] == ["neighbour"]
    ring.assert_unharmed()


def test_a_constructor_that_hangs_fails_the_create_and_leaves_nothing(ring: Arena, bound: None) -> None:
    with pytest.raises(ServerError, match="load: took longer"):
        ring.create(HangsInConstructor, limits=LIMITS)
    assert [one.name for one in ring.client.show_functions().functions] == ["neighbour"]
    ring.assert_unharmed()


@pytest.mark.parametrize("then", ["stop", "drop"])
def test_a_start_that_hangs_in_init_can_be_stopped_and_dropped(ring: Arena, then: str) -> None:
    """A bug once: a stop waited for the start, and the start for the time limit."""
    ring.create(HangsSecondTime, limits=PATIENT)
    ring.client.publish(f"{ring.name}-in", b"x")
    wait_for(lambda: any(p.offset for p in ring.about.positions), "committed")
    ring.client.stop_function(ring.name)
    outcomes: list[str] = []

    def start() -> None:
        with ring.server.client() as client:
            try:
                client.start_function(ring.name, timeout=60)
                outcomes.append("started")
            except ServerError as error:
                outcomes.append(error.message)

    thread = threading.Thread(target=start)
    thread.start()
    log = ring.server.home / "logs/app.log"
    wait_for(lambda: ring.about.status != "STOPPED" or _is_hanging(ring), "it hangs in init")
    began = time.monotonic()
    if then == "stop":
        ring.client.stop_function(ring.name)
        assert time.monotonic() - began < STOPPED_BY_S
        assert ring.about.status == "STOPPED"
    ring.client.drop_function(ring.name)
    assert time.monotonic() - began < STOPPED_BY_S
    thread.join(STOPPED_BY_S)
    assert len(outcomes) == 1 and "started" not in outcomes, (outcomes, log)
    ring.assert_unharmed()


def _is_hanging(ring: Arena) -> bool:
    """The function's thread takes time."""
    for task in ring.tasks():
        if task.name.startswith("fn:" + ring.name[:8]):
            return task.seconds > 0.05
    return False


@pytest.mark.parametrize("how", ["python", "c"])
@pytest.mark.parametrize("hook", ["take_checkpoint", "restore_checkpoint", "close", "custom", "check_heartbeat", "process_watermark"])
def test_a_hook_that_never_returns_does_not_hold_up_stop_and_drop(ring: Arena, hook: str, how: str) -> None:
    """With an hour for each hook: the stop itself must end it."""
    heartbeat = 20 if hook == "check_heartbeat" else 3_600_000
    ring.create(HangsIn, init={"hook": hook, "how": how}, limits=PATIENT, heartbeat_interval_ms=heartbeat, checkpoint_interval_seconds=0.02)
    ring.client.publish(f"{ring.name}-in", [b"x"])
    if hook == "custom":
        with pytest.raises(ServerError):
            ring.client.call_function(ring.name, timeout=0.3)
    began = time.monotonic()
    ring.client.stop_function(ring.name)
    ring.client.drop_function(ring.name)
    assert time.monotonic() - began < STOPPED_BY_S
    ring.assert_unharmed()


def test_a_checkpoint_that_is_asked_for_and_never_taken_has_an_answer(ring: Arena) -> None:
    ring.create(
        HangsIn, init={"hook": "take_checkpoint", "how": "python"}, limits=LIMITS, enable_checkpoint=True, checkpoint_interval_seconds=0.02
    )
    ring.client.publish(f"{ring.name}-in", [b"x"])
    began = time.monotonic()
    with pytest.raises(ServerError):
        ring.client.create_checkpoint(ring.name, timeout=5)
    assert time.monotonic() - began < STOPPED_BY_S
    ring.client.drop_function(ring.name)
    ring.assert_unharmed()


FINE = "fine"
WRONG = {
    ("init", "text"): FINE,
    ("process", "generator"): FINE,
    ("process", "huge"): FINE,
    ("process_watermark", "class"): FINE,
    ("close", "never true"): FINE,
    **{("take_checkpoint", answer): FINE for answer in ("nothing", "bytearray", "view", "shifty bytes", "huge")},
    **{
        ("take_checkpoint", answer): "take_checkpoint() must return bytes or None, not"
        for answer in ("text", "number", "list", "generator", "class")
    },
    ("take_checkpoint", "view with holes"): FINE,
    ("take_checkpoint", "released view"): "ValueError",
    **{("custom", answer): FINE for answer in ("bytearray", "view", "shifty bytes")},
    **{("custom", answer): "custom() must return bytes, not" for answer in ("nothing", "text", "number", "list", "generator", "loop")},
    ("custom", "huge"): "custom() answered: 20000000 bytes; the limit is",
    ("check_heartbeat", "text"): FINE,
    ("check_heartbeat", "nothing"): "check_heartbeat returned False",
    ("check_heartbeat", "untrue"): "ValueError: neither true nor false",
    ("check_heartbeat", "never true"): "check_heartbeat: took longer than",
}


@pytest.mark.parametrize(("hook", "answer"), WRONG, ids=lambda one: str(one))
def test_a_hook_that_answers_the_wrong_thing_is_told_so_by_name(ring: Arena, hook: str, answer: str) -> None:
    heartbeat = 20 if hook == "check_heartbeat" else 3_600_000
    options = {"limits": LIMITS, "heartbeat_interval_ms": heartbeat, "restart": {"max_attempts": 0}, "checkpoint_interval_seconds": 0.02}
    ring.create(Answers, init={"hook": hook, "answer": answer}, **options)
    ring.client.publish(f"{ring.name}-in", b"x")
    expected = WRONG[hook, answer]
    if hook == "custom":
        if expected is FINE:
            assert ring.client.call_function(ring.name) in (b"array", b"view", b"from the buffer")
        else:
            with pytest.raises(BadRequestError, match=re.escape(expected)):
                ring.client.call_function(ring.name)
    elif expected is FINE:
        wait_for(lambda: any(p.offset == 1 for p in ring.about.positions), "committed")
        assert ring.about.last_error == ""
    else:
        wait_for(lambda: ring.about.status == "FAILED", "it failed")
        assert expected in ring.about.last_error
    ring.assert_unharmed()


@pytest.mark.parametrize("name", ERRORS)
def test_an_error_that_cannot_be_told_ends_as_any_other(ring: Arena, name: str) -> None:
    ring.create(Raises, init={"error": name}, limits=LIMITS, restart={"max_attempts": 3, "backoff_ms": 1})
    with pytest.raises(ServerError) as refused:
        ring.client.call_function(ring.name)
    assert len(refused.value.message.encode()) < 2 * MESSAGE_BYTES
    ring.client.publish(f"{ring.name}-in", [b"fine", b"now"])
    wait_for(lambda: ring.about.status == "FAILED", "it failed")
    about = ring.about
    assert "offset 1" in about.reason
    assert about.last_error and len(about.last_error.encode()) < 2 * MESSAGE_BYTES
    assert len(about.reason.encode()) < 2 * MESSAGE_BYTES
    assert read(ring.client, f"{ring.name}-out", 1) == [b"fine"]
    lines = [line.text for line in ring.client.logs(ring.name)]
    assert lines and not re.search(r"[\x00-\x08\x0a-\x1f\x7f-\x9f\u2028-\u202e]", "".join(lines))
    with pytest.raises(ServerError) as at_create:
        ring.create(Raises, "another", init={"error": name, "where": "init"}, limits=LIMITS)
    assert len(at_create.value.message.encode()) < 2 * MESSAGE_BYTES
    ring.assert_unharmed()
