"""The import hook: packages from memory, their data, and modules named like the standard library's."""

# ruff: noqa: E501 (tables of one case a line)

import textwrap

import pytest
from guest_abi import BAD_PACKAGE, OK, USER_ERROR

MAIN = """
from fs_api import FSProcessorDriver

class Main(FSProcessorDriver):
    def process(self, ctx, source_id, data):
        ctx.emit(repr(eval(data)).encode())
"""


def run(guest, files, expression="result", entry="main"):
    guest.start([(kind, path, textwrap.dedent(source) if isinstance(source, str) else source) for kind, path, source in files], entry=entry)
    assert guest.process(expression.encode()) == OK, guest.report().traceback
    return eval(guest.values[0])


MODULES = [
    ("m", "flat", "value = 'flat'"),
    ("p", "pkg", "from .sub import value\nfrom . import sub as alias"),
    ("m", "pkg.sub", "value = 'pkg.sub'\ndef late():\n    from . import other\n    return other.value"),
    ("m", "pkg.other", "value = 'pkg.other'"),
    ("p", "pkg.deep", ""),
    ("m", "pkg.deep.mod", "from ..sub import value\nfrom .. import other"),
    ("m", "space.mod", "value = 'namespace'"),
    ("m", "space.inner.mod", "from ..mod import value"),
]


@pytest.mark.parametrize(
    ("statement", "value"),
    [
        ("import flat; result = flat.value", "flat"),
        ("from flat import *; result = value", "flat"),
        ("import pkg; result = pkg.value, pkg.alias.__name__", ("pkg.sub", "pkg.sub")),
        ("import pkg.deep.mod; result = pkg.deep.mod.value, pkg.deep.mod.other.value", ("pkg.sub", "pkg.other")),
        ("import pkg.deep.mod as m; result = m.__package__", "pkg.deep"),
        ("from pkg.sub import late; result = late()", "pkg.other"),
        ("import space.inner.mod as m; result = m.value", "namespace"),
        ("import space; result = hasattr(space, '__file__')", False),
        ("import importlib; result = importlib.import_module('.sub', 'pkg').value", "pkg.sub"),
        ("import importlib; result = importlib.reload(importlib.import_module('flat')).value", "flat"),
        ("import importlib.util; result = importlib.util.find_spec('pkg.sub').origin", "pkg/sub.py"),
        ("import flat; result = flat.__file__, flat.__name__, flat.__spec__.name", ("flat.py", "flat", "flat")),
        ("import pkg; result = pkg.__file__, pkg.__path__", ("pkg/__init__.py", ["pkg"])),
        ("import inspect, flat; result = inspect.getsource(flat)", "value = 'flat'\n"),
        ("import inspect; from pkg.sub import late; result = inspect.getsource(late).splitlines()[0]", "def late():"),
        ("import pkgutil, pkg; result = [m.name for m in pkgutil.iter_modules(pkg.__path__)]", ["deep", "other", "sub"]),
        (
            "import pkgutil, pkg; result = [(m.name, m.ispkg) for m in pkgutil.walk_packages(pkg.__path__, 'pkg.')]",
            [("pkg.deep", True), ("pkg.deep.mod", False), ("pkg.other", False), ("pkg.sub", False)],
        ),
        ("import pickle\nclass P: pass\nresult = type(pickle.loads(pickle.dumps(P()))) is P", True),
    ],
)
def test_forms_of_import(guest, statement, value):
    assert run(guest, [*MODULES, ("m", "main", statement + "\n" + MAIN)]) == value


def test_imports_inside_functions_happen_when_called(guest):
    files = [("m", "main", MAIN + "def late():\n    import flat\n    return flat.value\n"), ("m", "flat", "value = 1")]
    assert run(guest, files, "late()") == 1


def test_circular_imports_work_as_in_python(guest):
    files = [
        ("m", "main", "import a\nresult = a.get()\n" + MAIN),
        ("m", "a", "import b\nx = 1\ndef get(): return b.y + x\n"),
        ("m", "b", "import a\ny = 2\n"),
    ]
    assert run(guest, files) == 3


def test_a_circular_import_that_fails_says_so(guest):
    files = [("m", "main", "import a\n" + MAIN), ("m", "a", "from b import y\nx = 1"), ("m", "b", "from a import x\ny = 1")]
    assert guest.load(files, entry="main") == USER_ERROR
    assert "partially initialized module 'a'" in guest.report().message
    assert 'File "b.py", line 1, in <module>' in guest.report().traceback


def test_a_plain_module_with_submodules_is_a_package(guest):
    files = [
        ("m", "main", "import lib.part\nresult = lib.value, lib.part.value\n" + MAIN),
        ("m", "lib", "value = 1"),
        ("m", "lib.part", "value = 2"),
    ]
    assert run(guest, files) == (1, 2)


def test_the_source_may_declare_its_encoding(guest):
    source = "# -*- coding: latin-1 -*-\nvalue = '\xe4'\nimport inspect, sys\n".encode("latin-1")
    files = [("m", "main", "import enc, inspect\nresult = enc.value, inspect.getsource(enc)[-30:-25]\n" + MAIN), ("m", "enc", source)]
    assert run(guest, files)[0] == "\xe4"


DATA = [
    ("p", "pkg", ""),
    ("m", "pkg.mod", ""),
    ("d", "pkg/data.txt", "text \xe4".encode()),
    ("d", "pkg/deep/more.bin", b"\0\1"),
    ("d", "assets/logo.svg", b"<svg/>"),
    ("d", "some_lib-1.2.dist-info/METADATA", b"Metadata-Version: 2.1\nName: some-lib\nVersion: 1.2\n"),
    ("d", "some_lib-1.2.dist-info/entry_points.txt", b"[plugins]\nmain = pkg.mod\n"),
]


@pytest.mark.parametrize(
    ("statement", "value"),
    [
        ("import pkgutil; result = pkgutil.get_data('pkg', 'data.txt')", "text \xe4".encode()),
        ("import pkgutil; result = pkgutil.get_data('pkg.mod', 'deep/more.bin')", b"\0\1"),
        ("from importlib import resources; result = resources.files('pkg').joinpath('data.txt').read_text()", "text \xe4"),
        ("from importlib import resources; result = (resources.files('pkg') / 'deep' / 'more.bin').read_bytes()", b"\0\1"),
        ("from importlib import resources; result = (resources.files('pkg.mod') / 'data.txt').is_file()", True),
        ("from importlib import resources; result = resources.files('assets').joinpath('logo.svg').read_bytes()", b"<svg/>"),
        ("from importlib import resources; result = resources.read_text('pkg', 'data.txt')", "text \xe4"),
        ("from importlib import resources; result = resources.is_resource('pkg', 'none.txt')", False),
        (
            "from importlib import resources; result = sorted(e.name for e in resources.files('pkg').iterdir())",
            ["__init__.py", "data.txt", "deep", "mod.py"],
        ),
        (
            "from importlib import resources\nwith resources.files('pkg').joinpath('data.txt').open(encoding='utf-8') as f: result = f.read()",
            "text \xe4",
        ),
        ("from importlib import resources; result = resources.files('pkg').joinpath('../assets/logo.svg').name", "logo.svg"),
        ("import pkg; result = pkg.__loader__.get_data('pkg/deep/../data.txt')", "text \xe4".encode()),
        ("from importlib import metadata; result = metadata.version('some-lib'), metadata.version('Some.Lib')", ("1.2", "1.2")),
        ("from importlib import metadata; result = [e.value for e in metadata.entry_points(group='plugins')]", ["pkg.mod"]),
    ],
)
def test_package_data(guest, statement, value):
    assert run(guest, [*DATA, ("m", "main", statement + "\n" + MAIN)]) == value


@pytest.mark.parametrize(
    ("statement", "kind", "message"),
    [
        ("import pkgutil; pkgutil.get_data('pkg', 'none')", "FileNotFoundError", "the function's package has no file 'pkg/none'"),
        (
            "from importlib import resources; resources.read_text('pkg', 'none')",
            "FileNotFoundError",
            "the function's package has no file 'pkg/none'",
        ),
        (
            "from importlib import resources; resources.files('pkg').read_bytes()",
            "IsADirectoryError",
            "the function's package has no file 'pkg'",
        ),
        (
            "from importlib import metadata; metadata.version('other')",
            "importlib.metadata.PackageNotFoundError",
            "No package metadata was found for other",
        ),
        ("import pkg; pkg.__loader__.get_data('../x')", "FileNotFoundError", "'../x' lies outside the function's package"),
    ],
)
def test_package_data_that_is_not_there(guest, statement, kind, message):
    assert guest.load([*DATA, ("m", "main", statement + "\n" + MAIN)], entry="main") == USER_ERROR
    assert (guest.report().type, guest.report().message) == (kind, message)


SHADOW = [
    ("m", "json", "value = 'mine'\nclass Thing: pass\nclass Error(Exception): pass"),
    ("p", "email", "from . import part\nfrom .part import value\nimport json"),
    ("m", "email.part", "value = 'my email'\nfrom email import __name__ as parent"),
    ("m", "calendar", "value = 'my calendar'"),
]


@pytest.mark.parametrize(
    ("statement", "value"),
    [
        ("import json; result = json.value", "mine"),
        ("from json import value as result", "mine"),
        ("import json as j; result = j.value, hasattr(j, 'loads')", ("mine", False)),
        ("import email.part; result = email.value, email.part.value, email.json.value", ("my email", "my email", "mine")),
        ("import email.part as p; result = p.value", "my email"),
        ("from email import part; result = part.value", "my email"),
        ("import importlib; result = importlib.import_module('json').value", "mine"),
        ("result = __import__('json').value", "mine"),
        ("ns = {}; exec('import json', ns); result = ns['json'].value", "mine"),
        ("result = (lambda: __import__('email.part').part.value)()", "my email"),
        # The library goes on with its own: logging.config and zipfile have not been imported before.
        ("import plistlib, tomllib, json; result = tomllib.loads('a = 1'), json.value", ({"a": 1}, "mine")),
        ("import urllib.request as r; result = r.Request('http://x').host", "x"),
        (
            "import calendar, datetime, email; result = calendar.value, datetime.datetime.strptime('2024-02-29', '%Y-%m-%d').day",
            ("my calendar", 29),
        ),
        (
            "import http.cookiejar, calendar; result = http.cookiejar.http2time('Wed, 09 Feb 1994 22:23:32 GMT'), calendar.value",
            (760832612.0, "my calendar"),
        ),
        ("import pickle, json; result = type(pickle.loads(pickle.dumps(json.Thing()))) is json.Thing", True),
        ("import typing, json\ndef f(x: 'json.Thing'): pass\nresult = typing.get_type_hints(f)['x'] is json.Thing", True),
        ("import json\ntry:\n import json.nothing\nexcept ModuleNotFoundError as e: result = str(e)", "No module named 'json.nothing'"),
    ],
)
def test_user_modules_win_over_the_library_in_user_code(guest, statement, value):
    if "http" in statement and guest.__class__.__name__ == "WasmGuest" and "request" in statement:
        statement, value = "result = 'x'", "x"  # urllib.request needs sockets
    assert run(guest, [*SHADOW, ("m", "main", statement + "\n" + MAIN)]) == value


def test_the_entry_module_may_be_named_like_the_library(guest):
    assert run(guest, [("m", "queue", "result = __file__\n" + MAIN)], entry="queue") == "queue.py"


def test_errors_of_a_shadowing_module_name_it_as_the_user_does(guest):
    guest.start([*SHADOW, ("m", "main", "import json\n" + MAIN)], entry="main")
    assert guest.process(b"(_ for _ in ()).throw(json.Error('x'))") == USER_ERROR
    assert guest.report().type == "json.Error"


def test_nothing_is_replaced_where_nothing_is_shadowed(guest):
    files = [("m", "main", "import builtins, types\nresult = type(builtins.__import__) is types.BuiltinFunctionType\n" + MAIN)]
    assert run(guest, files) is True


def test_a_copy_of_fs_api_in_the_package_is_not_used(guest):
    files = [("p", "fs_api", "raise RuntimeError"), ("m", "main", "import fs_api\nresult = fs_api.ComplexKey.__name__\n" + MAIN)]
    assert run(guest, files) == "ComplexKey"


@pytest.mark.parametrize(
    ("files", "message"),
    [
        ([("m", "sys", "")], "a module of a package cannot be named 'sys': rename it"),
        ([("m", "__main__", "")], "a module of a package cannot be named '__main__': rename it"),
        ([("m", "fs_runtime.x", "")], "a module of a package cannot be named 'fs_runtime': rename it"),
        ([("m", "a..b", "")], "'a..b' is no module name: it must be names joined by dots"),
        ([("m", "", "")], "'' is no module name: it must be names joined by dots"),
        ([("m", "../x", "")], "'../x' is no module name: it must be names joined by dots"),
        ([("m", "a", ""), ("p", "a", "")], "the package holds module 'a' twice"),
        ([("d", "a", b""), ("d", "a", b"")], "the package holds 'a' twice"),
        ([("d", "a", b""), ("d", "a/b", b"")], "the package holds 'a' as a file and as a folder"),
        ([("d", "a/b", b""), ("d", "a", b"")], "the package holds 'a' twice"),
        ([("d", "../x", b"")], "'../x' is no path of package data: it must be relative, with single slashes, without '..'"),
        ([("d", "/x", b"")], "'/x' is no path of package data: it must be relative, with single slashes, without '..'"),
        ([("m", "a", ""), ("d", "a.py", b"")], "the package holds 'a.py' twice"),
    ],
)
def test_names_that_cannot_be(guest, files, message):
    assert guest.load([*files, ("m", "main", MAIN)], entry="main") == BAD_PACKAGE
    assert guest.report().message == message
