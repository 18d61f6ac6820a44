"""FSProcessorDriver: the class a function derives from."""

from abc import ABC, abstractmethod
from typing import Optional

from .context import Context

__all__ = ["FSProcessorDriver"]


class FSProcessorDriver(ABC):
    """One function. Only process() has to be written; every other hook has a default.

    The server makes one object per running instance, without arguments, and calls its hooks one at a time. Order in an
    instance's life: init, then restore_checkpoint if there is something to restore, then process, process_watermark,
    take_checkpoint, check_heartbeat and custom as they come, then close on a regular stop.

    The object's attributes live as long as the instance. What must survive a restart belongs in a KvStore, or in the bytes
    of take_checkpoint().
    """

    def init(self, ctx: Context, config: dict[str, str]) -> None:
        """Called once when an instance starts, before any message.

        config: the function's init_config. An exception stops the start; on creation it is what the creator gets to see.
        """

    @abstractmethod
    def process(self, ctx: Context, source_id: int, data: bytes) -> None:
        """Called for each message.

        source_id: index of the input group it came from. data: the message's value, empty where it had none. What it
        returns is ignored. An exception undoes this message's state changes and emits; the function's on_error policy then
        decides what happens to the message.
        """

    def process_watermark(self, ctx: Context, source_id: int, watermark: int) -> None:
        """Called when event time of a source advances: no older message is expected from it.

        watermark: milliseconds since the epoch. The default passes it on to every output.
        """
        for channel in range(ctx.channel_count):
            ctx.emit_watermark(watermark, channel)

    def take_checkpoint(self, ctx: Context, checkpoint_id: int) -> Optional[bytes]:
        """Called at every checkpoint, for what is held in memory.

        What it returns becomes durable in one step with the KV state, the input positions and the outputs, and comes back
        through restore_checkpoint(). None: nothing to keep.
        """
        return None

    def restore_checkpoint(self, ctx: Context, checkpoint_id: int, data: bytes) -> None:
        """Called after init() and before any message, where the checkpoint resumed from has bytes.

        data: what take_checkpoint() returned for that checkpoint. An exception stops the start.
        """

    def check_heartbeat(self, ctx: Context) -> bool:
        """Called periodically between messages. False, or an exception, restarts the instance from its last checkpoint."""
        return True

    def close(self, ctx: Context) -> None:
        """Called on a stop and before a drop, after the last message; never after a crash."""

    def custom(self, payload: bytes) -> bytes:
        """Answers a request from outside (the client's call_function) with what it returns.

        payload: the caller's bytes. An exception is what the caller gets to see.
        """
        return b""
