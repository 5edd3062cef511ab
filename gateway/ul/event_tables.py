"""The events of Table 9-10 (PS3.8 9.2.3) that PDUs of the peer and requests of the user are."""

from __future__ import annotations

from typing import TYPE_CHECKING

from gateway.ul import primitives as p
from gateway.ul.fsm import FsmEvent
from gateway.ul.pdu import (
    PDU,
    AAbort,
    AAssociateAC,
    AAssociateRJ,
    AAssociateRQ,
    AReleaseRP,
    AReleaseRQ,
)

if TYPE_CHECKING:
    from collections.abc import Mapping

PDU_EVENTS: Mapping[type[PDU], FsmEvent] = {
    AAssociateAC: FsmEvent.Evt3,
    AAssociateRJ: FsmEvent.Evt4,
    AAssociateRQ: FsmEvent.Evt6,
    AReleaseRQ: FsmEvent.Evt12,
    AReleaseRP: FsmEvent.Evt13,
    AAbort: FsmEvent.Evt16,
}

REQUEST_EVENTS: Mapping[type[p.Request], FsmEvent] = {
    p.AAssociateRequest: FsmEvent.Evt1,
    p.TransportConnected: FsmEvent.Evt2,
    p.AAssociateAccept: FsmEvent.Evt7,
    p.AAssociateReject: FsmEvent.Evt8,
    p.AReleaseRequest: FsmEvent.Evt11,
    p.AReleaseResponse: FsmEvent.Evt14,
    p.AAbortRequest: FsmEvent.Evt15,
}
