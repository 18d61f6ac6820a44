"""CPython's own tests of json, packaged as a function: one message runs them all, the answer is the outcome.

The caller packages CPython's test/test_json and test/support beside this module (test_probes.py does).
"""

import io
import json
import unittest

from fs_api import Context, FSProcessorDriver


class StdlibJson(FSProcessorDriver):
    """Emits {"run": count, "failures": [text...]}."""

    def process(self, ctx: Context, source_id: int, data: bytes) -> None:
        names = [f"test.test_json.{name}" for name in data.decode().split()]
        suite = unittest.defaultTestLoader.loadTestsFromNames(names)
        result = unittest.TextTestRunner(stream=io.StringIO()).run(suite)
        failures = [text for _, text in result.failures + result.errors]
        ctx.emit(json.dumps({"run": result.testsRun, "failures": failures}).encode())
