"""Calls the handlers of one association in the requestor role: one thread, in order.

Handlers may send, release and abort, so they cannot run in the loop's thread. What a caller did is
told before its call returns, unless a handler takes longer than `PATIENCE`.
"""

from __future__ import annotations

import asyncio
import inspect
import logging
import threading
from concurrent.futures import Future
from queue import SimpleQueue
from typing import TYPE_CHECKING, Any

from gateway.sdk.event import Event

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from gateway.events import InterventionEvent, NotificationEvent
    from gateway.facade.association import Association
    from gateway.facade.handlers import Handlers
    from gateway.sdk.bound_handler import BoundHandler

log = logging.getLogger("gateway.facade")

PATIENCE = 10.0
"""Seconds that a call waits for the handlers of what it did."""


class LocalEvent(Event):
    """An event of an association that this process holds itself."""

    def __init__(
        self,
        event: NotificationEvent | InterventionEvent,
        payload: Mapping[str, Any],
        assoc: Association,
        data: bytes | None = None,
    ) -> None:
        super().__init__(event, payload, data=data)
        self._assoc = assoc

    @property
    def assoc(self) -> Any:
        return self._assoc

    @property
    def assoc_id(self) -> str:
        return self._assoc.name


class HandlerThread:
    """The thread and the queue before it; the thread lives while there is something to do."""

    def __init__(self, handlers: Handlers, assoc: Association) -> None:
        self._handlers = handlers
        self._assoc = assoc
        self._queue: SimpleQueue[Callable[[], None]] = SimpleQueue()
        self._pending = 0
        self._changed = threading.Condition()
        self._thread: threading.Thread | None = None

    def wants(self, event: NotificationEvent | InterventionEvent) -> bool:
        """Is a handler bound to it?"""
        return bool(self._handlers.bound(event.name))

    def notify(self, event: NotificationEvent, **body: Any) -> None:
        """Have the handlers of a notification called; never waits."""
        for bound in self._handlers.bound(event.name):
            made = LocalEvent(event, body, self._assoc)
            self._put(lambda bound=bound, made=made: _notify(bound, made))  # type: ignore[misc]

    def call(self, bound: BoundHandler, event: LocalEvent) -> Future[Any]:
        """What the handler of an intervention answers."""
        future: Future[Any] = Future()

        def work() -> None:
            if not future.set_running_or_notify_cancel():
                return
            try:
                future.set_result(_result(bound, event))
            except (Exception, SystemExit) as error:
                # the handler's, whatever it is
                log.exception("event=%s handler=%s raised", event.name, bound.name)
                future.set_exception(RuntimeError(f"{type(error).__name__}: {error}"))
            finally:
                event.close()

        self._put(work)
        return future

    def flush(self) -> None:
        """Wait until what was told so far has been handled."""
        if threading.current_thread() is self._thread:
            return
        with self._changed:
            self._changed.wait_for(lambda: not self._pending, PATIENCE)

    def _put(self, call: Callable[[], None]) -> None:
        with self._changed:
            self._pending += 1
            self._queue.put(call)
            if self._thread is None:
                self._thread = threading.Thread(target=self._work, name="events", daemon=True)
                self._thread.start()

    def _work(self) -> None:
        while True:
            self._queue.get()()
            with self._changed:
                self._pending -= 1
                if not self._pending:
                    self._thread = None
                    self._changed.notify_all()
                    return


def _notify(bound: BoundHandler, event: LocalEvent) -> None:
    try:
        _result(bound, event)
    except (Exception, SystemExit):
        # the handler's: the others must still be called
        log.exception("event=%s handler=%s raised", event.name, bound.name)


def _result(bound: BoundHandler, event: LocalEvent) -> Any:
    result = bound.function(event, *bound.args)
    if not inspect.isawaitable(result):
        return result

    async def wait() -> Any:
        return await result

    return asyncio.run(wait())
