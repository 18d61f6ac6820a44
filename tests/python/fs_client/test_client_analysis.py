"""Which modules a class needs, from the source alone: one table of trees, and what is reported for broken ones."""

from __future__ import annotations

import re
import sys
from collections.abc import Callable
from typing import Any

import pytest
from fs_client import PackagingError
from fs_client.analysis import Project, Runtime

# name -> (files, modules that must be packaged)
COMPLETE: dict[str, tuple[dict[str, str], set[str]]] = {
    "a single file": ({"job.py": "import json\nDRIVER"}, {"job"}),
    "an absolute import": ({"job.py": "import helper\nDRIVER", "helper.py": "", "other.py": ""}, {"job", "helper"}),
    "imports of imports": ({"job.py": "import a\nDRIVER", "a.py": "import b", "b.py": "import c", "c.py": ""}, {"job", "a", "b", "c"}),
    "a name from a module": ({"job.py": "from helper import f\nDRIVER", "helper.py": "def f(): pass"}, {"job", "helper"}),
    "a dotted import brings its parents": (
        {"job.py": "import p.q.r\nDRIVER", "p/__init__.py": "import extra", "p/q/__init__.py": "", "p/q/r.py": "", "extra.py": ""},
        {"job", "p", "p.q", "p.q.r", "extra"},
    ),
    "a submodule by from": ({"job.py": "from p import m\nDRIVER", "p/__init__.py": "", "p/m.py": "", "p/n.py": ""}, {"job", "p", "p.m"}),
    "a name that __init__ re-exports": (
        {"job.py": "from p import f\nDRIVER", "p/__init__.py": "from .m import f", "p/m.py": "def f(): pass"},
        {"job", "p", "p.m"},
    ),
    "a star import takes __all__": (
        {"job.py": "from p import *\nDRIVER", "p/__init__.py": "__all__ = ['m']", "p/m.py": "", "p/n.py": ""},
        {"job", "p", "p.m"},
    ),
    "an import inside a function": ({"job.py": "DRIVER\ndef f():\n    import late", "late.py": ""}, {"job", "late"}),
    "an import inside a class body": ({"job.py": "DRIVER\nclass C:\n    import late", "late.py": ""}, {"job", "late"}),
    "an import inside a lambda": ({"job.py": "DRIVER\nf = lambda: __import__('late')", "late.py": ""}, {"job", "late"}),
    "import_module with a literal": (
        {"job.py": "import importlib\nDRIVER\nimportlib.import_module('p.m')", "p/__init__.py": "", "p/m.py": ""},
        {"job", "p", "p.m"},
    ),
    "TYPE_CHECKING is left out": (
        {"job.py": "from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    import t, missing\nDRIVER", "t.py": ""},
        {"job"},
    ),
    "the else of TYPE_CHECKING is not": (
        {"job.py": "import typing\nif not typing.TYPE_CHECKING:\n    import a\nelse:\n    import b\nDRIVER", "a.py": "", "b.py": ""},
        {"job", "a"},
    ),
    "TYPE_CHECKING, but imported elsewhere too": (
        {"job.py": "from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    import t\nimport u\nDRIVER", "t.py": "", "u.py": "import t"},
        {"job", "t", "u"},
    ),
    "under the main guard": ({"job.py": "DRIVER\nif __name__ == '__main__':\n    import run, missing", "run.py": ""}, {"job"}),
    "a namespace package": ({"job.py": "import ns.a.m\nDRIVER", "ns/a/m.py": ""}, {"job", "ns.a.m"}),
    "from a namespace package": ({"job.py": "from ns import m\nDRIVER", "ns/m.py": ""}, {"job", "ns.m"}),
    "an optional dependency that is missing": (
        {"job.py": "try:\n    import missing\nexcept ImportError:\n    missing = None\nDRIVER"},
        {"job"},
    ),
    "an optional dependency by suppress": (
        {"job.py": "import contextlib\nwith contextlib.suppress(ImportError):\n    import missing\nDRIVER"},
        {"job"},
    ),
    "a fallback": (
        {"job.py": "try:\n    import missing\nexcept (ImportError, OSError):\n    import plan_b\nDRIVER", "plan_b.py": ""},
        {"job", "plan_b"},
    ),
    "a fallback that is not needed": (
        {"job.py": "try:\n    import a\nexcept ImportError:\n    import missing\nDRIVER", "a.py": ""},
        {"job", "a"},
    ),
    "what an optional module lacks": (
        {"job.py": "try:\n    import fast\nexcept ImportError:\n    pass\nDRIVER", "fast.py": "import missing"},
        {"job", "fast"},
    ),
    "another platform's branch": ({"job.py": "import sys\nif sys.platform == 'win32':\n    import missing\nDRIVER"}, {"job"}),
    "another version's branch": (
        {"job.py": "import sys\nif sys.version_info < (3, 9):\n    import missing\nelse:\n    import a\nDRIVER", "a.py": ""},
        {"job", "a"},
    ),
    "a harmless circle": ({"job.py": "import a\nDRIVER", "a.py": "import b", "b.py": "import a"}, {"job", "a", "b"}),
    "a circle through a function": (
        {"job.py": "from a import f\nDRIVER", "a.py": "from b import g\ndef f(): pass", "b.py": "def g():\n    from a import f"},
        {"job", "a", "b"},
    ),
    "a circle whose name is bound in time": (
        {"job.py": "import a\nDRIVER", "a.py": "X = 1\nimport b", "b.py": "from a import X"},
        {"job", "a", "b"},
    ),
    "a circle of package and submodule": (
        {"job.py": "import p\nDRIVER", "p/__init__.py": "from p.m import f", "p/m.py": "from p import n\ndef f(): pass", "p/n.py": ""},
        {"job", "p", "p.m", "p.n"},
    ),
    "names that cannot be seen": ({"job.py": "from a import x\nDRIVER", "a.py": "globals()['x'] = 1"}, {"job", "a"}),
    "a module's __getattr__": ({"job.py": "from a import x\nDRIVER", "a.py": "def __getattr__(name): return 1"}, {"job", "a"}),
    "a coding cookie": ({"job.py": "import a\nDRIVER", "a.py": "# -*- coding: latin-1 -*-\nimport b", "b.py": ""}, {"job", "a", "b"}),
    "a package wins over a module": ({"job.py": "import a\nDRIVER", "a.py": "import missing", "a/__init__.py": ""}, {"job", "a"}),
}


@pytest.mark.parametrize("case", COMPLETE)
def test_the_package_holds_what_the_code_imports(case: str, analyzed: Callable[..., Project]) -> None:
    files, expected = COMPLETE[case]
    assert set(analyzed(files).modules) == expected


# name -> (files, what the error says)
BROKEN: dict[str, tuple[dict[str, str], str]] = {
    "a missing module": ({"job.py": "\nimport missing\nDRIVER"}, r"job\.py:2: no module named 'missing'"),
    "a missing module inside a function": ({"job.py": "DRIVER\ndef f():\n    import missing"}, r"job\.py:6: no module named 'missing'"),
    "a missing module of an import": ({"job.py": "import a\nDRIVER", "a.py": "#\n#\nimport missing"}, r"/a\.py:3: no module named"),
    "a missing submodule": (
        {"job.py": "import p.m\nDRIVER", "p/__init__.py": ""},
        r"job\.py:1: no module named 'p\.m': .*__init__\.py has no 'm'",
    ),
    "a missing relative module": (
        {"job.py": "import p.a\nDRIVER", "p/__init__.py": "", "p/a.py": "from .b import c"},
        r"p/a\.py:1: no module named 'p\.b'",
    ),
    "a name that a package lacks": ({"job.py": "from p import m\nDRIVER", "p/__init__.py": ""}, r"job\.py:1: .*defines no 'm'"),
    "a name that a module lacks": (
        {"job.py": "DRIVER\ndef f():\n    from a import x", "a.py": "y = 1"},
        r"job\.py:6: .*a\.py defines no 'x'",
    ),
    "a name that a namespace lacks": ({"job.py": "from ns import m\nDRIVER", "ns/x.py": ""}, r"job\.py:1: no module named ns\.m"),
    "a literal import_module": ({"job.py": "import importlib\nDRIVER\nimportlib.import_module('missing')"}, r"job\.py:6: no module named"),
    "a handler that raises": ({"job.py": "try:\n    import missing\nexcept ImportError:\n    raise\nDRIVER"}, r"job\.py:2: no module"),
    "a handler for something else": ({"job.py": "try:\n    import missing\nexcept KeyError:\n    pass\nDRIVER"}, r"job\.py:2: no module"),
    "neither of two": (
        {"job.py": "try:\n    import no1\nexcept ImportError:\n    import no2\nDRIVER"},
        r"job\.py:4: no module named 'no2'",
    ),
    "a relative import in no package": (
        {"job.py": "DRIVER\ndef f():\n    from . import x"},
        r"job\.py:6: the relative import .* leads above",
    ),
    "too many dots": (
        {"job.py": "import p.a\nDRIVER", "p/__init__.py": "", "p/a.py": "from ... import x"},
        r"p/a\.py:1: the relative import 'from \.\.\. import x' leads above the package p",
    ),
    "a syntax error": ({"job.py": "DRIVER\ndef f():\n    import a", "a.py": "x = 1\ndef (:"}, r"/a\.py:2: syntax error"),
    "a circle that fails": (
        {"job.py": "import a\nDRIVER", "a.py": "from b import Y\nX = 1", "b.py": "\nfrom a import X\nY = 2"},
        r"b\.py:2: circular import: 'X' .* only at .*a\.py:2; the way there: .*a\.py:1 -> .*b\.py:2",
    ),
    "a circle that fails, behind a function": (
        {"job.py": "DRIVER\ndef f():\n    import a", "a.py": "from b import Y\nX = 1", "b.py": "from a import X\nY = 2"},
        r"b\.py:1: circular import: 'X'",
    ),
    "a circle through the entry": (
        {"job.py": "from a import x\nDRIVER\nY = 1", "a.py": "from job import Y\nx = 1"},
        r"a\.py:1: circular import: 'Y'",
    ),
    "__main__ itself": ({"job.py": "DRIVER\ndef f():\n    import __main__"}, r"job\.py:6: imports __main__"),
    "bytecode alone": ({"job.py": "import a\nDRIVER", "a.pyc": ""}, r"job\.py:1: module a .* is bytecode without its source"),
    "two at once": ({"job.py": "import no1\nimport no2\nDRIVER"}, r"(?s)job\.py:1: .*'no1'.*job\.py:2: .*'no2'"),
}


@pytest.mark.parametrize("case", BROKEN)
def test_a_broken_import_is_reported_with_file_and_line(case: str, analyzed: Callable[..., Project]) -> None:
    files, message = BROKEN[case]
    with pytest.raises(PackagingError) as raised:
        analyzed(files)
    assert re.search(message, str(raised.value)), str(raised.value)


def test_a_relative_entry_follows_its_package(analyzed: Callable[..., Project]) -> None:
    tree = {
        "app/__init__.py": "",
        "app/jobs/__init__.py": "",
        "app/jobs/job.py": "from . import near\nfrom .. import far\nfrom ..lib.deep import f\nDRIVER",
        "app/jobs/near.py": "",
        "app/far.py": "",
        "app/lib/__init__.py": "",
        "app/lib/deep.py": "def f(): pass",
    }
    project = analyzed(tree, "app/jobs/job.py")
    assert project.entry.module == "app.jobs.job"
    assert set(project.modules) == {"app", "app.jobs", "app.jobs.job", "app.jobs.near", "app.far", "app.lib", "app.lib.deep"}


def test_no_user_code_runs(analyzed: Callable[..., Project]) -> None:
    bomb = "raise SystemExit('ran')\n"
    project = analyzed({"job.py": f"import p.m, q\nDRIVER\n{bomb}", "p/__init__.py": bomb, "p/m.py": bomb, "q.py": bomb})
    assert set(project.modules) == {"job", "p", "p.m", "q"}


def test_a_module_that_shadows_the_standard_library_is_packed_with_a_warning(analyzed: Callable[..., Project]) -> None:
    project = analyzed({"job.py": "import colorsys\nDRIVER", "colorsys.py": ""})
    assert set(project.modules) == {"job", "colorsys"}
    assert any("colorsys.py: module colorsys shadows the standard library" in text for text in project.warnings)


def test_what_the_interpreter_has_built_in_cannot_be_shadowed(analyzed: Callable[..., Project]) -> None:
    assert set(analyzed({"job.py": "import sys\nDRIVER", "sys.py": ""}).modules) == {"job"}


def test_the_runtime_own_modules_are_not_packed(analyzed: Callable[..., Project]) -> None:
    assert set(analyzed({"job.py": "import fs_api.context\nfrom fs_api import Context\nDRIVER"}).modules) == {"job"}


def test_a_computed_import_is_warned_about_and_can_be_included(analyzed: Callable[..., Project]) -> None:
    tree = {
        "job.py": "import importlib\nDRIVER\ndef load(name):\n    return importlib.import_module(name)",
        "plugins/__init__.py": "",
        "plugins/a.py": "import helper",
        "plugins/sub/__init__.py": "",
        "plugins/sub/b.py": "",
        "helper.py": "",
    }
    project = analyzed(tree, include=["plugins"])
    assert any("job.py:7: the imported name is computed" in text for text in project.warnings)
    assert {"plugins", "plugins.a", "plugins.sub", "plugins.sub.b", "helper"} <= set(project.modules)
    with pytest.raises(PackagingError, match="include='nothing'"):
        analyzed(tree, include=["nothing"])


def test_the_server_python_decides_version_branches(analyzed: Callable[..., Project]) -> None:
    tree = {
        "job.py": "import sys\nif sys.version_info >= (3, 14):\n    import new\nelse:\n    import old\nDRIVER",
        "new.py": "",
        "old.py": "",
    }
    assert set(analyzed(tree).modules) == {"job", "old"}
    assert set(analyzed(tree, runtime=Runtime((3, 14))).modules) == {"job", "new"}


@pytest.mark.parametrize(
    ("source", "expected"),
    [("x = 1", (3, 9)), ("match 1:\n    case _: pass", (3, 10)), ("try: pass\nexcept* ValueError: pass", (3, 11))],
)
def test_the_oldest_python_that_can_parse_it(source: str, expected: tuple[int, int], analyzed: Callable[..., Project]) -> None:
    if sys.version_info < expected:
        pytest.skip("this Python cannot parse it")
    assert analyzed({"job.py": "import a\nDRIVER", "a.py": source}).python_requires == expected


def test_modules_of_the_client_are_not_followed(analyzed: Callable[..., Project]) -> None:
    project = analyzed({"job.py": "from fs_client import FsClient\nfrom fs_client.config import KafkaInput\nDRIVER"})
    assert set(project.modules) == {"job"}
    assert project.client_modules == {"fs_client", "fs_client.config"}


def data_of(project: Project) -> set[str]:
    return set(project.data)


# name -> (code in p/m.py, data files that must be packaged)
DATA: dict[str, tuple[str, set[str]]] = {
    "files and joinpath": ("from importlib.resources import files\nfiles('p').joinpath('one.txt').read_text()", {"p/one.txt"}),
    "files and a slash": ("from importlib import resources\nresources.files(__package__) / 'd' / 'two.txt'", {"p/d/two.txt"}),
    "files of a module": ("from importlib import resources\nimport p\n(resources.files(p) / 'one.txt').open()", {"p/one.txt"}),
    "files of a data package": (
        "import importlib.resources as r\ndef f(n): return r.files('p.d').joinpath(n)",
        {"p/d/two.txt", "p/d/e/three.txt"},
    ),
    "read_text": ("from importlib import resources\nresources.read_text('p', 'one.txt')", {"p/one.txt"}),
    "get_data": ("import pkgutil\npkgutil.get_data(__name__, 'd/two.txt')", {"p/d/two.txt"}),
    "pathlib": ("from pathlib import Path\nopen(Path(__file__).parent / 'one.txt')", {"p/one.txt"}),
    "pathlib, resolved, through a variable": (
        "import pathlib\nHERE = pathlib.Path(__file__).resolve().parent\nDATA = HERE / 'd'\ntext = (DATA / 'two.txt').read_text()",
        {"p/d/two.txt"},
    ),
    "with_name": ("from pathlib import Path\nPath(__file__).with_name('one.txt').read_text()", {"p/one.txt"}),
    "parents": ("from pathlib import Path\nPath(__file__).parents[1] / 'root.txt'", {"root.txt"}),
    "os.path": ("import os\nopen(os.path.join(os.path.dirname(os.path.abspath(__file__)), 'd', 'two.txt'))", {"p/d/two.txt"}),
    "added text": ("import os\nopen(os.path.dirname(__file__) + '/one.txt')", {"p/one.txt"}),
    "an f-string": ("import os\nHERE = os.path.dirname(__file__)\nopen(f'{HERE}/one.txt')", {"p/one.txt"}),
    "a folder with a computed name in it": (
        "from pathlib import Path\nD = Path(__file__).parent / 'd'\ndef f(n): return open(D / n)",
        {"p/d/two.txt", "p/d/e/three.txt"},
    ),
    "a folder kept for others": ("from pathlib import Path\nD = Path(__file__).parent / 'd'", {"p/d/two.txt", "p/d/e/three.txt"}),
    "one level up": ("from pathlib import Path\nopen(Path(__file__).parent.parent / 'root.txt')", {"root.txt"}),
    "a file that is not there": ("from pathlib import Path\nopen(Path(__file__).parent / 'new.txt', 'w')", set()),
    "a computed name beside the module": ("from pathlib import Path\ndef f(n): return open(Path(__file__).parent / n)", set()),
    "a string that is no path": ("x = 'one.txt'", set()),
}


@pytest.mark.parametrize("case", DATA)
def test_data_that_the_code_names_is_packed(case: str, analyzed: Callable[..., Project]) -> None:
    code, expected = DATA[case]
    tree = {"job.py": "import p.m\nDRIVER", "p/__init__.py": "", "p/m.py": code, "root.txt": "0"}
    tree.update({"p/one.txt": "1", "p/d/two.txt": "2", "p/d/e/three.txt": "3"})
    assert data_of(analyzed(tree)) == expected


def test_data_named_by_its_path_is_warned_about(analyzed: Callable[..., Project]) -> None:
    """The sandbox has no files: only resources can be read there."""
    code = "from pathlib import Path\nDRIVER\nopen(Path(__file__).parent / 'x.txt')"
    assert any("job.py:6: names data by its path" in text for text in analyzed({"job.py": code, "x.txt": ""}).warnings)


def test_a_resource_that_does_not_exist_is_warned_about(analyzed: Callable[..., Project]) -> None:
    project = analyzed({"job.py": "import pkgutil\nDRIVER\npkgutil.get_data(__name__, 'no.txt')"})
    assert any(re.search(r"job\.py:6: names the data file .*no\.txt, which does not exist", text) for text in project.warnings)


def test_data_outside_the_import_root_is_warned_about(analyzed: Callable[..., Project], tmp_path: Any) -> None:
    tree = {"src/job.py": "from pathlib import Path\nDRIVER\nopen(Path(__file__).parent.parent / 'x.txt')", "x.txt": ""}
    project = analyzed(tree, "src/job.py")
    assert not project.data
    assert any("outside the folder" in text for text in project.warnings)
