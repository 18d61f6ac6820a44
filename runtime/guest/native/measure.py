"""What a message costs in the guest natively: the sandbox's own code without the sandbox.

    python3.13 -I -S measure.py GUEST REPOSITORY CASES

GUEST: the folder of build.sh. CASES: JSON, {name: {"source": Python source of one module, "message": text}}. Prints JSON,
{name: nanoseconds of CPU time a message}: the best of several batches of 1000.
"""

import json
import struct
import sys
import time

BATCH = 1000
ROUNDS = 40
INIT = 1


def load_image(source: str) -> bytes:
    parts = ["1", "measured", "measured", "", "1", "1", "topic", "0", "1", "m", "measured", source]
    return b"".join(struct.pack("<I", len(part.encode())) + part.encode() for part in parts)


def record(value: bytes) -> bytes:
    padding = -(40 + len(value)) % 8
    return struct.pack("<IIiIqqiI", 40 + len(value) + padding, len(value), -1, 0, 0, 0, 0, 0) + value + bytes(padding)


def measure(native, source: str, message: str) -> float:
    records = record(message.encode()) * BATCH
    if native.load(load_image(source)) != 0 or native.hook(INIT, 0, 0, b"") != 0:
        sys.exit(f"measure.py: {native.shared()['result']}")
    best = float("inf")
    for _ in range(ROUNDS):
        begin = time.thread_time_ns()
        status = native.process(0, BATCH, records)
        elapsed = time.thread_time_ns() - begin
        if status != 0:
            sys.exit(f"measure.py: {native.shared()['result']}")
        best = min(best, elapsed / BATCH)
    return best


def main() -> None:
    guest, repository, cases = sys.argv[1:]
    sys.path[:0] = [guest, f"{repository}/runtime", f"{repository}/python/fs_api/src"]
    import os

    import _fs_native

    _fs_native.boot()
    results = {}
    for name, case in json.loads(cases).items():
        # A process is one instance, so each case has its own.
        reader, writer = os.pipe()
        if os.fork() == 0:
            os.write(writer, repr(measure(_fs_native, case["source"], case["message"])).encode())
            os._exit(0)
        os.close(writer)
        with os.fdopen(reader) as answer:
            text = answer.read()
        if not text:
            sys.exit(f"measure.py: {name} failed")
        results[name] = round(float(text), 1)
    print(json.dumps(results))


if __name__ == "__main__":
    main()
