"""What the PDUs of a direction say: association PDUs, and messages as they become complete.

Peers cut messages into PDUs as they like, so it is these events that are compared, not the bytes.
"""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from gateway.cli.recorded_pdus import PduSplitter
from gateway.dimse.message import decode_message
from gateway.errors import GatewayError
from gateway.requestor.status_text import printable
from gateway.ul.pdu import (
    AAbort,
    AAssociateAC,
    AAssociateRJ,
    AAssociateRQ,
    PDataTF,
    decode_pdu,
    pdu_name,
)

if TYPE_CHECKING:
    from gateway.ul.pdu import PDU, PDV

CLOSED = "connection closed"
_LONGEST_COMMAND = 1 << 20
_HYPHENS = re.compile(r"(?<=[a-z])(?=[A-Z])|(?<=^[CN])(?=[A-Z])")


@dataclass(frozen=True, slots=True)
class PeerEvent:
    """One association PDU or whole message, or the end of a direction."""

    text: str
    """In words; alike for what is alike to the other side."""
    data_set: str = ""
    """The digest of the data set of a message."""
    message_id: int = 0
    """Of a request."""

    @property
    def kind(self) -> str:
        """The PDU or message, as C-STORE-RSP."""
        return self.text.partition(" ")[0]


@dataclass
class EventReader:
    """Reads one direction."""

    _splitter: PduSplitter = field(default_factory=PduSplitter)
    _command: bytearray = field(default_factory=bytearray)
    _waiting: PeerEvent | None = None
    """A message whose data set is not complete."""
    _digest: hashlib._Hash = field(default_factory=hashlib.sha256)

    def feed(self, data: bytes) -> list[PeerEvent]:
        """Add bytes; return the events that are complete."""
        found: list[PeerEvent] = []
        for pdu in self._splitter.feed(data):
            found += self._pdu(pdu)
        return found

    def _pdu(self, data: bytes) -> list[PeerEvent]:
        try:
            pdu = decode_pdu(data)
        except GatewayError as error:
            return [PeerEvent(f"not-a-PDU {error}")]
        if not isinstance(pdu, PDataTF):
            return [PeerEvent(printable(_words(pdu)))]
        return [event for pdv in pdu.pdvs if (event := self._pdv(pdv)) is not None]

    def _pdv(self, pdv: PDV) -> PeerEvent | None:
        is_last = pdv.last
        if pdv.command:
            if len(self._command) < _LONGEST_COMMAND:
                self._command += pdv.data
            return self._message() if is_last else None
        self._digest.update(pdv.data)
        if not is_last or self._waiting is None:
            return None
        known, self._waiting = self._waiting, None
        return PeerEvent(known.text, self._digest.hexdigest(), known.message_id)

    def _message(self) -> PeerEvent | None:
        command, self._command = bytes(self._command), bytearray()
        try:
            message = decode_message(command)
        except GatewayError as error:
            return PeerEvent(f"not-a-message {error}")
        values = message.parameters()
        words = [_HYPHENS.sub("-", type(message).__name__).upper()]
        if (status := values.get("Status")) is not None:
            words.append(f"status {status:04X}")
        uids = (
            values.get(f"{which}{what}UID")
            for what in ("SOPClass", "SOPInstance")
            for which in ("Affected", "Requested")
        )
        words += [str(uid) for uid in uids if uid]
        number = values.get("MessageID")
        text = printable(" ".join(words))
        event = PeerEvent(text, "", number if isinstance(number, int) else 0)
        if not _has_data_set(command):
            return event
        self._waiting, self._digest = event, hashlib.sha256()
        return None


def _has_data_set(command_set: bytes) -> bool:
    """Return whether Command Data Set Type (0000,0800) says that one follows (PS3.7 E.1)."""
    at = command_set.find(b"\x00\x00\x00\x08\x02\x00\x00\x00")
    return at >= 0 and command_set[at + 8 : at + 10] != b"\x01\x01"


def _words(pdu: PDU) -> str:
    name = pdu_name(pdu.kind)
    match pdu:
        case AAssociateRQ():
            contexts = (
                f"{one.id}={one.abstract_syntax}:{','.join(one.transfer_syntaxes)}"
                for one in pdu.presentation_contexts
            )
            return f"{name} {pdu.calling_ae_title} to {pdu.called_ae_title} {' '.join(contexts)}"
        case AAssociateAC():
            answers = (
                f"{one.id}={one.transfer_syntax if one.result == 0 else f'result {one.result}'}"
                for one in pdu.presentation_contexts
            )
            return f"{name} {' '.join(answers)}"
        case AAssociateRJ():
            return f"{name} ({pdu.result},{pdu.source},{pdu.reason})"
        case AAbort():
            return f"{name} ({pdu.source},{pdu.reason})"
    return name
