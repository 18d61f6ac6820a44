"""Errors as data: type, message and traceback as texts, in the ABI's encoding."""

import traceback

from .shadow import PREFIX

_LIMIT = 64 << 10
# Where this package's own code says it comes from: a folder, or a name like "<frozen fs_runtime.report>".
_OWN = __file__.rpartition("report")[0] if "__file__" in globals() else "<frozen fs_runtime"
_HOOK_CALLS = {
    "init": "init(ctx, config)",
    "process": "process(ctx, source_id, data)",
    "process_watermark": "process_watermark(ctx, source_id, watermark)",
    "take_checkpoint": "take_checkpoint(ctx, checkpoint_id)",
    "restore_checkpoint": "restore_checkpoint(ctx, checkpoint_id, data)",
    "check_heartbeat": "check_heartbeat(ctx)",
    "close": "close(ctx)",
    "custom": "custom(payload)",
}


def describe(exception: BaseException, instance: object, hook_name: str) -> bytes:
    """The ABI's error report of an exception that left a hook."""
    if isinstance(exception, MemoryError):
        # The frames hold what filled the memory; without it there is room to describe the error.
        traceback.clear_frames(exception.__traceback__)
    _explain_signature(exception, instance, hook_name)
    parts = (_type_name(type(exception)), _message(exception), _traceback(exception))
    encoded = [_cut(part).encode("utf-8", "backslashreplace") for part in parts]
    return b"".join(len(part).to_bytes(4, "little") + part for part in encoded)


def _explain_signature(exception: BaseException, instance: object, hook_name: str) -> None:
    """Says how the hook is called and where it is defined, where calling it was what failed."""
    if type(exception) is not TypeError or exception.__traceback__ is not None or hook_name not in _HOOK_CALLS:
        return
    hook = getattr(instance, hook_name, None)
    code = getattr(getattr(hook, "__func__", hook), "__code__", None)
    if code is not None and "argument" in str(exception):
        exception.add_note(
            f'It is called as {_HOOK_CALLS[hook_name]}; it is defined in File "{code.co_filename}", line {code.co_firstlineno}.'
        )


def _type_name(kind: type) -> str:
    if kind.__module__ == "builtins":
        return kind.__qualname__
    return f"{kind.__module__.removeprefix(PREFIX)}.{kind.__qualname__}"


def _message(exception: BaseException) -> str:
    try:
        return str(exception)
    except Exception:
        return f"<unprintable {type(exception).__name__} object>"


def _is_runtime(filename: str) -> bool:
    return filename.startswith((_OWN, "<frozen _fs_", "<frozen importlib._bootstrap"))


def _traceback(exception: BaseException) -> str:
    described = traceback.TracebackException.from_exception(exception, compact=True)
    has_user_frames = _strip(described, set())
    if not has_user_frames and _type_name(type(exception)) == "fs_runtime.errors.BadPackage":
        return ""
    pieces: list[str] = []
    size = 0
    for piece in described.format():
        pieces.append(piece)
        size += len(piece)
        # What is left out is cut from the middle, so a few more than fit are enough.
        if size > 16 * _LIMIT:
            break
    return "".join(pieces)


def _strip(described: traceback.TracebackException, seen: set[int]) -> bool:
    """Drops the runtime's frames from an exception and all that hang on it. True where user frames remain."""
    if id(described) in seen:
        return False
    seen.add(id(described))
    described.stack[:] = [frame for frame in described.stack if not _is_runtime(frame.filename)]
    has_user_frames = bool(described.stack)
    for other in (described.__cause__, described.__context__, *(described.exceptions or ())):
        if other is not None:
            has_user_frames |= _strip(other, seen)
    return has_user_frames


def _cut(text: str) -> str:
    """At most _LIMIT bytes of UTF-8, the middle left out with a mark: both ends of a traceback tell most."""
    if len(text) * 4 <= _LIMIT:
        return text
    data = text.encode("utf-8", "backslashreplace")
    if len(data) <= _LIMIT:
        return text
    half = _LIMIT // 2 - 64
    mark = f"\n... {len(data) - 2 * half} bytes left out ...\n"
    return data[:half].decode("utf-8", "ignore") + mark + data[-half:].decode("utf-8", "ignore")
