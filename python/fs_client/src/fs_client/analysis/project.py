"""Follows the imports of a class's module to everything that has to go into its package.

The walk goes over local modules and over third-party ones, with a level for each: how sure it is that the sandbox will need it. A missing
or native module matters where it is required; where it is guarded by a handler for ImportError, the sandbox takes the handler
just as the user's Python would.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass, field
from enum import IntEnum
from pathlib import Path
from typing import Optional

from fs_client.analysis.conditions import Runtime
from fs_client.analysis.cycles import CycleCheck, Edge
from fs_client.analysis.data_files import find_data_files
from fs_client.analysis.distributions import Distribution, Distributions
from fs_client.analysis.entry import RUNTIME_MODULES, Entry
from fs_client.analysis.imports import ImportRef, Scan, scan_source
from fs_client.analysis.resolve import Found, Kind, Owner, Resolver
from fs_client.errors import PackagingError


class Level(IntEnum):
    GUARDED = 0  # an ImportError would be handled
    DEFERRED = 1  # in a function of a third-party module, where optional features live
    REQUIRED = 2


@dataclass
class NativeNeed:
    """A distribution that the code requires and whose native code the runtime lacks."""

    distribution: Distribution
    imported_at: str
    files: list[str]

    def __str__(self) -> str:
        shown = ", ".join(self.files[:3]) + (", ..." if len(self.files) > 3 else "")
        return f"{self.imported_at}: {self.distribution.title} has native code ({shown}), which the runtime lacks"


@dataclass
class Project:
    """All that a package holds."""

    entry: Entry
    modules: dict[str, Found] = field(default_factory=dict)  # local ones, with a source of their own
    data: dict[str, Path] = field(default_factory=dict)  # path in the package -> file
    distributions: list[Distribution] = field(default_factory=list)
    client_modules: set[str] = field(default_factory=set)  # modules of fs_client that the code imports
    natives: list[NativeNeed] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)
    python_requires: tuple[int, int] = (3, 9)


def analyze(entry: Entry, include: Collection[str] = (), provided: Collection[str] = (), runtime: Optional[Runtime] = None) -> Project:
    """The project of an entry. `include` names modules and packages that no import shows, `provided` the runtime's native modules.

    Raises PackagingError, which lists every missing or circular import with its file and line. Required native code is no error here: it is
    listed in `natives`, because whether the runtime has it is for the server to say.
    """
    sources = Sources(runtime or Runtime())
    resolver = Resolver(entry.search_path, {entry.module: entry.file})
    distributions = Distributions(resolver)
    left_out: dict[Distribution, list[str]] = {}
    while True:
        walk = _Walk(entry, resolver, sources, distributions, left_out, provided)
        walk.run(include)
        newly = walk.native_distributions()
        if not newly:
            return walk.finish()
        left_out.update(newly)


class Sources:
    """Scanned source files, each read once however many walks there are."""

    def __init__(self, runtime: Runtime) -> None:
        self.runtime = runtime
        self._scans: dict[tuple[str, Path], Scan] = {}

    def scan(self, found: Found) -> Scan:
        """Raises PackagingError where the file cannot be read or parsed."""
        assert found.path is not None
        key = (found.name, found.path)
        if key not in self._scans:
            try:
                source = found.path.read_bytes()
                is_package = found.kind is Kind.PACKAGE
                self._scans[key] = scan_source(source, str(found.path), found.name, is_package, self.runtime)
            except SyntaxError as error:
                raise PackagingError(f"{found.path}:{error.lineno}: syntax error: {error.msg}") from error
            except (OSError, ValueError, RecursionError) as error:
                raise PackagingError(f"{found.path}: cannot be read: {error}") from error
        return self._scans[key]


@dataclass
class _Reached:
    """A third-party distribution as seen from outside it."""

    level: Level
    imported_at: str
    entries: dict[str, Found] = field(default_factory=dict)


class _Walk:
    def __init__(
        self,
        entry: Entry,
        resolver: Resolver,
        sources: Sources,
        distributions: Distributions,
        left_out: dict[Distribution, list[str]],
        provided: Collection[str],
    ) -> None:
        self.project = Project(entry)
        self.resolver = resolver
        self.sources = sources
        self.distributions = distributions
        self.left_out = left_out
        self.provided = provided
        self.problems: list[str] = []
        self.edges: dict[str, list[Edge]] = {}
        self._levels: dict[str, Level] = {}
        self._reached: dict[Distribution, _Reached] = {}
        self._pending: list[Found] = []

    def run(self, include: Iterable[str]) -> None:
        entry = self.project.entry
        self.need_chain(entry.module, Level.REQUIRED, f"{entry.file}:1", None)
        for name in include:
            self.need_included(name)
        while self._pending:
            found = self._pending.pop()
            self.follow(found)

    def finish(self) -> Project:
        project = self.project
        local = {name: found for name, found in project.modules.items() if name in self.edges}
        cycles = CycleCheck(local, self.edges, self.sources.scan)
        self.problems += cycles.problems(project.entry.module)
        if self.problems:
            raise PackagingError(_listed(project.entry, self.problems))
        project.python_requires = max((self.sources.scan(found).python_requires for found in local.values()), default=(3, 9))
        for distribution, reached in self._reached.items():
            blocking = self.left_out.get(distribution)
            if blocking is None:
                project.distributions.append(distribution)
            elif reached.level is Level.REQUIRED:
                project.natives.append(NativeNeed(distribution, reached.imported_at, blocking))
            elif reached.level is Level.GUARDED and not self._from_site(reached.imported_at):
                project.warnings.append(
                    f"{reached.imported_at}: {distribution.title} has native code, which the runtime lacks; it is left out, "
                    "and the handler for its ImportError will run instead"
                )
        for found in local.values():
            if found.shadows_stdlib:
                project.warnings.append(
                    f"{found.path}: module {found.name} shadows the standard library's; it is packaged, as Python would take it"
                )
        return project

    def _from_site(self, place: str) -> bool:
        return self.resolver.site_folder(Path(place.rpartition(":")[0])) is not None

    # Reaching modules

    def is_provided(self, name: str) -> bool:
        """Whether the runtime has it: its own modules, and native ones that the server told of."""
        top = name.partition(".")[0]
        return top in RUNTIME_MODULES or any(name == one or name.startswith(one + ".") for one in self.provided)

    def need_chain(self, name: str, level: Level, at: str, importer: Optional[Found]) -> bool:
        """Reaches a module and its parents, in the order in which an import runs them. False where one cannot be had."""
        parts = name.split(".")
        for end in range(1, len(parts) + 1):
            one = ".".join(parts[:end])
            if self.is_provided(one):
                return True
            if parts[0] == "fs_client":
                self.project.client_modules.add(one)
                continue
            found = self.resolver.find(one)
            if found is None:
                return False
            if found.owner is Owner.STDLIB:
                return True
            if not self.reach(found, level, at, importer):
                return False
        return True

    def reach(self, found: Found, level: Level, at: str, importer: Optional[Found]) -> bool:
        if found.owner is Owner.THIRD_PARTY:
            distribution = self.distributions.owner(found)
            if distribution is not None:
                user = self.distributions.owner(importer) if importer is not None and importer.owner is Owner.THIRD_PARTY else None
                if user is not distribution:
                    if user is not None and level is not Level.REQUIRED and not user.may_use(distribution):
                        return False  # an optional feature, which nobody asked for
                    reached = self._reached.setdefault(distribution, _Reached(level, at))
                    if level > reached.level:
                        reached.level, reached.imported_at = level, at
                    reached.entries[found.name] = found
                if distribution in self.left_out:
                    return level is Level.REQUIRED  # told of as native, not as missing
            if found.kind is Kind.NATIVE:
                return False
        if found.owner is Owner.LOCAL and not self.accept_local(found, level, at):
            return False
        known = self._levels.get(found.name)
        if known is None or level > known:
            self._levels[found.name] = level
            if found.has_source:
                self._pending.append(found)
        return True

    def accept_local(self, found: Found, level: Level, at: str) -> bool:
        if found.has_source:
            self.project.modules[found.name] = found
            if not all(part.isidentifier() for part in found.name.split(".")):
                self.problems.append(f"{at}: {found.name!r} cannot be packaged: its name is no Python name")
            return True
        if found.kind is Kind.NAMESPACE:
            return True
        if level is Level.REQUIRED:
            what = {
                Kind.NATIVE: "is native code, which the sandbox cannot run",
                Kind.BYTECODE: "is bytecode without its source, which cannot be packaged",
            }.get(found.kind, "is in an archive, which cannot be packaged; unpack it")
            self.problems.append(f"{at}: module {found.name} ({found.path}) {what}")
            return True
        return False

    def need_included(self, name: str) -> None:
        at = f"include={name!r}"
        found = self.resolver.find(name)
        if found is None or not self.need_chain(name, Level.REQUIRED, at, None):
            self.problems.append(f"{at}: no module of that name is found")
            return
        for folder in found.search:
            for path in sorted(Path(folder).iterdir()):
                is_package = path.is_dir() and path.name.isidentifier() and any(path.glob("*.py"))
                if is_package or (path.suffix == ".py" and path.stem != "__init__"):
                    self.need_included(f"{name}.{path.stem}")

    # Following a module's imports

    def follow(self, found: Found) -> None:
        level = self._levels[found.name]
        is_local = found.owner is Owner.LOCAL
        try:
            scan = self.sources.scan(found)
        except PackagingError as error:
            if is_local and level is Level.REQUIRED:
                self.problems.append(str(error))
            return
        available: dict[ImportRef, bool] = {}
        self.edges[found.name] = []
        for ref in scan.imports:
            available[ref] = self.follow_import(found, ref, self.level_of(found, ref, level, available))
        if is_local:
            self.add_data(found, scan, level)
            for line in scan.unknown_imports:
                self.warn(f"{found.path}:{line}: the imported name is computed and cannot be followed; name what it needs in include=[...]")

    def warn(self, text: str) -> None:
        if text not in self.project.warnings:
            self.project.warnings.append(text)

    def level_of(self, found: Found, ref: ImportRef, level: Level, available: dict[ImportRef, bool]) -> Level:
        if ref.is_guarded or (ref.fallback_of and all(available.get(tried, True) for tried in ref.fallback_of)):
            return Level.GUARDED
        if ref.is_deferred and found.owner is Owner.THIRD_PARTY:
            return min(level, Level.DEFERRED)
        return level

    def follow_import(self, found: Found, ref: ImportRef, level: Level) -> bool:
        at = f"{found.path}:{ref.line}"
        is_reported = found.owner is Owner.LOCAL and level is Level.REQUIRED
        problem = ref.problem
        submodules: list[str] = []
        if not problem and ref.module.partition(".")[0] == "__main__":
            problem = "imports __main__, which is another module in the sandbox; import the script under its own name"
        if not problem and not self.need_chain(ref.module, level, at, found):
            problem = self.missing(ref.module, found)
        if not problem:
            problem = self.need_names(found, ref, level, at, submodules)
        if problem and is_reported:
            text = f"{at}: {problem}"
            if text not in self.problems:
                self.problems.append(text)
        self.edges[found.name].append(Edge(ref, submodules))
        return not problem and self.is_available(ref.module)

    def is_available(self, name: str) -> bool:
        """Whether the sandbox will have it; native distributions that are left out it will not."""
        found = None if self.is_provided(name) else self.resolver.find(name)
        return found is None or found.owner is not Owner.THIRD_PARTY or self.distributions.owner(found) not in self.left_out

    def missing(self, name: str, importer: Found) -> str:
        parent, _, tail = name.rpartition(".")
        if parent and (package := self.resolver.find(parent)) is not None:
            return f"no module named {name!r}: {package.path or ' or '.join(package.search) or parent} has no {tail!r}"
        top = name.partition(".")[0]
        return (
            f"no module named {top!r}: neither beside {importer.path.name if importer.path else importer.name} nor on sys.path "
            "nor installed here; add it, or import it inside try ... except ImportError if the function can do without"
        )

    def need_names(self, found: Found, ref: ImportRef, level: Level, at: str, submodules: list[str]) -> str:
        """Reaches what a from-import names below its module. Returns a problem, or nothing."""
        if not ref.names or self.is_provided(ref.module) or ref.module.partition(".")[0] == "fs_client":
            return ""
        source = self.resolver.find(ref.module)
        if source is None or source.owner is Owner.STDLIB:
            return ""
        scan = self.scan_if_readable(source)
        names: Iterable[str] = ref.names
        if "*" in ref.names:
            names = (scan.exported or ()) if scan is not None else ()
        for name in names:
            below = self.resolver.find(f"{ref.module}.{name}") if source.search else None
            # A package's own name wins over a submodule, but only once the submodule was not asked for; pack it either way.
            if below is not None and below.kind is not Kind.NAMESPACE:
                if self.need_chain(below.name, level, at, found):
                    submodules.append(below.name)
                elif scan is None or name not in scan.bindings:
                    return f"{below.name} cannot be packaged"
            elif below is not None:
                self.reach(below, level, at, found)
            elif source.kind is Kind.NAMESPACE:
                return f"no module named {ref.module}.{name}: {' and '.join(source.search) or ref.module} has no {name!r}"
            elif source.owner is Owner.LOCAL and scan is not None and not _may_bind(scan, name):
                return f"{source.path} defines no {name!r}, and no module {ref.module}.{name} is found"
        return ""

    def scan_if_readable(self, found: Found) -> Optional[Scan]:
        if not found.has_source:
            return None
        try:
            return self.sources.scan(found)
        except PackagingError:
            return None  # told of when its own turn comes

    # Native code

    def native_distributions(self) -> dict[Distribution, list[str]]:
        """Distributions, not known before, that cannot do without their native code; with the files at fault."""
        newly = {}
        for distribution, reached in self._reached.items():
            if distribution.native and distribution not in self.left_out:
                blocking = self.native_blockers(distribution, reached.entries.values())
                if blocking:
                    newly[distribution] = blocking
        return newly

    def native_blockers(self, distribution: Distribution, entries: Iterable[Found]) -> list[str]:
        """Native files that are not proven optional: by a handler around every way to them, or because the runtime has them."""
        levels: dict[str, Level] = {}
        natives: dict[Path, Level] = {}
        pending = [(found, Level.REQUIRED) for found in entries]
        while pending:
            found, level = pending.pop()
            if found.path is None or self.distributions.owner(found) is not distribution:
                continue
            if found.kind is Kind.NATIVE:
                natives[found.path] = max(level, natives.get(found.path, level))
                continue
            if found.name in levels and level <= levels[found.name]:
                continue
            levels[found.name] = level
            scan = self.scan_if_readable(found)
            for ref in scan.imports if scan is not None else ():
                inner = Level.GUARDED if ref.is_guarded else level
                pending += [(target, inner) for target in self.targets(ref)]
        blocking = []
        for relative, path in sorted(distribution.native.items()):
            dotted = relative.rsplit("/", 1)[-1].split(".", 1)[0]
            name = ".".join([*relative.split("/")[:-1], dotted])
            if natives.get(path) is not Level.GUARDED and not self.is_provided(name):
                blocking.append(relative)
        return blocking

    def targets(self, ref: ImportRef) -> Iterator[Found]:
        parts = ref.module.split(".") if ref.module else []
        names = [".".join(parts[:end]) for end in range(1, len(parts) + 1)]
        for name in [*names, *(f"{ref.module}.{one}" for one in ref.names if parts and one != "*")]:
            found = self.resolver.find(name)
            if found is not None and found.owner is Owner.THIRD_PARTY:
                yield found

    # Data

    def add_data(self, found: Found, scan: Scan, level: Level) -> None:
        for data in find_data_files(found, scan.tree, self.resolver.find):
            at = f"{found.path}:{data.line}"
            if data.path is None:
                self.warn(f"{at}: {data.problem}")
                continue
            if data.package:  # importlib.resources imports the package that it reads from
                self.need_chain(data.package, level, at, found)
            else:
                self.warn(
                    f"{at}: names data by its path, but the sandbox has no files to open; it is packed: "
                    "read it with importlib.resources.files(...) or pkgutil.get_data(...)"
                )
            if self.resolver.site_folder(data.path) is None:  # else its distribution brings it
                self.project.data.setdefault(data.package_path, data.path)


def _may_bind(scan: Scan, name: str) -> bool:
    return scan.has_unknown_bindings or name in scan.bindings or (name.startswith("__") and name.endswith("__"))


def _listed(entry: Entry, problems: list[str]) -> str:
    if len(problems) == 1:
        return f"{entry.class_name} cannot be packaged: {problems[0]}"
    return f"{entry.class_name} cannot be packaged:\n" + "\n".join(f"  {problem}" for problem in problems)
