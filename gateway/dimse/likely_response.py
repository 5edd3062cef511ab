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

if TYPE_CHECKING:
    from gateway.dimse.message import CStoreRQ

_HEADER = Struct("<HHL")
_RESPONDED_TO, _INSTANCE = 0x0120, 0x1000
_CHANCES = 8
"""Responses in a row of a peer that have no form, until it is not looked for any more."""


class LikelyResponse:
    """The form of the responses of one peer; nothing is likely before one was learned."""

    def __init__(self) -> None:
        self._pieces = b"", b"", b""
        """What stands before the message ID, between it and the instance UID, and after that."""
        self._length = -1
        """Bytes of the instance UID; 0: the peer does not send it, -1: nothing was learned."""
        self._chances = _CHANCES

    def learn(self, request: CStoreRQ, response: CStoreRSP, command_set: bytes) -> None:
        """Take the form of a response to a request that reports success, if it has one."""
        if response.status != SUCCESS or not self._chances:
            return
        self._chances -= 1
        uid = _padded(request.affected_sop_instance_uid)
        number = _HEADER.pack(0, _RESPONDED_TO, 2) + request.message_id.to_bytes(2, "little")
        element = _HEADER.pack(0, _INSTANCE, len(uid)) + uid
        if response.affected_sop_instance_uid is None:
            element = b""
        if command_set.count(number) != 1 or (element and command_set.count(element) != 1):
            return
        before, _, rest = command_set.partition(number)
        between, _, after = rest.partition(element) if element else (rest, b"", b"")
        pieces = before + number[:-2], between + element[: _HEADER.size], after
        length = len(uid) if element else 0
        if _is_form(pieces, length, response):
            self._pieces, self._length, self._chances = pieces, length, _CHANCES

    def to(self, request: CStoreRQ) -> bytes:
        """Return the command set of the response to a request; empty if none is likely."""
        if self._length < 0:
            return b""
        before, between, after = self._pieces
        number = request.message_id.to_bytes(2, "little")
        if not self._length:
            return b"".join((before, number, between, after))
        uid = _padded(request.affected_sop_instance_uid)
        if len(uid) != self._length:
            return b""
        return b"".join((before, number, between, uid, after))


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
