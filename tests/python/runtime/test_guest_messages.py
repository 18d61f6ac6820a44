"""process(): what it is given, what it emits, and that a message that raised leaves nothing."""

import pytest
from guest_abi import FATAL, OK, OUTPUT_SOFT_LIMIT, USER_ERROR, WATERMARK, Emitted, Record, encode_records

ECHO = """
from fs_api import FSProcessorDriver

class Echo(FSProcessorDriver):
    def process(self, ctx, source_id, data):
        ctx.emit(data)
"""


def emitter(*lines):
    body = "\n        ".join(lines)
    return f"""
from fs_api import FSProcessorDriver

class Emitter(FSProcessorDriver):
    def process(self, ctx, source_id, data):
        {body}
"""


def test_messages_come_out_in_order(guest):
    guest.start(ECHO)
    messages = [b"", b"a", b"\0", b"x" * 7, b"x" * 8, b"x" * 9, b"y" * 100000]
    assert guest.process(*messages) == OK
    assert guest.values == messages
    assert guest.processed == len(messages)
    assert guest.emitted[1] == Emitted(0, b"a", None, [], None, False)


def test_an_empty_batch(guest):
    guest.start(ECHO)
    assert guest.process() == OK
    assert guest.processed == 0 and guest.emitted == []


def test_every_part_of_an_emit(guest):
    guest.start(
        emitter("ctx.emit(data, 1, key=b'', headers=[('a', b'1'), ('a', None), ('', b'')], timestamp=1234567890123)"),
        channels=2,
    )
    assert guest.process(b"v") == OK, guest.report()
    assert guest.emitted == [Emitted(1, b"v", b"", [("a", b"1"), ("a", None), ("", b"")], 1234567890123, False)]


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        ("data=data", Emitted(0, b"v", None, [], None, False)),
        ("data, channel=1", Emitted(1, b"v", None, [], None, False)),
        ("bytearray(data)", Emitted(0, b"v", None, [], None, False)),
        ("data, key=memoryview(b'k')", Emitted(0, b"v", b"k", [], None, False)),
        ("data, key=None, headers=None, timestamp=None", Emitted(0, b"v", None, [], None, False)),
        ("data, headers={'h': b'1', 'i': None}", Emitted(0, b"v", None, [("h", b"1"), ("i", None)], None, False)),
        ("data, headers=[['h', bytearray(b'1')]]", Emitted(0, b"v", None, [("h", b"1")], None, False)),
        ("data, headers=(p for p in [('h', b'1')])", Emitted(0, b"v", None, [("h", b"1")], None, False)),
        ("data, headers=[]", Emitted(0, b"v", None, [], None, False)),
        ("data, headers=[('\\xe4', b'')]", Emitted(0, b"v", None, [("\xe4", b"")], None, False)),
        ("data, timestamp=0", Emitted(0, b"v", None, [], 0, False)),
        ("data, timestamp=(1 << 63) - 1", Emitted(0, b"v", None, [], (1 << 63) - 1, False)),
        ("b'', key=b'k' * 100000", Emitted(0, b"", b"k" * 100000, [], None, False)),
    ],
)
def test_forms_of_emit(guest, arguments, expected):
    guest.start(emitter(f"ctx.emit({arguments})"), channels=2)
    assert guest.process(b"v") == OK, guest.report()
    assert guest.emitted == [expected]


def test_watermarks_are_emitted_in_order_with_messages(guest):
    guest.start(emitter("ctx.emit(b'1')", "ctx.emit_watermark(-5, channel=1)", "ctx.emit(b'2')"), channels=2)
    assert guest.process(b"") == OK, guest.report()
    assert [(emitted.is_watermark, emitted.channel, emitted.timestamp) for emitted in guest.emitted] == [
        (False, 0, None),
        (True, 1, -5),
        (False, 0, None),
    ]


def test_the_default_hook_forwards_watermarks_to_every_output(guest):
    guest.start(ECHO, channels=3)
    assert guest.hook(WATERMARK, number=77) == OK
    assert [(emitted.is_watermark, emitted.channel, emitted.timestamp) for emitted in guest.emitted] == [
        (True, channel, 77) for channel in range(3)
    ]


def test_no_outputs(guest):
    guest.start(ECHO, channels=0)
    assert guest.hook(WATERMARK, number=77) == OK and guest.emitted == []
    assert guest.process(b"x") == USER_ERROR
    assert guest.report().message == "emit(): channel 0: the function has no outputs"


def test_one_output_is_named_in_the_error(guest):
    guest.start(emitter("ctx.emit(data, 3)"))
    assert guest.process(b"x") == USER_ERROR
    assert guest.report().message == "emit(): channel 3: the function has 1 output (0)"


def test_an_emit_without_a_timestamp_has_that_of_the_message_in_hand(guest):
    """A bug once: outputs had the time of writing, and event time ended at the first function."""
    guest.start(emitter("ctx.emit(data)", "ctx.emit(data, key=b'k')", "ctx.emit(data, timestamp=7)"))
    assert guest.process(Record(b"v", None, (), 5, 0, 0, 0), Record(b"w", None, (), None, 1, 0, 0)) == OK, guest.report()
    assert [emitted.timestamp for emitted in guest.emitted] == [5, 5, 7, None, None, 7]


def test_the_message_in_hand(guest):
    guest.start(
        emitter(
            "m = ctx.message",
            "assert m is ctx.message",
            "from fs_api import Message",
            "assert isinstance(m, Message)",
            "ctx.emit(repr((source_id, data, m.key, m.headers, m.timestamp, m.topic, m.partition, m.offset)).encode())",
            "ctx.emit(repr(m).encode())",
        ),
        topics=("first", "second"),
    )
    records = [
        Record(b"v", b"k", (("h", b"1"), ("h", None)), 5, 1 << 40, 3, 1),
        Record(b"", None, (), None, 0, 0, 0),
        Record(b"w", b"", (), 0, 1, 0, 0),
    ]
    assert guest.process(*records, source_id=9) == OK, guest.report()
    assert [eval(value) for value in guest.values[::2]] == [
        (9, b"v", b"k", [("h", b"1"), ("h", None)], 5, "second", 3, 1 << 40),
        (9, b"", None, [], None, "first", 0, 0),
        (9, b"w", b"", [], 0, "first", 0, 1),
    ]
    assert guest.values[1] == b"Message(topic='second', partition=3, offset=1099511627776, key=b'k')"


def test_a_kept_message_stays_true(guest):
    guest.start("""
from fs_api import FSProcessorDriver

class Keeper(FSProcessorDriver):
    kept = []

    def process(self, ctx, source_id, data):
        self.kept.append(ctx.message)
        if data == b"last":
            for m in self.kept:
                ctx.emit(repr((m.key, m.headers, m.offset)).encode())
""")
    assert guest.process(*(Record(b"", b"%d" % i * 5000, (("h", b"%d" % i),), offset=i) for i in range(20))) == OK
    assert guest.process(Record(b"last", b"k" * 200000)) == OK, guest.report()
    kept = [eval(value) for value in guest.values]
    assert kept[:20] == [(b"%d" % i * 5000, [("h", b"%d" % i)], i) for i in range(20)]


def test_header_names_that_are_no_utf8_pass_through(guest):
    guest.start(emitter("ctx.emit(data, headers=ctx.message.headers)"))
    assert guest.process(Record(b"", None, ((b"\xff\xfe", b"1"),))) == OK, guest.report()
    assert guest.emitted[0].headers == [("\udcff\udcfe", b"1")]


def test_a_message_that_raised_leaves_no_emits(guest):
    guest.start(emitter("ctx.emit(data)", "if data == b'bad': raise ValueError('no')", "ctx.emit(data)"))
    assert guest.process(b"1", b"2", b"bad", b"3") == USER_ERROR
    assert guest.processed == 2
    assert guest.values == [b"1", b"1", b"2", b"2"]
    assert guest.process(b"3") == OK
    assert guest.values == [b"3", b"3"]


def test_a_hook_that_raised_leaves_no_emits(guest):
    guest.start("""
from fs_api import FSProcessorDriver

class Raises(FSProcessorDriver):
    def process(self, ctx, source_id, data):
        pass

    def process_watermark(self, ctx, source_id, watermark):
        ctx.emit(b"1")
        raise ValueError
""")
    assert guest.hook(WATERMARK) == USER_ERROR
    assert guest.emitted == []


def test_a_full_output_buffer_ends_the_batch_early(guest):
    guest.start(emitter("ctx.emit(data * 1024)"))
    batch = [b"x" * 1024] * 10
    assert guest.process(*batch) == OK
    first = guest.processed
    assert first == OUTPUT_SOFT_LIMIT // (1024 * 1024)
    assert len(guest.values) == first
    assert guest.process(*batch[first:]) == OK
    assert guest.processed == 4
    assert guest.process(*batch[8:]) == OK
    assert guest.processed == 2


def test_one_message_may_emit_more_than_the_soft_limit(guest):
    guest.start(emitter("for i in range(12): ctx.emit(data * 1000000)"))
    assert guest.process(b"x", b"y") == OK
    assert guest.processed == 1
    assert [len(value) for value in guest.values] == [1000000] * 12
    assert guest.process(b"y") == OK
    assert guest.values[0][:1] == b"y"


def test_ten_megabytes_in_and_out(guest):
    guest.start(ECHO)
    big = bytes(range(256)) * 40960
    assert guest.process(big) == OK
    assert guest.values == [big]


def test_process_may_be_replaced_on_the_object(guest):
    guest.start("""
from fs_api import FSProcessorDriver

class Switches(FSProcessorDriver):
    def init(self, ctx, config):
        self.process = lambda ctx, source_id, data: ctx.emit(b"replaced")

    def process(self, ctx, source_id, data):
        ctx.emit(b"original")
""")
    assert guest.process(b"x") == OK, guest.report()
    assert guest.values == [b"replaced"]


@pytest.mark.parametrize("kind", ["@staticmethod", "@functools.cache"])
def test_process_may_be_any_callable(guest, kind):
    self = "" if kind == "@staticmethod" else "self, "
    guest.start(f"""
import functools
from fs_api import FSProcessorDriver

class Callable(FSProcessorDriver):
    {kind}
    def process({self}ctx, source_id, data):
        ctx.emit(data)
""")
    assert guest.process(b"x", b"y") == OK, guest.report()
    assert guest.values == [b"x", b"y"]


def test_a_batch_that_does_not_fit_its_length_is_fatal(guest):
    guest.start(ECHO)
    data = encode_records([Record(b"x")])
    assert guest.call_process(0, 2, data) == FATAL
    assert guest.report().message == "fs_process: a record does not fit the input"
    assert guest.call_process(0, 1, data[:-8]) == FATAL
    assert guest.call_process(0, 1, b"") == FATAL


KEEPING = """
from fs_api import FSProcessorDriver

class Keeping(FSProcessorDriver):
    kept = []
    def process(self, ctx, source_id, data):
        hash(data)
        if data.startswith(b"keep"):
            self.kept.append(data)
        if data.startswith(b"view"):
            self.kept.append(memoryview(data))
        if data.startswith(b"raise"):
            try:
                raise ValueError(data)
            except ValueError as error:
                self.kept.append(error.__traceback__.tb_frame.f_locals["data"])
        if data == b"tell":
            for kept in self.kept:
                ctx.emit(bytes(kept))
        ctx.emit(b"%d %d %d" % (len(data), data[-1] if data else 0, {data: 1}[bytes(bytearray(data))]))
"""


def test_a_message_that_is_kept_stays_what_it_was(guest):
    """The guest uses the bytes object of the message before again, unless something refers to it."""
    guest.start(KEEPING)
    sizes = [0, 1, 2, 5, 31, 32, 33, 64, 511, 512, 513, 5, 2, 1000, 3]
    messages = [bytes([65 + at % 26]) * size for at, size in enumerate(sizes)]
    assert guest.process(*messages) == 0
    assert guest.values == [b"%d %d 1" % (len(message), message[-1] if message else 0) for message in messages]
    kept = [b"%b %d" % (word, number) for number in range(3) for word in (b"keep", b"view", b"raise")]
    between = [message for one in kept for message in (one, b"other", b"x" * len(one))]
    assert guest.process(*between, b"tell") == 0
    assert guest.values[-len(kept) - 1 : -1] == kept
