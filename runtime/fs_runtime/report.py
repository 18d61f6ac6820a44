"""Errors as data: type, message and traceback as texts, in the ABI's encoding."""

import traceback

from .shadow import PREFIX

# Of one text of the user's: the report leaves room for the traceback beside it, and the server keeps 64 KiB of both.
_TEXT_LIMIT = 8 << 10
_TRACEBACK_LIMIT = 48 << 10
_PIECE = 64 << 10
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
    parts = (_cut(_type_name(type(exception))), _cut(_message(exception)), _cut(_traceback(exception), _TRACEBACK_LIMIT))
    encoded = [part.encode("utf-8", "backslashreplace") for part in parts]
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
        if size > 16 * _TRACEBACK_LIMIT:
            break
    return "".join(pieces)


def _strip(described: traceback.TracebackException, seen: set[int]) -> bool:
    """Drops the runtime's frames from an exception and all that hang on it. True where user frames remain."""
    if id(described) in seen:
        return False
    seen.add(id(described))
    _shorten(described)
    described.stack[:] = [frame for frame in described.stack if not _is_runtime(frame.filename)]
    has_user_frames = bool(described.stack)
    for other in (described.__cause__, described.__context__, *(described.exceptions or ())):
        if other is not None:
            has_user_frames |= _strip(other, seen)
    return has_user_frames


def _shorten(described: traceback.TracebackException) -> None:
    """Cuts the texts that user code wrote before they are copied into a traceback: there may be no memory for one more of them."""
    for name in ("_str", "msg", "text"):
        text = getattr(described, name, None)
        if isinstance(text, str):
            setattr(described, name, _cut(text))
    if isinstance(described.__notes__, (list, tuple)):
        described.__notes__ = [_cut(note) if isinstance(note, str) else note for note in described.__notes__]


def _cut(text: str, limit: int = _TEXT_LIMIT) -> str:
    """At most `limit` bytes of UTF-8, the middle left out with a mark: both ends of a text tell most.

    Never copies all of what is too long.
    """
    if len(text) * 4 <= limit:
        return text
    size = _encoded_size(text)
    if size <= limit:
        return text
    half = limit // 2 - 64
    head = text[:half].encode("utf-8", "backslashreplace")[:half].decode("utf-8", "ignore")
    tail = text[-half:].encode("utf-8", "backslashreplace")[-half:].decode("utf-8", "ignore")
    left_out = size - len(head.encode()) - len(tail.encode())
    return f"{head}\n... {left_out} bytes left out ...\n{tail}"


def _encoded_size(text: str) -> int:
    if text.isascii():
        return len(text)
    pieces = (text[start : start + _PIECE] for start in range(0, len(text), _PIECE))
    return sum(len(piece.encode("utf-8", "backslashreplace")) for piece in pieces)
