"""What a Function Stream function is written against.

A function is a class derived from FSProcessorDriver. Its hooks get a Context, to emit results and reach the function's
durable state. See each class for what its bytes hold and what it raises.
"""

from .context import Context, Headers, Message
from .driver import FSProcessorDriver
from .errors import FunctionTimeout, KvError, KvIOError, KvNotFoundError, KvOtherError
from .state import ComplexKey, KvIterator, KvStore

__version__ = "0.1.0"

__all__ = [
    "ComplexKey",
    "Context",
    "FSProcessorDriver",
    "FunctionTimeout",
    "Headers",
    "KvError",
    "KvIOError",
    "KvIterator",
    "KvNotFoundError",
    "KvOtherError",
    "KvStore",
    "Message",
]
