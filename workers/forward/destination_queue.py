"""What is sent to one destination: its lanes, its pauses, and the rules for what fails."""

from __future__ import annotations

import logging
import threading
import time
from datetime import datetime
from typing import TYPE_CHECKING

from gateway.sending_hours import parse_hours, seconds_until
from workers.archive.outbox_rows import PARKED, SENT, WAITING
from workers.archive.pauses import pause_after
from workers.forward.breaker import Breaker
from workers.forward.lane import Lane
from workers.forward.outcomes import SendVerdict

if TYPE_CHECKING:
    from gateway.settings import Destination
    from workers.archive.outbox_rows import QueuedInstance
    from workers.forward.destination_links import DestinationLink
    from workers.forward.forwarding_shared import ForwardingShared
    from workers.forward.outcomes import SendOutcome
    from workers.forward.queued_file import Opener
    from workers.forward.route_transform import RouteTransform

POLL = 0.5
"""Seconds between two looks for rows that are due."""
PATIENCE = 5.0
"""Seconds that the end of the worker waits for responses under way."""
LATE = 60.0
"""Seconds after which rows of other gateways are sent, whose own worker does not send them."""

CONFIRM_AFTER = 1.0
"""Seconds after which a destination is asked whether it keeps an instance, with all until then."""

log = logging.getLogger("workers.forward")


class DestinationQueue:
    """The lanes of a destination, and what they share."""

    def __init__(self, name: str, shared: ForwardingShared) -> None:
        self.name = name
        self._shared = shared
        settings = shared.settings
        self.breaker = Breaker(settings.first_pause, settings.longest_pause)
        self.is_suspended = False
        self._is_leading = True
        self._seen: Destination | None = None
        """The entry that the lanes were told of."""
        self._wake = threading.Condition()
        self._lanes: list[Lane] = []
        self._free_at = 0.0
        """When the bandwidth permits the next instance."""
        self.clock = time.monotonic
        self._looked_late = float("-inf")
        """When rows of other gateways were looked for last, and there were none."""
        self.last_error = ""
        """Why the last attempt failed that did; empty: none has, since this process began."""
        self.last_error_at = 0.0
        """When that was, in seconds since 1970."""

    @property
    def opener(self) -> Opener:
        return self._shared.opener

    @property
    def transforms(self) -> RouteTransform:
        return self._shared.transforms

    @property
    def _destination(self) -> Destination | None:
        """The entry of `[destinations]` as it is now."""
        return self._shared.destination(self.name)

    @property
    def place(self) -> str:
        """Where it is, as an operator knows it; empty: it is not in `[destinations]`."""
        found = self._destination
        if found is None:
            return ""
        return found.url or f"{found.ae_title or self.name} at {found.host}:{found.port}"

    @property
    def is_ordered(self) -> bool:
        """Whether instances go one by one, in the order of receipt."""
        found = self._destination
        return found is not None and found.order == "series"

    # its lanes

    def adjust(self) -> None:
        """Have as many lanes as the configuration says; none if the destination is gone."""
        found = self._destination
        if found != self._seen:
            self._seen = found
            for lane in self._lanes:
                lane.is_stale = True
        wanted = 0 if found is None else 1 if self.is_ordered else found.associations
        while len(self._lanes) < wanted:
            self._lanes.append(Lane(self, len(self._lanes)))
            self._lanes[-1].start()
        surplus, self._lanes = self._lanes[wanted:], self._lanes[:wanted]
        for lane in surplus:
            lane.is_over = True
        if self.is_ordered:
            self._is_leading = self._shared.outbox.lead(self.name, self._shared.owner)

    def set_suspended(self, is_suspended: bool) -> None:
        """Send nothing more, or go on, as an operator says."""
        if is_suspended != self.is_suspended:
            log.info("destination=%s %s", self.name, "suspended" if is_suspended else "resumed")
            self.is_suspended = is_suspended
            self.wake()

    def hurry(self) -> None:
        """End a pause of the destination if an operator wants an attempt; raises IndexFailure."""
        if self.breaker.is_open and self._shared.outbox.take_hurry(
            self.name, self._shared.holders()
        ):
            self.breaker.hurry()
            self.wake()

    def stop(self) -> None:
        """End the lanes, after the responses under way."""
        for lane in self._lanes:
            lane.is_over = True
        self.wake()
        until = time.monotonic() + PATIENCE
        for lane in self._lanes:
            lane.join(max(0.1, until - time.monotonic()))
        self._lanes = []

    def wake(self) -> None:
        """Let lanes look for rows now."""
        with self._wake:
            self._wake.notify_all()

    def taken(self) -> list[int]:
        """Return the rows that the lanes have."""
        return [number for lane in self._lanes for number in tuple(lane.taken)]

    # what lanes ask

    def take(self, lane: Lane, most: int) -> list[QueuedInstance]:
        """Return rows to send now; raises IndexFailure."""
        if self._seconds_to_wait(lane) > 0:
            return []
        outbox, shared = self._shared.outbox, self._shared
        if self.breaker.is_open:
            most = 1
        if self.is_ordered:
            # nobody else sends meanwhile, so what others hold goes here too, in its place
            rows = outbox.first(self.name, shared.everyone(), most + 1)
        else:
            rows = outbox.take(self.name, shared.holders(), shared.owner, most)
            if not rows and self.clock() - self._looked_late > LATE:
                rows = outbox.take(self.name, shared.others(), shared.owner, most, LATE)
                self._looked_late = float("-inf") if rows else self.clock()
        rows = [row for row in rows if not shared.recorder.is_unsettled(row.id)][:most]
        if not rows:
            self.breaker.spare(lane)
        return rows

    def wait(self, lane: Lane) -> float:
        """Wait until there may be rows for a lane; return for how many seconds."""
        began = time.monotonic()
        with self._wake:
            if not lane.is_over:
                self._wake.wait(min(max(self._seconds_to_wait(lane), POLL), 1.0))
        return time.monotonic() - began

    def must_stop(self, lane: Lane) -> bool:
        """Return whether a lane must not begin another instance now."""
        return self._seconds_to_wait(lane) > 0

    def _seconds_to_wait(self, lane: Lane) -> float:
        if self.is_suspended or (self.is_ordered and not self._is_leading):
            return 1.0
        if (closed := self.seconds_closed()) > 0:
            return closed
        return self.breaker.wait_for(lane)

    def seconds_closed(self) -> float:
        """Return the seconds until the hours begin in which something is sent; 0.0: now."""
        found = self._destination
        hours = [parse_hours(text) for text in found.hours] if found is not None else []
        return seconds_until(hours, datetime.now())

    def pace(self, size: int, lane: Lane) -> None:
        """Wait until the bandwidth permits an instance of so many bytes."""
        found = self._destination
        if found is None or not found.bandwidth:
            return
        with self._wake:
            begin = max(self._free_at, time.monotonic())
            self._free_at = begin + size / found.bandwidth
            while (left := begin - time.monotonic()) > 0 and not lane.is_over:
                self._wake.wait(left)

    def connect(self) -> DestinationLink:
        """Return a way there for a lane; raises LookupError if there is no such destination."""
        return self._shared.associate(self.name, 1 if self.is_ordered else 0)

    def is_late(self, row: QueuedInstance) -> bool:
        """Return whether a row has waited for longer than the configuration permits."""
        keep_for = self._shared.settings.keep_for
        return bool(keep_for) and self._shared.outbox.now() - row.queued > keep_for

    # what became of rows

    def give_back(self, row: QueuedInstance) -> None:
        """Let others take a row, which was not sent."""
        if row.owner:
            self._shared.recorder.give_back(row)

    def settle(self, row: QueuedInstance, outcome: SendOutcome) -> None:
        """Do with a row what its outcome asks for (see `outcomes`)."""
        shared, verdict = self._shared, outcome.verdict
        shared.count(self.name, row, outcome)
        if outcome.responded and verdict is not SendVerdict.FULL and self.breaker.responded():
            log.warning("destination=%s it responds again", self.name)
            self.wake()
        if verdict in (SendVerdict.DONE, SendVerdict.GONE):
            self._done(row, verdict)
            return
        if verdict is SendVerdict.LATER:
            self.give_back(row)
            return
        row.reason = self.last_error = outcome.reason[:500]
        self.last_error_at = time.time()
        if verdict in (SendVerdict.LOST, SendVerdict.FULL, SendVerdict.NO_ROUTE):
            self._failed(outcome)
        self._keep(row, verdict)

    def _done(self, row: QueuedInstance, verdict: SendVerdict) -> None:
        """Remove a row, or have the destination asked whether it keeps the instance."""
        found, recorder = self._destination, self._shared.recorder
        if verdict is SendVerdict.DONE:
            recorder.note_sent(row)
        if verdict is SendVerdict.GONE or found is None or not found.confirm:
            recorder.remove(row)
            return
        row.state, row.due = SENT, self._shared.outbox.now() + CONFIRM_AFTER
        recorder.give_back(row)

    def _failed(self, outcome: SendOutcome) -> None:
        if not self.breaker.is_open:
            log.warning("destination=%s %s", self.name, outcome.reason)
        self.breaker.failed(outcome.reason, outcome.pause)

    def _keep(self, row: QueuedInstance, verdict: SendVerdict) -> None:
        settings, shared = self._shared.settings, self._shared
        row.attempts += verdict in (SendVerdict.AGAIN, SendVerdict.LOST)
        is_over = (
            verdict in (SendVerdict.PARK, SendVerdict.LATE) or row.attempts >= settings.attempts
        )
        if is_over:
            row.state = PARKED
            log.error(
                "destination=%s instance=%s parked: %s",
                *(self.name, row.entry.sop_instance_uid, row.reason),
            )
        elif verdict is SendVerdict.NO_ROUTE and (other := shared.another_for(row)):
            self._divert(row, other)
        elif verdict in (SendVerdict.AGAIN, SendVerdict.LOST) and not self.is_ordered:
            pause = pause_after(row.attempts, settings.first_pause, settings.longest_pause)
            row.due = shared.outbox.now() + pause
        elif verdict is SendVerdict.AGAIN:
            self.breaker.failed(row.reason)  # nothing may overtake it
        shared.recorder.give_back(row)

    def _divert(self, row: QueuedInstance, other: str) -> None:
        names = (*row.alternatives, row.destination)
        at = names.index(other)
        row.destination, row.alternatives = other, names[at + 1 :] + names[:at]
        row.state = WAITING

    def divert_all(self, most: int) -> int:
        """Give rows to other destinations while this one is down; return how many."""
        if not self.breaker.is_open:
            return 0
        shared = self._shared
        rows = shared.outbox.take_divertible(self.name, shared.holders(), shared.owner, most)
        moved = 0
        for row in rows:
            if other := shared.another_for(row):
                self._divert(row, other)
                moved += 1
            shared.recorder.give_back(row)
        return moved

    def text(self) -> str:
        """Return the state in words."""
        if self._destination is None:
            return "not in [destinations]"
        if self.is_suspended:
            return "suspended"
        if self.breaker.is_open:
            return f"failing: {self.breaker.reason}"
        return "closed at this hour" if self.seconds_closed() > 0 else "ok"
