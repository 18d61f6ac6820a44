"""What is done once, before any user code, and what each instance must have for itself.

The standard library's share (common imports, asyncio, time zones, missing modules, threads) is done before, by
runtime/cpython/overlay.
"""

import gc
import logging
import random
import sys
import time

import _fs_guest
import fs_api

from .rehearsal import rehearse


def boot() -> None:
    """Makes the interpreter ready for one function, whichever it will be."""
    fs_api.Context.register(_fs_guest.Context)
    fs_api.KvStore.register(_fs_guest.KvStore)
    fs_api.KvIterator.register(_fs_guest.KvIterator)
    fs_api.Message.register(_fs_guest.Message)
    logging.captureWarnings(True)
    # What is wrong with a call of a logger is told in the log, but Handler.handleError wants to know where logging's own files lie.
    logging.__path__.append("<frozen logging>")
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(line_buffering=True, write_through=False)
    rehearse()
    gc.collect()
    _fs_guest.make_immortal(gc.get_objects())
    gc.freeze()


def reseed() -> None:
    """Replaces whatever a snapshot would give to all instances alike."""
    random.seed()
    # relativeCreated of log records counts from here.
    logging._startTime = time.time_ns()  # type: ignore[attr-defined]
    uuid = sys.modules.get("uuid")
    if uuid is not None:
        uuid._node = None  # type: ignore[attr-defined]
        uuid._last_timestamp = None  # type: ignore[attr-defined]
    tempfile = sys.modules.get("tempfile")
    if tempfile is not None:
        tempfile._name_sequence = None  # type: ignore[attr-defined]
