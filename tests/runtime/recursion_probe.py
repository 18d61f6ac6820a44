"""Deep recursion, in Python and in C, must end as an exception that user code can catch, not as a trap.

These are the cases that need most of either stack (runtime/README.md, "Stacks"), and those a message can bring about.
"""

import ast
import copy
import json
import pickle
import re
import sys
import xml.etree.ElementTree as ElementTree

DEPTH = 100_000


def _stops(call, error=RecursionError):
    try:
        call()
    except error:
        pass
    else:
        raise AssertionError(f"no {error}")
    # The interpreter is of use afterwards.
    assert json.loads("[1, [2]]") == [1, [2]]


def _nested():
    value = []
    for _ in range(DEPTH):
        value = [value]
    return value


def _without_python_limit(call):
    limit = sys.getrecursionlimit()
    sys.setrecursionlimit(1_000_000)
    try:
        call()
    finally:
        sys.setrecursionlimit(limit)


def check_json_loads_of_nested_arrays():
    _stops(lambda: json.loads("[" * DEPTH))


def check_json_loads_of_nested_objects():
    _stops(lambda: json.loads('{"a":' * DEPTH))


def check_json_dumps():
    _stops(lambda: json.dumps(_nested()))
    _stops(lambda: json.dumps(_nested(), indent=1))


def check_repr():
    _stops(lambda: repr(_nested()))


def check_comparison():
    _stops(lambda: _nested() == _nested())


def check_hash():
    value = ()
    for _ in range(DEPTH):
        value = (value,)
    _stops(lambda: hash(value))


def check_pickle():
    _stops(lambda: pickle.dumps(_nested()))


def check_deepcopy():
    _stops(lambda: copy.deepcopy(_nested()))


def check_freeing_what_is_nested():
    value = ()
    for _ in range(10 * DEPTH):
        value = (value,)
    del value
    chain = None
    for _ in range(DEPTH):
        node = type("Node", (), {})() if chain is None else type(chain)()
        node.next = chain
        chain = node
    del chain, node


def check_compiling():
    too_deep = (RecursionError, MemoryError, SyntaxError)
    for source in (
        "(" * DEPTH + ")" * DEPTH,
        "-" * DEPTH + "1",
        "not " * DEPTH + "1",
        "lambda:" * DEPTH + "1",
        "1 if a else " * DEPTH + "1",
        "a" + ".b" * DEPTH,
        "a" + ".b" * 4500,
        "a" + "()" * DEPTH,
        "1" + "+1" * DEPTH,
    ):
        _stops(lambda source=source: compile(source, "deep", "exec"), too_deep)
    _stops(lambda: ast.literal_eval("-" * DEPTH + "1"), too_deep)


def check_regular_expressions():
    _stops(lambda: re.compile("(" * DEPTH + ")" * DEPTH))
    assert re.match("(?:a|b)*c", "ab" * DEPTH) is None


def check_xml():
    root = ElementTree.fromstring("<a>" * 50_000 + "</a>" * 50_000)
    assert sum(1 for _ in root.iter()) == 50_000
    _stops(lambda: copy.deepcopy(root))
    _stops(lambda: ElementTree.tostring(root))


def check_python_calls():
    def call():
        call()

    _stops(call)
    _stops(lambda: _without_python_limit(lambda: json.loads("[" * DEPTH)))


def check_calls_through_c():
    def through_map(x):
        return list(map(through_map, [x]))

    def through_sort(x):
        return sorted([x], key=through_sort)

    class Attribute:
        def __getattr__(self, name):
            return getattr(self, name + "")

    class Everything:
        def __getattribute__(self, name):
            return getattr(self, name)

    for call in (lambda: through_map(1), lambda: through_sort(1), lambda: Attribute().x, lambda: Everything().x):
        _stops(call)
        _stops(lambda call=call: _without_python_limit(call))


def check_nested_exec():
    source = "exec(source, globals())"
    _stops(lambda: _without_python_limit(lambda: exec(source, {"source": source})))
