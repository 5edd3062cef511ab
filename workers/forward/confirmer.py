"""Has destinations confirm what was sent: rows in the state `sent`, and then `asked`.

A row leaves the outbox when the destination has it. One that it does not have is sent again, as
after a failed attempt. A destination that cannot be asked is asked again after a pause.
"""

from __future__ import annotations

import logging
import time
from typing import TYPE_CHECKING

from gateway.datasets import BASIC_SYNTAXES
from gateway.sdk import GatewayError
from workers.archive.outbox_rows import ASKED, PARKED, SENT, WAITING
from workers.archive.pauses import pause_after
from workers.forward.confirmation import COMMITMENT, FIND, CommitmentRequest, found_by

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence

    from workers.archive.outbox_rows import QueuedInstance
    from workers.forward.confirmation import CommitmentReport
    from workers.forward.forwarding_shared import ForwardingShared

MOST = 256
"""Instances that are asked for at once."""
REPORT_LIMIT = 86_400.0
"""Seconds after which a report counts as lost, and the instances are sent again."""

log = logging.getLogger("workers.forward")


class Confirmer:
    """Asks destinations, one at a time."""

    def __init__(self, shared: ForwardingShared) -> None:
        self._shared = shared
        self._not_before: dict[str, float] = {}
        self._failures: dict[str, int] = {}
        self.troubles: dict[str, str] = {}
        """Why destinations could not be asked, by their names."""

    def step(self, name: str) -> int:
        """Ask a destination for what was sent; return for how many instances.

        Raises IndexFailure.
        """
        found, shared = self._shared.destination(name), self._shared
        if found is None or not found.confirm:
            self.troubles.pop(name, None)
            return 0
        if self._not_before.get(name, 0) > time.monotonic():
            return 0
        holders = shared.holders()
        for row in shared.outbox.take(name, holders, shared.owner, MOST, state=ASKED):
            self._again(row, "its storage commitment was never reported")
        rows = shared.outbox.take(name, holders, shared.owner, MOST, state=SENT)
        if not rows:
            return 0
        try:
            if found.url:
                self._take_found(rows, shared.search(name, rows))
            else:
                (self._find if found.confirm == "find" else self._commit)(name, rows)
        except (GatewayError, OSError, LookupError) as error:
            self._not_asked(name, rows, str(error))
            return 0
        self._failures.pop(name, None)
        self.troubles.pop(name, None)
        return len(rows)

    def _not_asked(self, name: str, rows: Sequence[QueuedInstance], why: str) -> None:
        settings = self._shared.settings
        failures = self._failures[name] = self._failures.get(name, 0) + 1
        pause = pause_after(failures, settings.first_pause, settings.longest_pause)
        self._not_before[name] = time.monotonic() + pause
        self.troubles[name] = f"cannot be asked for confirmation: {why}"
        log.warning("destination=%s it cannot be asked for confirmation: %s", name, why)
        for row in rows:
            row.reason = f"sent, not confirmed: {why}"[:500]
            self._shared.recorder.give_back(row)

    def _find(self, name: str, rows: Sequence[QueuedInstance]) -> None:
        with self._shared.connect(name, ((FIND, BASIC_SYNTAXES),), None) as association:
            found = found_by(association, rows)
        self._take_found(rows, found)

    def _take_found(self, rows: Sequence[QueuedInstance], found: Collection[str]) -> None:
        for row in rows:
            if row.at_destination.sop_instance_uid in found:
                self._shared.recorder.remove(row)
            else:
                self._again(row, "the destination does not find it")

    def _commit(self, name: str, rows: Sequence[QueuedInstance]) -> None:
        request = CommitmentRequest(rows)
        self._note_asked(rows, request.transaction_uid)
        contexts = ((COMMITMENT, BASIC_SYNTAXES),)
        try:
            with self._shared.connect(name, contexts, request.receive) as association:
                request.send(association)
        except (GatewayError, OSError):
            for row in rows:
                row.state, row.due = SENT, self._shared.outbox.now()
            raise
        if request.report is not None:
            self.take_report(request.report)

    def _note_asked(self, rows: Sequence[QueuedInstance], transaction: str) -> None:
        """Note the transaction before it is asked for: its report may be faster than the answer."""
        until = self._shared.outbox.now() + REPORT_LIMIT
        for row in rows:
            row.state, row.due = ASKED, until
        self._shared.outbox.assign(rows, transaction)

    def take_report(self, report: CommitmentReport) -> int:
        """Do what a report of storage commitment says; return to how many instances it applies."""
        rows = self._shared.outbox.asked(report.transaction_uid)
        for row in rows:
            uid = row.at_destination.sop_instance_uid
            if uid in report.kept:
                self._shared.recorder.remove(row)
            else:
                reason = report.failed.get(uid, "not named")
                self._again(row, f"the destination does not commit to it ({reason})")
        return len(rows)

    def _again(self, row: QueuedInstance, reason: str) -> None:
        settings = self._shared.settings
        row.attempts += 1
        row.reason = reason
        is_over = row.attempts >= settings.attempts
        row.state = PARKED if is_over else WAITING
        pause = pause_after(row.attempts, settings.first_pause, settings.longest_pause)
        row.due = self._shared.outbox.now() + pause
        self._shared.counters.failed.add(1, row.destination, "not confirmed")
        log.warning(
            "destination=%s instance=%s %s%s",
            *(row.destination, row.entry.sop_instance_uid, reason, ": parked" if is_over else ""),
        )
        self._shared.recorder.give_back(row)
