"""Says why a module of the standard library is missing, where Python would say "No module named".

freeze.py adds the entries of runtime/cpython/unavailable.txt to MODULES.
"""

import sys

MODULES = {}
"""Name of a missing module (never a submodule) to the reason, a half sentence."""


class _Finder:
    """Stands last on sys.meta_path, so that a package the user brought under such a name wins."""

    @staticmethod
    def find_spec(name, path=None, target=None):
        reason = MODULES.get(name)
        # importlib.util.find_spec only asks; for it None is the answer. importlib itself calls through _find_spec.
        if reason is None or sys._getframe(2).f_code.co_name != "_find_and_load_unlocked":
            return
        raise ModuleNotFoundError(f"{name} is not available in the sandbox: {reason}", name=name)


def install():
    """Adds the finder to sys.meta_path."""
    sys.meta_path.append(_Finder)
