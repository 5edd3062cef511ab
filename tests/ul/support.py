"""Associations in any state, and PDUs put together without the program's encoders."""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING

from gateway.errors import RemoteProtocolError
from gateway.ul.items import UserInformation
from gateway.ul.negotiation import Answers, Policy, build_request, negotiate
from gateway.ul.pdu import AAssociateRJ
from gateway.ul.primitives import (
    AAbortRequest,
    AAssociateAccept,
    AAssociateRequest,
    AReleaseRequest,
    AReleaseResponse,
    TransportConnected,
)
from gateway.ul.upper_layer import Side, Trace, UpperLayer

if TYPE_CHECKING:
    from collections.abc import Callable

    from gateway.ul.primitives import Primitive

VERIFICATION = "1.2.840.10008.1.1"
CT = "1.2.840.10008.5.1.4.1.1.2"
IMPLICIT = "1.2.840.10008.1.2"
EXPLICIT = "1.2.840.10008.1.2.1"
JPEG = "1.2.840.10008.1.2.4.50"
DICOM = "1.2.840.10008.3.1.1.1"
MAX_PDU = 4096
DEFAULTS = {"max_pdu": 256 * 1024, "artim_timeout": 30.0}

POLICY = Policy("SERVER", {VERIFICATION: {IMPLICIT}, CT: {IMPLICIT, EXPLICIT}}, max_pdu=MAX_PDU)
REQUEST = build_request(
    "SERVER",
    "CLIENT",
    [(VERIFICATION, [IMPLICIT]), (CT, [EXPLICIT, IMPLICIT])],
    UserInformation(MAX_PDU, "1.2.3", "TEST"),
)
ACCEPTANCE = negotiate(REQUEST, POLICY, Answers())

RELEASE_RQ = bytes.fromhex("0500 00000004 00000000")
RELEASE_RP = bytes.fromhex("0600 00000004 00000000")
ABORT_BY_USER = bytes.fromhex("0700 00000004 00000000")
UNKNOWN = bytes.fromhex("0800 00000004 00000000")
REJECT = AAssociateRJ(1, 1, 1).encode()


def provider_abort(reason: int) -> bytes:
    return bytes.fromhex("0700 00000004 000002") + bytes((reason,))


def pdu(kind: int, body: bytes) -> bytes:
    return struct.pack(">BBI", kind, 0, len(body)) + body


def item(kind: int, body: bytes) -> bytes:
    return struct.pack(">BBH", kind, 0, len(body)) + body


def pdv(context_id: int, control: int, data: bytes = b"") -> bytes:
    return struct.pack(">IBB", len(data) + 2, context_id, control) + data


def p_data(*pdvs: bytes) -> bytes:
    return pdu(4, b"".join(pdvs))


def context(context_id: int, abstract: str = VERIFICATION, *transfer: str) -> bytes:
    syntaxes = b"".join(item(0x40, t.encode()) for t in transfer or (IMPLICIT,))
    return item(0x20, bytes((context_id, 0, 0, 0)) + item(0x30, abstract.encode()) + syntaxes)


DEFAULT_USER_ITEMS = item(0x51, struct.pack(">I", MAX_PDU)) + item(0x52, b"1.2.3")


def associate_rq(
    *,
    version: int = 1,
    called: bytes = b"SERVER".ljust(16),
    calling: bytes = b"CLIENT".ljust(16),
    reserved: bytes = bytes(32),
    application: str = DICOM,
    contexts: bytes | None = None,
    user_items: bytes = DEFAULT_USER_ITEMS,
) -> bytes:
    body = struct.pack(">HH", version, 0) + called + calling + reserved
    body += item(0x10, application.encode())
    body += context(1) if contexts is None else contexts
    return pdu(1, body + item(0x50, user_items))


GOOD_RQ = associate_rq()


def error_of(call: Callable[[], object]) -> RemoteProtocolError | None:
    """The one error that a total function may raise."""
    try:
        call()
    except RemoteProtocolError as error:
        return error
    return None


def drain(association: UpperLayer) -> list[Primitive]:
    """All primitives that wait."""
    found = []
    while (primitive := association.next_primitive()) is not None:
        found.append(primitive)
    return found


def sent(association: UpperLayer) -> bytes:
    return b"".join(association.bytes_to_send())


def emptied(association: UpperLayer) -> UpperLayer:
    """The same, with nothing left to be taken or sent."""
    drain(association)
    association.bytes_to_send()
    return association


def acceptor(**options: float) -> UpperLayer:
    return UpperLayer(Side.ACCEPTOR, now=0.0, **(DEFAULTS | options))


def requestor(**options: float) -> UpperLayer:
    return UpperLayer(Side.REQUESTOR, now=0.0, **(DEFAULTS | options))


def answered() -> UpperLayer:
    """An acceptor in Sta6."""
    association = acceptor()
    association.receive_data(REQUEST.encode(), 1.0)
    association.send(AAssociateAccept(ACCEPTANCE), 1.0)
    return emptied(association)


def connected() -> UpperLayer:
    """A requestor in Sta5."""
    association = requestor()
    association.send(AAssociateRequest(REQUEST), 1.0)
    association.send(TransportConnected(), 1.0)
    return association


def confirmed() -> UpperLayer:
    """A requestor in Sta6."""
    association = connected()
    association.receive_data(ACCEPTANCE.encode(), 1.0)
    return emptied(association)


def established(side: Side) -> UpperLayer:
    return answered() if side is Side.ACCEPTOR else confirmed()


ACCEPTOR_STATES = (1, 2, 3, 6, 7, 8, 10, 12, 13)
REQUESTOR_STATES = (1, 4, 5, 6, 7, 8, 9, 11, 13)


def reach(state: int, side: Side) -> UpperLayer:
    """An association that came into a state as a real one would; nothing waits to be taken."""
    association = _EARLY[state, side]() if (state, side) in _EARLY else _later(state, side)
    emptied(association).trace = Trace.TRANSITIONS
    assert association.state == state
    return association


def _ended() -> UpperLayer:
    association = acceptor()
    association.receive_eof(1.0)
    return association


def _asked() -> UpperLayer:
    association = acceptor()
    association.receive_data(GOOD_RQ, 1.0)
    return association


def _connecting() -> UpperLayer:
    association = requestor()
    association.send(AAssociateRequest(REQUEST), 1.0)
    return association


_EARLY = {
    (1, Side.ACCEPTOR): _ended,
    (1, Side.REQUESTOR): requestor,
    (2, Side.ACCEPTOR): acceptor,
    (3, Side.ACCEPTOR): _asked,
    (4, Side.REQUESTOR): _connecting,
    (5, Side.REQUESTOR): connected,
}


def _later(state: int, side: Side) -> UpperLayer:
    association = established(side)
    if state == 13:
        association.send(AAbortRequest(), 1.0)
    if state in (7, 9, 10, 11, 12):
        association.send(AReleaseRequest(), 1.0)
    if state in (8, 9, 10, 11, 12):
        association.receive_data(RELEASE_RQ, 1.0)
    if state == 11:
        association.send(AReleaseResponse(), 1.0)
    if state == 12:
        association.receive_data(RELEASE_RP, 1.0)
    return association
