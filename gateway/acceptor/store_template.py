"""What the C-STORE-RQs of one peer have in common: all but the message ID and the instance.

A modality sends hundreds of C-STORE-RQs that differ in ten bytes or so. So the first one is decoded
in general, checked, and kept as a template. A command set that is the same byte for byte, except
for the values of its message ID and of its Affected SOP Instance UID, would be decoded and checked
with the same result, except for those two. Anything else is not recognized, and is decoded in
general again.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from struct import Struct
from typing import TYPE_CHECKING, Any, Protocol

from gateway.dimse.command_set import PeerUid, split
from gateway.dimse.fragmenter import fragment
from gateway.dimse.message import CStoreRSP
from gateway.part10 import file_meta
from gateway.uid import (
    DEFLATED_EXPLICIT_VR_LITTLE_ENDIAN,
    EXPLICIT_VR_BIG_ENDIAN,
    IMPLICIT_VR_LITTLE_ENDIAN,
)

if TYPE_CHECKING:
    from collections.abc import Callable

    from gateway.association.engine import AssociationEngine
    from gateway.dimse.message import CStoreRQ
    from gateway.ul.negotiation import AcceptedContext

_MESSAGE_ID, _INSTANCE = 0x0110, 0x1000
_HEADER = Struct("<HHL")
_RESPONDED_TO = _HEADER.pack(0, 0x0120, 2)
_UNPLAIN = frozenset((DEFLATED_EXPLICIT_VR_LITTLE_ENDIAN, EXPLICIT_VR_BIG_ENDIAN))
_MEDIA_INSTANCE = b"\x02\x00\x03\x00UI"
"""The header of (0002,0003), without its length of two bytes."""
_ANY_ID = 0x5A5A


class StoringPeer(Protocol):
    """The association that a request came on, as far as a template depends on it."""

    engine: AssociationEngine

    @property
    def calling_ae_title(self) -> str: ...

    @property
    def called_ae_title(self) -> str: ...


@dataclass(frozen=True, slots=True)
class StoreTemplate:
    """The constant parts of a request, and of what it leads to."""

    context: AcceptedContext
    request: CStoreRQ
    """The one that it was made of."""
    parts: Callable[[memoryview, int], tuple[bytes, ...]]
    """Reads from a position: constant bytes, message ID, constant bytes, UID, constant bytes."""
    constants: tuple[bytes, bytes, bytes]
    parameters: dict[str, Any]
    """The request's, for the worker."""
    described: dict[str, Any]
    """Its context, for the worker: one object, which is sent once for many requests."""
    sop_class: bytes
    """The SOP class, as encoded."""
    is_explicit: bool
    """The transfer syntax has explicit VRs."""
    meta: tuple[bytes, bytes]
    """The file meta information, around the instance's UID."""
    offset: int
    """The length of the file meta information."""
    response: tuple[bytes, bytes, bytes]
    """The PDU of a response of success, around message ID and UID."""

    def request_of(self, message_id: int, instance: str) -> CStoreRQ:
        """Return the request that a command set of this form is."""
        return replace(self.request, message_id=message_id, affected_sop_instance_uid=instance)


def template_of(
    association: StoringPeer, context: AcceptedContext, command_set: bytes, request: CStoreRQ
) -> StoreTemplate | None:
    """Return the template of a valid request; None if those like it need the general way.

    `command_set` is what `request` was decoded from.
    """
    sop_class, instance = request.affected_sop_class_uid, request.affected_sop_instance_uid
    if isinstance(sop_class, PeerUid) or isinstance(instance, PeerUid):
        return None
    found = _places(command_set)
    if found is None or context.transfer_syntax in _UNPLAIN:
        return None
    number, uid, length = found
    ends = sorted(((number, 2), (uid, length)))
    if ends[0][0] != number:  # the UID comes first: not in ascending order
        return None
    pieces = Struct(
        f"{number}s2s{uid - number - 2}s{length}s{len(command_set) - uid - length}s"
    ).unpack_from
    before, _, between, _, after = pieces(command_set, 0)
    limit = association.engine.upper.peer_max_length
    response = _response(context.id, sop_class, length, limit)
    if response is None:
        return None
    meta = meta_of(association, context, replace(request, affected_sop_instance_uid="1" * length))
    at = meta.index(_MEDIA_INSTANCE) + len(_MEDIA_INSTANCE) + 2
    return StoreTemplate(
        context,
        request,
        pieces,
        (before, between, after),
        request.parameters(),
        {"context": [context.id, context.abstract_syntax, context.transfer_syntax]},
        sop_class.encode("ascii") + b"\0" * (len(sop_class) % 2),
        context.transfer_syntax != IMPLICIT_VR_LITTLE_ENDIAN,
        (meta[:at], meta[at + length :]),
        len(meta),
        response,
    )


def meta_of(association: StoringPeer, context: AcceptedContext, request: CStoreRQ) -> bytes:
    """Return what stands before the data set of a request in its file."""
    return file_meta(
        request.affected_sop_class_uid,
        request.affected_sop_instance_uid,
        context.transfer_syntax,
        association.calling_ae_title,
        association.called_ae_title,
        association.engine.transport.remote[0],
    )


def _places(command_set: bytes) -> tuple[int, int, int] | None:
    """Return the positions of the values of message ID and instance UID, and the UID's length."""
    values, damage = split(command_set)
    at, places = 0, {}
    for tag, value in values.items():
        at += _HEADER.size
        places[tag] = at, len(value)
        at += len(value)
    if damage or at != len(command_set):
        return None
    number, uid = places[_MESSAGE_ID], places[_INSTANCE]
    return (number[0], *uid) if number[1] == 2 and uid[1] % 2 == 0 else None


def _response(
    context_id: int, sop_class: str, length: int, limit: int
) -> tuple[bytes, bytes, bytes] | None:
    response = CStoreRSP(_ANY_ID, 0, sop_class, None, "1" * length).encode()
    (pdu, *others) = fragment(context_id, response, None, limit)
    if others:
        return None
    number = pdu.index(_RESPONDED_TO) + len(_RESPONDED_TO)
    header = _HEADER.pack(0, _INSTANCE, length)
    uid = pdu.index(header) + len(header)
    return pdu[:number], pdu[number + 2 : uid], pdu[uid + length :]
