"""A function's class in plain CPython: the context is as thin as Python allows, state is a dict or a RocksDB (PEERS_STORE)."""

from __future__ import annotations

import importlib.util
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any


class DictStore:
    def __init__(self) -> None:
        values: dict[bytes, bytes] = {}
        self._values = values
        self.get_state = values.get
        self.put_state = values.__setitem__
        self.delete_state = values.__delitem__

    def list_states(self, start: bytes, end: bytes) -> list[bytes]:
        return sorted(key for key in self._values if start <= key < end)


class RocksStore:
    """RocksDB's binding, with as much cache as Function Stream's states share, the same filter and compression, and no synced writes."""

    def __init__(self, folder: Path) -> None:
        from rocksdict import BlockBasedOptions, Cache, DBCompressionType, Options, Rdict

        options = Options(raw_mode=True)
        table = BlockBasedOptions()
        table.set_block_cache(Cache(512 << 20))
        table.set_bloom_filter(10, False)
        options.set_block_based_table_factory(table)
        options.set_write_buffer_size(32 << 20)
        options.set_max_write_buffer_number(3)
        options.set_compression_type(DBCompressionType.lz4())
        database = Rdict(str(folder), options)
        self._database = database
        self.get_state = database.get
        self.put_state = database.put
        self.delete_state = database.delete

    def list_states(self, start: bytes, end: bytes) -> list[bytes]:
        found = []
        for key in self._database.keys(from_key=start):
            if key >= end:
                break
            found.append(key)
        return found


class NativeContext:
    def __init__(self, emit: Callable[[bytes], None]) -> None:
        self.emit = emit
        self._stores: dict[str, Any] = {}

    def getOrCreateKVStore(self, name: str) -> Any:
        store = self._stores.get(name)
        if store is None:
            is_large = os.environ.get("PEERS_STORE") == "rocksdb"
            store = RocksStore(Path(os.environ["PEERS_STATE"]) / name) if is_large else DictStore()
            self._stores[name] = store
        return store


def load(file: Path, class_name: str, emit: Callable[[bytes], None]) -> Callable[[bytes], None]:
    """Its `process`, ready for messages."""
    spec = importlib.util.spec_from_file_location(file.stem, file)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    function = getattr(module, class_name)()
    context = NativeContext(emit)
    function.init(context, {"metric_name": "user_click"})
    process = function.process
    return lambda data: process(context, 0, data)
