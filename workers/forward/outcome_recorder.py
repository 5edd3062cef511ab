"""Writes what became of instances to the outbox, those of all lanes together."""

from __future__ import annotations

import logging
import threading
from collections import Counter
from typing import TYPE_CHECKING

from workers.archive.index.notes import SENT, StudyNote
from workers.archive.index.records import IndexFailure

if TYPE_CHECKING:
    from workers.archive.outbox_rows import QueuedInstance
    from workers.forward.forward_outbox import ForwardOutbox

_PAUSE = 0.5
"""Seconds after a failure of the database."""
_ATTEMPTS = 4
"""Attempts to write the last ones when the worker stops."""

log = logging.getLogger("workers.forward")


class OutcomeRecorder:
    """A thread that writes outcomes as they come, in one transaction for all that have come.

    A row that is not written yet must not be sent again, although it may be due again after an
    outage of the database: `is_unsettled` tells.
    """

    def __init__(self, outbox: ForwardOutbox, holder: str = "") -> None:
        """`holder`: the gateway whose lines in the journal tell what was sent."""
        self._outbox, self._holder = outbox, holder
        self._changed = threading.Condition()
        self._gone: list[int] = []
        self._kept: list[QueuedInstance] = []
        self._sent: Counter[tuple[str, str, str]] = Counter()
        """Instances by destination, study and SOP class."""
        self._unsettled: set[int] = set()
        self._is_over = False
        self._thread = threading.Thread(target=self._work, name="outbox", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        """Write what is left, and end."""
        with self._changed:
            self._is_over = True
            self._changed.notify()
        self._thread.join()

    def is_unsettled(self, number: int) -> bool:
        """Return whether the outcome of a row is not written yet."""
        with self._changed:
            return number in self._unsettled

    def remove(self, row: QueuedInstance) -> None:
        """Have a row removed: it is done."""
        with self._changed:
            self._gone.append(row.id)
            self._unsettled.add(row.id)
            self._changed.notify()

    def note_sent(self, row: QueuedInstance) -> None:
        """Have the journal tell that the destination took an instance."""
        with self._changed:
            self._sent[row.destination, row.study_instance_uid, row.entry.sop_class_uid] += 1

    def give_back(self, row: QueuedInstance) -> None:
        """Have a row written as it is now, for whoever takes it next."""
        with self._changed:
            self._kept.append(row)
            self._unsettled.add(row.id)
            self._changed.notify()

    def _note(self, what: tuple[str, str, str], number: int) -> StudyNote:
        destination, study, sop_class = what
        return StudyNote(SENT, study, "", sop_class, "", destination, self._holder, number)

    def _work(self) -> None:
        attempts = 0
        while True:
            with self._changed:
                while not (self._gone or self._kept or self._is_over):
                    self._changed.wait()
                gone, self._gone = self._gone, []
                kept, self._kept = self._kept, []
                sent, self._sent = self._sent, Counter()
            if not gone and not kept:
                return
            try:
                self._outbox.settle(gone, kept, [self._note(*one) for one in sent.items()])
            except Exception as error:  # whatever it is: what was sent must not be sent again
                attempts += 1
                known = isinstance(error, IndexFailure)
                why, number = error if known else type(error).__name__, len(gone) + len(kept)
                log.warning("outcomes=%d not written yet: %s", number, why, exc_info=not known)
                with self._changed:
                    self._gone, self._kept = gone + self._gone, kept + self._kept
                    self._sent += sent
                    if self._is_over and attempts >= _ATTEMPTS:
                        return  # they are due again when their lease is over
                    self._changed.wait(_PAUSE)
                continue
            attempts = 0
            with self._changed:
                self._unsettled.difference_update(gone, (row.id for row in kept))
