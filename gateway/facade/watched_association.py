"""The requestor's association, whose events go to the handlers of this process."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from gateway.association.errors import Aborted
from gateway.events import EVT_REQUESTED
from gateway.requestor import RequestorAssociation

if TYPE_CHECKING:
    from collections.abc import Callable

    from gateway.events import NotificationEvent
    from gateway.facade.handler_thread import HandlerThread
    from gateway.requestor import Address, Handler, Timeouts
    from gateway.requestor.connection import Tracer
    from gateway.ul.pdu import AAssociateRQ

_PROVIDER = 2
"""The source of an A-ABORT that the service provider sends (PS3.8 9.3.8)."""


class WatchedAssociation(RequestorAssociation):
    """An association that has handlers called for what happens on it."""

    def __init__(
        self, request: AAssociateRQ, timeouts: Timeouts, handler: Handler, events: HandlerThread
    ) -> None:
        super().__init__(request, timeouts, handler)
        self._events = events
        self.on_established: Callable[[], None] | None = None
        """Called before any handler."""

    async def connect(self, address: Address, tracer: Tracer | None = None) -> None:
        self._events.notify(EVT_REQUESTED)
        self.rebound()
        await super().connect(address, tracer)
        if not self.accepted_contexts:
            self.engine.abort(Aborted("no presentation context was accepted"), source=_PROVIDER)

    def rebound(self) -> None:
        """Watch the events that have handlers now."""
        self.engine.watch(self._events.watched())

    def established(self) -> None:
        super().established()
        if self.on_established is not None:
            self.on_established()

    def publish(self, event: NotificationEvent, body: dict[str, Any]) -> None:
        self._events.notify(event, **body)
