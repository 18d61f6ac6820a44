"""The Python half of the guest: everything about a function that is not on its hot path.

Called by runtime/guest only: `boot` once, in the snapshot where there is one; `reseed`, `make_logger` and `load` once per
instance; `describe` for each error. User code never sees this package: its frames are left out of tracebacks.
"""

from .driver import load
from .errors import BadPackage
from .logs import make_logger
from .report import describe
from .startup import boot, reseed

__all__ = ["BadPackage", "boot", "describe", "load", "make_logger", "reseed"]
