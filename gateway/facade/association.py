"""An association in the requestor role, as `AE.associate` returns it."""

from __future__ import annotations

import itertools
import logging
import math
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from gateway.events import EVT_ABORTED, EVT_ACSE_SENT, EVT_CONN_CLOSE, EVT_FSM_TRANSITION
from gateway.facade import negotiated_contexts as contexts
from gateway.facade.entity_settings import seconds
from gateway.facade.handler_thread import HandlerThread
from gateway.facade.handlers import BindsHandlers
from gateway.facade.peer_requests import PeerRequests
from gateway.facade.requestor_sender import RequestorSender
from gateway.facade.requestor_thread import shared_loop
from gateway.facade.service_user import ServiceUserView
from gateway.facade.watched_association import WatchedAssociation
from gateway.requestor import AssociationError, Rejected, Released, Timeouts
from gateway.sdk.assoc import AssociationProxy, HasMode
from gateway.ul.pdu import AAbort

if TYPE_CHECKING:
    from gateway.facade.entity_settings import EntitySettings
    from gateway.facade.handlers import Handlers
    from gateway.facade.presentation_contexts import PresentationContext
    from gateway.requestor import Address, Proposal

log = logging.getLogger("gateway.facade")

_numbers = itertools.count(1)
_ARTIM_TIMEOUT = 30.0
"""Unless the ACSE timeout is shorter; but never 0."""
_SHORT_ARTIM_TIMEOUT = 5.0


class _AssociationTimeout:
    """A timeout of an association in seconds, None for no limit; a change holds at once."""

    def __init__(self, field: str, no_limit: float | None = math.inf) -> None:
        self._field = field
        self._no_limit = no_limit

    def __get__(self, assoc: Any, _: type | None = None) -> float | None:
        if assoc is None:
            return self  # type: ignore[return-value]
        value: float | None = getattr(assoc._timeouts, self._field)
        return None if value == self._no_limit else value

    def __set__(self, assoc: Any, value: float | None) -> None:
        assoc._change(self._field, self._no_limit if value is None else value)


class Association(RequestorSender, BindsHandlers, HasMode):
    """An association in the requestor role, which any thread may use.

    The methods that send, release and abort return after the handlers of the events that they
    caused.
    """

    acse_timeout = _AssociationTimeout("acse")
    """To the answer to an A-ASSOCIATE or A-RELEASE."""
    connection_timeout = _AssociationTimeout("connect")
    """To a TCP or TLS connection."""
    dimse_timeout = _AssociationTimeout("dimse")
    """To each response."""
    network_timeout = _AssociationTimeout("network", no_limit=None)
    """Without anything received or sent, until the association is aborted."""

    def __init__(
        self, ae: EntitySettings, address: Address, proposal: Proposal, handlers: Handlers
    ) -> None:
        self.name = f"Requestor-{next(_numbers)}"
        self._ae = ae
        self._handlers = handlers
        self._events = HandlerThread(handlers, self)
        self._loop = shared_loop()
        self._is_established = False
        self._error: AssociationError | None = None
        self._timeouts = timeouts_of(ae)
        request = proposal.request()
        peer_requests = PeerRequests(handlers, self._events, self)
        self._watched = self._loop.call(
            WatchedAssociation, request, self._timeouts, peer_requests, self._events
        )
        self._watched.on_established = self._on_established
        bound = address.bind or ("", 0)
        asked = contexts.proposed(request)
        self.requestor = ServiceUserView(
            "requestor", proposal.calling_ae_title, *bound, request.user_information, asked
        )
        self.acceptor = ServiceUserView(
            "acceptor", proposal.called_ae_title, address.host, address.port
        )

    def __repr__(self) -> str:
        return f"<Association {self.name} to {self.acceptor.address}:{self.acceptor.port}>"

    def request(self, address: Address) -> None:
        """Connect and negotiate; `is_established` and `ended` have the result."""
        try:
            self._loop.run(self._connect(address))
        except AssociationError as error:
            self._error = error
            log.error("%s", error)  # noqa: TRY400 - no bug here
            if not self._watched.is_ended:  # never connected
                self._tell_of_no_connection(address)
        self._events.flush()

    def _tell_of_no_connection(self, address: Address) -> None:
        """Notify of what Table 9-10 prescribes without a connection (PS3.8 9.2)."""
        tell = self._events.notify
        request, abort = self._watched.request.encode(), AAbort(0, 0).encode()
        tell(EVT_FSM_TRANSITION, **_transition("Sta1", "Evt1", "AE-1", "Sta4"))
        tell(EVT_ACSE_SENT, primitive="A-ASSOCIATE", kind="request", pdu=request)
        tell(EVT_CONN_CLOSE, address=[address.host, address.port])
        tell(EVT_FSM_TRANSITION, **_transition("Sta4", "Evt17", "AA-4", "Sta1"))
        tell(EVT_ACSE_SENT, primitive="A-ABORT", kind="request", pdu=abort)
        tell(EVT_ABORTED, source=0, reason=0)

    async def _connect(self, address: Address) -> None:
        await self._watched.connect(address)
        if self._watched.ended is not None:
            raise self._watched.ended

    def _on_established(self) -> None:
        watched = self._watched
        self._is_established = bool(watched.accepted_contexts)
        self.requestor.address, self.requestor.port = watched.local
        if watched.acceptance is not None:
            self.acceptor.said = watched.acceptance.user_information
            self.acceptor.supported_contexts = [*self.accepted_contexts, *self.rejected_contexts]

    def release(self) -> None:
        """Release the association (PS3.8 7.2); nothing happens if it has ended."""
        if self.is_established:
            try:
                self._loop.run(self._watched.release())
            except AssociationError as error:
                log.warning("%s", error)
        self._events.flush()

    def abort(self, block: bool = True) -> None:
        """Send an A-ABORT (PS3.8 7.3); nothing happens if the association has ended.

        With `block`, return after the connection was closed.
        """
        if self.ended is not None:
            return
        if block:
            self._loop.run(self._watched.abort())
            self._events.flush()
        else:
            self._loop.call(self._watched.drop, "this side aborted the association")

    def kill(self) -> None:
        """Abort without waiting until the connection is closed."""
        self.abort(block=False)

    def join(self, timeout: float | None = None) -> None:
        """Wait until the association has ended, or for `timeout` seconds."""
        if self._is_established:
            self._loop.run(self._watched.wait_ended(timeout))

    def is_alive(self) -> bool:
        """Tell whether the association is established; pynetdicom's is a thread."""
        return self.is_established

    @property
    def ended(self) -> AssociationError | None:
        """The reason for the end of the association, as an error with a text; None before."""
        return self._error or self._watched.ended

    @property
    def is_established(self) -> bool:
        return self._is_established and not self._watched.is_ended

    @property
    def is_released(self) -> bool:
        return isinstance(self.ended, Released)

    @property
    def is_rejected(self) -> bool:
        return isinstance(self.ended, Rejected)

    @property
    def is_aborted(self) -> bool:
        """True if either side aborted, or the connection was lost or never made."""
        return self.ended is not None and not self.is_released and not self.is_rejected

    mode = "requestor"

    @property
    def ae(self) -> Any:
        """The AE whose `associate` returned this association."""
        return self._ae

    @property
    def id(self) -> str:
        return self.name

    @property
    def accepted_contexts(self) -> list[PresentationContext]:
        """The contexts that the peer accepted, with this side's roles."""
        return contexts.accepted(self._watched.accepted_contexts.values())

    @property
    def rejected_contexts(self) -> list[PresentationContext]:
        """The contexts that the peer rejected or did not mention."""
        request, acceptance = self._watched.request, self._watched.acceptance
        return contexts.rejected(request, acceptance) if acceptance is not None else []

    @property
    def local(self) -> dict[str, Any]:
        return self.requestor.info

    @property
    def remote(self) -> dict[str, Any]:
        return self.acceptor.info

    def _change(self, timeout: str, value: Any) -> None:
        self._timeouts = replace(self._timeouts, **{timeout: value})
        self._loop.call(setattr, self._watched, "timeouts", self._timeouts)

    def _rebound(self) -> None:
        if not self._watched.is_ended:
            self._loop.call(self._watched.rebound)


def _transition(state: str, event: str, action: str, following: str) -> dict[str, str]:
    return {"current_state": state, "fsm_event": event, "action": action, "next_state": following}


Association.register(AssociationProxy)
"""So `isinstance(event.assoc, Association)` is true in a server, too."""


def timeouts_of(ae: EntitySettings) -> Timeouts:
    """Return the timeouts of an AE as the requestor takes them."""
    acse = seconds(ae.acse_timeout)
    return Timeouts(
        connect=seconds(ae.connection_timeout),
        acse=acse,
        dimse=seconds(ae.dimse_timeout),
        network=ae.network_timeout,
        artim=min(acse, _ARTIM_TIMEOUT) or _SHORT_ARTIM_TIMEOUT,
        data_rate=0,
    )
