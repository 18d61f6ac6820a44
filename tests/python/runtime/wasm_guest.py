"""The guest as it ships: python.wasm, in the wasmtime package of PyPI, with the imports over fs_api.testing's state."""

import ctypes
import hashlib
import importlib.metadata
import os
import struct
import tempfile
import threading
import time
from pathlib import Path

import wasmtime
from fs_api import ComplexKey
from fs_api.testing import MemoryState
from guest_abi import ITER_GROW, KV_ABSENT, KV_OTHER, Guest

ROOT = Path(__file__).resolve().parents[3]


def find_wasm():
    """python.wasm: FS_PYTHON_WASM, or the one that ./dev build left; None where there is none."""
    candidates = [os.environ.get("FS_PYTHON_WASM"), ROOT / "build/release/runtime/python.wasm"]
    return next((path for path in candidates if path and Path(path).exists()), None)


class WasmGuests:
    """Engine and compiled module; one per test session."""

    def __init__(self, path) -> None:
        config = wasmtime.Config()
        config.max_wasm_stack = 2 << 20
        self.engine = wasmtime.Engine(config)
        wasm = Path(path).read_bytes()
        key = hashlib.sha256(wasm + importlib.metadata.version("wasmtime").encode()).hexdigest()[:16]
        cache = Path(tempfile.gettempdir()) / f"fs-guest-{key}.aot"
        if cache.exists():
            self.module = wasmtime.Module.deserialize_file(self.engine, str(cache))
        else:
            self.module = wasmtime.Module(self.engine, wasm)
            partial = cache.with_suffix(f".{os.getpid()}")
            partial.write_bytes(self.module.serialize())
            partial.rename(cache)

    def new(self) -> "WasmGuest":
        return WasmGuest(self)

    def close(self) -> None:
        pass


class WasmGuest(Guest):
    def __init__(self, guests: WasmGuests) -> None:
        self.store = wasmtime.Store(guests.engine)
        self.store.set_limits(memory_size=256 << 20)
        self.printed_to = tempfile.mkdtemp(prefix="fs-wasm-")
        wasi = wasmtime.WasiConfig()
        wasi.stdout_file = f"{self.printed_to}/1"
        wasi.stderr_file = f"{self.printed_to}/2"
        self.store.set_wasi(wasi)
        linker = wasmtime.Linker(guests.engine)
        linker.define_wasi()
        for imported in guests.module.imports:
            if imported.module == "fs":
                linker.define_func("fs", imported.name, imported.type, getattr(self, f"import_{imported.name}"))
        self.exports = linker.instantiate(self.store, guests.module).exports(self.store)
        self.memory = self.exports["memory"]
        self.state = MemoryState()
        self.names = []
        self.iterators = {}
        self.log_lines = []
        self.error = ""
        self.failure = 0

    # memory

    def read(self, address, size):
        return bytes(self.memory.read(self.store, address, address + size))

    def write(self, address, data):
        self.memory.write(self.store, data, address)

    def call(self, name, *arguments):
        return self.exports[name](self.store, *arguments)

    def write_input(self, data):
        address = self.call("fs_reserve", len(data)) & 0xFFFFFFFF
        assert address and address % 8 == 0
        self.write(address, data)

    def words(self):
        return struct.unpack("<8I", self.read(self.call("fs_shared_address") & 0xFFFFFFFF, 32))

    # calls

    def call_load(self, image):
        self.write_input(image)
        return self.call("fs_load", len(image))

    def call_hook(self, hook, source_id, number, data):
        self.write_input(data)
        return self.call("fs_hook", hook, source_id, number, len(data))

    def call_process(self, source_id, count, data):
        self.write_input(data)
        return self.call("fs_process", source_id, count, len(data))

    def shared(self):
        _, processed, out, out_len, out_count, result, result_len, _ = self.words()
        return {
            "processed": processed,
            "out_count": out_count,
            "out": self.read(out, out_len),
            "result": self.read(result, result_len) if result else None,
        }

    def logs(self):
        return self.log_lines

    def printed(self):
        return "".join((Path(self.printed_to) / name).read_text() for name in ("1", "2"))

    def fail_next(self, code, text):
        self.failure, self.error = code, text

    def interrupt_after(self, delay_ms):
        # The word's address is known once a call has begun; it stays the same.
        address = self.words()[7]
        word = ctypes.cast(ctypes.addressof(self.memory.data_ptr(self.store).contents) + address, ctypes.POINTER(ctypes.c_uint32))

        def interrupt():
            time.sleep(delay_ms / 1000)
            word[0] |= 8

        if delay_ms == 0:
            interrupt()
        else:
            threading.Thread(target=interrupt, daemon=True).start()

    # imports

    def is_failing(self):
        code, self.failure = self.failure, 0
        return code

    def fail(self, text):
        self.error = text
        return KV_OTHER

    def kv(self, store):
        return self.state.store(self.names[store])

    def complex_key(self, address):
        words = struct.unpack("<8I", self.read(address, 32))
        return ComplexKey(*(self.read(words[i], words[i + 1]) for i in range(0, 8, 2)))

    def answer(self, value, out, cap):
        if value is None:
            return KV_ABSENT
        if len(value) <= cap & 0xFFFFFFFF:
            self.write(out, value)
        return len(value)

    def open_iterator(self, entries):
        handle = next(i for i in range(len(self.iterators) + 1) if i not in self.iterators)
        self.iterators[handle] = entries
        return handle

    def import_kv_open(self, name, size):
        if code := self.is_failing():
            return code
        text = self.read(name, size).decode()
        if not text:
            return self.fail("a store's name cannot be empty")
        if text not in self.names:
            self.names.append(text)
        return self.names.index(text)

    def import_kv_get(self, store, key, size, out, cap):
        return self.is_failing() or self.answer(self.kv(store).get_state(self.read(key, size)), out, cap)

    def import_kv_put(self, store, key, size, value, value_size):
        return self.is_failing() or self.kv(store).put_state(self.read(key, size), self.read(value, value_size)) or 0

    def import_kv_delete(self, store, key, size):
        return self.is_failing() or self.kv(store).delete_state(self.read(key, size)) or 0

    def import_kv_list(self, store, start, start_size, end, end_size):
        if code := self.is_failing():
            return code
        keys = self.kv(store).list_states(self.read(start, start_size), self.read(end, end_size))
        return self.open_iterator([(key, None) for key in keys])

    def import_ck_get(self, store, key, out, cap):
        return self.is_failing() or self.answer(self.kv(store).get(self.complex_key(key)), out, cap)

    def import_ck_put(self, store, key, value, size):
        return self.is_failing() or self.kv(store).put(self.complex_key(key), self.read(value, size)) or 0

    def import_ck_delete(self, store, key):
        return self.is_failing() or self.kv(store).delete(self.complex_key(key)) or 0

    def import_ck_merge(self, store, key, value, size):
        return self.is_failing() or self.kv(store).merge(self.complex_key(key), self.read(value, size)) or 0

    def import_ck_delete_prefix(self, store, key):
        return self.is_failing() or self.kv(store).delete_prefix(self.complex_key(key)) or 0

    def import_ck_list(self, store, key, start, start_size, end, end_size):
        if code := self.is_failing():
            return code
        parts = self.complex_key(key)[:3]
        keys = self.kv(store).list_complex(*parts, self.read(start, start_size), self.read(end, end_size))
        return self.open_iterator([(user_key, None) for user_key in keys])

    def import_ck_scan(self, store, key):
        if code := self.is_failing():
            return code
        return self.open_iterator(list(self.kv(store).scan_complex(*self.complex_key(key)[:3])))

    def import_iter_next(self, handle, out, cap):
        if code := self.is_failing():
            return code
        entries = self.iterators.get(handle)
        if entries is None:
            return self.fail("no such iterator")
        data = bytearray()
        while entries:
            key, value = entries[0]
            size = 8 + len(key) + len(value or b"")
            if len(data) + size > cap:
                if not data:
                    return ITER_GROW | size
                break
            data += struct.pack("<Ii", len(key), -1 if value is None else len(value)) + key + (value or b"")
            entries.pop(0)
        self.write(out, bytes(data))
        return len(data)

    def import_iter_close(self, handle):
        self.iterators.pop(handle, None)

    def import_log(self, level, text, size):
        self.log_lines.append((level, self.read(text, size).decode()))

    def import_last_error(self, out, cap):
        text = self.error.encode()[:cap]
        self.write(out, text)
        return len(text)

    def close(self):
        for name in ("1", "2"):
            (Path(self.printed_to) / name).unlink(missing_ok=True)
        Path(self.printed_to).rmdir()
