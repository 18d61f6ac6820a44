"""asyncio's event loop for the sandbox: timers and ready callbacks, no sockets, no pipe, no threads.

It becomes asyncio's default, so that asyncio.run and everything above it work unchanged. Waiting is time.sleep, which
reaches the host as WASI's poll_oneoff: the host can cut it short.
"""

import asyncio
import errno
import time
from asyncio import base_events, events


class _Clock:
    """What BaseEventLoop expects of a selector, for a loop on which nothing but time happens."""

    def select(self, timeout):
        if timeout is None:
            raise RuntimeError(
                "the event loop waits for something that cannot happen: no task is ready, no timer is set, and the "
                "sandbox has no sockets, threads or signals that could wake it"
            )
        if timeout > 0:
            time.sleep(timeout)
        return ()

    def close(self):
        pass


class SandboxEventLoop(base_events.BaseEventLoop):
    """Runs callbacks, tasks and timers. Connections, readers, subprocesses and signals are not available."""

    def __init__(self):
        super().__init__()
        self._selector = _Clock()

    def _process_events(self, event_list):
        pass

    def _write_to_self(self):
        pass

    async def _make_subprocess_transport(self, *args, **kwargs):
        raise OSError(errno.ENOTSUP, "processes are not available in the sandbox")

    def run_in_executor(self, executor, func, *args):
        """Runs func at once, in this thread: the sandbox has no other. An executor that is given is used as it is."""
        if executor is not None:
            return super().run_in_executor(executor, func, *args)
        self._check_closed()
        future = self.create_future()
        try:
            result = func(*args)
        except Exception as error:
            future.set_exception(error)
        else:
            future.set_result(result)
        return future


class SandboxEventLoopPolicy(events.BaseDefaultEventLoopPolicy):
    _loop_factory = SandboxEventLoop


def install():
    """Makes SandboxEventLoop asyncio's default."""
    asyncio.EventLoop = SandboxEventLoop
    asyncio.DefaultEventLoopPolicy = SandboxEventLoopPolicy
    asyncio.set_event_loop_policy(SandboxEventLoopPolicy())
