"""The package format, and that what it holds can be imported by a Python that has none of the client's libraries."""

from __future__ import annotations

import hashlib
import io
import json
import subprocess
import sys
import zipfile
from collections.abc import Callable
from pathlib import Path

import fs_api
import pytest
from fs_client import PackagingError
from fs_client.analysis import Project
from fs_client.package import Package, build_package

TREE = {
    "job.py": "import p.m\nDRIVER\n__import__('pkgutil').get_data('p', 'd.txt')",
    "p/__init__.py": "",
    "p/m.py": "x = 1",
    "p/d.txt": "data",
}


def test_the_manifest_describes_every_file(analyzed: Callable[..., Project]) -> None:
    package = build_package(analyzed(TREE))
    archive = zipfile.ZipFile(io.BytesIO(package.content))
    names = archive.namelist()
    manifest = json.loads(archive.read("fs-package.json"))
    assert names == ["fs-package.json", "job.py", "p/__init__.py", "p/d.txt", "p/m.py"]
    assert manifest == package.manifest
    assert (manifest["format"], manifest["entry_module"], manifest["class_name"]) == (1, "job", "Job")
    kinds = [(one["path"], one["kind"], one.get("module")) for one in manifest["files"]]
    assert kinds == [("job.py", "module", "job"), ("p/__init__.py", "package", "p"), ("p/d.txt", "data", None), ("p/m.py", "module", "p.m")]
    for one in manifest["files"]:
        content = archive.read(one["path"])
        assert (one["size"], one["sha256"]) == (len(content), hashlib.sha256(content).hexdigest())


def test_the_same_files_give_the_same_bytes(analyzed: Callable[..., Project]) -> None:
    assert build_package(analyzed(TREE)).content == build_package(analyzed(TREE)).content


def test_a_data_file_that_is_too_large_is_refused(analyzed: Callable[..., Project], tmp_path: Path) -> None:
    tree = {"job.py": "from pathlib import Path\nDRIVER\nopen(Path(__file__).parent / 'big.bin')", "big.bin": ""}
    project = analyzed(tree)
    with (tmp_path / "big.bin").open("wb") as file:
        file.truncate(64 * 1024 * 1024 + 1)
    with pytest.raises(PackagingError, match=r"big\.bin: 67108865 bytes"):
        build_package(project)


def imported_elsewhere(package: Package, folder: Path, code: str) -> subprocess.CompletedProcess[str]:
    """Runs code where only the package and fs_api can be imported."""
    zipfile.ZipFile(io.BytesIO(package.content)).extractall(folder)
    paths = [str(folder), str(Path(fs_api.__file__).parent.parent)]
    script = f"import sys; sys.path[:0] = {paths!r}\n{code}"
    return subprocess.run([sys.executable, "-I", "-S", "-c", script], capture_output=True, text=True, timeout=60, check=False)


ONE_FILE = """
from typing import Optional
from fs_client import *
from fs_client import FsClient
from fs_client.config import WasmTaskBuilder, KafkaInput, KafkaOutput
from fs_client.errors import FsError
DRIVER
class MyError(FsError): pass
config = WasmTaskBuilder().set_name("n").add_input_group([KafkaInput("b:1", "t", "g")]).add_output(KafkaOutput("b:1", "t")).build()
def helper(client: Optional[FsClient] = None) -> "FsClient | None": return FsClient()
with FsClient(host="h", port=1) as client:
    client.create_python_function_from_config(config, Job)
    for function in client.show_functions().functions: print(function.status)
    print(f"Task Status: {client.show_functions().functions[0].status}")
"""


def test_a_script_that_registers_its_own_class_can_be_imported(analyzed: Callable[..., Project], tmp_path: Path) -> None:
    package = build_package(analyzed({"job.py": ONE_FILE}))
    done = imported_elsewhere(package, tmp_path / "out", "import job; print(job.Job, 'grpc' in sys.modules)")
    assert done.returncode == 0, done.stderr
    assert done.stdout.endswith("<class 'job.Job'> False\n")


@pytest.mark.parametrize(
    "expression", ["job.FsClient()", "job.client.start_function('x')", "bool(job.client)", "job.client == 1", "job.helper()"]
)
def test_the_client_cannot_be_used_in_a_hook(expression: str, analyzed: Callable[..., Project], tmp_path: Path) -> None:
    package = build_package(analyzed({"job.py": ONE_FILE}))
    done = imported_elsewhere(package, tmp_path / "out", f"import job\n{expression}")
    assert "is part of fs_client, which is not available inside a function" in done.stderr


def test_a_decision_by_the_client_at_module_level_is_refused(analyzed: Callable[..., Project], tmp_path: Path) -> None:
    code = "from fs_client import FsClient\nDRIVER\nif FsClient().show_functions().functions[0].status == 'RUNNING': pass"
    package = build_package(analyzed({"job.py": code}))
    done = imported_elsewhere(package, tmp_path / "out", "import job")
    assert done.returncode == 1
    assert 'put it under: if __name__ == "__main__":' in done.stderr
