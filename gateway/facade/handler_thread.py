"""The thread that calls the handlers of one association in the requestor role, in order.

Handlers may send, release and abort, so they cannot run in the event loop's thread. A method of the
association returns after the handlers of the events that it caused, unless these take longer than
FLUSH_TIMEOUT.
"""

from __future__ import annotations

import asyncio
import inspect
import logging
import threading
from concurrent.futures import Future
from queue import SimpleQueue
from typing import TYPE_CHECKING, Any, Protocol

from gateway.log import AssociationName
from gateway.sdk.event import Event
from gateway.sdk.handler_errors import log_raised

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from gateway.events import InterventionEvent, NotificationEvent
    from gateway.facade.handlers import Handlers
    from gateway.facade.service_user import ServiceUserView
    from gateway.sdk.bound_handler import BoundHandler

log = logging.getLogger("gateway.facade")

FLUSH_TIMEOUT = 10.0
"""Seconds that a method of an association waits for handlers."""


class LocalAssociation(Protocol):
    """An association of this process, as far as its events need it."""

    name: str
    requestor: ServiceUserView
    acceptor: ServiceUserView


class LocalEvent(Event):
    """An event of an association of this process."""

    def __init__(
        self,
        event: NotificationEvent | InterventionEvent,
        payload: Mapping[str, Any],
        assoc: LocalAssociation,
        data: bytes | None = None,
    ) -> None:
        super().__init__(event, payload, data=data)
        self._assoc = assoc

    @property
    def assoc(self) -> Any:
        return self._assoc

    @property
    def assoc_name(self) -> AssociationName:
        requestor, acceptor = self._assoc.requestor, self._assoc.acceptor
        peer = f"{acceptor.address}:{acceptor.port}"
        return AssociationName(self._assoc.name, peer, requestor.ae_title, acceptor.ae_title)


class HandlerThread:
    """The thread and its queue; there is a thread only while something is queued."""

    def __init__(self, handlers: Handlers, assoc: LocalAssociation) -> None:
        self._handlers = handlers
        self._assoc = assoc
        self._queue: SimpleQueue[Callable[[], None]] = SimpleQueue()
        self._pending = 0
        self._changed = threading.Condition()
        self._thread: threading.Thread | None = None

    def watched(self) -> frozenset[str]:
        """Return the names of the events that have handlers."""
        return frozenset(event.name for event in self._handlers.get_events())

    def notify(self, event: NotificationEvent, **body: Any) -> None:
        """Have the handlers of a notification called, without waiting for them."""
        for bound in self._handlers.bound(event.name):
            made = LocalEvent(event, body, self._assoc)
            self._put(lambda bound=bound, made=made: _notify(bound, made))  # type: ignore[misc]

    def call(self, bound: BoundHandler, event: LocalEvent) -> Future[Any]:
        """Return the future answer of an intervention's handler; RuntimeError if that raises."""
        future: Future[Any] = Future()

        def work() -> None:
            if not future.set_running_or_notify_cancel():
                return
            try:
                future.set_result(_result(bound, event))
            except BaseException as error:
                # a handler may raise anything
                log_raised(error, event.name, bound.name, log=log)
                future.set_exception(RuntimeError(f"{type(error).__name__}: {error}"))
            finally:
                event.close()

        self._put(work)
        return future

    def flush(self) -> None:
        """Wait until the handlers of all events so far have returned."""
        if threading.current_thread() is self._thread:
            return
        with self._changed:
            self._changed.wait_for(lambda: not self._pending, FLUSH_TIMEOUT)

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
    except BaseException as error:
        # a handler may raise anything, and the other handlers are called all the same
        log_raised(error, event.name, bound.name, log=log)


def _result(bound: BoundHandler, event: LocalEvent) -> Any:
    result = bound.function(event, *bound.args)
    if not inspect.isawaitable(result):
        return result

    async def wait() -> Any:
        return await result

    return asyncio.run(wait())
