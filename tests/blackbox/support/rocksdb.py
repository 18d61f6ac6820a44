"""Writes a key into a database that no server has open, by RocksDB's own C interface: what a later version might have left there."""

from __future__ import annotations

import ctypes
from pathlib import Path

_LIBRARY = "librocksdb.so.7.8"  # Debian's, which the server is linked with


def put(folder: Path, key: bytes, value: bytes) -> None:
    """Into a database of transactions, as states are, or a plain one. AssertionError with RocksDB's words where it cannot be opened."""
    library = ctypes.CDLL(_LIBRARY)
    for name in (
        "rocksdb_options_create",
        "rocksdb_transactiondb_options_create",
        "rocksdb_writeoptions_create",
        "rocksdb_transactiondb_open",
    ):
        getattr(library, name).restype = ctypes.c_void_p
    error = ctypes.c_char_p()

    def check() -> None:
        assert not error.value, f"{folder}: {error.value!r}"

    options = ctypes.c_void_p(library.rocksdb_options_create())
    database = ctypes.c_void_p(
        library.rocksdb_transactiondb_open(
            options, ctypes.c_void_p(library.rocksdb_transactiondb_options_create()), str(folder).encode(), ctypes.byref(error)
        )
    )
    check()
    library.rocksdb_transactiondb_put(
        database,
        ctypes.c_void_p(library.rocksdb_writeoptions_create()),
        key,
        ctypes.c_size_t(len(key)),
        value,
        ctypes.c_size_t(len(value)),
        ctypes.byref(error),
    )
    check()
    library.rocksdb_transactiondb_close(database)
