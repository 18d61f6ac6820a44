"""Compiles the standard library and our own packages into one C table of frozen modules.

Run with a Python of the same minor version as the guest's:

    freeze.py --stdlib DIR --zoneinfo DIR --overlay DIR --unavailable FILE --config-header FILE
              [--package DIR]... --out DIR

Writes to OUT: frozen.c (the table of cpython/fs_frozen.h), frozen.S and frozen.bin (the code), modules.json (the names of
all modules that can be imported, built-in ones aside). Generated on the way: _fs_tzdata (the time zones), _fs_unavailable
(what is missing, why, and the import hook that says so) and the sysconfig data.
"""

from __future__ import annotations

import argparse
import json
import marshal
import os
import pathlib
import struct
import sys
import sysconfig
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from typing import NamedTuple

# Never useful in the sandbox, and no one would look for them there.
LEFT_OUT = {
    "__phello__",
    "pydoc_data",
    "site-packages",
    "__pycache__",
    "_aix_support",
    "_android_support",
    "_apple_support",
    "_ios_support",
    "_osx_support",
    "lib2to3",
}


class Module(NamedTuple):
    name: str
    is_package: bool
    source: bytes


class Frozen(NamedTuple):
    name: str
    is_package: bool
    code: bytes


def read_unavailable(path: pathlib.Path) -> dict[str, str]:
    """The lines `name: reason` of the file; comments and empty lines aside."""
    reasons = {}
    for number, line in enumerate(path.read_text().splitlines(), 1):
        if not line or line.startswith("#"):
            continue
        name, separator, reason = line.partition(": ")
        if not separator or not reason:
            sys.exit(f"{path}:{number}: expected `name: reason`, got {line!r}")
        reasons[name] = reason
    return reasons


def walk(folder: pathlib.Path, prefix: str, left_out: set[str]) -> Iterator[Module]:
    """The modules below a folder; folders without __init__.py are not entered."""
    for path in sorted(folder.iterdir()):
        if path.name in left_out or path.stem in left_out:
            continue
        if path.suffix == ".py":
            is_package = path.stem == "__init__"
            name = prefix.rstrip(".") if is_package else prefix + path.stem
            if name:
                yield Module(name, is_package, path.read_bytes())
        elif path.is_dir() and (path / "__init__.py").exists():
            yield from walk(path, f"{prefix}{path.name}.", left_out)


def without_first_block(zone: bytes) -> bytes:
    """A TZif file (RFC 9636) whose 32-bit block, which nothing reads that knows the 64-bit one, is the shortest legal."""
    header = struct.Struct(">4sc15x6L")
    magic, version, *counts = header.unpack_from(zone)
    if magic != b"TZif" or version < b"2":
        return zone
    isut, isstd, leaps, times, types, chars = counts
    skipped = times * 5 + types * 6 + chars + leaps * 8 + isstd + isut
    return header.pack(magic, version, 0, 0, 0, 0, 1, 1) + bytes(7) + zone[header.size + skipped :]


def time_zones(folder: pathlib.Path) -> Module:
    zones = {}
    for path in sorted(folder.rglob("*")):
        name = path.relative_to(folder).as_posix()
        if path.is_file() and not name.startswith(("right/", "posix/")) and name not in ("localtime", "posixrules"):
            data = path.read_bytes()
            if data.startswith(b"TZif"):
                zones[name] = without_first_block(data)
    if "Europe/Berlin" not in zones:
        sys.exit(f"{folder}: no time zones")
    source = f'"""The time zone database: name to TZif file. Generated."""\n\nZONES = {zones!r}\n'
    return Module("_fs_tzdata", False, source.encode())


def unavailable_module(reasons: dict[str, str], template: pathlib.Path) -> Module:
    return Module("_fs_unavailable", False, template.read_bytes() + f"\nMODULES.update({reasons!r})\n".encode())


def system_configuration(config_header: pathlib.Path, name: str) -> Module:
    with config_header.open() as file:
        variables = dict(sysconfig.parse_config_h(file))
    variables.update(prefix="/usr", exec_prefix="/usr", TZPATH="", Py_DEBUG=0, Py_GIL_DISABLED=0)
    return Module(name, False, f"build_time_vars = {variables!r}\n".encode())


def compile_module(module: Module) -> Frozen:
    code = compile(module.source, f"<frozen {module.name}>", "exec", dont_inherit=True, optimize=0)
    return Frozen(module.name, module.is_package, marshal.dumps(code))


def write_table(modules: list[Frozen], out: pathlib.Path) -> None:
    blob = bytearray()
    with (out / "frozen.c").open("w") as table:
        table.write('#include "fs_frozen.h"\n\nextern const unsigned char fs_frozen_code[];\n\n')
        table.write("const struct _frozen fs_frozen_modules[] = {\n")
        for module in modules:
            is_package = int(module.is_package)
            table.write(f'    {{"{module.name}", fs_frozen_code + {len(blob)}, {len(module.code)}, {is_package}}},\n')
            blob += module.code
            blob += bytes(-len(blob) % 16)
        table.write("    {0, 0, 0, 0},\n};\n")
    (out / "frozen.bin").write_bytes(blob)
    (out / "frozen.S").write_text(
        '\t.section .rodata.fs_frozen_code,"",@\n\t.globl fs_frozen_code\n\t.type fs_frozen_code,@object\n\t.p2align 4\n'
        f'fs_frozen_code:\n\t.incbin "frozen.bin"\n\t.size fs_frozen_code, {len(blob)}\n'
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    for option in ("stdlib", "zoneinfo", "overlay", "unavailable", "config-header", "out"):
        parser.add_argument(f"--{option}", type=pathlib.Path, required=True)
    parser.add_argument("--package", type=pathlib.Path, action="append", default=[])
    arguments = parser.parse_args()
    if sys.version_info[:2] != (3, 13):
        sys.exit(f"freeze.py: run it with Python 3.13, this is {sys.version.split()[0]}")

    reasons = read_unavailable(arguments.unavailable)
    modules: dict[str, Module] = {}
    for module in walk(arguments.stdlib, "", LEFT_OUT | set(reasons)):
        modules[module.name] = module
    for module in walk(arguments.overlay, "", set()):
        modules[module.name] = module
    for package in arguments.package:
        for module in walk(package, f"{package.name}.", set()):
            modules[module.name] = module
    for module in (
        time_zones(arguments.zoneinfo),
        unavailable_module(reasons, arguments.overlay / "_fs_unavailable.py"),
        system_configuration(arguments.config_header, "_sysconfigdata__wasi_wasm32-wasi"),
    ):
        modules[module.name] = module

    with ProcessPoolExecutor(max_workers=int(os.environ.get("FS_JOBS", "0")) or None) as pool:
        frozen = list(pool.map(compile_module, modules.values(), chunksize=16))
    write_table(frozen, arguments.out)
    names = sorted(name for name in modules if not name.startswith("_"))
    (arguments.out / "modules.json").write_text(json.dumps(names) + "\n")
    print(f"{len(frozen)} modules, {sum(len(module.code) for module in frozen)} bytes")


if __name__ == "__main__":
    main()
