"""What a KvStore and a Context do, as one table for every implementation: the guest's C types and fs_api.testing.

A case is Python source and the repr of what it leaves in `result`. It runs with `ctx`, `store` (an empty store), the names
of fs_api, and `error(function)`: the type and text of what the function raises.
"""

# ruff: noqa: E501 (tables of one case a line)

import fs_api

PREPARED = "for k in (b'b', b'', b'a', b'a\\0', b'ab', b'\\xff'): store.put_state(k, b'v' + k)\n"
K = "def K(user, ns=b'n', key=b'k', group=b'g'): return ComplexKey(group, key, ns, user)\n"
COMPLEX = K + "for u in (b'', b'a', b'a\\0', b'ab', b'b', b'\\xff'): store.put(K(u), b'v' + u)\n"
HINT = "encode it first, for example with .encode()"

CASES: dict[str, tuple[str, object]] = {
    # plain keys
    "a missing key is None": ("result = store.get_state(b'k')", None),
    "put then get": ("store.put_state(b'k', b'v'); result = store.get_state(b'k')", b"v"),
    "put replaces": ("store.put_state(b'k', b'1'); store.put_state(b'k', b'2'); result = store.get_state(b'k')", b"2"),
    "an empty key is a key": ("store.put_state(b'', b'v'); result = store.get_state(b'')", b"v"),
    "an empty value is a value": ("store.put_state(b'k', b''); result = store.get_state(b'k')", b""),
    "zero bytes in keys": (
        "store.put_state(b'a\\0b', b'1'); store.put_state(b'a', b'2'); "
        "result = store.get_state(b'a\\0b'), store.get_state(b'a'), store.get_state(b'a\\0')",
        (b"1", b"2", None),
    ),
    "bytes-like keys and values": (
        "store.put_state(bytearray(b'k'), memoryview(b'xvx')[1:2]); result = store.get_state(memoryview(b'k'))",
        b"v",
    ),
    "keyword arguments": ("store.put_state(value=b'v', key=b'k'); result = store.get_state(key=b'k')", b"v"),
    "delete": ("store.put_state(b'k', b'v'); store.delete_state(b'k'); result = store.get_state(b'k')", None),
    "deleting what is not there": ("result = store.delete_state(b'k')", None),
    "a value just as large as the scratch buffer": (
        "store.put_state(b'k', b'x' * 65536); v = store.get_state(b'k'); result = len(v), set(v)",
        (65536, {120}),
    ),
    "a value one byte larger": (
        "store.put_state(b'k', b'x' * 65536 + b'y'); v = store.get_state(b'k'); result = len(v), v[-2:]",
        (65537, b"xy"),
    ),
    "ten megabytes": (
        "big = bytes(range(256)) * 40960; store.put_state(b'k', big); result = store.get_state(b'k') == big, len(big)",
        (True, 10485760),
    ),
    "a ten kilobyte key": ("store.put_state(b'k' * 10000, b'v'); result = store.get_state(b'k' * 10000)", b"v"),
    # ranges
    "list in byte order": (
        PREPARED + "result = store.list_states(b'', b'\\xff\\xff')",
        [b"", b"a", b"a\0", b"ab", b"b", b"\xff"],
    ),
    "list is half open": (PREPARED + "result = store.list_states(b'a', b'b')", [b"a", b"a\0", b"ab"]),
    "list of an empty range": (PREPARED + "result = store.list_states(b'b', b'b')", []),
    "list of a reversed range": (PREPARED + "result = store.list_states(b'b', b'a')", []),
    "list up to the empty key": (PREPARED + "result = store.list_states(b'', b'')", []),
    "list after deletion": (PREPARED + "store.delete_state(b'ab'); result = store.list_states(b'a', b'b')", [b"a", b"a\0"]),
    "list of more than fits one chunk": (
        "for i in range(20000): store.put_state(b'%08d' % i, b'')\n"
        "keys = store.list_states(b'', b'\\xff'); result = len(keys), keys[0], keys[-1], keys == sorted(keys)",
        (20000, b"00000000", b"00019999", True),
    ),
    "list of keys larger than a chunk": (
        "for c in b'abc': store.put_state(bytes([c]) * 100000, b'')\nresult = [(k[:1], len(k)) for k in store.list_states(b'', b'z')]",
        [(b"a", 100000), (b"b", 100000), (b"c", 100000)],
    ),
    # complex keys
    "complex put, get, delete": (
        K + "store.put(K(b'u'), b'v'); a = store.get(K(b'u')); store.delete(K(b'u')); result = a, store.get(K(b'u'))",
        (b"v", None),
    ),
    "complex and plain keys are apart": (K + "store.put(K(b'u'), b'v'); result = store.list_states(b'', b'\\xff')", []),
    "parts are not run together": (
        "store.put(ComplexKey(b'a', b'bc', b'', b''), b'1'); result = store.get(ComplexKey(b'ab', b'c', b'', b''))",
        None,
    ),
    "parts may hold zero bytes": (
        "a, b = ComplexKey(b'a\\0', b'b', b'', b''), ComplexKey(b'a', b'\\0b', b'', b'')\n"
        "store.put(a, b'1'); store.put(b, b'2'); result = store.get(a), store.get(b)",
        (b"1", b"2"),
    ),
    "all parts empty": ("k = ComplexKey(b'', b'', b'', b''); store.put(k, b'v'); result = store.get(k)", b"v"),
    "merge appends": (
        K + "store.merge(K(b'u'), b'a'); store.merge(K(b'u'), b''); store.merge(K(b'u'), b'b'); result = store.get(K(b'u'))",
        b"ab",
    ),
    "merge onto put": (K + "store.put(K(b'u'), b'x'); store.merge(K(b'u'), bytearray(b'y')); result = store.get(K(b'u'))", b"xy"),
    "delete_prefix": (
        COMPLEX + "store.delete_prefix(K(b'a')); result = store.list_complex(b'g', b'k', b'n', b'', b'\\xff\\xff')",
        [b"", b"b", b"\xff"],
    ),
    "delete_prefix with an empty prefix": (
        COMPLEX + "store.put(K(b'x', ns=b'n2'), b''); store.put(K(b'x', ns=b''), b''); store.delete_prefix(K(b''))\n"
        "result = [store.list_complex(b'g', b'k', ns, b'', b'z') for ns in (b'', b'n', b'n2')]",
        [[b"x"], [], [b"x"]],
    ),
    "list_complex in byte order": (
        COMPLEX + "result = store.list_complex(b'g', b'k', b'n', b'', b'\\xff\\xff')",
        [b"", b"a", b"a\0", b"ab", b"b", b"\xff"],
    ),
    "list_complex is half open": (COMPLEX + "result = store.list_complex(b'g', b'k', b'n', b'a', b'b')", [b"a", b"a\0", b"ab"]),
    "list_complex by keywords": (
        COMPLEX + "result = store.list_complex(key_group=b'g', key=b'k', namespace=b'n', start_inclusive=b'b', end_exclusive=b'c')",
        [b"b"],
    ),
    "list_complex of other parts": (COMPLEX + "result = store.list_complex(b'g', b'k', b'', b'', b'\\xff')", []),
    "scan_complex": (
        COMPLEX + "result = list(store.scan_complex(b'g', b'k', b'n'))",
        [(b"", b"v"), (b"a", b"va"), (b"a\0", b"va\0"), (b"ab", b"vab"), (b"b", b"vb"), (b"\xff", b"v\xff")],
    ),
    "scan with has_next and next": (
        K + "store.put(K(b'a'), b'1'); store.put(K(b'b'), b'2'); i = store.scan_complex(b'g', b'k', b'n')\n"
        "result = [i.has_next(), i.has_next(), i.next(), i.next(), i.has_next(), i.next(), i.has_next(), list(i)]",
        [True, True, (b"a", b"1"), (b"b", b"2"), False, None, False, []],
    ),
    "scan sees the state as it was": (
        COMPLEX + "i = store.scan_complex(b'g', b'k', b'n'); first = i.next()\n"
        "store.delete(K(b'a')); store.put(K(b'a\\0'), b'new'); store.put(K(b'aaa'), b'new'); result = first, [v for _, v in i]",
        ((b"", b"v"), [b"va", b"va\0", b"vab", b"vb", b"v\xff"]),
    ),
    "scan of nothing": ("i = store.scan_complex(b'', b'', b''); result = i.has_next(), i.next(), list(i)", (False, None, [])),
    "a closed iterator is at its end": (
        COMPLEX + "i = store.scan_complex(b'g', b'k', b'n'); i.next(); i.close(); i.close(); result = i.has_next(), i.next()",
        (False, None),
    ),
    "an iterator closes with its block": (
        COMPLEX + "with store.scan_complex(b'g', b'k', b'n') as i: first = i.next()\nresult = first, i.has_next()",
        ((b"", b"v"), False),
    ),
    "scan of large values": (
        K + "for i in range(5): store.put(K(b'%d' % i), bytes([i]) * 200000)\n"
        "result = [(u, len(v), v[0]) for u, v in store.scan_complex(b'g', b'k', b'n')]",
        [(b"%d" % i, 200000, i) for i in range(5)],
    ),
    "many iterators at once": (
        COMPLEX
        + "its = [store.scan_complex(b'g', b'k', b'n') for _ in range(200)]\nresult = {tuple(i) for i in its} == {tuple(store.scan_complex(b'g', b'k', b'n'))}",
        True,
    ),
    "an iterator is a KvIterator": (
        "i = store.scan_complex(b'', b'', b''); result = isinstance(i, KvIterator), iter(i) is i",
        (True, True),
    ),
    # stores
    "one name, one store": ("result = ctx.getOrCreateKVStore('x') is ctx.get_or_create_kv_store('x')", True),
    "stores are apart": (
        "ctx.getOrCreateKVStore('x').put_state(b'k', b'1'); result = ctx.getOrCreateKVStore('y').get_state(b'k')",
        None,
    ),
    "store names": ("result = repr(ctx.getOrCreateKVStore('x')), ctx.getOrCreateKVStore('x').name", ("KvStore('x')", "x")),
    "a store's name is a str": (
        "result = error(lambda: ctx.getOrCreateKVStore(b'x'))",
        "TypeError: getOrCreateKVStore(): name must be str, not bytes",
    ),
    "a store has a name": ("result = error(lambda: ctx.getOrCreateKVStore('')).partition(':')[0]", "KvOtherError"),
    "isinstance": (
        "result = isinstance(ctx, Context), isinstance(store, KvStore), isinstance(ctx, KvStore)",
        (True, True, False),
    ),
    # wrong types leave everything as it was
    "str keys": ("result = error(lambda: store.get_state('k'))", f"TypeError: get_state(): key must be bytes, not str: {HINT}"),
    "str values": (
        "result = error(lambda: store.put_state(b'k', 'v')), store.get_state(b'k')",
        (f"TypeError: put_state(): value must be bytes, not str: {HINT}", None),
    ),
    "numbers": ("result = error(lambda: store.put_state(1, b'v'))", "TypeError: put_state(): key must be bytes, not int"),
    "None": ("result = error(lambda: store.delete_state(None))", "TypeError: delete_state(): key must be bytes, not NoneType"),
    "range ends": (
        "result = error(lambda: store.list_states(b'', None))",
        "TypeError: list_states(): end_exclusive must be bytes, not NoneType",
    ),
    "a tuple is no ComplexKey": (
        "result = error(lambda: store.put((b'', b'', b'', b''), b'v'))",
        "TypeError: put(): key must be a ComplexKey, not tuple",
    ),
    "bytes are no ComplexKey": ("result = error(lambda: store.get(b'k'))", "TypeError: get(): key must be a ComplexKey, not bytes"),
    "a ComplexKey made around its checks": (
        "result = error(lambda: store.get(ComplexKey._make(['a', b'', b'', b''])))",
        "TypeError: get(): key.key_group must be bytes, not str",
    ),
    "merge of str": (
        K + "store.put(K(b''), b'x'); result = error(lambda: store.merge(K(b''), 'y')), store.get(K(b''))",
        (f"TypeError: merge(): value must be bytes, not str: {HINT}", b"x"),
    ),
    "parts of scan_complex": (
        "result = error(lambda: store.scan_complex(b'', 'k', b''))",
        f"TypeError: scan_complex(): key must be bytes, not str: {HINT}",
    ),
    "missing arguments": ("result = error(lambda: store.put_state(b'k')).partition(':')[0]", "TypeError"),
    "too many arguments": ("result = error(lambda: store.get_state(b'k', b'default')).partition(':')[0]", "TypeError"),
    "unknown keywords": ("result = error(lambda: store.get_state(b'k', default=b'')).partition(':')[0]", "TypeError"),
    "keywords given twice": ("result = error(lambda: store.get_state(b'k', key=b'')).partition(':')[0]", "TypeError"),
    "complex keys check their parts": (
        "result = error(lambda: ComplexKey(b'', 'k', b'', b''))",
        f"TypeError: ComplexKey: key must be bytes, not str: {HINT}",
    ),
    "complex keys take bytes-like parts": (
        "result = ComplexKey(bytearray(b'a'), b'', b'', memoryview(b'd'))[::3]",
        (b"a", b"d"),
    ),
    # emits
    "emit wants bytes": ("result = error(lambda: ctx.emit('x'))", f"TypeError: emit(): data must be bytes, not str: {HINT}"),
    "emit to a channel that is not there": (
        "result = error(lambda: ctx.emit(b'x', 2))",
        "IndexError: emit(): channel 2: the function has 2 outputs (0 to 1)",
    ),
    "negative channels": (
        "result = error(lambda: ctx.emit(b'x', channel=-1))",
        "IndexError: emit(): channel -1: the function has 2 outputs (0 to 1)",
    ),
    "huge channels": ("result = error(lambda: ctx.emit(b'x', 1 << 70)).partition(':')[0]", "IndexError"),
    "channels are numbers": ("result = error(lambda: ctx.emit(b'x', '0'))", "TypeError: emit(): channel must be int, not str"),
    "keys are bytes": ("result = error(lambda: ctx.emit(b'x', key='k'))", f"TypeError: emit(): key must be bytes, not str: {HINT}"),
    "headers are pairs": (
        "result = error(lambda: ctx.emit(b'x', headers=[('a', b'1', 2)]))",
        "TypeError: emit(): headers[0] must be a pair (str, bytes or None), not tuple",
    ),
    "header names are str": (
        "result = error(lambda: ctx.emit(b'x', headers={b'a': b'1'}))",
        "TypeError: emit(): a header's name must be str, not bytes",
    ),
    "header values are bytes": (
        "result = error(lambda: ctx.emit(b'x', headers={'a': '1'}))",
        f"TypeError: emit(): a header's value must be bytes, not str: {HINT}",
    ),
    "headers are no number": (
        "result = error(lambda: ctx.emit(b'x', headers=7))",
        "TypeError: emit(): headers must be a dict or a list of (str, bytes or None), not int",
    ),
    "headers are no text": (
        "result = error(lambda: ctx.emit(b'x', headers='ab'))",
        "TypeError: emit(): headers must be a dict or a list of (str, bytes or None), not str",
    ),
    "timestamps are whole": (
        "result = error(lambda: ctx.emit(b'x', timestamp=1.5))",
        "TypeError: emit(): timestamp must be int (milliseconds since the epoch), not float",
    ),
    "timestamps are not negative": (
        "result = error(lambda: ctx.emit(b'x', timestamp=-1))",
        "ValueError: emit(): timestamp -1 is out of range (milliseconds since the epoch, at least 0)",
    ),
    "timestamps have 64 bits": ("result = error(lambda: ctx.emit(b'x', timestamp=1 << 63)).partition(':')[0]", "ValueError"),
    "key only by name": ("result = error(lambda: ctx.emit(b'x', 0, b'k')).partition(':')[0]", "TypeError"),
    "watermarks are whole": (
        "result = error(lambda: ctx.emit_watermark(1.5))",
        "TypeError: emit_watermark(): watermark must be int (milliseconds since the epoch), not float",
    ),
    "watermarks have channels": (
        "result = error(lambda: ctx.emit_watermark(1, 5))",
        "IndexError: emit_watermark(): channel 5: the function has 2 outputs (0 to 1)",
    ),
    "the context knows its outputs": ("result = ctx.channel_count", 2),
    "configuration is a copy": (
        "ctx.getConfig()['new'] = '1'; result = ctx.getConfig(), ctx.get_config() == ctx.getConfig()",
        ({"a": "1"}, True),
    ),
    "no message outside process": (
        "result = error(lambda: ctx.message)",
        "RuntimeError: ctx.message: no message is in hand; it can be read inside process() only",
    ),
}


def run_case(source, ctx):
    """Runs one case; what it left in `result`."""
    names = {name: getattr(fs_api, name) for name in fs_api.__all__}
    names.update(ctx=ctx, error=_error, result=None)
    if "store" in source:
        names["store"] = ctx.getOrCreateKVStore("cases")
    exec(source, names)
    return names["result"]


def _error(function):
    try:
        function()
    except BaseException as error:
        return f"{type(error).__name__}: {error}"
    return "nothing was raised"
