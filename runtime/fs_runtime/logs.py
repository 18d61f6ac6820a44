"""Python's logging, led to the function's own log."""

import logging

import _fs_guest


class HostHandler(logging.Handler):
    """Hands each record to the host as one text with its level; the host adds time and function."""

    def __init__(self, function_name: str) -> None:
        super().__init__()
        self.function_name = function_name

    def emit(self, record: logging.LogRecord) -> None:
        try:
            text = self.format(record)
            if record.name != self.function_name:
                text = f"{record.name}: {text}"
            _fs_guest.log(record.levelno, text)
        except Exception:
            self.handleError(record)


def make_logger(function_name: str) -> logging.Logger:
    """ctx.logger. Every other logger, and warnings, reach the same log through the root logger."""
    root = logging.getLogger()
    root.handlers[:] = [HostHandler(function_name)]
    root.setLevel(logging.INFO)
    return logging.getLogger(function_name)
