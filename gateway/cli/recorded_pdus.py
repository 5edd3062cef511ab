"""Cut a stream of bytes into PDUs, and leave out of them what may be of a patient."""

from __future__ import annotations

from gateway.cli.notification_text import without_secrets
from gateway.cli.recording import LONGEST_PDU
from gateway.errors import RemoteProtocolError
from gateway.ul.pdu import COMMAND, PDU_HEADER, PDV_HEADER, AAssociateRQ, PDataTF, check_header

_COMMENT = b"\x00\x00\x02\x09"
"""The tag of Error Comment (0000,0902) in a command set."""


class PduSplitter:
    """Returns the PDUs of one direction as they become complete.

    After something that is not a PDU, or is too long for one, all bytes come as they are.
    """

    def __init__(self) -> None:
        self._buffer = bytearray()
        self.is_raw = False
        """Whether what comes from now on is not PDUs."""

    def feed(self, data: bytes) -> list[bytes]:
        """Add bytes; return the PDUs that are complete."""
        self._buffer += data
        found: list[bytes] = []
        while not self.is_raw and len(self._buffer) >= PDU_HEADER.size:
            kind, length = PDU_HEADER.unpack_from(self._buffer)
            try:
                check_header(kind, length, LONGEST_PDU)
            except RemoteProtocolError:
                self.is_raw = True
                break
            end = PDU_HEADER.size + length
            if len(self._buffer) < end:
                break
            found.append(bytes(self._buffer[:end]))
            del self._buffer[:end]
        return [*found, *self.rest()] if self.is_raw else found

    def rest(self) -> list[bytes]:
        """Return what is left at the end of the stream."""
        left = bytes(self._buffer)
        self._buffer.clear()
        return [left] if left else []


def redacted(pdu: bytes) -> bytes:
    """Return a PDU with all data sets, comments, and secrets of user identities overwritten.

    Its length and structure stay, with AE titles, UIDs and statuses. Bytes that are not a PDU are
    overwritten as a whole.
    """
    kind = pdu[0] if pdu else 0
    if kind == AAssociateRQ.kind:
        return without_secrets(pdu)
    if kind != PDataTF.kind:
        return pdu if kind in range(2, 8) and len(pdu) >= PDU_HEADER.size else bytes(len(pdu))
    made, at = bytearray(pdu), PDU_HEADER.size
    while at + PDV_HEADER.size <= len(made):
        length, _, control = PDV_HEADER.unpack_from(made, at)
        begin, end = at + PDV_HEADER.size, at + 4 + length
        if end > len(made) or end < begin:
            break
        if control & COMMAND:
            made[begin:end] = _without_comment(made[begin:end])
        else:
            made[begin:end] = bytes(end - begin)
        at = end
    made[at:] = bytes(len(made) - at)
    return bytes(made)


def _without_comment(command_set: bytearray) -> bytearray:
    at = command_set.find(_COMMENT)
    if at >= 0:
        value = at + 8
        length = int.from_bytes(command_set[at + 4 : value], "little")
        command_set[value : value + length] = b" " * len(command_set[value : value + length])
    return command_set
