"""Serves native guests: run by a Python 3.13 that has _fs_native on its path, it answers each connection with a fresh fork.

The fork stands for the snapshot: the interpreter and the runtime are there already, the function is not.
Usage: native_server.py SOCKET FOLDER... (folders of _fs_native, fs_runtime and fs_api)
"""

import importlib
import os
import pickle
import signal
import socket
import struct
import sys


def receive(connection):
    data = b""
    needed = 4
    while len(data) < needed:
        part = connection.recv(needed - len(data))
        if not part:
            sys.exit(0)
        data += part
        if needed == 4 and len(data) == 4:
            needed = 4 + struct.unpack("<I", data)[0]
    return pickle.loads(data[4:])


def serve(connection, native):
    log = os.memfd_create("printed")
    os.dup2(log, 1)
    os.dup2(log, 2)
    calls = {
        "load": native.load,
        "hook": native.hook,
        "process": native.process,
        "shared": native.shared,
        "fail_next": native.fail_next,
        "interrupt_after": native.interrupt_after,
        "logs": lambda: [(level, text) for level, text in native.log_lines],
        "printed": lambda: os.pread(log, 1 << 24, 0).decode(),
    }
    while True:
        name, arguments = receive(connection)
        answer = pickle.dumps(calls[name](*arguments), 4)
        connection.sendall(struct.pack("<I", len(answer)) + answer)


def main():
    path, *folders = sys.argv[1:]
    sys.path[:0] = folders
    native = importlib.import_module("_fs_native")
    native.boot()
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)
    listener = socket.socket(socket.AF_UNIX)
    listener.bind(path)
    listener.listen(16)
    print("ready", flush=True)
    while True:
        connection, _ = listener.accept()
        if os.fork() == 0:
            listener.close()
            serve(connection, native)
        connection.close()


main()
