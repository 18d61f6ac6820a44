"""Where a class comes from: scripts run as __main__, python -m, exec, notebooks, and classes that the sandbox could not import."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from fs_api import FSProcessorDriver
from fs_client import PackagingError
from fs_client.analysis import entry_of_class, entry_of_file

Plant = Callable[[dict[str, str]], Path]

# Printed by a script instead of creating the function: what would go into the package.
REPORT = """
import json
from fs_client.analysis import analyze, entry_of_class
project = analyze(entry_of_class(Job))
print(json.dumps([project.entry.module, sorted(project.modules), project.warnings]))
"""


def run(root: Path, *arguments: str) -> tuple[str, list[str], list[str]]:
    done = subprocess.run([sys.executable, *arguments], cwd=root, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stderr
    module, modules, warnings = json.loads(done.stdout)
    return module, modules, warnings


def test_a_script_goes_by_its_own_name(plant: Plant) -> None:
    root = plant({"my-job.py": f"import helper\nDRIVER\n{REPORT}", "helper.py": ""})
    assert run(root, "my-job.py")[:2] == ("my_job", ["helper", "my_job"])


def test_a_script_that_a_helper_imports_is_one_module(plant: Plant) -> None:
    root = plant({"job.py": f"DRIVER\nX = 1\ndef f():\n    import helper\n{REPORT}", "helper.py": "from job import X"})
    assert run(root, "job.py")[:2] == ("job", ["helper", "job"])


def test_a_script_from_another_folder(plant: Plant) -> None:
    root = plant({"app/job.py": f"import helper\nDRIVER\n{REPORT}", "app/helper.py": ""})
    assert run(root, "app/job.py")[:2] == ("job", ["helper", "job"])


def test_python_m_keeps_the_package(plant: Plant) -> None:
    root = plant({"app/__init__.py": "", "app/job.py": f"from . import near\nDRIVER\n{REPORT}", "app/near.py": ""})
    assert run(root, "-m", "app.job")[:2] == ("app.job", ["app", "app.job", "app.near"])


def test_python_m_of_a_package(plant: Plant) -> None:
    root = plant({"app/__init__.py": "", "app/__main__.py": f"from . import near\nDRIVER\n{REPORT}", "app/near.py": ""})
    assert run(root, "-m", "app")[:2] == ("app.__main__", ["app", "app.__main__", "app.near"])


def test_a_folder_that_is_run(plant: Plant) -> None:
    root = plant({"app/__main__.py": f"import near\nDRIVER\n{REPORT}", "app/near.py": ""})
    assert run(root, "app")[:2] == ("app", ["app", "near"])


def test_a_local_json_next_to_the_script_shadows_the_standard_library(plant: Plant) -> None:
    root = plant({"job.py": f"import shlex\nDRIVER\n{REPORT}", "shlex.py": "from helper import x", "helper.py": "x = 1"})
    module, modules, warnings = run(root, "job.py")
    assert (module, modules) == ("job", ["helper", "job", "shlex"])
    assert any("shlex" in text for text in warnings)


def test_an_imported_class(plant: Plant) -> None:
    root = plant(
        {
            "main.py": f"from app.jobs import Job\n{REPORT}",
            "app/__init__.py": "",
            "app/jobs.py": "from .lib import x\nDRIVER",
            "app/lib.py": "x = 1",
        }
    )
    assert run(root, "main.py")[:2] == ("app.jobs", ["app", "app.jobs", "app.lib"])


def test_code_that_was_read_and_executed(plant: Plant) -> None:
    run_it = "from pathlib import Path\np = Path('book/job.py').absolute()\nspace = {'__name__': 'anything'}\n"
    run_it += "exec(compile(p.read_text(), str(p), 'exec'), space)\nJob = space['Job']\n"
    root = plant({"main.py": run_it + REPORT, "book/job.py": "DRIVER\nimport helper", "book/helper.py": "", "helper.py": ""})
    assert run(root, "main.py")[:2] == ("job", ["helper", "job"])


def test_a_class_without_a_file_is_refused(plant: Plant) -> None:
    script = "from fs_api import FSProcessorDriver\nclass Job(FSProcessorDriver): pass\n" + REPORT
    done = subprocess.run([sys.executable, "-"], input=script, capture_output=True, text=True, timeout=60, check=False)
    assert "has no source file, as in a notebook" in done.stderr


def test_a_class_that_exists_only_under_the_main_guard_is_refused(plant: Plant) -> None:
    guarded = "if __name__ == '__main__':\n    from fs_api import FSProcessorDriver\n    class Job(FSProcessorDriver): pass\n"
    root = plant({"job.py": guarded + REPORT})
    done = subprocess.run([sys.executable, "job.py"], cwd=root, capture_output=True, text=True, timeout=60, check=False)
    assert "job.py:3: class Job is not defined when the module is imported" in done.stderr


class Outer:
    class Nested(FSProcessorDriver):
        def process(self, ctx: object, source_id: int, data: bytes) -> None: ...


def local_class() -> type:
    class Local(FSProcessorDriver):
        def process(self, ctx: object, source_id: int, data: bytes) -> None: ...

    return Local


@pytest.mark.parametrize(
    ("driver", "message"),
    [
        (Outer.Nested, "nested in another class"),
        (local_class(), "defined inside a function"),
        (FSProcessorDriver, "itself does nothing"),
        (Outer, "does not inherit from fs_api.FSProcessorDriver"),
        ("Outer", "a class is expected"),
    ],
)
def test_a_class_that_cannot_be_a_function_is_refused(driver: object, message: str) -> None:
    with pytest.raises(PackagingError, match=message):
        entry_of_class(driver)


def test_a_file_and_a_class_name(plant: Plant) -> None:
    root = plant({"app/__init__.py": "", "app/job.py": "DRIVER", "notes.txt": ""})
    assert entry_of_file(root / "app/job.py", "Job").module == "app.job"
    with pytest.raises(PackagingError, match="has no class Jab; it defines Job"):
        entry_of_file(root / "app/job.py", "Jab")
    with pytest.raises(PackagingError, match="no such file"):
        entry_of_file(root / "none.py", "Job")
    with pytest.raises(PackagingError, match="Python source file"):
        entry_of_file(root / "notes.txt", "Job")
