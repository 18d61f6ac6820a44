"""From a package to the user's object: which module, which class, and whether it can be a function."""

import ast
import inspect
import sys
from types import ModuleType

import fs_api

from . import shadow
from .errors import BadPackage
from .importer import PackageFinder, PackageLoader
from .package import Package

HOOKS = (
    "init",
    "process",
    "process_watermark",
    "take_checkpoint",
    "restore_checkpoint",
    "check_heartbeat",
    "close",
    "custom",
)


def load(
    function_name: str,
    entry_module: str,
    class_name: str,
    config: dict[str, str],
    files: list[tuple[str, str, bytes]],
) -> fs_api.FSProcessorDriver:
    """Installs the package and makes the user's object. Raises BadPackage, or what the user's code raises."""
    package = Package(files)
    class_name = class_name or config.get("class_name", "")
    entry_module = entry_module or _find_entry(package, class_name, function_name)
    if entry_module not in package.modules:
        held = ", ".join(sorted(package.modules)) or "none"
        raise BadPackage(f"the package has no module {entry_module!r}; its modules: {held}")
    shadowed = shadow.shadowed_names(package.top_level_names())
    finder = PackageFinder(package, shadowed)
    sys.meta_path.insert(0, finder)
    sys.path_hooks.insert(0, finder.path_hook)
    if shadowed:
        shadow.install(shadowed, PackageLoader)
    name = shadow.internal_name(entry_module, shadowed)
    # Not importlib.import_module: its frame would stand in the user's tracebacks.
    __import__(name)
    module = sys.modules[name]
    driver_class = _find_class(module, entry_module, class_name, function_name)
    _check_class(driver_class, entry_module)
    return _make(driver_class)


def _find_entry(package: Package, class_name: str, function_name: str) -> str:
    """The module that defines the class, found by reading, without running anything."""
    if len(package.modules) == 1:
        return next(iter(package.modules))
    wanted = class_name or function_name
    found = []
    failure: SyntaxError | None = None
    for name, module in package.modules.items():
        if wanted.encode() not in module.source:
            continue
        try:
            tree = ast.parse(module.source, module.path)
        except SyntaxError as error:
            failure = error
            continue
        if any(isinstance(node, ast.ClassDef) and node.name == wanted for node in tree.body):
            found.append(name)
    if len(found) == 1:
        return found[0]
    if len(found) > 1:
        raise BadPackage(f"class {wanted!r} is defined in several modules ({', '.join(sorted(found))}): name the module")
    if failure is not None:
        raise failure
    held = ", ".join(sorted(package.modules)) or "none"
    raise BadPackage(f"no module of the package defines class {wanted!r}; its modules: {held}")


def _is_driver(value: object) -> bool:
    return isinstance(value, type) and issubclass(value, fs_api.FSProcessorDriver)


def _find_class(module: ModuleType, entry_module: str, class_name: str, function_name: str) -> type:
    where = f"module {entry_module!r}"
    defined: dict[str, type] = {
        name: value
        for name, value in vars(module).items()
        if _is_driver(value) and value.__module__ == module.__name__ and value.__name__ == name
    }
    listed = f"its FSProcessorDriver classes: {', '.join(sorted(defined)) or 'none'}"
    if class_name:
        value: object = module
        for part in class_name.split("."):
            value = getattr(value, part, None)
        if value is None:
            raise BadPackage(f"{where} has no class {class_name!r}; {listed}{_nearest(class_name, list(defined))}")
        if not isinstance(value, type):
            raise BadPackage(f"{class_name!r} of {where} is no class but {type(value).__name__}; {listed}")
        if not _is_driver(value):
            raise BadPackage(f"class {class_name!r} of {where} is not an FSProcessorDriver: derive it from fs_api.FSProcessorDriver")
        return value
    concrete = [value for value in defined.values() if not inspect.isabstract(value)]
    if len(concrete) == 1:
        return concrete[0]
    if len(defined) == 1:
        return next(iter(defined.values()))
    if function_name in defined:
        return defined[function_name]
    if not defined:
        raise BadPackage(f"{where} defines no FSProcessorDriver: derive a class from fs_api.FSProcessorDriver, or name the class")
    raise BadPackage(f"{where} defines several functions, none named {function_name!r}: name the class; {listed}")


def _nearest(name: str, names: list[str]) -> str:
    import difflib

    close = difflib.get_close_matches(name, names, 1)
    return f" (did you mean {close[0]!r}?)" if close else ""


def _check_class(driver_class: type, entry_module: str) -> None:
    where = f"class {driver_class.__qualname__!r} of module {entry_module!r}"
    missing = sorted(getattr(driver_class, "__abstractmethods__", ()))
    if missing:
        raise BadPackage(f"{where} does not define {', '.join(missing)}(): a function needs process(self, ctx, source_id, data)")
    for name in HOOKS:
        hook = inspect.unwrap(getattr(driver_class, name))
        if inspect.iscoroutinefunction(hook) or inspect.isasyncgenfunction(hook):
            raise BadPackage(f"{where}: {name}() is async; hooks are plain functions (use asyncio.run() inside)")
        if inspect.isgeneratorfunction(hook):
            raise BadPackage(f"{where}: {name}() is a generator (it has a yield) and would never run; use ctx.emit() instead")
        if not callable(hook):
            raise BadPackage(f"{where}: {name} is {type(hook).__name__}, not a method")


def _make(driver_class: type) -> fs_api.FSProcessorDriver:
    try:
        instance: fs_api.FSProcessorDriver = driver_class()
    except TypeError as error:
        if error.__traceback__ is not None and error.__traceback__.tb_next is None:
            error.add_note(
                f"The server makes the function as {driver_class.__qualname__}(), without arguments; "
                "its configuration comes with init(ctx, config)."
            )
        raise
    if not _is_driver(type(instance)):
        name = driver_class.__qualname__
        raise BadPackage(f"{name}() gives an object of type {type(instance).__name__!r}, not of {name!r}: look at its __new__()")
    return instance
