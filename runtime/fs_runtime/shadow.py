"""User modules named like one of the standard library: `import json` in user code finds the user's json.py.

Every other importer (the library's own modules, C code) goes on finding the library's. So both live at once: the
library's under its name in sys.modules, the user's as `fs_user.<name>`, which is also its `__name__`, so that pickle and
type hints resolve. Import statements of user code are led there by their module's globals.

Nothing is replaced, and no import pays, where a package shadows nothing.
"""

import _imp
import builtins
import importlib
import sys
from types import ModuleType
from typing import Any

PREFIX = "fs_user."


def shadowed_names(top_level_names: set[str]) -> frozenset[str]:
    """Those of the package's names that mean something to the standard library or the runtime."""
    return frozenset(
        name
        for name in top_level_names
        if name in sys.stdlib_module_names or name in sys.modules or name in sys.builtin_module_names or _imp.is_frozen(name)
    )


def internal_name(name: str, shadowed: frozenset[str]) -> str:
    """The name in sys.modules of a module that the package calls `name`."""
    return PREFIX + name if name.partition(".")[0] in shadowed else name


def install(shadowed: frozenset[str], user_loader: type) -> None:
    """Leads user code's imports of these names to the package. `user_loader`: what user modules are loaded by."""
    library_import = builtins.__import__
    library_import_module = importlib.import_module
    sys.modules[PREFIX.rstrip(".")] = namespace = ModuleType(PREFIX.rstrip("."))
    namespace.__path__ = []

    def is_user(module_globals: dict[str, Any]) -> bool:
        spec = module_globals.get("__spec__")
        # Code run by exec() with globals of its own has no spec, and is the user's.
        return spec is None or isinstance(spec.loader, user_loader)

    def import_from_package(name: str) -> ModuleType:
        try:
            library_import(PREFIX + name)
            return sys.modules[PREFIX + name]
        except ModuleNotFoundError as error:
            if error.name is None or not error.name.startswith(PREFIX):
                raise
            missing = error.name.removeprefix(PREFIX)
        raise ModuleNotFoundError(f"No module named {missing!r}", name=missing)

    def import_statement(
        name: str,
        globals: dict[str, Any] | None = None,
        locals: dict[str, Any] | None = None,
        fromlist: Any = (),
        level: int = 0,
    ) -> Any:
        # C code passes a list as fromlist, and then looks into sys.modules by itself.
        if level == 0 and type(fromlist) is not list:
            top = name.partition(".")[0]
            if top in shadowed and is_user(sys._getframe(1).f_globals if globals is None else globals):
                import_from_package(name)
                if fromlist:
                    return library_import(PREFIX + name, globals, locals, fromlist, 0)
                return sys.modules[PREFIX + top]
        return library_import(name, globals, locals, fromlist, level)

    def import_module(name: str, package: str | None = None) -> ModuleType:
        if name.partition(".")[0] in shadowed and is_user(sys._getframe(1).f_globals):
            return import_from_package(name)
        return library_import_module(name, package)

    builtins.__import__ = import_statement  # type: ignore[assignment]
    importlib.import_module = import_module
