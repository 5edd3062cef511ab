"""Play one side of a recorded connection against a peer, and compare what it answers.

The recording's order is kept: what the other side had sent by then is waited for before the next
PDU is sent. Its association PDUs, whole messages and the end of its direction are compared, since
peers cut messages into PDUs as they like. After an answer of another kind than the recorded one the
conversation has taken another course, and the replay ends.
"""

from __future__ import annotations

import socket
import time
from collections import deque
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from gateway.cli.recorded_events import CLOSED, EventReader, PeerEvent
from gateway.cli.recording import ACCEPTOR
from gateway.ul.pdu import PDataTF

if TYPE_CHECKING:
    from gateway.cli.recording import RecordedConnection

_RESPONDED_TO = b"\x00\x00\x20\x01\x02\x00\x00\x00"
"""Message ID Being Responded To (0000,0120), up to its value."""
_CHUNK = 1 << 16


@dataclass(frozen=True, slots=True)
class AnswerDifference:
    """What was recorded of the peer, and what it did this time."""

    at: float
    """Seconds since the recording began."""
    recorded: str
    replayed: str


@dataclass
class ConnectionReplay:
    """One connection, played on a connected socket; `mine` is the side that is played."""

    connection: RecordedConnection
    mine: str
    sock: socket.socket
    timeout: float = 30.0
    """Seconds for each answer."""
    is_paced: bool = False
    """Whether the recorded times are kept."""
    compares_data: bool = False
    """Whether data sets have to be the same as well."""
    alike: int = 0
    differences: list[AnswerDifference] = field(default_factory=list)
    _theirs: EventReader = field(default_factory=EventReader)
    _come: deque[PeerEvent] = field(default_factory=deque)
    _message_ids: dict[int, int] = field(default_factory=dict)
    """Message IDs of the recording, and what the peer takes in their place."""

    def run(self) -> list[AnswerDifference]:
        """Play it to its end, or to where the peer goes another way; return the differences."""
        expected = EventReader()
        began = time.monotonic() - (self.connection.parts[0].at if self.connection.parts else 0)
        for part in self.connection.parts:
            if part.sender == self.mine:
                if self.is_paced:
                    time.sleep(max(0.0, began + part.at - time.monotonic()))
                if not self._send(part.data):
                    continue  # what the peer said before it closed is still to be read
            else:
                events = [PeerEvent(CLOSED)] if part.data is None else expected.feed(part.data)
                if not all(self._compare(part.at, event) for event in events):
                    return self.differences
        return self.differences

    def _send(self, data: bytes | None) -> bool:
        try:
            if data is None:
                self.sock.shutdown(socket.SHUT_WR)
            else:
                self.sock.sendall(self._with_own_ids(data))
        except OSError:
            return False
        return True

    def _with_own_ids(self, pdu: bytes) -> bytes:
        """Return a PDU of an acceptor whose response is to the message that the peer has sent."""
        if self.mine != ACCEPTOR or not self._message_ids or pdu[:1] != bytes((PDataTF.kind,)):
            return pdu
        at = pdu.find(_RESPONDED_TO) + len(_RESPONDED_TO)
        if at < len(_RESPONDED_TO):
            return pdu
        known = int.from_bytes(pdu[at : at + 2], "little")
        return pdu[:at] + self._message_ids.get(known, known).to_bytes(2, "little") + pdu[at + 2 :]

    def _compare(self, at: float, recorded: PeerEvent) -> bool:
        """Compare an event with the peer's next one; return whether the course is the same."""
        event = self._next()
        if recorded.message_id and event.message_id:
            self._message_ids[recorded.message_id] = event.message_id
        if event.text != recorded.text:
            self.differences.append(AnswerDifference(at, recorded.text, event.text))
        elif self.compares_data and event.data_set != recorded.data_set:
            texts = f"{recorded.text}, data set {recorded.data_set[:12] or 'none'}"
            now = f"{event.text}, data set {event.data_set[:12] or 'none'}"
            self.differences.append(AnswerDifference(at, texts, now))
        else:
            self.alike += 1
        return event.kind == recorded.kind

    def _next(self) -> PeerEvent:
        self.sock.settimeout(self.timeout)
        while not self._come:
            try:
                data = self.sock.recv(_CHUNK)
            except TimeoutError:
                return PeerEvent(f"nothing within {self.timeout:g} s")
            except OSError:  # a reset is an end, too
                data = b""
            if not data:
                return PeerEvent(CLOSED)
            self._come += self._theirs.feed(data)
        return self._come.popleft()
