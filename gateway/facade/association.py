"""An association that was asked for here: `AE.associate` makes one."""

from __future__ import annotations

import itertools
import logging
import threading
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from gateway.events import EVT_ABORTED
from gateway.facade import negotiated_contexts as contexts
from gateway.facade import requestor_thread
from gateway.facade.association_server import seconds
from gateway.facade.handler_thread import HandlerThread
from gateway.facade.incoming import Answering
from gateway.facade.requestor_sender import RequestorSender
from gateway.facade.service_user import ServiceUser
from gateway.facade.wire import Wire
from gateway.requestor import AssociationError, Rejected, Released, Timeouts

if TYPE_CHECKING:
    from gateway.facade.entity import AE
    from gateway.facade.handlers import Handlers
    from gateway.facade.presentation import PresentationContext
    from gateway.requestor import Address, Proposal
    from gateway.sdk.bound_handler import AnyEvent, AnyHandler

log = logging.getLogger("gateway.facade")

_numbers = itertools.count(1)
_ARTIM = 30.0
_FAREWELL = 5.0


class Association(RequestorSender):
    """One association in the requestor role; any thread may use it."""

    def __init__(self, ae: AE, address: Address, proposal: Proposal, handlers: Handlers) -> None:
        self.name = f"Requestor-{next(_numbers)}"
        self._ae = ae
        self._handlers = handlers
        self._events = HandlerThread(handlers, self)
        self._loop = requestor_thread.shared()
        self._wire: Wire | None = None
        self._is_established = False
        self._error: AssociationError | None = None
        self._over = threading.Event()
        self._timeouts = timeouts_of(ae)
        self._request = request = proposal.request()
        bound = address.bind or ("", 0)
        asked = contexts.proposed(request)
        self.requestor = ServiceUser(
            "requestor", proposal.calling_ae_title, *bound, request.user_information, asked
        )
        self.acceptor = ServiceUser(
            "acceptor", proposal.called_ae_title, address.host, address.port
        )

    def __repr__(self) -> str:
        return f"<Association {self.name} to {self.acceptor.address}:{self.acceptor.port}>"

    # its life

    def request(self, address: Address) -> None:
        """Ask for it; what came of it is in `is_established` and the like."""
        try:
            self._loop.run(self._connect(address))
        except AssociationError as error:
            self._error = error
            log.error("%s", error)  # noqa: TRY400 - no bug here
            if self._wire is not None and not self._wire.is_ended:  # never connected
                self._events.notify(EVT_ABORTED, source=0, reason=0)
        self._events.flush()

    async def _connect(self, address: Address) -> None:
        answering = Answering(self._handlers, self._events, self)
        wire = self._wire = Wire(self._request, self._timeouts, answering, self._events)
        wire.on_established = self._take_notice
        await wire.connect(address)
        if wire.ended is not None:
            raise wire.ended

    def _take_notice(self) -> None:
        wire = self._wire
        assert wire is not None
        self._is_established = bool(wire.accepted_contexts)
        self.requestor.address, self.requestor.port = wire.local
        if wire.acceptance is not None:
            self.acceptor.said = wire.acceptance.user_information
            self.acceptor.supported_contexts = [*self.accepted_contexts, *self.rejected_contexts]

    def release(self) -> None:
        """A-RELEASE (PS3.8 7.2); returns when it is over. Nothing happens if it is already."""
        if self.is_established and self._wire is not None:
            try:
                self._loop.run(self._wire.release())
            except AssociationError as error:
                log.warning("%s", error)
        self._events.flush()

    def abort(self, block: bool = True) -> None:
        """A-ABORT (PS3.8 7.3); nothing happens if it is over."""
        if self._wire is None or self.ended is not None:
            return
        if block:
            self._loop.run(self._wire.abort())
            self._events.flush()
        else:
            self._loop.run(self._drop())

    def kill(self) -> None:
        """End it at once."""
        self.abort(block=False)

    async def _drop(self) -> None:
        assert self._wire is not None
        self._wire.drop("this side aborted the association")

    def join(self, timeout: float | None = None) -> None:
        """Wait until it is over."""
        wire = self._wire
        if wire is not None and self._is_established:
            self._loop.run(wire.wait_ended(timeout))

    def is_alive(self) -> bool:
        """As of the thread that an association is in pynetdicom."""
        return self.is_established

    # what it is

    @property
    def ended(self) -> AssociationError | None:
        """Why it is over, in words; None while it lives."""
        return self._error or (self._wire.ended if self._wire is not None else None)

    @property
    def is_established(self) -> bool:
        return self._is_established and self._wire is not None and not self._wire.is_ended

    @property
    def is_released(self) -> bool:
        return isinstance(self.ended, Released)

    @property
    def is_rejected(self) -> bool:
        return isinstance(self.ended, Rejected)

    @property
    def is_aborted(self) -> bool:
        """Aborted by either side, lost, or never connected."""
        return self.ended is not None and not self.is_released and not self.is_rejected

    mode = "requestor"
    is_requestor = True
    is_acceptor = False

    @property
    def ae(self) -> AE:
        return self._ae

    @property
    def id(self) -> str:
        return self.name

    @property
    def accepted_contexts(self) -> list[PresentationContext]:
        """Those that the peer accepted, with this side's roles."""
        return contexts.accepted(self._wire.accepted_contexts.values()) if self._wire else []

    @property
    def rejected_contexts(self) -> list[PresentationContext]:
        """Those that it did not."""
        acceptance = self._wire.acceptance if self._wire is not None else None
        return contexts.rejected(self._request, acceptance) if acceptance is not None else []

    @property
    def local(self) -> dict[str, Any]:
        return self.requestor.info

    @property
    def remote(self) -> dict[str, Any]:
        return self.acceptor.info

    # timeouts

    @property
    def acse_timeout(self) -> float | None:
        return _none(self._timeouts.acse)

    @acse_timeout.setter
    def acse_timeout(self, value: float | None) -> None:
        self._change(acse=seconds(value))

    @property
    def connection_timeout(self) -> float | None:
        return _none(self._timeouts.connect)

    @connection_timeout.setter
    def connection_timeout(self, value: float | None) -> None:
        self._change(connect=seconds(value))

    @property
    def dimse_timeout(self) -> float | None:
        return _none(self._timeouts.dimse)

    @dimse_timeout.setter
    def dimse_timeout(self, value: float | None) -> None:
        self._change(dimse=seconds(value))

    @property
    def network_timeout(self) -> float | None:
        return self._timeouts.network

    @network_timeout.setter
    def network_timeout(self, value: float | None) -> None:
        self._change(network=value)

    def _change(self, **changed: Any) -> None:
        self._timeouts = replace(self._timeouts, **changed)
        wire = self._wire
        if wire is None:
            return

        async def change() -> None:
            wire.timeouts = self._timeouts

        self._loop.run(change())

    # handlers

    def bind(self, event: AnyEvent, handler: AnyHandler, args: list[Any] | None = None) -> None:
        """Call `handler(event, *args)`; for an intervention in place of the one bound before."""
        self._handlers.set(event, handler, args)
        self._rebound()

    def unbind(self, event: AnyEvent, handler: AnyHandler) -> None:
        """No longer call it."""
        self._handlers.unbind(event, handler)
        self._rebound()

    def _rebound(self) -> None:
        wire = self._wire
        if wire is None or wire.is_ended:
            return

        async def rebound() -> None:
            wire.rebound()

        self._loop.run(rebound())

    def get_handlers(self, event: AnyEvent) -> Any:
        """(handler, args) of an intervention, (None, None) for none; a list for a notification."""
        return self._handlers.of(event)

    def get_events(self) -> list[AnyEvent]:
        """The events that something is bound to."""
        return self._handlers.shown()


def timeouts_of(ae: AE) -> Timeouts:
    """An AE's timeouts as the requestor takes them."""
    acse = seconds(ae.acse_timeout)
    return Timeouts(
        connect=seconds(ae.connection_timeout),
        acse=acse,
        dimse=seconds(ae.dimse_timeout),
        network=ae.network_timeout,
        artim=min(acse, _ARTIM) or _FAREWELL,
    )


def _none(value: float) -> float | None:
    return None if value == float("inf") else value
