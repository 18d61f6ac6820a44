"""What state and the server's limits raise."""

__all__ = ["FunctionTimeout", "KvError", "KvIOError", "KvNotFoundError", "KvOtherError"]


class KvError(Exception):
    """A state operation failed; the state is as it was before."""


class KvNotFoundError(KvError):
    """The store itself is gone.

    A missing key is no error: get_state() and get() answer None, delete_state(), delete() and merge() accept it.
    """


class KvIOError(KvError):
    """The state cannot be read or written."""

    def __init__(self, message: str = "") -> None:
        super().__init__(message)
        self.message = message


class KvOtherError(KvError):
    """The operation was refused: a limit, a name or a closed iterator."""

    def __init__(self, message: str = "") -> None:
        super().__init__(message)
        self.message = message


class FunctionTimeout(BaseException):
    """Raised inside user code that ran over its time limit.

    Not an Exception, so that `except Exception` does not swallow it. Catching it gains nothing: the call counts as
    interrupted all the same.
    """

    def __str__(self) -> str:
        return super().__str__() or "the function ran over its time limit"
