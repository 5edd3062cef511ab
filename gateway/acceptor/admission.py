"""Whether an association request is accepted, and with what (PS3.8 7.1.1)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from gateway.ul.negotiation import (
    LOCAL_LIMIT_EXCEEDED,
    TEMPORARY_CONGESTION,
    Answers,
    check_request,
    negotiate,
)

if TYPE_CHECKING:
    from gateway.acceptor.server import Acceptor
    from gateway.ul.pdu import AAssociateAC, AAssociateRJ, AAssociateRQ


def admit(house: Acceptor, request: AAssociateRQ) -> AAssociateAC | AAssociateRJ:
    """The acceptance or rejection of a request; pure but for what the house is by now."""
    if house.draining:
        return TEMPORARY_CONGESTION
    if (rejection := check_request(request, house.policy)) is not None:
        return rejection
    if house.is_full:
        return LOCAL_LIMIT_EXCEEDED
    if any(house.fabric.binding(event) is None for event in house.settings.policy.require):
        return TEMPORARY_CONGESTION
    return negotiate(request, house.policy, Answers())
