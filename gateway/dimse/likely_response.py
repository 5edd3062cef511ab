"""The C-STORE-RSP with which a peer will most likely report success, byte for byte.

A peer that stores many instances sends the same command set again and again: only the message ID
and the SOP Instance UID differ. So the form is learned from one that was decoded. A response that
equals what the form gives for a request needs no decoding; any other one is decoded as always.
"""

from __future__ import annotations

from dataclasses import replace
from struct import Struct
from typing import TYPE_CHECKING

from gateway.dimse.errors import MessageError
from gateway.dimse.message import CStoreRSP, decode
from gateway.dimse.status import SUCCESS
from gateway.errors import RemoteProtocolError
from gateway.ul.pdu import PDU_AND_PDV

if TYPE_CHECKING:
    from gateway.dimse.message import CStoreRQ

_ELEMENT = Struct("<HHL")
_P_DATA_TF = 4
_COMMAND_ENDS = 3
"""The message control header of a command set in one fragment (PS3.8 E.2)."""
_RESPONDED_TO, _INSTANCE = 0x0120, 0x1000
_CHANCES = 8
"""Responses in a row of a peer that have no form, until it is not looked for any more."""


class LikelyResponse:
    """The forms of the responses of one peer; nothing is likely before one was learned."""

    def __init__(self) -> None:
        self._forms: dict[int, tuple[bytes, bytes, bytes]] = {}
        """By the bytes of the instance UID, 0 if the peer does not send it: what stands before the
        message ID, between it and the instance UID, and after that."""
        self._chances = _CHANCES

    def learn(self, request: CStoreRQ, response: CStoreRSP, command_set: bytes) -> None:
        """Take the form of a response to a request that reports success, if it has one."""
        if response.status != SUCCESS or not self._chances:
            return
        self._chances -= 1
        uid = _padded(request.affected_sop_instance_uid)
        number = _ELEMENT.pack(0, _RESPONDED_TO, 2) + request.message_id.to_bytes(2, "little")
        element = _ELEMENT.pack(0, _INSTANCE, len(uid)) + uid
        if response.affected_sop_instance_uid is None:
            element = b""
        if command_set.count(number) != 1 or (element and command_set.count(element) != 1):
            return
        before, _, rest = command_set.partition(number)
        between, _, after = rest.partition(element) if element else (rest, b"", b"")
        pieces = before + number[:-2], between + element[: _ELEMENT.size], after
        length = len(uid) if element else 0
        if _is_form(pieces, length, response):
            self._forms[length] = pieces
            self._chances = _CHANCES

    def to(self, request: CStoreRQ, context_id: int) -> bytes:
        """Return the PDU with the response to a request; empty if none is likely."""
        uid = _padded(request.affected_sop_instance_uid)
        form = self._forms.get(len(uid))
        if form is None:
            uid, form = b"", self._forms.get(0)
            if form is None:
                return b""
        before, between, after = form
        length = len(before) + 2 + len(between) + len(uid) + len(after)
        headers = PDU_AND_PDV.pack(_P_DATA_TF, length + 6, length + 2, context_id, _COMMAND_ENDS)
        number = request.message_id.to_bytes(2, "little")
        return b"".join((headers, before, number, between, uid, after))


def _padded(uid: str) -> bytes:
    encoded = uid.encode("ascii", "replace")
    return encoded + b"\0" if len(encoded) % 2 else encoded


def _is_form(pieces: tuple[bytes, bytes, bytes], length: int, response: CStoreRSP) -> bool:
    """Return whether another ID and UID give the same response, but for these two."""
    before, between, after = pieces
    number = response.message_id_being_responded_to ^ 0xFFFF
    uid = "1" * length
    changed = b"".join((before, number.to_bytes(2, "little"), between, uid.encode(), after))
    try:
        decoded = decode(changed)
    except (MessageError, RemoteProtocolError):
        return False
    wanted = replace(
        response,
        message_id_being_responded_to=number,
        affected_sop_instance_uid=uid if length else response.affected_sop_instance_uid,
    )
    return decoded == (wanted, False)
