"""Third-party distributions: pure ones go into the package whole, native ones are refused by name unless the code can do without."""

from __future__ import annotations

import importlib.machinery
from collections.abc import Callable

import pytest
from fs_client.analysis import Project

SITE = "site-packages"
SO = importlib.machinery.EXTENSION_SUFFIXES[0]
Tree = dict[str, str]


def installed(name: str, files: Tree, requires: str = "") -> Tree:
    """A distribution as pip leaves it."""
    info = f"{name}-1.2.dist-info"
    inside = {
        **files,
        f"{info}/METADATA": f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.2\n{requires}",
        f"{info}/WHEEL": "Wheel-Version: 1.0\n",
    }
    record = "".join(f"{path},,\n" for path in [*inside, f"{info}/RECORD"])
    return {f"{SITE}/{path}": text for path, text in {**inside, f"{info}/RECORD": record}.items()}


PURE = installed(
    "pure-dist",
    {
        "pure/__init__.py": "from pure import core\nversion = __import__('importlib.metadata')",
        "pure/core.py": "import an_extra_that_is_not_installed",
        "pure/plugin.py": "",
        "pure/table.dat": "1",
        "pure/_speed.pyx": "",
        "pure/py.typed": "",
    },
)
NATIVE = installed("native-dist", {"native/__init__.py": "from native import _core", f"native/_core{SO}": ""})


def distributions(project: Project) -> dict[str, set[str]]:
    return {one.name: set(one.files) for one in project.distributions}


def test_a_pure_distribution_is_packed_whole(analyzed: Callable[..., Project]) -> None:
    project = analyzed({"job.py": "import pure\nDRIVER", **PURE})
    files = {"pure/__init__.py", "pure/core.py", "pure/plugin.py", "pure/table.dat", "pure/py.typed", "pure-dist-1.2.dist-info/METADATA"}
    assert distributions(project) == {"pure-dist": files}
    assert set(project.modules) == {"job"}
    assert not project.natives


def test_a_distribution_brings_those_that_it_imports(analyzed: Callable[..., Project]) -> None:
    outer = installed("outer", {"outer.py": "import pure\ndef f():\n    import not_installed"})
    assert set(distributions(analyzed({"job.py": "import outer\nDRIVER", **PURE, **outer}))) == {"outer", "pure-dist"}


def test_a_native_distribution_is_named(analyzed: Callable[..., Project]) -> None:
    project = analyzed({"job.py": "\nimport native\nDRIVER", **NATIVE})
    (need,) = project.natives
    assert "job.py:2: native-dist 1.2 has native code (native/_core" in str(need)
    assert not project.distributions


def test_a_native_distribution_behind_a_pure_one_is_named(analyzed: Callable[..., Project]) -> None:
    outer = installed("outer", {"outer.py": "import native"})
    (need,) = analyzed({"job.py": "import outer\nDRIVER", **NATIVE, **outer}).natives
    assert "outer.py:1: native-dist" in str(need)


def test_a_distribution_brings_no_optional_one_that_it_does_not_declare(analyzed: Callable[..., Project]) -> None:
    code = {"outer.py": "try:\n    import pure\nexcept ImportError:\n    pass"}
    silent, declaring = installed("outer", code), installed("outer", code, "Requires-Dist: Pure_Dist>=1; python_version>'3'\n")
    extra = installed("outer", code, "Requires-Dist: pure-dist; extra == 'fast'\n")
    assert set(distributions(analyzed({"job.py": "import outer\nDRIVER", **PURE, **silent}))) == {"outer"}
    assert set(distributions(analyzed({"job.py": "import outer\nDRIVER", **PURE, **extra}))) == {"outer"}
    assert set(distributions(analyzed({"job.py": "import outer\nDRIVER", **PURE, **declaring}))) == {"outer", "pure-dist"}


def test_native_code_that_the_runtime_has_is_no_need(analyzed: Callable[..., Project]) -> None:
    tree = {"job.py": "import native\nDRIVER", **NATIVE}
    whole = analyzed(tree, provided=["native"])
    assert (whole.natives, whole.distributions) == ([], [])
    part = analyzed(tree, provided=["native._core"])
    assert (part.natives, list(distributions(part))) == ([], ["native-dist"])


def test_a_guarded_import_of_a_native_distribution_takes_the_handler(analyzed: Callable[..., Project]) -> None:
    code = "try:\n    import native\nexcept ImportError:\n    import plan_b\nDRIVER"
    project = analyzed({"job.py": code, "plan_b.py": "", **NATIVE})
    assert (project.natives, project.distributions) == ([], [])
    assert set(project.modules) == {"job", "plan_b"}
    assert any("native-dist 1.2 has native code" in text for text in project.warnings)


def test_a_pure_distribution_that_may_use_a_native_one_goes_without(analyzed: Callable[..., Project]) -> None:
    outer = installed("outer", {"outer.py": "def to_native():\n    import native"})
    project = analyzed({"job.py": "import outer\nDRIVER", **NATIVE, **outer})
    assert (project.natives, list(distributions(project))) == ([], ["outer"])


OPTIONAL_NATIVE: dict[str, Tree] = {
    "an accelerator behind a handler": {
        "acc/__init__.py": "try:\n    from acc._fast import f\nexcept ImportError:\n    from acc._slow import f",
        "acc/_slow.py": "def f(): pass",
        f"acc/_fast{SO}": "",
    },
    "a module behind a handler that needs it": {
        "acc/__init__.py": "try:\n    from .c import *\nexcept ImportError:\n    pass",
        "acc/c.py": "from acc._c import x",
        f"acc/_c{SO}": "",
    },
    "compiled from Python that is there": {"acc/__init__.py": "from . import m", "acc/m.py": "", f"acc/m{SO}": "", f"abc__mypyc{SO}": ""},
}


@pytest.mark.parametrize("case", OPTIONAL_NATIVE)
def test_native_code_that_is_optional_is_left_out(case: str, analyzed: Callable[..., Project]) -> None:
    project = analyzed({"job.py": "import acc\nDRIVER", **installed("acc", OPTIONAL_NATIVE[case])})
    assert not project.natives
    (files,) = distributions(project).values()
    assert not any(file.endswith(SO) for file in files)


REQUIRED_NATIVE: dict[str, Tree] = {
    "a handler that gives up": {
        "acc/__init__.py": "try:\n    from acc import _c\nexcept ImportError as e:\n    raise RuntimeError from e",
        f"acc/_c{SO}": "",
    },
    "reached by nothing that can be seen": {"acc/__init__.py": "", f"acc/_c{SO}": ""},
    "a library beside it": {"acc/__init__.py": "", "acc.libs/libx.so.1": ""},
    "the module itself": {f"acc{SO}": ""},
}


@pytest.mark.parametrize("case", REQUIRED_NATIVE)
def test_native_code_that_may_be_needed_is_refused(case: str, analyzed: Callable[..., Project]) -> None:
    project = analyzed({"job.py": "import acc\nDRIVER", **installed("acc", REQUIRED_NATIVE[case])})
    assert [need.distribution.name for need in project.natives] == ["acc"]


def test_files_that_no_distribution_recorded_go_by_their_top_folder(analyzed: Callable[..., Project]) -> None:
    project = analyzed({"job.py": "import dropped\nDRIVER", f"{SITE}/dropped/__init__.py": "", f"{SITE}/dropped/more.py": ""})
    assert distributions(project) == {"dropped": {"dropped/__init__.py", "dropped/more.py"}}


def test_distributions_that_share_a_namespace_are_told_apart(analyzed: Callable[..., Project]) -> None:
    one, two = installed("ns-one", {"ns/one.py": ""}), installed("ns-two", {"ns/two.py": ""})
    assert set(distributions(analyzed({"job.py": "import ns.one\nDRIVER", **one, **two}))) == {"ns-one"}


def test_real_distributions_of_this_environment(analyzed: Callable[..., Project]) -> None:
    """PyYAML's native half is optional, grpc's is not."""
    assert "PyYAML" in distributions(analyzed({"job.py": "import yaml\nDRIVER"}))
    assert [need.distribution.name for need in analyzed({"job.py": "import grpc\nDRIVER"}).natives] == ["grpcio"]
