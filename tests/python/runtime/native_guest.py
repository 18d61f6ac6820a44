"""The guest compiled natively (runtime/guest/native), one forked process per instance."""

import hashlib
import os
import pickle
import shutil
import socket
import struct
import subprocess
import tempfile
from pathlib import Path

from guest_abi import Guest

ROOT = Path(__file__).resolve().parents[3]


def find_python():
    """A native Python 3.13 with headers: FS_NATIVE_PYTHON, or the one the runtime was built with; None where there is none."""
    python = os.environ.get("FS_NATIVE_PYTHON")
    if not python:
        found = subprocess.run([ROOT / "runtime/build.sh", "native"], stdout=subprocess.PIPE, text=True)
        python = found.stdout.strip()
    check = (
        "import os, sys, sysconfig; header = os.path.join(sysconfig.get_path('include'), 'Python.h'); "
        "sys.exit(sys.version_info[:2] != (3, 13) or not os.path.exists(header))"
    )
    works = python and subprocess.run([python, "-I", "-c", check], stderr=subprocess.DEVNULL).returncode == 0
    return python if works else None


class NativeGuests:
    """The server that forks instances; one per test session."""

    def __init__(self, python: str) -> None:
        self.folder = tempfile.mkdtemp(prefix="fs-native-")
        build = ROOT / "build" / "native-guest" / hashlib.sha256(python.encode()).hexdigest()[:8]
        subprocess.run([ROOT / "runtime/guest/native/build.sh", python, build], check=True)
        self.path = str(Path(self.folder) / "socket")
        folders = [build, ROOT / "runtime", ROOT / "python/fs_api/src"]
        command = [python, "-I", "-S", Path(__file__).with_name("native_server.py"), self.path, *folders]
        self.process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
        assert self.process.stdout.readline() == "ready\n"

    def new(self) -> "NativeGuest":
        connection = socket.socket(socket.AF_UNIX)
        connection.connect(self.path)
        return NativeGuest(connection)

    def close(self) -> None:
        self.process.terminate()
        self.process.wait()
        self.process.stdout.close()
        shutil.rmtree(self.folder)


class NativeGuest(Guest):
    def __init__(self, connection: socket.socket) -> None:
        self.connection = connection

    def call(self, name, *arguments):
        request = pickle.dumps((name, arguments), 4)
        self.connection.sendall(struct.pack("<I", len(request)) + request)
        stream = self.connection.makefile("rb", buffering=0)
        return pickle.loads(self._read(stream, struct.unpack("<I", self._read(stream, 4))[0]))

    @staticmethod
    def _read(stream, size):
        data = b""
        while len(data) < size:
            part = stream.read(size - len(data))
            assert part, "the guest's process died"
            data += part
        return data

    def call_load(self, image):
        return self.call("load", image)

    def call_hook(self, hook, source_id, number, data):
        return self.call("hook", hook, source_id, number, data)

    def call_process(self, source_id, count, data):
        return self.call("process", source_id, count, data)

    def shared(self):
        return self.call("shared")

    def logs(self):
        return self.call("logs")

    def printed(self):
        return self.call("printed")

    def fail_next(self, code, text):
        self.call("fail_next", code, text)

    def interrupt_after(self, delay_ms):
        self.call("interrupt_after", delay_ms)

    def close(self):
        self.connection.close()
