"""Hooks other than process(), loading a class, and what makes a class unfit."""

# ruff: noqa: E501 (tables of one case a line)

import pytest
from guest_abi import (
    BAD_PACKAGE,
    CHECK_HEARTBEAT,
    CLOSE,
    CUSTOM,
    FATAL,
    INIT,
    OK,
    RESTORE_CHECKPOINT,
    TAKE_CHECKPOINT,
    USER_ERROR,
    WATERMARK,
    encode_image,
)

RECORDER = """
from fs_api import FSProcessorDriver

class Recorder(FSProcessorDriver):
    def __init__(self):
        self.calls = ["__init__"]

    def init(self, ctx, config):
        self.calls.append(("init", config))

    def process(self, ctx, source_id, data):
        self.calls.append(("process", source_id, data))

    def process_watermark(self, ctx, source_id, watermark):
        self.calls.append(("process_watermark", source_id, watermark))

    def take_checkpoint(self, ctx, checkpoint_id):
        self.calls.append(("take_checkpoint", checkpoint_id))
        return b"kept"

    def restore_checkpoint(self, ctx, checkpoint_id, data):
        self.calls.append(("restore_checkpoint", checkpoint_id, data))

    def check_heartbeat(self, ctx):
        self.calls.append("check_heartbeat")
        return True

    def close(self, ctx):
        self.calls.append("close")

    def custom(self, payload):
        return repr(self.calls).encode()
"""

MINIMAL = """
from fs_api import FSProcessorDriver

class Minimal(FSProcessorDriver):
    def process(self, ctx, source_id, data):
        pass
"""


def hook_returning(hook, value):
    parameters = {"custom": "payload", "check_heartbeat": "ctx", "take_checkpoint": "ctx, checkpoint_id"}[hook]
    return f"{MINIMAL}\n    def {hook}(self, {parameters}):\n        return {value}\n"


def test_every_hook_gets_its_arguments(guest):
    assert guest.load(RECORDER, config={"k": "v"}) == OK
    for hook, number, data in [
        (INIT, 0, b""),
        (RESTORE_CHECKPOINT, 1 << 40, b""),
        (RESTORE_CHECKPOINT, 7, b"\0bytes"),
        (WATERMARK, -(1 << 62), b""),
        (TAKE_CHECKPOINT, 8, b""),
        (CHECK_HEARTBEAT, 0, b""),
        (CLOSE, 0, b""),
    ]:
        assert guest.hook(hook, number, data, source_id=3) == OK, guest.report()
    assert guest.process(b"x", source_id=4) == OK
    assert guest.hook(CUSTOM) == OK
    assert eval(guest.result) == [
        "__init__",
        ("init", {"k": "v"}),
        ("restore_checkpoint", 1 << 40, b""),
        ("restore_checkpoint", 7, b"\0bytes"),
        ("process_watermark", 3, -(1 << 62)),
        ("take_checkpoint", 8),
        "check_heartbeat",
        "close",
        ("process", 4, b"x"),
    ]


def test_defaults(guest):
    guest.start(MINIMAL)
    assert guest.hook(TAKE_CHECKPOINT, 1) == OK and guest.result is None
    assert guest.hook(RESTORE_CHECKPOINT, 1, b"x") == OK and guest.result is None
    assert guest.hook(CHECK_HEARTBEAT) == OK and guest.result == b"\1"
    assert guest.hook(CUSTOM, data=b"x") == OK and guest.result == b""
    assert guest.hook(CLOSE) == OK and guest.result is None


@pytest.mark.parametrize(
    ("value", "result"),
    [("b''", b""), ("b'x'", b"x"), ("bytearray(b'x')", b"x"), ("memoryview(b'xyz')[::2]", b"xz"), ("None", None)],
)
def test_what_take_checkpoint_may_return(guest, value, result):
    guest.start(hook_returning("take_checkpoint", value))
    assert guest.hook(TAKE_CHECKPOINT, 1) == OK
    assert guest.result == result


@pytest.mark.parametrize(
    ("hook", "number", "value", "message"),
    [
        ("take_checkpoint", TAKE_CHECKPOINT, "'x'", "take_checkpoint() must return bytes or None, not str: encode it first"),
        ("take_checkpoint", TAKE_CHECKPOINT, "7", "take_checkpoint() must return bytes or None, not int"),
        ("custom", CUSTOM, "None", "custom() must return bytes, not NoneType"),
        ("custom", CUSTOM, "'x'", "custom() must return bytes, not str: encode it first"),
    ],
)
def test_what_hooks_may_not_return(guest, hook, number, value, message):
    guest.start(hook_returning(hook, value))
    assert guest.hook(number) == USER_ERROR
    assert (guest.report().type, guest.report().message) == ("TypeError", message)


@pytest.mark.parametrize(("value", "result"), [("True", b"\1"), ("1", b"\1"), ("False", b"\0"), ("None", b"\0"), ("[]", b"\0")])
def test_a_heartbeat_is_a_truth_value(guest, value, result):
    guest.start(hook_returning("check_heartbeat", value))
    assert guest.hook(CHECK_HEARTBEAT) == OK
    assert guest.result == result


def test_configuration_given_to_init_is_a_copy(guest):
    guest.start(
        MINIMAL
        + """
    def init(self, ctx, config):
        config["new"] = "x"
        ctx.emit(repr(ctx.getConfig()).encode())
""",
        config={"a": "1", "": "empty", "\xe4": "\u20ac"},
    )
    assert eval(guest.values[0]) == {"a": "1", "": "empty", "\xe4": "\u20ac"}


TWO = MINIMAL + MINIMAL.replace("Minimal", "Second")
BASE_AND_CLASS = MINIMAL.replace("Minimal", "Base") + "\nclass Derived(Base):\n    pass\n"
ABSTRACT_BASE = """
from abc import abstractmethod
from fs_api import FSProcessorDriver

class Base(FSProcessorDriver):
    @abstractmethod
    def other(self): ...

class Real(Base):
    def process(self, ctx, source_id, data): ...
    def other(self): ...
"""


@pytest.mark.parametrize(
    ("source", "options"),
    [
        (MINIMAL, {}),
        (MINIMAL, {"class_name": "Minimal"}),
        (MINIMAL, {"config": {"class_name": "Minimal"}}),
        (TWO, {"name": "Second"}),
        (TWO, {"class_name": "Minimal", "name": "Second"}),
        (ABSTRACT_BASE, {}),
        (MINIMAL + "\nAlias = Minimal\n", {}),
        (MINIMAL + "\nAlias = Minimal\n", {"class_name": "Alias"}),
        ("import fs_api\nclass A:\n class B(fs_api.FSProcessorDriver):\n  process = lambda *a: None\n", {"class_name": "A.B"}),
        ([("m", "user", MINIMAL), ("m", "other", "x = 1")], {"entry": "user"}),
        ([("m", "user", MINIMAL), ("m", "other", "class Unrelated: pass")], {"class_name": "Minimal"}),
        ([("m", "broken", "class Minimal(\n"), ("m", "user", MINIMAL)], {"class_name": "Minimal"}),
        ([("p", "a", ""), ("m", "a.b", MINIMAL)], {"name": "Minimal"}),
        ([("m", "user", "from lib import Minimal"), ("m", "lib", MINIMAL)], {"entry": "user", "class_name": "Minimal"}),
    ],
)
def test_the_class_is_found(guest, source, options):
    guest.start(source, **options)
    assert guest.process(b"x") == OK, guest.report()


@pytest.mark.parametrize(
    ("source", "options", "message"),
    [
        ("x = 1", {}, "module 'user' defines no FSProcessorDriver: derive a class from fs_api.FSProcessorDriver, or name the class"),
        (
            TWO,
            {},
            "module 'user' defines several functions, none named 'function': name the class; its FSProcessorDriver classes: Minimal, Second",
        ),
        (
            BASE_AND_CLASS,
            {},
            "module 'user' defines several functions, none named 'function': name the class; its FSProcessorDriver classes: Base, Derived",
        ),
        (
            MINIMAL,
            {"class_name": "Minimla"},
            "module 'user' has no class 'Minimla'; its FSProcessorDriver classes: Minimal (did you mean 'Minimal'?)",
        ),
        ("x = 1", {"class_name": "x"}, "'x' of module 'user' is no class but int; its FSProcessorDriver classes: none"),
        (
            "class Duck:\n    def process(self, ctx, source_id, data): ...",
            {"class_name": "Duck"},
            "class 'Duck' of module 'user' is not an FSProcessorDriver: derive it from fs_api.FSProcessorDriver",
        ),
        (
            "import fs_api\nclass Empty(fs_api.FSProcessorDriver): pass",
            {},
            "class 'Empty' of module 'user' does not define process(): a function needs process(self, ctx, source_id, data)",
        ),
        (
            MINIMAL.replace("def process", "async def process"),
            {},
            "class 'Minimal' of module 'user': process() is async; hooks are plain functions (use asyncio.run() inside)",
        ),
        (
            MINIMAL.replace("pass", "yield data"),
            {},
            "class 'Minimal' of module 'user': process() is a generator (it has a yield) and would never run; use ctx.emit() instead",
        ),
        (MINIMAL + "    close = None\n", {}, "class 'Minimal' of module 'user': close is NoneType, not a method"),
        (MINIMAL, {"entry": "other"}, "the package has no module 'other'; its modules: user"),
        ([], {"class_name": "X"}, "no module of the package defines class 'X'; its modules: none"),
        (
            [("m", "a", TWO), ("m", "b", TWO)],
            {"class_name": "Second"},
            "class 'Second' is defined in several modules (a, b): name the module",
        ),
        ([("m", "a", "x"), ("m", "b", "y")], {"class_name": "Z"}, "no module of the package defines class 'Z'; its modules: a, b"),
    ],
)
def test_unfit_packages_are_refused_with_the_reason(guest, source, options, message):
    assert guest.load(source, **options) == BAD_PACKAGE, guest.report()
    report = guest.report()
    assert report.message == message
    assert report.type.endswith("BadPackage") and report.traceback == ""
    assert guest.process(b"x") == FATAL


def test_a_constructor_that_wants_arguments(guest):
    assert guest.load(MINIMAL + "    def __init__(self, size): ...\n") == USER_ERROR
    report = guest.report()
    assert "missing 1 required positional argument: 'size'" in report.message
    assert "The server makes the function as Minimal(), without arguments" in report.traceback


def test_an_instance_is_loaded_once(guest):
    guest.start(MINIMAL)
    assert guest.load(MINIMAL) == FATAL
    assert guest.report().message == "fs_load: this instance was loaded before"


@pytest.mark.parametrize("cut", [0, 3, 4, 5, 10, 40, 60, -1])
def test_a_malformed_image_is_fatal(guest, cut):
    image = encode_image([("m", "user", MINIMAL)])
    assert guest.call_load(image[:cut]) == FATAL
    assert guest.report().message.startswith("the load image is malformed at byte ")


def test_an_image_of_another_format_is_fatal(guest):
    assert guest.call_load(b"\1\0\0\0002" + encode_image([])[5:]) == FATAL
    assert guest.report().message == "the load image has format '2'; this runtime reads \"1\""


def test_calls_out_of_order_are_fatal(guest):
    assert guest.hook(INIT) == FATAL
    assert guest.process(b"x") == FATAL
    guest.start(MINIMAL)
    assert guest.hook(0) == FATAL
    assert guest.hook(8) == FATAL
    assert guest.process(b"x") == OK
