"""P-DATA-TF taken apart and given to an assembler, in any chunking."""

from __future__ import annotations

from gateway.dimse.assembler import Assembler, AssemblerEvent, DataFragment
from gateway.ul.primitives import PDataPart


def pdvs(pdu: bytes) -> list[tuple[int, int, bytes]]:
    """Context ID, message control header and fragment of each PDV of a P-DATA-TF PDU."""
    assert (pdu[0], pdu[1]) == (4, 0)
    assert int.from_bytes(pdu[2:6], "big") == len(pdu) - 6
    found, offset = [], 6
    while offset < len(pdu):
        length = int.from_bytes(pdu[offset : offset + 4], "big")
        assert offset + 4 + length <= len(pdu)
        found.append((pdu[offset + 4], pdu[offset + 5], pdu[offset + 6 : offset + 4 + length]))
        offset += 4 + length
    return found


def parts(context_id: int, header: int, fragment: bytes, chunk: int = 0) -> list[PDataPart]:
    """The parts that a PDV arrives in, if `chunk` bytes are read at a time."""
    chunk = chunk or max(len(fragment), 1)
    pieces = [fragment[i : i + chunk] for i in range(0, len(fragment), chunk)] or [b""]
    ends = [False] * (len(pieces) - 1) + [bool(header & 2)]
    return [
        PDataPart(context_id, bool(header & 1), last, memoryview(piece))
        for piece, last in zip(pieces, ends, strict=True)
    ]


def receive(
    assembler: Assembler, pdus: list[bytes], chunk: int = 0
) -> tuple[list[AssemblerEvent], bytes]:
    """The events, without those of data, and the data of all of them."""
    events: list[AssemblerEvent] = []
    data = b""
    for pdu in pdus:
        for pdv in pdvs(pdu):
            for part in parts(*pdv, chunk=chunk):
                for event in assembler.receive(part):
                    if isinstance(event, DataFragment):
                        data += event.data
                    else:
                        events.append(event)
    return events, data
