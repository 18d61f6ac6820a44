"""State through the real server: each check is a method, named by a message, and answers with "ok" or its traceback."""

import traceback

from fs_api import ComplexKey, Context, FSProcessorDriver
from fs_api.errors import KvError, KvIOError, KvNotFoundError, KvOtherError


def refused(kind, call) -> str:
    """The text of the error that the call ends in."""
    try:
        call()
    except kind as error:
        return str(error)
    raise AssertionError(f"no {kind.__name__}")


class Storing(FSProcessorDriver):
    def process(self, ctx: Context, source_id: int, data: bytes) -> None:
        try:
            getattr(self, data.decode())(ctx)
            ctx.emit(b"ok")
        except Exception:
            ctx.emit(traceback.format_exc().encode())

    def write_plain(self, ctx: Context) -> None:
        store = ctx.getOrCreateKVStore("plain")
        for key in (b"", b"\x00", b"a", b"a\x00", b"a\x00b", b"b", b"\xff", b"\xff\xff"):
            store.put_state(key, b"value of " + key)
        store.put_state(b"gone", b"x")
        store.delete_state(b"gone")
        store.delete_state(b"never there")
        self.read_plain(ctx)

    def read_plain(self, ctx: Context) -> None:
        store = ctx.get_or_create_kv_store("plain")
        assert store.list_states(b"", b"\xff\xff\xff") == [b"", b"\x00", b"a", b"a\x00", b"a\x00b", b"b", b"\xff", b"\xff\xff"]
        assert store.list_states(b"a", b"b") == [b"a", b"a\x00", b"a\x00b"]
        assert store.list_states(b"b", b"a") == store.list_states(b"a", b"a") == []
        assert store.get_state(b"a\x00") == b"value of a\x00"
        assert store.get_state(b"gone") is None
        assert store.get_state(b"") == b"value of "

    def write_complex(self, ctx: Context) -> None:
        store = ctx.getOrCreateKVStore("complex")
        for parts in ((b"g", b"k", b"n"), (b"g", b"k", b""), (b"", b"gk", b"n"), (b"g\x00", b"k", b"n"), (b"g", b"", b"kn")):
            for user_key in (b"", b"\x00", b"u", b"u\x00", b"uu", b"\xff"):
                store.put(ComplexKey(*parts, user_key), b"|".join((*parts, user_key)))
        store.merge(ComplexKey(b"m", b"", b"", b""), b"one")
        store.merge(ComplexKey(b"m", b"", b"", b""), b"two")
        store.put(ComplexKey(b"d", b"k", b"n", b"aa"), b"")
        store.put(ComplexKey(b"d", b"k", b"n", b"ab"), b"")
        store.put(ComplexKey(b"d", b"k", b"n", b"b"), b"")
        store.delete_prefix(ComplexKey(b"d", b"k", b"n", b"a"))
        self.read_complex(ctx)

    def read_complex(self, ctx: Context) -> None:
        store = ctx.getOrCreateKVStore("complex")
        keys = [b"", b"\x00", b"u", b"u\x00", b"uu", b"\xff"]
        for parts in ((b"g", b"k", b"n"), (b"g", b"k", b""), (b"", b"gk", b"n"), (b"g\x00", b"k", b"n"), (b"g", b"", b"kn")):
            assert list(store.scan_complex(*parts)) == [(key, b"|".join((*parts, key))) for key in keys]
        assert store.list_complex(b"g", b"k", b"n", b"u", b"uu") == [b"u", b"u\x00"]
        assert store.get(ComplexKey(b"m", b"", b"", b"")) == b"onetwo"
        assert store.list_complex(b"d", b"k", b"n", b"", b"\xff") == [b"b"]
        assert store.get(ComplexKey(b"g", b"k", b"n", b"nothing")) is None
        # A store of another name, and the plain keys, are other spaces.
        assert ctx.getOrCreateKVStore("other").get(ComplexKey(b"m", b"", b"", b"")) is None
        assert store.list_states(b"", b"\xff") == []

    def write_large(self, ctx: Context) -> None:
        store = ctx.getOrCreateKVStore("large")
        store.put_state(b"large", bytes(range(256)) * 40_960)
        self.read_large(ctx)

    def read_large(self, ctx: Context) -> None:
        value = ctx.getOrCreateKVStore("large").get_state(b"large")
        assert value == bytes(range(256)) * 40_960 and len(value) == 10 << 20

    def iterate_while_writing(self, ctx: Context) -> None:
        store = ctx.getOrCreateKVStore("iterated")
        before = [b"%04d" % number for number in range(0, 2000, 2)]
        for key in before:
            store.put(ComplexKey(b"g", b"k", b"n", key), b"old")
        seen = []
        for user_key, value in store.scan_complex(b"g", b"k", b"n"):
            seen.append((user_key, value))
            store.put(ComplexKey(b"g", b"k", b"n", b"%04d" % (int(user_key) + 1)), b"new")
            store.delete(ComplexKey(b"g", b"k", b"n", user_key))
        # As the state was when the iterator was made.
        assert seen == [(key, b"old") for key in before]
        assert store.list_complex(b"g", b"k", b"n", b"", b"\xff") == [b"%04d" % number for number in range(1, 2001, 2)]

        iterator = store.scan_complex(b"g", b"k", b"n")
        assert iterator.has_next() and iterator.next() == (b"0001", b"new")
        iterator.close()
        iterator.close()
        assert not iterator.has_next() and iterator.next() is None
        many = [store.scan_complex(b"g", b"k", b"n") for _ in range(50)]
        assert {one.next() for one in many} == {(b"0001", b"new")}

    def errors(self, ctx: Context) -> None:
        assert issubclass(KvNotFoundError, KvError) and issubclass(KvIOError, KvError) and issubclass(KvOtherError, KvError)
        assert KvIOError("why").message == KvOtherError("why").message == "why"
        for name in ("", "x" * 100_000):
            assert refused(KvOtherError, lambda name=name: ctx.getOrCreateKVStore(name))
        store = ctx.getOrCreateKVStore("errors")
        store.put_state(b"k", b"v")
        for call in (
            lambda: store.put_state("k", b"w"),
            lambda: store.put_state(b"k", "w"),
            lambda: store.put_state(b"k", None),
            lambda: store.put_state(b"k", 1),
            lambda: store.get_state(None),
            lambda: store.list_states(b"", "z"),
            lambda: store.put(b"k", b"v"),
            lambda: store.merge(ComplexKey(b"", b"", b"", b""), "v"),
            lambda: ComplexKey("g", b"", b"", b""),
            lambda: ctx.getOrCreateKVStore(b"bytes"),
        ):
            assert refused(TypeError, call)
        assert store.list_states(b"", b"\xff") == [b"k"] and store.get_state(b"k") == b"v"

    def too_large(self, ctx: Context) -> None:
        store = ctx.getOrCreateKVStore("errors")
        for call in (lambda: store.put_state(bytes(9 << 20), b""), lambda: store.put(ComplexKey(bytes(9 << 20), b"", b"", b""), b"")):
            assert "limit" in refused(KvOtherError, call)
        assert store.list_states(b"", b"\xff") == [b"k"]

    def raise_after_writing(self, ctx: Context) -> None:
        ctx.getOrCreateKVStore("undone").put_state(b"k", b"v")
        raise SystemExit("not an Exception, so that process() itself ends with it")
