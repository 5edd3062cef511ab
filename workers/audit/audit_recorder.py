"""Writes audit messages to the trail, and accounts for those that it could not write."""

from __future__ import annotations

import logging
import os
import socket
from typing import TYPE_CHECKING

from workers.audit import codes
from workers.audit.audit_message import Participant
from workers.audit.audited import ae_titles, security_alert
from workers.audit.codes import EventOutcome
from workers.audit.syslog import line

if TYPE_CHECKING:
    from workers.audit.audit_message import AuditMessage, AuditSource
    from workers.audit.trail import Trail

log = logging.getLogger("workers.audit")


class AuditRecorder:
    """The trail of a gateway; `troubles` is what `dicom-gateway status` shows."""

    def __init__(self, trail: Trail, source: AuditSource, troubles: dict[str, str]) -> None:
        self._trail, self._source, self._troubles = trail, source, troubles
        self._host = socket.gethostname()
        self._process = os.getppid()
        self.own = Participant(str(self._process))
        """The gateway as a participant."""
        self.written = 0
        self.lost = 0
        """Messages that could not be written."""
        self._unaccounted = 0

    def name(self, ae_title: str) -> None:
        """Name the gateway's AE title in messages."""
        self.own = Participant(str(self._process), ae_titles(ae_title))

    def record(self, message: AuditMessage) -> None:
        """Write a message; if that fails, it is counted, and told in the next that is written."""
        if self._append(message) and self._unaccounted:
            number, self._unaccounted = self._unaccounted, 0
            self.alert_of_loss(f"{number} audit messages could not be written to disk")
            self._troubles.pop("trail", None)

    def alert_of_loss(self, text: str) -> None:
        """Record that the trail has a gap (PS3.15 A.5.3.11)."""
        kind = codes.RECORDING_STOPPED
        self._append(security_alert(kind, self.own, text, EventOutcome.SERIOUS_FAILURE))

    def settle(self) -> None:
        """Bring what was written to disk, and record what syslog has lost."""
        if unsent := self._trail.take_unsent():
            log.error("%d audit messages were deleted before the syslog server had them", unsent)
            self.alert_of_loss(f"{unsent} audit messages were deleted before they were sent")
        try:
            self._trail.sync()
        except OSError as error:
            self._trouble(error)

    def _append(self, message: AuditMessage) -> bool:
        try:
            self._trail.append(line(self._source.encode(message), self._host, self._process))
        except OSError as error:
            self.lost += 1
            self._unaccounted += 1
            self._trouble(error)
            return False
        self.written += 1
        return True

    def _trouble(self, error: OSError) -> None:
        text = f"the audit trail {self._trail.folder} cannot be written: {error.strerror}"
        if self._troubles.get("trail") != text:
            self._troubles["trail"] = text
            log.error("%s", text)
