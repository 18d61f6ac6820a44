"""Ways to a file, a process, a socket, the environment, native code or another function: none may lead anywhere."""

from __future__ import annotations

import importlib
import importlib.util
import io
import os
import sys
from pathlib import Path
from typing import Any, ClassVar

from functions.hostile.attempt import Asked, Attempt, Attempting

NOTHING = (OSError, AttributeError, ImportError, NotImplementedError, RuntimeError)
MISSING = (ImportError,)
DESCRIPTORS = range(21)


def _module(name: str) -> Any:
    """By its name only: packaging must not see it."""
    return importlib.import_module(name)


def _each_descriptor(use: object) -> list[int]:
    """The descriptors for which it worked."""
    worked = []
    for descriptor in DESCRIPTORS:
        try:
            use(descriptor)  # type: ignore[operator]
            worked.append(descriptor)
        except (OSError, ValueError):
            pass
    return worked


def _import_from(folder: str) -> object:
    sys.path.insert(0, folder)
    try:
        return _module("server_secret")
    finally:
        sys.path.remove(folder)


def _load_spec(path: str) -> object:
    spec = importlib.util.spec_from_file_location("server_secret", path + ".py")
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def _temporary(asked: Asked) -> object:
    tempfile = _module("tempfile")
    with tempfile.NamedTemporaryFile("w") as file:
        file.write("written")
        return file.name


def _found_in_memory(asked: Asked) -> list[str]:
    """All strings and bytes of this interpreter that look like the neighbour's secret, or the server's environment."""
    gc = _module("gc")
    mark = "canary" + "-"
    seen: set[int] = set()
    todo: list[object] = [*gc.get_objects(), *sys.modules.values()]
    found = []
    while todo:
        one = todo.pop()
        if id(one) in seen:
            continue
        seen.add(id(one))
        if isinstance(one, str) and len(one) >= 16 and one.startswith(mark):
            found.append(one)
        if isinstance(one, bytes) and len(one) >= 16 and one.startswith(mark.encode()):
            found.append(repr(one))
        todo.extend(gc.get_referents(one))
    return found


def _is_somewhere(asked: Asked, what: str) -> bool:
    texts = [str(dict(os.environ)), str(sys.argv), str(sys.orig_argv), str(sys.path), str(getattr(sys, "_base_executable", ""))]
    return any(what in text for text in texts)


def _stores(asked: Asked) -> list[object]:
    """What stores hold that are named as another function's might be: they are new, and its own."""
    names = [
        "../neighbour",
        "../../data/state",
        "/etc/passwd",
        "neighbour/store",
        "a/b",
        "..",
        ".",
        "\x00",
        "store\x00",
        "neighbour",
        "store",
    ]
    found: list[object] = []
    for name in names:
        store = asked.ctx.getOrCreateKVStore(name)
        found.extend(store.list_states(b"", b"\xff" * 8))
        store.put_state(b"mine", name.encode())
    found.extend(store.get_state(b"count") for store in map(asked.ctx.getOrCreateKVStore, names))
    # Each name is a store of its own.
    assert [asked.ctx.getOrCreateKVStore(name).get_state(b"mine") for name in names] == [name.encode() for name in names]
    for name in names:
        asked.ctx.getOrCreateKVStore(name).delete_state(b"mine")
    return [one for one in found if one is not None]


def _bypass_socket(asked: Asked) -> object:
    raw = _module("_socket")
    return raw.socket(2, 1, 0).connect(("127.0.0.1", asked.port))


def _raw_descriptor(asked: Asked) -> object:
    raw = _module("_socket")
    worked = []
    for descriptor in DESCRIPTORS:
        try:
            worked.append(raw.socket(2, 1, 0, descriptor).recv(1))
        except OSError:
            pass
    return worked


def _urlopen(url: str) -> object:
    return _module("urllib.request").urlopen(url, timeout=1).read()


def _asyncio(name: str, *arguments: object) -> object:
    asyncio = _module("asyncio")

    async def main() -> object:
        return await getattr(asyncio, name)(*arguments)

    return asyncio.run(main())


def _process(asked: Asked) -> object:
    multiprocessing = _module("multiprocessing")
    process = multiprocessing.Process(target=print)
    process.start()
    return process.pid


def _pool(name: str) -> object:
    futures = _module("concurrent.futures")
    with getattr(futures, name)(1) as pool:
        return pool.submit(print).result()


FILES = {
    "open the secret": Attempt(lambda a: open(a.secret_file).read(), (FileNotFoundError,), "secret.txt"),
    "open bytes": Attempt(lambda a: open(b"/etc/passwd", "rb").read(), (FileNotFoundError,)),
    "open climbing": Attempt(lambda a: open("../" * 40 + "etc/passwd").read(), (FileNotFoundError,)),
    "open doubled slashes": Attempt(lambda a: open("//etc//./passwd").read(), (FileNotFoundError,)),
    "open with a null": Attempt(lambda a: open("/etc/passwd\x00.txt").read(), (ValueError,)),
    "open a surrogate": Attempt(lambda a: open("/etc/\udcff").read(), (OSError, UnicodeError)),
    "open a huge path": Attempt(lambda a: open("/a" * 1_000_000).read(), (OSError,)),
    "open for writing": Attempt(lambda a: open("/tmp/hostile", "w").write("x"), (OSError,)),
    "open for appending": Attempt(lambda a: open(a.secret_file, "a").write("x"), (OSError,)),
    "open exclusively": Attempt(lambda a: open("hostile", "x").write("x"), (OSError,)),
    "io.open_code": Attempt(lambda a: io.open_code(a.secret_file).read(), (OSError,)),
    "io.FileIO": Attempt(lambda a: io.FileIO(a.secret_file).read(), (OSError,)),
    "os.open": Attempt(lambda a: os.open(a.secret_file, os.O_RDONLY), (OSError,)),
    "os.open making": Attempt(lambda a: os.open("/tmp/hostile", os.O_CREAT | os.O_RDWR), (OSError,)),
    "os.open a folder": Attempt(lambda a: os.open("/", os.O_RDONLY | getattr(os, "O_DIRECTORY", 0)), (OSError,)),
    "os.open below a descriptor": Attempt(lambda a: [os.open("etc/passwd", os.O_RDONLY, dir_fd=fd) for fd in (3, 4)], NOTHING),
    "os.listdir": Attempt(lambda a: os.listdir("/"), (OSError,)),
    "os.listdir here": Attempt(lambda a: os.listdir(), (OSError,)),
    "os.scandir": Attempt(lambda a: list(os.scandir("/")), (OSError,)),
    "os.walk": Attempt(lambda a: list(os.walk("/")), returns="[]"),
    "os.stat": Attempt(lambda a: os.stat(a.secret_file), (OSError,)),
    "os.lstat": Attempt(lambda a: os.lstat("/"), (OSError,)),
    "os.access": Attempt(lambda a: os.access(a.secret_file, os.R_OK), returns="False"),
    "os.path.exists": Attempt(lambda a: os.path.exists(a.secret_file), returns="False"),
    "os.chdir": Attempt(lambda a: os.chdir(a.home), NOTHING),
    "os.mkdir": Attempt(lambda a: os.mkdir("/tmp/hostile"), (OSError,)),
    "os.rename": Attempt(lambda a: os.rename(a.secret_file, "/tmp/hostile"), (OSError,)),
    "os.replace": Attempt(lambda a: os.replace(a.secret_file, a.home + "/written"), (OSError,)),
    "os.unlink": Attempt(lambda a: os.unlink(a.secret_file), (OSError,)),
    "os.rmdir": Attempt(lambda a: os.rmdir(a.home), (OSError,)),
    "os.link": Attempt(lambda a: os.link(a.secret_file, "/tmp/hostile"), NOTHING),
    "os.symlink": Attempt(lambda a: os.symlink(a.secret_file, "/tmp/hostile"), NOTHING),
    "os.readlink": Attempt(lambda a: os.readlink("/proc/self/exe"), NOTHING),
    "os.chmod": Attempt(lambda a: os.chmod(a.secret_file, 0o777), returns="None"),
    "os.utime": Attempt(lambda a: os.utime(a.secret_file), NOTHING),
    "os.truncate": Attempt(lambda a: os.truncate(a.secret_file, 0), NOTHING),
    "os.mkfifo": Attempt(lambda a: os.mkfifo("/tmp/hostile"), NOTHING),
    "os.chroot": Attempt(lambda a: os.chroot("/"), NOTHING),
    "proc environ": Attempt(lambda a: open("/proc/self/environ").read(), (OSError,)),
    "proc memory": Attempt(lambda a: open(f"/proc/{a.pid}/mem", "rb").read(1), (OSError,)),
    "proc maps": Attempt(lambda a: Path("/proc/self/maps").read_text(), (OSError,)),
    "proc descriptor": Attempt(lambda a: open("/proc/self/fd/3", "rb").read(1), (OSError,)),
    "device": Attempt(lambda a: open("/dev/urandom", "rb").read(1), (OSError,)),
    "device descriptor": Attempt(lambda a: open("/dev/fd/3", "rb").read(1), (OSError,)),
    "Path.read_text": Attempt(lambda a: Path(a.secret_file).read_text(), (OSError,)),
    "Path.write_text": Attempt(lambda a: Path(a.home, "written").write_text("x"), (OSError,)),
    "Path.touch": Attempt(lambda a: Path(a.home, "written").touch(), (OSError,)),
    "Path.iterdir": Attempt(lambda a: list(Path("/").iterdir()), (OSError,)),
    "Path.rglob": Attempt(lambda a: list(Path("/").rglob("*")), returns="[]"),
    "Path.home": Attempt(lambda a: Path.home().exists(), NOTHING),
    "glob": Attempt(lambda a: _module("glob").glob("/**", recursive=True), returns="[]"),
    "shutil.copy": Attempt(lambda a: _module("shutil").copy(a.secret_file, "/tmp/hostile"), NOTHING),
    "shutil.rmtree": Attempt(lambda a: _module("shutil").rmtree(a.home), NOTHING),
    "zipfile": Attempt(lambda a: _module("zipfile").ZipFile(a.secret_file), (OSError,)),
    "tempfile": Attempt(_temporary, (OSError,)),
    "linecache": Attempt(lambda a: _module("linecache").getlines(a.secret_file), returns="[]"),
    "fileinput": Attempt(lambda a: list(_module("fileinput").input(a.secret_file)), (OSError,)),
    "runpy": Attempt(lambda a: _module("runpy").run_path(a.secret_file), NOTHING),
    "logging.FileHandler": Attempt(lambda a: _module("logging").FileHandler("/tmp/hostile"), NOTHING),
    "import from outside": Attempt(lambda a: _import_from(a.home), MISSING),
    "import by location": Attempt(lambda a: _load_spec(a.home + "/server_secret"), (OSError,)),
    "import from a zip": Attempt(lambda a: _module("zipimport").zipimporter(a.secret_file), (ImportError,)),
    "pkgutil climbing": Attempt(lambda a: _module("pkgutil").get_data("functions", "../../../secret.txt"), (OSError,)),
    "the loader's get_data": Attempt(lambda a: __loader__.get_data(a.secret_file), (OSError,)),  # type: ignore[name-defined]
    "resources climbing": Attempt(
        lambda a: _module("importlib.resources").files("functions").joinpath("../../secret.txt").read_text(), (OSError, ValueError)
    ),
    "file URL": Attempt(lambda a: _urlopen("file://" + a.secret_file), (OSError,)),
    "read descriptors": Attempt(lambda a: _each_descriptor(lambda fd: os.read(fd, 1)), returns="[0]"),
    "stat descriptors": Attempt(lambda a: _each_descriptor(os.fstat), returns="[0, 1, 2]"),
    "list descriptors": Attempt(lambda a: _each_descriptor(lambda fd: os.listdir(fd)), (*NOTHING, TypeError)),
    "open descriptors": Attempt(lambda a: [len(open(fd, "rb", closefd=False).read(1)) for fd in DESCRIPTORS[3:]], (OSError,)),
    "write to descriptors": Attempt(lambda a: _each_descriptor(lambda fd: os.write(fd, b"")), returns="[1, 2]"),
    "seek descriptors": Attempt(lambda a: _each_descriptor(lambda fd: os.lseek(fd, 0, 0)), returns="[]"),
    "truncate descriptors": Attempt(lambda a: _each_descriptor(lambda fd: os.ftruncate(fd, 0)), returns="[]"),
    "write to input": Attempt(lambda a: os.write(0, b"x"), (OSError,)),
    "read input": Attempt(lambda a: sys.stdin.read(), returns="''"),
}

SURROUNDINGS = {
    "environment": Attempt(lambda a: dict(os.environ), returns="{}"),
    "getenv": Attempt(lambda a: os.getenv("HOSTILE_SECRET"), returns="None"),
    "environment of C": Attempt(lambda a: _module("posix").environ, returns="{}"),
    "arguments": Attempt(lambda a: (sys.argv[1:], sys.orig_argv[1:]), returns="([], [])"),
    "executable": Attempt(lambda a: sys.executable, returns="''"),
    "the server's folder": Attempt(lambda a: _is_somewhere(a, a.home), returns="False"),
    "host name": Attempt(lambda a: _module("socket").gethostname(), (OSError,)),
    "node name": Attempt(lambda a: _module("platform").node(), returns="'(none)'"),
    "user": Attempt(lambda a: _module("getpass").getuser(), (*NOTHING, KeyError)),
    "home folder": Attempt(lambda a: os.path.expanduser("~root"), returns="'~root'"),
    "user id": Attempt(lambda a: os.getuid(), NOTHING),
    "parent process": Attempt(lambda a: os.getppid(), NOTHING),
    "terminal": Attempt(lambda a: os.get_terminal_size(1), NOTHING),
    "load": Attempt(lambda a: os.getloadavg(), NOTHING),
    "environment for children": Attempt(lambda a: (os.environ.update(A="b"), dict(os.environ))[1], returns="{'A': 'b'}"),
    "environment is its own": Attempt(lambda a: os.environ.clear(), returns="None"),
}

NETWORK = {
    "socket": Attempt(lambda a: _module("socket").socket(), (OSError,), "network"),
    "connect": Attempt(lambda a: _module("socket").create_connection(("127.0.0.1", a.port)), (OSError,)),
    "listen": Attempt(lambda a: _module("socket").create_server(("127.0.0.1", 0)), (OSError,)),
    "socketpair": Attempt(lambda a: _module("socket").socketpair(), NOTHING),
    "C socket": Attempt(_bypass_socket, (OSError,)),
    "descriptors as sockets": Attempt(_raw_descriptor, returns="[]"),
    "look up": Attempt(lambda a: _module("socket").getaddrinfo("localhost", 80), (OSError,)),
    "HTTP": Attempt(lambda a: _urlopen(f"http://127.0.0.1:{a.port}/"), (OSError,)),
    "HTTP connection": Attempt(lambda a: _module("http.client").HTTPConnection("127.0.0.1", a.port).connect(), (OSError,)),
    "SMTP": Attempt(lambda a: _module("smtplib").SMTP("127.0.0.1", a.port), NOTHING),
    "syslog": Attempt(lambda a: _module("logging.handlers").SysLogHandler(("127.0.0.1", a.port)), NOTHING),
    "asyncio connection": Attempt(lambda a: _asyncio("open_connection", "127.0.0.1", a.port), NOTHING),
    "asyncio server": Attempt(lambda a: _asyncio("start_server", print, "127.0.0.1", 0), NOTHING),
    "select": Attempt(lambda a: _module("select").select([3], [], [], 0), returns="([], [], [])"),
}

PROCESSES = {
    "subprocess.run": Attempt(lambda a: _module("subprocess").run(["true"]), (OSError,), "processes"),
    "subprocess shell": Attempt(lambda a: _module("subprocess").check_output("id", shell=True), (OSError,)),
    "os.system": Attempt(lambda a: os.system("true"), NOTHING),
    "os.popen": Attempt(lambda a: os.popen("id").read(), NOTHING),
    "os.fork": Attempt(lambda a: os.fork(), NOTHING),
    "os.execv": Attempt(lambda a: os.execv("/bin/sh", ["sh", "-c", "true"]), NOTHING),
    "os.spawnv": Attempt(lambda a: os.spawnv(0, "/bin/true", ["true"]), NOTHING),
    "os.posix_spawn": Attempt(lambda a: os.posix_spawn("/bin/true", ["true"], {}), NOTHING),
    "os.kill the server": Attempt(lambda a: os.kill(a.pid, 9), NOTHING),
    "os.killpg": Attempt(lambda a: os.killpg(0, 9), NOTHING),
    "os.pipe": Attempt(lambda a: os.pipe(), NOTHING),
    "os.wait": Attempt(lambda a: os.wait(), NOTHING),
    "os.nice": Attempt(lambda a: os.nice(-20), NOTHING),
    "os.setuid": Attempt(lambda a: os.setuid(0), NOTHING),
    "signal.alarm": Attempt(lambda a: _module("signal").alarm(1), NOTHING),
    "signal.setitimer": Attempt(lambda a: _module("signal").setitimer(0, 1), NOTHING),
    "signal.pthread_kill": Attempt(lambda a: _module("signal").pthread_kill(1, 9), NOTHING),
    "multiprocessing": Attempt(_process, NOTHING),
    "process pool": Attempt(lambda a: _pool("ProcessPoolExecutor"), NOTHING),
    "asyncio process": Attempt(lambda a: _asyncio("create_subprocess_exec", "true"), NOTHING),
    "thread": Attempt(lambda a: _module("threading").Thread(target=print).start(), (RuntimeError,), "threads are not available"),
    "timer": Attempt(lambda a: _module("threading").Timer(0, print).start(), (RuntimeError,), "threads are not available"),
    "C thread": Attempt(lambda a: _module("_thread").start_new_thread(print, ()), (RuntimeError,), "threads"),
    "C joinable thread": Attempt(lambda a: _module("_thread").start_joinable_thread(print), (RuntimeError,), "threads"),
    "thread pool": Attempt(lambda a: _pool("ThreadPoolExecutor"), (RuntimeError,), "threads"),
}

NATIVE = {
    name: Attempt(lambda a, name=name: _module(name), MISSING)  # type: ignore[misc]
    for name in (
        "ctypes _ctypes cffi _cffi_backend mmap fcntl resource pwd grp termios pty ssl _ssl sqlite3 _sqlite3 lzma bz2 readline curses "
        "_testcapi _testinternalcapi _testlimitedcapi _xxtestfuzz _posixsubprocess _posixshmem _multiprocessing syslog nis ossaudiodev "
        "functions.missing fs_native _fs_native"
    ).split()
}
NATIVE |= {
    "a library by its path": Attempt(
        lambda a: _module("importlib.machinery").ExtensionFileLoader("libc", "/lib/x86_64-linux-gnu/libc.so.6").load_module(),
        NOTHING,
    ),
    "create_dynamic": Attempt(lambda a: getattr(_module("_imp"), "create_dynamic")(None), NOTHING),  # noqa: B009
}

OTHERS = {
    "stores named as others'": Attempt(_stores, returns="[]"),
    "secrets in memory": Attempt(_found_in_memory, returns="[]"),
    "the neighbour's module": Attempt(lambda a: _module("functions.hostile.neighbour"), MISSING),
}


class Escaping(Attempting):
    attempts: ClassVar = {**FILES, **SURROUNDINGS, **NETWORK, **PROCESSES, **NATIVE, **OTHERS}
