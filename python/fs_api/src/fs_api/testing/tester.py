"""FunctionTester: a function's life without a server."""

from collections.abc import Mapping
from typing import Optional

from ..context import Headers
from ..driver import FSProcessorDriver
from .context import Emitted, EmittedWatermark, MemoryContext, MemoryMessage


class FunctionTester:
    """Calls a function's hooks as the server would; init() at once."""

    def __init__(
        self,
        driver: FSProcessorDriver,
        config: Optional[Mapping[str, str]] = None,
        outputs: int = 1,
        name: str = "function",
    ) -> None:
        self.driver = driver
        self.context = MemoryContext(config, outputs, name)
        self._offset = 0
        self._checkpoint: tuple[int, Optional[bytes]] = (0, None)
        driver.init(self.context, self.context.getConfig())
        self.context.state.keep()

    @property
    def emitted(self) -> list[Emitted]:
        """What was emitted so far, in order."""
        return self.context.emitted

    @property
    def watermarks(self) -> list[EmittedWatermark]:
        """The watermarks emitted so far, in order."""
        return self.context.watermarks

    def process(
        self,
        data: bytes,
        source_id: int = 0,
        *,
        key: Optional[bytes] = None,
        headers: Optional[Headers] = None,
        timestamp: Optional[int] = None,
        topic: str = "test",
        partition: int = 0,
        offset: Optional[int] = None,
    ) -> list[Emitted]:
        """Has one message processed; what it emitted. Where process() raises, its writes and emits are undone first."""
        context = self.context
        emitted = len(context.emitted)
        watermarks = len(context.watermarks)
        position = self._offset if offset is None else offset
        context.message_in_hand = MemoryMessage(key, headers, timestamp, topic, partition, position)
        try:
            self.driver.process(context, source_id, data)
        except BaseException:
            context.state.undo()
            del context.emitted[emitted:]
            del context.watermarks[watermarks:]
            raise
        finally:
            context.message_in_hand = None
        self._offset = position + 1
        context.state.keep()
        return context.emitted[emitted:]

    def process_watermark(self, watermark: int, source_id: int = 0) -> None:
        """Tells the function that event time of a source has reached `watermark` (ms since the epoch)."""
        self.driver.process_watermark(self.context, source_id, watermark)
        self.context.state.keep()

    def take_checkpoint(self) -> Optional[bytes]:
        """What the function wants kept beside its state; restart() gives it back."""
        checkpoint_id = self._checkpoint[0] + 1
        data = self.driver.take_checkpoint(self.context, checkpoint_id)
        if data is not None and not isinstance(data, (bytes, bytearray, memoryview)):
            raise TypeError(f"take_checkpoint() must return bytes or None, not {type(data).__name__}")
        self._checkpoint = (checkpoint_id, None if data is None else bytes(data))
        return self._checkpoint[1]

    def restart(self, driver: FSProcessorDriver) -> None:
        """Stops the function and starts it again as `driver`: last checkpoint, close(), init(), restore_checkpoint()."""
        self.take_checkpoint()
        self.close()
        self.driver = driver
        driver.init(self.context, self.context.getConfig())
        checkpoint_id, data = self._checkpoint
        if data is not None:
            driver.restore_checkpoint(self.context, checkpoint_id, data)
        self.context.state.keep()

    def check_heartbeat(self) -> bool:
        """Whether the function says it is well."""
        return bool(self.driver.check_heartbeat(self.context))

    def custom(self, payload: bytes) -> bytes:
        """The function's answer to a request from outside."""
        return self.driver.custom(payload)

    def close(self) -> None:
        """Stops the function."""
        self.driver.close(self.context)
