"""fs_api.testing: the table of cases, and a function's life in FunctionTester."""

import sys
from pathlib import Path

import pytest
from fs_api import Context, FSProcessorDriver, KvError, KvIOError, KvNotFoundError, KvOtherError
from fs_api.testing import Emitted, EmittedWatermark, FunctionTester, MemoryContext

sys.path.insert(0, str(Path(__file__).parent))

from kv_cases import CASES, run_case


@pytest.mark.parametrize("name", CASES)
def test_memory_behaves_as_the_table_says(name):
    source, expected = CASES[name]
    ctx = MemoryContext({"a": "1"}, outputs=2)
    assert run_case(source, ctx) == expected
    assert ctx.emitted == []


class Counter(FSProcessorDriver):
    def init(self, ctx: Context, config: dict) -> None:
        self.seen = int(config.get("start", 0))
        self.calls = ["init"]

    def process(self, ctx: Context, source_id: int, data: bytes) -> None:
        self.seen += 1
        store = ctx.getOrCreateKVStore("counts")
        store.put_state(data, str(int(store.get_state(data) or 0) + 1).encode())
        ctx.emit(data, key=ctx.message.key, headers=ctx.message.headers, timestamp=ctx.message.timestamp)
        if data == b"bad":
            raise ValueError("bad message")

    def take_checkpoint(self, ctx: Context, checkpoint_id: int) -> bytes:
        self.calls.append(f"take {checkpoint_id}")
        return str(self.seen).encode()

    def restore_checkpoint(self, ctx: Context, checkpoint_id: int, data: bytes) -> None:
        self.calls.append(f"restore {checkpoint_id}")
        self.seen = int(data)

    def close(self, ctx: Context) -> None:
        self.calls.append("close")


def test_messages_are_processed_and_their_emits_collected():
    tester = FunctionTester(Counter(), {"start": "5"})
    emitted = tester.process(b"a", key=b"k", headers={"h": None}, timestamp=7)
    assert emitted == [Emitted(b"a", 0, b"k", [("h", None)], 7)]
    assert tester.emitted == emitted
    assert tester.context.getOrCreateKVStore("counts").get_state(b"a") == b"1"
    assert tester.driver.seen == 6


def test_a_message_that_raised_leaves_no_trace():
    tester = FunctionTester(Counter())
    tester.process(b"a")
    with pytest.raises(ValueError, match="bad message"):
        tester.process(b"bad")
    assert [emitted.data for emitted in tester.emitted] == [b"a"]
    assert tester.context.getOrCreateKVStore("counts").plain == {b"a": b"1"}


def test_a_restart_keeps_state_and_gives_the_checkpoint_back():
    first, second = Counter(), Counter()
    tester = FunctionTester(first)
    tester.process(b"a")
    tester.restart(second)
    tester.process(b"a")
    assert first.calls == ["init", "take 1", "close"]
    assert second.calls == ["init", "restore 1"]
    assert second.seen == 2
    assert tester.context.getOrCreateKVStore("counts").plain == {b"a": b"2"}


def test_defaults_of_the_hooks():
    class Minimal(FSProcessorDriver):
        def process(self, ctx, source_id, data):
            pass

    tester = FunctionTester(Minimal(), outputs=2)
    tester.process_watermark(1000)
    assert tester.watermarks == [EmittedWatermark(1000, 0), EmittedWatermark(1000, 1)]
    assert tester.take_checkpoint() is None
    assert tester.check_heartbeat() is True
    assert tester.custom(b"x") == b""
    tester.close()
    FunctionTester(Minimal(), outputs=0).process_watermark(1000)


def test_process_has_to_be_written():
    class Empty(FSProcessorDriver):
        pass

    with pytest.raises(TypeError, match="process"):
        Empty()


def test_errors_form_one_family():
    assert issubclass(KvNotFoundError, KvError) and issubclass(KvIOError, KvError) and issubclass(KvOtherError, KvError)
    assert KvIOError("disk full").message == str(KvIOError("disk full")) == "disk full"
    assert KvOtherError("no").message == "no"


def test_the_package_is_typed():
    import fs_api

    assert (Path(fs_api.__file__).parent / "py.typed").exists()
