"""The service primitives of the upper layer (PS3.8 7).

Indications and confirmations come from `UpperLayer.next_primitive`; requests and responses go into
`UpperLayer.send`.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from typing import TypeAlias

from gateway.ul.pdu import AAssociateAC, AAssociateRJ, AAssociateRQ


@dataclass(frozen=True, slots=True)
class AAssociateIndication:
    """A-ASSOCIATE indication (PS3.8 7.1): a peer requests an association."""

    request: AAssociateRQ


@dataclass(frozen=True, slots=True)
class AAssociateConfirmation:
    """A-ASSOCIATE confirmation (PS3.8 7.1): the peer's answer."""

    answer: AAssociateAC | AAssociateRJ

    @property
    def accepted(self) -> AAssociateAC | None:
        return self.answer if isinstance(self.answer, AAssociateAC) else None

    @property
    def rejected(self) -> AAssociateRJ | None:
        return self.answer if isinstance(self.answer, AAssociateRJ) else None


@dataclass(slots=True)
class PDataPart:
    """A part of a P-DATA indication (PS3.8 7.6): a part of a PDV, as it arrived.

    Not frozen, because one is made for each part and freezing triples the cost.
    """

    context_id: int
    command: bool
    """A part of the command set; otherwise of the data set."""
    last: bool
    """This part ends the last fragment of the command set or data set."""
    data: memoryview
    """Valid until the next `receive_data`; empty for an empty last fragment."""


@dataclass(frozen=True, slots=True)
class AReleaseIndication:
    """A-RELEASE indication (PS3.8 7.2): the peer requests the release."""


@dataclass(frozen=True, slots=True)
class AReleaseConfirmation:
    """A-RELEASE confirmation (PS3.8 7.2): the peer released."""


@dataclass(frozen=True, slots=True)
class AAbortIndication:
    """A-ABORT indication (PS3.8 7.3): the peer's service user aborted."""

    source: int
    reason: int


class Origin(Enum):
    """The origin of an A-P-ABORT."""

    PEER = "peer"
    """The peer's service provider sent an A-ABORT."""
    LOCAL = "local"
    """The peer violated the protocol, and this side sent an A-ABORT."""
    TRANSPORT = "transport"
    """The transport connection closed."""


@dataclass(frozen=True, slots=True)
class APAbortIndication:
    """A-P-ABORT indication (PS3.8 7.4): the service provider aborted."""

    reason: int
    """As in A-ABORT (PS3.8 9.3.8); 0 if the transport connection closed."""
    origin: Origin
    text: str = ""
    """The error of the peer, for the log; never text of the peer."""


@dataclass(frozen=True, slots=True)
class AAssociateRequest:
    """A-ASSOCIATE request (Evt1). The owner of the transport then connects."""

    request: AAssociateRQ


@dataclass(frozen=True, slots=True)
class TransportConnected:
    """Transport connect confirmation (Evt2)."""


@dataclass(frozen=True, slots=True)
class AAssociateAccept:
    """A-ASSOCIATE response, accept (Evt7)."""

    acceptance: AAssociateAC


@dataclass(frozen=True, slots=True)
class AAssociateReject:
    """A-ASSOCIATE response, reject (Evt8)."""

    rejection: AAssociateRJ


@dataclass(frozen=True, slots=True)
class AReleaseRequest:
    """A-RELEASE request (Evt11)."""


@dataclass(frozen=True, slots=True)
class AReleaseResponse:
    """A-RELEASE response (Evt14)."""


@dataclass(frozen=True, slots=True)
class AAbortRequest:
    """A-ABORT request (Evt15)."""

    source: int = 0
    """2 if the message layer of this side found an error of the peer."""
    reason: int = 0


@dataclass(frozen=True, slots=True)
class PduTraced:
    """A PDU that was sent or received, recorded for notification events."""

    sent: bool
    pdu_type: int
    data: bytes
    """The PDU with its header; only the beginning of a long P-DATA-TF."""
    length: int
    """The length of the whole PDU with its header."""


Primitive: TypeAlias = (
    AAssociateIndication
    | AAssociateConfirmation
    | PDataPart
    | AReleaseIndication
    | AReleaseConfirmation
    | AAbortIndication
    | APAbortIndication
)
"""Indications and confirmations."""

Request: TypeAlias = (
    AAssociateRequest
    | TransportConnected
    | AAssociateAccept
    | AAssociateReject
    | AReleaseRequest
    | AReleaseResponse
    | AAbortRequest
)
"""Requests and responses; P-DATA requests are encoded, for `send_pdata`."""
