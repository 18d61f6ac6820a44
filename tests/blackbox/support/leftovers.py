"""What a server keeps of functions, on disk and behind its interface: a request that was refused must leave it as it was."""

from __future__ import annotations

from fs_client import FsClient

from support.server import Server


def holdings(server: Server, client: FsClient) -> dict[str, list[str]]:
    """Functions, topics, and the names of all that belongs to a function: states, retained checkpoints, logs."""
    folders = {"states": "data/state", "checkpoints": "data/checkpoints", "logs": "logs/functions", "files": "data/files"}
    found = {what: sorted(path.name for path in (server.home / folder).glob("*")) for what, folder in folders.items()}
    found["functions"] = [one.name for one in client.show_functions().functions]
    found["topics"] = [one.name for one in client.list_topics()]
    return found


def clear(client: FsClient) -> None:
    """Drops all functions and deletes all topics."""
    for function in client.show_functions().functions:
        client.drop_function(function.name)
    for topic in client.list_topics():
        client.delete_topic(topic.name)


def assert_nothing_left(server: Server, client: FsClient) -> None:
    """Clears in any case, so that one test's leftovers are not the next one's."""
    try:
        found = holdings(server, client)
        assert all(held == [] for held in found.values()), found
    finally:
        clear(client)
