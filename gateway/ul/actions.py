"""The 28 actions of the upper layer protocol machine (PS3.8 tables 9-6 to 9-9).

An action is a pure function of its cause and the side. The cause is a PDU, a request, nothing, or a
RemoteProtocolError for an invalid PDU or a valid one in the wrong state. An action returns the next
state and the effects, which `UpperLayer` performs in this order.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum, auto
from typing import TYPE_CHECKING, Any, TypeAlias

from gateway.ul import primitives as p
from gateway.ul.fsm import Action, Closing, Side, State
from gateway.ul.negotiation import provider_rejection
from gateway.ul.pdu import (
    PDU,
    AAbort,
    AAssociateAC,
    AAssociateRJ,
    AAssociateRQ,
    AReleaseRP,
    AReleaseRQ,
)
from gateway.ul.primitives import Origin, Primitive

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from gateway.errors import RemoteProtocolError


@dataclass(frozen=True, slots=True)
class Send:
    """Send this PDU."""

    pdu: PDU


@dataclass(frozen=True, slots=True)
class Issue:
    """Issue this indication or confirmation."""

    primitive: Primitive


class Artim(Enum):
    """The association request/reject/release timer (PS3.8 9.1.5)."""

    START = auto()
    """Start or restart."""
    STOP = auto()


Effect: TypeAlias = Send | Issue | Artim | Closing
Outcome: TypeAlias = tuple[State, tuple[Effect, ...]]


def ae_1(_request: p.AAssociateRequest, _side: Side) -> Outcome:
    """Issue TRANSPORT CONNECT request: the owner of the transport connects in Sta4."""
    return State.Sta4, ()


def ae_2(request: AAssociateRQ, _side: Side) -> Outcome:
    """Send A-ASSOCIATE-RQ."""
    return State.Sta5, (Send(request),)


def ae_3(acceptance: AAssociateAC, _side: Side) -> Outcome:
    """Issue A-ASSOCIATE confirmation (accept)."""
    return State.Sta6, (Issue(p.AAssociateConfirmation(acceptance)),)


def ae_4(rejection: AAssociateRJ, _side: Side) -> Outcome:
    """Issue A-ASSOCIATE confirmation (reject), close the transport connection."""
    return State.Sta1, (Issue(p.AAssociateConfirmation(rejection)), Closing.CLOSE)


def ae_5(_cause: None, _side: Side) -> Outcome:
    """Issue TRANSPORT CONNECT response, start ARTIM."""
    return State.Sta2, (Artim.START,)


def ae_6(request: AAssociateRQ, _side: Side) -> Outcome:
    """Stop ARTIM; issue A-ASSOCIATE indication, or reject and start ARTIM."""
    if rejection := provider_rejection(request):
        return State.Sta13, (Artim.STOP, Send(rejection), Artim.START, Closing.SHUTDOWN)
    return State.Sta3, (Artim.STOP, Issue(p.AAssociateIndication(request)))


def ae_7(response: p.AAssociateAccept, _side: Side) -> Outcome:
    """Send A-ASSOCIATE-AC."""
    return State.Sta6, (Send(response.acceptance),)


def ae_8(response: p.AAssociateReject, _side: Side) -> Outcome:
    """Send A-ASSOCIATE-RJ, start ARTIM."""
    return State.Sta13, (Send(response.rejection), Artim.START, Closing.SHUTDOWN)


def dt_1(_cause: None, _side: Side) -> Outcome:
    """Send P-DATA-TF, which the user has encoded."""
    return State.Sta6, ()


def dt_2(_cause: None, _side: Side) -> Outcome:
    """Issue P-DATA indication, in parts as they arrive."""
    return State.Sta6, ()


def ar_1(_request: p.AReleaseRequest, _side: Side) -> Outcome:
    """Send A-RELEASE-RQ."""
    return State.Sta7, (Send(AReleaseRQ()),)


def ar_2(_pdu: AReleaseRQ, _side: Side) -> Outcome:
    """Issue A-RELEASE indication."""
    return State.Sta8, (Issue(p.AReleaseIndication()),)


def ar_3(_pdu: AReleaseRP, _side: Side) -> Outcome:
    """Issue A-RELEASE confirmation, close the transport connection."""
    return State.Sta1, (Issue(p.AReleaseConfirmation()), Closing.CLOSE)


def ar_4(_response: p.AReleaseResponse, _side: Side) -> Outcome:
    """Send A-RELEASE-RP, start ARTIM."""
    return State.Sta13, (Send(AReleaseRP()), Artim.START, Closing.SHUTDOWN)


def ar_5(_cause: None, _side: Side) -> Outcome:
    """Stop ARTIM."""
    return State.Sta1, (Artim.STOP, Closing.CLOSE)


def ar_6(_cause: None, _side: Side) -> Outcome:
    """Issue P-DATA indication, in parts as they arrive."""
    return State.Sta7, ()


def ar_7(_cause: None, _side: Side) -> Outcome:
    """Send P-DATA-TF, which the user has encoded."""
    return State.Sta8, ()


def ar_8(_pdu: AReleaseRQ, side: Side) -> Outcome:
    """Issue A-RELEASE indication (release collision)."""
    state = State.Sta9 if side is Side.REQUESTOR else State.Sta10
    return state, (Issue(p.AReleaseIndication()),)


def ar_9(_response: p.AReleaseResponse, _side: Side) -> Outcome:
    """Send A-RELEASE-RP."""
    return State.Sta11, (Send(AReleaseRP()),)


def ar_10(_pdu: AReleaseRP, _side: Side) -> Outcome:
    """Issue A-RELEASE confirmation."""
    return State.Sta12, (Issue(p.AReleaseConfirmation()),)


def aa_1(cause: p.AAbortRequest | RemoteProtocolError, _side: Side) -> Outcome:
    """Send A-ABORT (service user), start or restart ARTIM."""
    requested = isinstance(cause, p.AAbortRequest)
    abort = AAbort(cause.source, cause.reason) if requested else AAbort(0, 0)
    return State.Sta13, (Send(abort), Artim.START, Closing.SHUTDOWN)


def aa_2(_cause: object, _side: Side) -> Outcome:
    """Stop ARTIM, close the transport connection."""
    return State.Sta1, (Artim.STOP, Closing.CLOSE)


def aa_3(abort: AAbort, _side: Side) -> Outcome:
    """Issue A-ABORT or A-P-ABORT indication, close the transport connection."""
    indication: Primitive
    if abort.source == 0:
        indication = p.AAbortIndication(abort.source, abort.reason)
    else:
        indication = p.APAbortIndication(abort.reason, Origin.PEER, abort.describe())
    return State.Sta1, (Issue(indication), Closing.CLOSE)


def aa_4(_cause: None, _side: Side) -> Outcome:
    """Issue A-P-ABORT indication."""
    indication = p.APAbortIndication(0, Origin.TRANSPORT, "the transport connection closed")
    return State.Sta1, (Issue(indication), Closing.CLOSE)


def aa_5(_cause: None, _side: Side) -> Outcome:
    """Stop ARTIM."""
    return State.Sta1, (Artim.STOP, Closing.CLOSE)


def aa_6(_pdu: object, _side: Side) -> Outcome:
    """Ignore the PDU."""
    return State.Sta13, ()


def aa_7(error: RemoteProtocolError, _side: Side) -> Outcome:
    """Send A-ABORT."""
    return State.Sta13, (Send(AAbort(2, error.reason)),)


def aa_8(error: RemoteProtocolError, _side: Side) -> Outcome:
    """Send A-ABORT (service provider), issue A-P-ABORT indication, start ARTIM."""
    indication = p.APAbortIndication(error.reason, Origin.LOCAL, str(error))
    abort = Send(AAbort(2, error.reason))
    return State.Sta13, (abort, Issue(indication), Artim.START, Closing.SHUTDOWN)


ACTIONS: Mapping[Action, Callable[[Any, Side], Outcome]] = {
    action: globals()[action.name.lower()] for action in Action
}
"""The function of each action: `ae_1` of AE-1, and so on."""
