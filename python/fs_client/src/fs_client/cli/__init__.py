"""The command `fs`."""

from fs_client.cli.app import main

__all__ = ["main"]
