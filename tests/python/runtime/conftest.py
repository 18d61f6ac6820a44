"""Every test runs against each build of the guest that is there: native (a Python 3.13 with headers) and wasm (python.wasm)."""

import importlib.util
import sys
from pathlib import Path

import pytest

HERE = Path(__file__).parent
sys.path[:0] = [str(HERE), str(HERE.parent / "fs_api")]

import native_guest  # noqa: E402

BUILDS = []
NATIVE_PYTHON = native_guest.find_python()
WASM = None
if NATIVE_PYTHON:
    BUILDS.append("native")
if importlib.util.find_spec("wasmtime"):
    import wasm_guest

    WASM = wasm_guest.find_wasm()
    if WASM:
        BUILDS.append("wasm")


@pytest.fixture(scope="session", params=BUILDS or ["none"])
def guests(request):
    if request.param == "none":
        pytest.fail("neither a native Python 3.13 with headers nor python.wasm with the wasmtime package is there")
    made = native_guest.NativeGuests(NATIVE_PYTHON) if request.param == "native" else wasm_guest.WasmGuests(WASM)
    made.name = request.param
    yield made
    made.close()


@pytest.fixture
def guest(guests):
    instance = guests.new()
    yield instance
    instance.close()
