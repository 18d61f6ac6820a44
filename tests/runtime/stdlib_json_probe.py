"""CPython's own tests of json, packaged as a function: one message runs them all, the answer is the outcome.

The caller packages CPython's test/test_json and test/support beside this module (test_probes.py does).

The tests import json and its C accelerator afresh, once with and once without it. The fresh ones are the plain standard
library; so that the json of the sandbox is tested too, it takes the place of the one with the accelerator in a second run.
"""

import importlib
import io
import json
import unittest

import _fs_json
from fs_api import Context, FSProcessorDriver


def test_the_sandboxs_json() -> None:
    """Has the tests of the C accelerator use json as it was imported here, in modules that are imported from now on."""
    package = importlib.import_module("test.test_json")
    package.cjson = json
    accelerated = package.CTest
    accelerated.json = json
    accelerated.loads = staticmethod(json.loads)
    accelerated.dumps = staticmethod(json.dumps)
    accelerated.JSONDecodeError = staticmethod(json.JSONDecodeError)


class StdlibJson(FSProcessorDriver):
    """b"fresh" or b"sandbox", then names of test modules, in; {"run": count, "failures": [text...]} out, and how many calls of json
    C has answered and declined."""

    def process(self, ctx: Context, source_id: int, data: bytes) -> None:
        which, *names = data.decode().split()
        if which == "sandbox":
            test_the_sandboxs_json()
        suite = unittest.defaultTestLoader.loadTestsFromNames([f"test.test_json.{name}" for name in names])
        before = _fs_json.counts()
        result = unittest.TextTestRunner(stream=io.StringIO()).run(suite)
        answered, declined = (after - earlier for after, earlier in zip(_fs_json.counts(), before))
        failures = [text for _, text in result.failures + result.errors]
        ctx.emit(json.dumps({"run": result.testsRun, "failures": failures, "answered": answered, "declined": declined}).encode())
