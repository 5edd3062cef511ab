"""The event loop that runs coroutines and asynchronous generators of handlers."""

from __future__ import annotations

import asyncio
import threading
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Awaitable
    from concurrent.futures import Future


class HandlerLoop:
    """An event loop in a thread of its own, made when the first coroutine needs it."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._loop: asyncio.AbstractEventLoop | None = None

    def submit(self, awaitable: Awaitable[Any]) -> Future[Any]:
        """Run it on the loop; the future may be waited for in any other thread."""

        async def wait() -> Any:
            try:
                return await awaitable
            except SystemExit as error:  # would end the loop, and with it all other handlers
                raise RuntimeError(f"a handler must not exit: {error}") from error

        return asyncio.run_coroutine_threadsafe(wait(), self._running())

    def stop(self) -> None:
        """Cancel what runs, and end the thread."""
        with self._lock:
            if self._loop is not None:
                self._loop.call_soon_threadsafe(self._loop.stop)
                self._loop = None

    def _running(self) -> asyncio.AbstractEventLoop:
        with self._lock:
            if self._loop is None:
                self._loop = asyncio.new_event_loop()
                threading.Thread(
                    target=_run_loop, args=(self._loop,), name="handlers-async", daemon=True
                ).start()
            return self._loop


def _run_loop(loop: asyncio.AbstractEventLoop) -> None:
    asyncio.set_event_loop(loop)
    try:
        loop.run_forever()
        for task in asyncio.all_tasks(loop):
            task.cancel()
        loop.run_until_complete(asyncio.sleep(0))
        loop.run_until_complete(loop.shutdown_asyncgens())
    finally:
        loop.close()
