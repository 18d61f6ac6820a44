"""The stand-in for fs_client inside the sandbox (docs/package-format.md, "The client inside the sandbox").

A script often defines the class and registers it, so the sandbox imports the client's names with it. The stand-in makes that import
succeed without grpc, lets client code at module level run through as nothing, and raises where a real answer would be needed.
"""

from __future__ import annotations

_STAND_IN = '''"""Stands in for fs_client inside a function: importing it is fine, using it is not."""

import sys


class ClientNotAvailable(RuntimeError):
    pass


class _Inert:
    def __init__(self, name):
        object.__setattr__(self, "_inert_name", name)

    def _refuse(self, *args):
        raise ClientNotAvailable(
            self._inert_name + " is part of fs_client, which is not available inside a function: keep code that uses the"
            ' client out of hooks such as process, and put it under: if __name__ == "__main__":'
        )

    def _idle(self, *args, **kwargs):
        # Only module bodies may go through the motions: the script that registers a function is imported here too.
        frame = sys._getframe(1)
        while frame is not None:
            if frame.f_code.co_name == "<module>" and frame.f_globals.get("__name__") != "__main__":
                return _Inert(self._inert_name)
            frame = frame.f_back
        self._refuse()

    def __getattr__(self, name):
        if name.startswith("__"):
            raise AttributeError(name)
        return self._idle()

    def __iter__(self):
        self._idle()
        return iter(())

    def __mro_entries__(self, bases):
        return ()

    def __repr__(self):
        return "<" + self._inert_name + ": not available inside a function>"

    def __exit__(self, *args):
        return False

    __str__ = __repr__
    __call__ = __enter__ = __getitem__ = __or__ = __ror__ = __setattr__ = __setitem__ = __delattr__ = __delitem__ = _idle
    __bool__ = __len__ = __eq__ = __ne__ = __lt__ = __le__ = __gt__ = __ge__ = __contains__ = _refuse
    __int__ = __float__ = __index__ = __next__ = __bytes__ = _refuse
    __hash__ = object.__hash__


class _Imported(_Inert):
    # What was merely imported may be compared, as typing does with what an annotation names.
    __eq__ = object.__eq__
    __ne__ = object.__ne__
    __hash__ = object.__hash__


def _member(module, name):
    if name.startswith("__"):
        raise AttributeError("module " + repr(module) + " has no attribute " + repr(name))
    return _Imported(module + "." + name)


def __getattr__(name):
    return _member(__name__, name)
'''

_STAND_IN_SUBMODULE = '''"""Stands in for a module of fs_client inside a function."""

import fs_client


def __getattr__(name):
    return fs_client._member(__name__, name)
'''


def stand_in_source(module: str, names: list[str]) -> bytes:
    """The source of `fs_client`, or of a module below it; `names` are those that a star import gets."""
    source = _STAND_IN if module == "fs_client" else _STAND_IN_SUBMODULE
    return f"{source}\n\n__all__ = {names!r}\n".encode()
