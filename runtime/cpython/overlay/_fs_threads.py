"""Says clearly that the sandbox has no threads, where CPython would say "can't start new thread"."""

import _thread
import threading

_REASON = (
    "threads are not available in the sandbox: an instance runs on one thread; use asyncio for waiting, and more partitions for more cores"
)


def _start_new_thread(function, args, kwargs=None, /):
    raise RuntimeError(_REASON)


def _start_joinable_thread(function, handle=None, daemon=True):
    raise RuntimeError(_REASON)


def install():
    """Replaces the two ways in which a thread can be started."""
    _thread.start_new_thread = _thread.start_new = _start_new_thread
    _thread.start_joinable_thread = _start_joinable_thread
    threading._start_new_thread = _start_new_thread
    threading._start_joinable_thread = _start_joinable_thread
