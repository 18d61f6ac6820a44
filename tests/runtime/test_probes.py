"""The probes of this folder in the interpreter as it ships (python.wasm), without the server."""

import functools
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

HERE = Path(__file__).parent
ROOT = HERE.parents[1]
sys.path[:0] = [str(HERE), str(ROOT / "tests/python/runtime"), str(ROOT / "tests/python/fs_api")]

import json_probe  # noqa: E402
import library_probe  # noqa: E402
import probe_driver  # noqa: E402
import recursion_probe  # noqa: E402
import wasm_guest  # noqa: E402

PROBES = {module.__name__: module for module in (library_probe, recursion_probe, json_probe)}
CHECKS = [f"{name}.{check}" for name, module in PROBES.items() for check in vars(module) if check.startswith("check_")]


@pytest.fixture(scope="session")
def guests():
    wasm = wasm_guest.find_wasm()
    if not wasm:
        pytest.fail("python.wasm is missing: run ./dev build, or set FS_PYTHON_WASM")
    return wasm_guest.WasmGuests(wasm)


def module_files(*modules):
    return [("m", module.__name__, Path(module.__file__).read_text()) for module in modules]


@functools.cache
def probe_files():
    return module_files(probe_driver, *PROBES.values())


def run_check(guests, check):
    guest = guests.new()
    guest.start(probe_files(), entry="probe_driver")
    assert guest.process(check.encode()) == 0, guest.report()
    return guest, json.loads(guest.values[0])


@pytest.mark.parametrize("check", CHECKS)
def test_check(guests, check):
    _, outcome = run_check(guests, check)
    assert outcome["check"] == check
    assert outcome["error"] is None, outcome["error"]


def test_every_check_is_known_to_the_driver(guests):
    guest = guests.new()
    guest.start(probe_files(), entry="probe_driver")
    assert guest.process(b"") == 0
    assert sorted(json.loads(guest.values[0])) == sorted(CHECKS)


def test_each_instance_has_randomness_of_its_own(guests):
    printed = [run_check(guests, "library_probe.check_randomness_is_not_the_snapshots")[0].printed().split() for _ in range(3)]
    for values in zip(*(words[1:] for words in printed)):
        assert len(set(values)) == len(values), values


def test_only_time_randomness_exit_and_output_are_imported_from_wasi(guests):
    names = {item.name for item in guests.module.imports if item.module == "wasi_snapshot_preview1"}
    assert names == {"clock_res_get", "clock_time_get", "fd_write", "poll_oneoff", "proc_exit", "random_get"}


@functools.cache
def json_test_files():
    """CPython's tests of json as a package's files, and the names of their modules."""
    sources = os.environ.get("FS_PYTHON_SOURCES")
    if not sources:
        sources = subprocess.run([ROOT / "runtime/build.sh", "sources"], check=True, stdout=subprocess.PIPE, text=True).stdout.strip()
    library = Path(sources) / "python/Lib"
    files = [("m", "stdlib_json_probe", (HERE / "stdlib_json_probe.py").read_text()), ("p", "test", "")]
    for package in ("test_json", "support"):
        for path in sorted((library / "test" / package).glob("*.py")):
            if path.stem == "__main__":
                continue
            is_package = path.stem == "__init__"
            name = f"test.{package}" + ("" if is_package else f".{path.stem}")
            files.append(("p" if is_package else "m", name, path.read_text()))
    names = sorted(name.rpartition(".")[2] for _, name, _ in files if name.startswith("test.test_json.test_"))
    # test_tool starts a Python of its own.
    names.remove("test_tool")
    return files, names


@pytest.mark.parametrize("which", ["fresh", "sandbox"])
def test_the_standard_librarys_own_json_tests_pass(guests, which):
    files, names = json_test_files()
    guest = guests.new()
    guest.start(files, entry="stdlib_json_probe")
    assert guest.process(" ".join([which, *names]).encode()) == 0, guest.report()
    outcome = json.loads(guest.values[0])
    assert outcome["failures"] == []
    assert outcome["run"] >= 150
    # The plain standard library does not come through our C, the sandbox's does.
    assert outcome["answered"] < 10 if which == "fresh" else outcome["answered"] > 300


@pytest.mark.parametrize(("what", "share"), [("documents", 0.2), ("floats", 0.9)])
def test_json_is_as_the_standard_librarys_over_random_cases(guests, what, share):
    """FS_JSON_FUZZ_SECONDS and FS_JSON_FUZZ_SEED make it longer, and other."""
    seed, seconds = os.environ.get("FS_JSON_FUZZ_SEED", "1"), float(os.environ.get("FS_JSON_FUZZ_SECONDS", "30"))
    guest = guests.new()
    guest.start([("m", "json_fuzz_probe", (HERE / "json_fuzz_probe.py").read_text())], entry="json_fuzz_probe")
    assert guest.process(f"{what} {seed} {seconds / 2}".encode()) == 0, guest.report()
    outcome = json.loads(guest.values[0])
    assert outcome["differences"] == []
    assert outcome["answered"] > share * outcome["cases"] > 100, outcome
