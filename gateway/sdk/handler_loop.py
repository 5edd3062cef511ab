"""The event loop that coroutines and asynchronous generators of handlers run in."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Any

from gateway.loop_thread import LoopThread

if TYPE_CHECKING:
    from collections.abc import Awaitable
    from concurrent.futures import Future


class HandlerLoop:
    """An event loop in a thread, which is started when the first coroutine needs it."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._thread: LoopThread | None = None

    def submit(self, awaitable: Awaitable[Any]) -> Future[Any]:
        """Run what a handler returned; an exit or interrupt becomes a RuntimeError."""

        async def wait() -> Any:
            try:
                return await awaitable
            except (SystemExit, KeyboardInterrupt) as error:
                # would end the loop and all other handlers
                raise RuntimeError(f"a handler must not exit: {error!r}") from error

        with self._lock:
            if self._thread is None:
                self._thread = LoopThread("handlers-async")
            return self._thread.begin(wait())

    def stop(self) -> None:
        """Stop the loop without waiting for handlers, which may hang."""
        with self._lock:
            if self._thread is not None:
                self._thread.stop()
                self._thread = None
