"""Prepares the interpreter that the snapshot will hold. The guest calls prepare() once, at build time.

What is imported here costs an instance nothing but the pages it writes to, and shortens the start of every function
that uses it. In the list is what stream functions commonly import; the rest of the standard library is frozen too and
is read when it is first imported.
"""

import importlib
import sys

_PREIMPORTED = (
    "abc array ast asyncio base64 binascii bisect calendar collections collections.abc contextlib contextvars copy csv "
    "dataclasses datetime decimal difflib enum fractions functools gzip hashlib heapq hmac html inspect io ipaddress "
    "itertools json keyword linecache locale logging math numbers operator os pickle pprint queue random re secrets "
    "statistics string struct sys textwrap threading time tokenize traceback types typing unicodedata urllib.parse uuid "
    "warnings weakref zlib zoneinfo encodings.ascii encodings.latin_1 encodings.utf_8 encodings.idna "
    "encodings.utf_8_sig encodings.hex_codec _strptime"
).split()


def prepare():
    """Imports the common part of the standard library and adapts to the sandbox what assumes an operating system."""
    for name in _PREIMPORTED:
        importlib.import_module(name)
    for name in ("_fs_unavailable", "_fs_asyncio", "_fs_zoneinfo", "_fs_threads", "_fs_network", "_fs_json"):
        importlib.import_module(name).install()
    # A timestamp of the build machine must not outlive the build.
    sys.modules["uuid"]._last_timestamp = None
