"""Says clearly that the sandbox has no network, where CPython would say "Not supported" or miss a function."""

import _socket
import errno
import socket

_REASON = "the network is not available in the sandbox: data comes and goes through the function's inputs and outputs"


def _refuse(*args, **kwargs):
    raise OSError(errno.ENOTSUP, _REASON)


_FUNCTIONS = (
    "getaddrinfo gethostbyaddr gethostbyname gethostbyname_ex gethostname getnameinfo getprotobyname getservbyname "
    "getservbyport if_indextoname if_nameindex if_nametoindex sethostname socketpair"
).split()


def install():
    """Makes sockets and name look-ups fail with the reason; constants, types and exceptions stay."""
    socket.socket.__init__ = _refuse
    # A socket that was never opened must not fail again when it is collected.
    socket.socket.close = lambda self: None
    for name in _FUNCTIONS:
        if not hasattr(_socket, name):
            setattr(_socket, name, _refuse)
        if name != "getaddrinfo":
            setattr(socket, name, _refuse)
