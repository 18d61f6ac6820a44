"""What user code raises comes back as data: type, message, and a traceback with the user's files and lines."""

import re
import textwrap

import pytest
from guest_abi import CUSTOM, INIT, NO_MEMORY, OK, USER_ERROR, WATERMARK

HEAD = """\
from fs_api import FSProcessorDriver

class Raises(FSProcessorDriver):
    def process(self, ctx, source_id, data):
"""


def raising(*lines):
    return HEAD + "".join(f"        {line}\n" for line in lines)


def test_a_traceback_shows_the_users_lines_only(guest):
    guest.start(
        [
            ("p", "app", ""),
            ("m", "app.main", raising("from .deep import fail", "fail(data)")),
            ("m", "app.deep", "def fail(data):\n    # comment\n    raise KeyError(data)\n"),
        ],
        entry="app.main",
    )
    assert guest.process(b"x") == USER_ERROR
    report = guest.report()
    assert (report.type, report.message) == ("KeyError", "b'x'")
    assert report.traceback == textwrap.dedent("""\
        Traceback (most recent call last):
          File "app/main.py", line 6, in process
            fail(data)
            ~~~~^^^^^^
          File "app/deep.py", line 3, in fail
            raise KeyError(data)
        KeyError: b'x'
        """)


def test_an_exception_on_import(guest):
    files = [("m", "user", "import other\n" + HEAD + "        pass\n"), ("m", "other", "x = 1\n1 / 0\n")]
    assert guest.load(files, entry="user") == USER_ERROR
    report = guest.report()
    assert (report.type, report.message) == ("ZeroDivisionError", "division by zero")
    assert report.traceback == textwrap.dedent("""\
        Traceback (most recent call last):
          File "user.py", line 1, in <module>
            import other
          File "other.py", line 2, in <module>
            1 / 0
            ~~^~~
        ZeroDivisionError: division by zero
        """)


def test_a_syntax_error(guest):
    assert guest.load("x = 1\ndef broken(:\n") == USER_ERROR
    report = guest.report()
    assert report.type == "SyntaxError"
    assert report.traceback == textwrap.dedent("""\
          File "user.py", line 2
            def broken(:
                       ^
        SyntaxError: invalid syntax
        """)


def test_a_module_that_is_not_there(guest):
    assert guest.load("import missing.thing\n") == USER_ERROR
    report = guest.report()
    assert (report.type, report.message) == ("ModuleNotFoundError", "No module named 'missing'")
    assert '  File "user.py", line 1, in <module>\n    import missing.thing\n' in report.traceback
    assert "importlib" not in report.traceback


def test_a_chain_of_exceptions(guest):
    guest.start(raising("try:", "    int('x')", "except ValueError as error:", "    raise RuntimeError('outer') from error"))
    assert guest.process(b"x") == USER_ERROR
    traceback = guest.report().traceback
    assert "ValueError: invalid literal" in traceback
    assert "The above exception was the direct cause" in traceback
    assert traceback.count('File "user.py"') == 2


def test_exception_groups_and_notes(guest):
    guest.start(raising("e = ValueError('inner'); e.add_note('a note')", "raise ExceptionGroup('several', [e, TypeError('t')])"))
    assert guest.process(b"x") == USER_ERROR
    report = guest.report()
    assert report.type == "ExceptionGroup"
    assert "ValueError: inner\n    | a note" in report.traceback and "TypeError: t" in report.traceback


@pytest.mark.parametrize(
    ("statement", "kind", "message"),
    [
        ("import sys; sys.exit(3)", "SystemExit", "3"),
        ("raise KeyboardInterrupt", "KeyboardInterrupt", ""),
        ("raise GeneratorExit", "GeneratorExit", ""),
        ("raise StopIteration(1)", "StopIteration", "1"),
        ("raise type('Own', (BaseException,), {})('own')", "user.Own", "own"),
        ("assert False, 'why'", "AssertionError", "why"),
        ("import fs_api; raise fs_api.FunctionTimeout()", "fs_api.errors.FunctionTimeout", "the function ran over its time limit"),
        ("raise ValueError('\\ud800')", "ValueError", "\\ud800"),
    ],
)
def test_every_kind_of_exception_is_the_users(guest, statement, kind, message):
    guest.start(raising(statement))
    assert guest.process(b"x") == USER_ERROR
    report = guest.report()
    assert (report.type, report.message) == (kind, message)
    assert 'File "user.py", line 5, in process' in report.traceback
    assert guest.process(b"x") == USER_ERROR


def test_an_exception_that_cannot_be_shown(guest):
    guest.start("""
from fs_api import FSProcessorDriver

class Hostile(Exception):
    def __str__(self):
        raise RuntimeError

class Raises(FSProcessorDriver):
    def process(self, ctx, source_id, data):
        raise Hostile
""")
    assert guest.process(b"x") == USER_ERROR
    report = guest.report()
    assert (report.type, report.message) == ("user.Hostile", "<unprintable Hostile object>")
    assert 'File "user.py", line 10, in process' in report.traceback


def test_long_texts_are_cut_in_the_middle_with_a_mark(guest):
    guest.start(raising("raise ValueError('begin' + 'x' * 10_000_000 + 'end')"))
    assert guest.process(b"x") == USER_ERROR
    report = guest.report()
    assert report.message.startswith("beginxxx") and report.message.endswith("xxxend")
    shown = report.message.count("x") + len("beginend")
    assert f"\n... {10_000_008 - shown} bytes left out ...\n" in report.message
    assert 8000 < len(report.message) <= 8192
    # What is too long is cut where it stands, so that the traceback beside it is whole.
    assert report.traceback.startswith("Traceback") and report.traceback.endswith("xxxend\n")
    assert 'File "user.py", line 5, in process' in report.traceback


@pytest.mark.parametrize(
    ("statement", "left_out"),
    [
        ("raise KeyError('x' * 10_000_000)", 10_000_002),
        ("raise ValueError('\\u20ac' * 3_000_000)", 9_000_000),
        ("raise ValueError('\\ud800' * 1_000_000)", 6_000_000),
        ("raise ValueError('line\\n' * 2_000_000)", 10_000_000),
        ("raise SyntaxError('x' * 10_000_000)", 10_000_000),
    ],
    ids=["repr", "wide", "surrogates", "lines", "syntax error"],
)
def test_long_texts_of_every_kind_are_cut_and_counted(guest, statement, left_out):
    guest.start(raising(statement))
    assert guest.process(b"x") == USER_ERROR
    report = guest.report()
    told = int(re.search(r"\.\.\. (\d+) bytes left out", report.message).group(1))
    assert left_out - 8192 <= told < left_out
    assert 'File "user.py", line 5, in process' in report.traceback
    assert len(report.message.encode()) <= 8192 and len(report.traceback.encode()) <= 48 << 10


def test_long_notes_and_causes_leave_the_traceback_whole(guest):
    lines = (
        "try:",
        "    raise ValueError('c' * 10_000_000)",
        "except ValueError as cause:",
        "    raised = RuntimeError('d' * 10_000_000)",
        "    raised.add_note('n' * 10_000_000)",
        "    raise raised from cause",
    )
    guest.start(raising(*lines))
    assert guest.process(b"x") == USER_ERROR
    traceback = guest.report().traceback
    assert traceback.count("bytes left out") == 3
    for part in ("line 6, in process", "line 10, in process", "direct cause", "ValueError: ccc", "RuntimeError: ddd", "nnn"):
        assert part in traceback


def test_a_hook_with_too_few_parameters(guest):
    guest.start(HEAD.replace("ctx, source_id, data", "ctx, data") + "        pass\n")
    assert guest.process(b"x") == USER_ERROR
    report = guest.report()
    assert report.type == "TypeError"
    assert "Raises.process() takes 3 positional arguments but 4 were given" in report.message
    assert 'It is called as process(ctx, source_id, data); it is defined in File "user.py", line 4.' in report.traceback


@pytest.mark.parametrize(("hook", "name", "given"), [(INIT, "init", 3), (WATERMARK, "process_watermark", 4), (CUSTOM, "custom", 2)])
def test_other_hooks_with_too_few_parameters(guest, hook, name, given):
    assert guest.load(raising("pass") + f"    def {name}(self):\n        pass\n") == OK
    assert guest.hook(hook) == USER_ERROR
    assert guest.report().message == f"Raises.{name}() takes 1 positional argument but {given} were given"
    assert f"It is called as {name}(" in guest.report().traceback


def test_deep_recursion_is_a_user_error(guest):
    guest.start(raising("def f(n): return f(n + 1)", "f(0)"))
    assert guest.process(b"x") == USER_ERROR
    report = guest.report()
    assert report.type == "RecursionError"
    assert "[Previous line repeated" in report.traceback
    assert guest.process(b"x") == USER_ERROR


def test_deep_recursion_in_c_is_a_user_error(guest):
    guest.start(raising("import json; json.loads('[' * 100000)"))
    assert guest.process(b"x") == USER_ERROR
    assert guest.report().type == "RecursionError"


def test_no_memory_is_told_apart(guest):
    guest.start("import sys\n" + raising("if data == b'big': bytes(1 << 60 if sys.maxsize > 1 << 40 else 1 << 30)"))
    assert guest.process(b"ok", b"big", b"ok") == NO_MEMORY
    assert guest.processed == 1
    report = guest.report()
    assert report.type == "MemoryError"
    assert 'File "user.py", line 6, in process' in report.traceback
    assert guest.process(b"ok") == OK


def test_what_user_code_prints_and_logs(guest):
    guest.start(
        HEAD
        + """
        import logging, sys, warnings
        print("printed", flush=False)
        print("to stderr", file=sys.stderr)
        ctx.logger.debug("too fine")
        ctx.logger.info("from %s", "ctx")
        ctx.logger.error("\\ud800")
        logging.getLogger("lib.part").warning("from a library")
        logging.getLogger().critical("from the root")
        warnings.warn("careful")
        try:
            1 / 0
        except ZeroDivisionError:
            ctx.logger.exception("failed")
""",
        name="my-function",
    )
    assert guest.process(b"x") == OK, guest.report()
    logs = [(level, text.decode() if isinstance(text, bytes) else text) for level, text in guest.logs()]
    assert logs[:4] == [
        (20, "from ctx"),
        (40, "\\ud800"),
        (30, "lib.part: from a library"),
        (50, "root: from the root"),
    ]
    assert logs[4][0] == 30 and "UserWarning: careful" in logs[4][1] and "user.py:" in logs[4][1]
    assert logs[5][0] == 40 and logs[5][1].startswith('failed\nTraceback (most recent call last):\n  File "user.py"')
    assert sorted(guest.printed().splitlines()) == ["printed", "to stderr"]


def test_a_line_begun_is_flushed_before_an_error(guest):
    guest.start(raising("print('no newline', end='')", "raise ValueError"))
    assert guest.process(b"x") == USER_ERROR
    assert guest.printed() == "no newline"


def test_an_error_in_a_finalizer_does_not_reach_the_call(guest):
    guest.start("""
from fs_api import FSProcessorDriver

class Bomb:
    def __del__(self):
        raise RuntimeError("in __del__")

class Raises(FSProcessorDriver):
    def process(self, ctx, source_id, data):
        bomb = Bomb()
        if data == b"bad":
            raise ValueError("first")
""")
    assert guest.process(b"ok", b"bad") == USER_ERROR
    assert guest.processed == 1
    assert guest.report().message == "first"
    assert guest.process(b"ok") == OK
