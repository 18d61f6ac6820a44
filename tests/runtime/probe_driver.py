"""Runs the checks of a probe module as a function of Function Stream: a message names a check, the answer is its outcome.

A probe module has functions check_*, which return nothing and raise when what they check is not so; they use nothing but the
standard library, so they run wherever a function runs. Package this module with the probes and the class is the driver.
"""

import importlib
import json
import traceback

from fs_api import Context, FSProcessorDriver

PROBES = ("library_probe", "recursion_probe", "json_probe")


def checks() -> "list[str]":
    """All checks, as "module.function"."""
    names = []
    for probe in PROBES:
        module = importlib.import_module(probe)
        names += [f"{probe}.{name}" for name in vars(module) if name.startswith("check_")]
    return names


class ProbeDriver(FSProcessorDriver):
    """b"module.check_name" in, {"check": ..., "error": null or a traceback} out; b"" lists all checks instead."""

    def process(self, ctx: Context, source_id: int, data: bytes) -> None:
        name = data.decode()
        if not name:
            ctx.emit(json.dumps(checks()).encode())
            return
        module, _, function = name.partition(".")
        error = None
        try:
            getattr(importlib.import_module(module), function)()
        except Exception:
            error = traceback.format_exc()
        ctx.emit(json.dumps({"check": name, "error": error}).encode())
