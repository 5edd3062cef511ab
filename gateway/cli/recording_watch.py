"""Record associations of a running gateway from its notifications, without standing in between.

The notifications have the first 64 KiB of each PDU. A watcher that is too slow loses some, which is
told at the end.
"""

from __future__ import annotations

import fnmatch
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from gateway.cli.recorded_pdus import redacted
from gateway.cli.recording import ACCEPTOR, REQUESTOR
from gateway.fabric.wire.frames import unpack
from gateway.ul.pdu import AAssociateAC, AAssociateRJ

if TYPE_CHECKING:
    from collections.abc import Mapping

    from gateway.cli.recording import RecordingWriter
    from gateway.fabric import Notification

TOPICS = ("EVT_DATA_RECV", "EVT_DATA_SENT", "EVT_CONN_CLOSE")
_ACCEPTED, _REJECTED = AAssociateAC.kind, AAssociateRJ.kind
_MOST_WAITING = 64
"""PDUs of an association whose AE title is not known yet."""


@dataclass
class RecordedAssociation:
    """An association that may be of the peer that is asked for."""

    number: int = 0
    """0: not known yet whether it is."""
    waiting: list[Notification] = field(default_factory=list)
    is_left_out: bool = False


@dataclass(frozen=True, slots=True)
class WantedAssociations:
    """Which associations are recorded: those that fulfil all that is stated."""

    calling: str = "*"
    """Their calling AE titles, with * and ?."""
    address: str = ""
    """The host that they come from; empty: any."""
    id: str = ""
    """The one with this name in the log; empty: any."""
    is_rejected: bool = False
    """Only those that are rejected."""

    def has(self, association: Mapping[str, Any], title: str) -> bool:
        """Return whether an association is one, if it is rejected where that is asked for."""
        host = (association.get("remote") or ("",))[0]
        return (
            fnmatch.fnmatchcase(title, self.calling)
            and self.address in ("", host)
            and self.id in ("", str(association.get("id")))
        )


@dataclass
class AssociationRecorder:
    """Writes what notifications tell about the associations of a peer."""

    writer: RecordingWriter
    wanted: WantedAssociations = field(default_factory=lambda: WantedAssociations())
    is_redacted: bool = False
    lost: int = 0
    recorded: int = 0
    """Associations so far."""
    ended: int = 0
    _known: dict[tuple[str, str], RecordedAssociation] = field(default_factory=dict)

    def take(self, notification: Notification) -> None:
        """Record a notification, if it is of the peer."""
        if notification.topic == "EVT_GAP":
            self.lost += notification.body["last"] - notification.body["first"] + 1
            return
        association = unpack(notification.assoc) if notification.assoc else {}
        if not isinstance(association, dict) or association.get("side") == "requestor":
            return
        key = str(association.get("acceptor")), str(association.get("id"))
        known = self._known.setdefault(key, RecordedAssociation())
        title = (association.get("requestor") or {}).get("ae_title")
        if title and not known.number and not known.is_left_out:
            self._decide(known, str(title).strip(), association, _answer_in(notification))
        if known.number:
            for one in [*known.waiting, notification]:
                self._write(known.number, one)
            known.waiting.clear()
        elif not known.is_left_out and len(known.waiting) < _MOST_WAITING:
            known.waiting.append(notification)
        if notification.topic == "EVT_CONN_CLOSE":
            self.ended += bool(known.number)
            del self._known[key]

    def _decide(
        self, known: RecordedAssociation, title: str, association: Mapping[str, Any], answer: int
    ) -> None:
        wanted = self.wanted
        if not wanted.has(association, title) or (wanted.is_rejected and answer == _ACCEPTED):
            known.is_left_out = True
            known.waiting.clear()
            return
        if wanted.is_rejected and answer != _REJECTED:
            return  # not answered yet
        self.recorded += 1
        known.number = self.recorded
        at = known.waiting[0].timestamp if known.waiting else None
        there, here = _place(association.get("remote")), _place(association.get("local"))
        self.writer.open(known.number, there, here, at)

    def _write(self, number: int, notification: Notification) -> None:
        body, at = notification.body, notification.timestamp
        if notification.topic == "EVT_CONN_CLOSE":
            self.writer.end(number, REQUESTOR, at)
            self.writer.end(number, ACCEPTOR, at)
            return
        data = bytes(body["data"])
        sender = REQUESTOR if notification.topic == "EVT_DATA_RECV" else ACCEPTOR
        self.writer.pdu(
            number, sender, redacted(data) if self.is_redacted else data, int(body["length"]), at
        )


def _answer_in(notification: Notification) -> int:
    """Return the kind of the PDU that was sent; 0: none was."""
    data = notification.body.get("data") if notification.topic == "EVT_DATA_SENT" else None
    return int(data[0]) if data else 0


def _place(address: Any) -> str:
    return f"{address[0]}:{address[1]}" if address else ""
