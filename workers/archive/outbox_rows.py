"""The rows of the outbox, and what is counted and selected of them."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, NamedTuple

from workers.archive.index.records import IndexEntry

if TYPE_CHECKING:
    from collections.abc import Sequence

WAITING, PARKED = "waiting", "parked"
"""States of a row: it is sent when it is due, or not before an operator says so."""
HURRIED = 0.0
"""When a row is due that an operator wants sent now: a pause of its destination ends by it."""
SENT, ASKED = "sent", "asked"
"""States of a row that the destination has not confirmed; the owner of one that storage commitment
was asked for is the transaction."""
STATES = (WAITING, PARKED, SENT, ASKED)
LOWEST, NORMAL, HIGHEST = RANKS = (2, 1, 0)
RANK_OF = {"high": HIGHEST, "normal": NORMAL, "low": LOWEST}
"""Priorities of `[[routes]]`, as they stand in rows: a lower number goes first."""

_FILE = "transfer_syntax, path, start, size, digest, holder, received"
COLUMNS = (
    "destination, state, priority, due, owner, alternatives, route, attempts, queued, reason, "
    f"study_instance_uid, series_instance_uid, sop_instance_uid, sop_class_uid, {_FILE}, "
    "transform, sent_as"
)
MARKS = ", ".join("?" * len(COLUMNS.split(", ")))


class SentUids(NamedTuple):
    """The UIDs under which a destination has an instance: other ones after a transform."""

    sop_instance_uid: str
    series_instance_uid: str
    study_instance_uid: str


@dataclass(slots=True)
class QueuedInstance:
    """A row: an instance and the destination that it goes to."""

    entry: IndexEntry
    destination: str
    route: str
    """The title of the route that it was put in for."""
    study_instance_uid: str = ""
    series_instance_uid: str = ""
    priority: int = NORMAL
    due: float = 0.0
    """Seconds since 1970, by the clock of the database."""
    alternatives: tuple[str, ...] = ()
    """Destinations to try in turn if this one cannot be reached."""
    state: str = WAITING
    owner: str = ""
    attempts: int = 0
    """Attempts that the destination failed."""
    queued: float = 0.0
    """When it was put in."""
    reason: str = ""
    """Why the last attempt failed, or why it is parked."""
    id: int = 0
    transform: tuple[str, ...] = ()
    """Workers that transform it before it is sent."""
    sent_as: SentUids | None = None
    """What it was last sent as; None: as it is."""

    @property
    def at_destination(self) -> SentUids:
        """The UIDs that the destination knows."""
        own = self.entry.sop_instance_uid, self.series_instance_uid, self.study_instance_uid
        return self.sent_as or SentUids(*own)

    def row(self) -> tuple[Any, ...]:
        entry = self.entry
        return (
            *(self.destination, self.state, self.priority, self.due, self.owner),
            *("\n".join(self.alternatives), self.route, self.attempts, self.queued, self.reason),
            *(self.study_instance_uid, self.series_instance_uid),
            *(entry.sop_instance_uid, entry.sop_class_uid, entry.transfer_syntax_uid, entry.path),
            *(entry.start, entry.size, entry.digest, entry.holder, entry.received),
            *("\n".join(self.transform), "\n".join(self.sent_as or ())),
        )


def of_row(row: Sequence[Any]) -> QueuedInstance:
    number, destination, state, priority, due, owner, alternatives, route, *rest = row
    attempts, queued, reason, study, series, instance, sop_class, syntax, path, *file = rest
    start, size, digest, holder, received, transform, sent_as = file
    return QueuedInstance(
        IndexEntry(
            *(instance, sop_class, syntax, path, int(start), int(size), bytes(digest)),
            *(holder, received),
        ),
        destination,
        route,
        study,
        series,
        int(priority),
        float(due),
        tuple(alternatives.split("\n")) if alternatives else (),
        state,
        owner,
        int(attempts),
        float(queued),
        reason,
        int(number),
        tuple(transform.split("\n")) if transform else (),
        SentUids(*sent_as.split("\n")) if sent_as else None,
    )


@dataclass(frozen=True, slots=True)
class QueueState:
    """How many rows a destination has."""

    destination: str
    waiting: int = 0
    parked: int = 0
    oldest: float = 0.0
    """When the oldest one that waits was put in; 0.0: none."""
    attempted: int = 0
    """Those that wait for another attempt."""
    suspended: bool = False
    unconfirmed: int = 0
    """Those that were sent, and that the destination has not confirmed."""


@dataclass(slots=True)
class Selection:
    """The rows that a command means; what is empty does not restrict them."""

    destination: str = ""
    study_instance_uid: str = ""
    sop_instance_uid: str = ""
    state: str = ""
    ids: tuple[int, ...] = field(default=())

    def where(self) -> tuple[str, list[Any]]:
        parts, values = ["1 = 1"], list[Any]()
        for name in ("destination", "study_instance_uid", "sop_instance_uid", "state"):
            if value := getattr(self, name):
                parts.append(f"{name} = ?")
                values.append(value)
        if self.study_instance_uid:
            parts.append("substr(study_instance_uid, 1, 64) = substr(?, 1, 64)")
            values.append(self.study_instance_uid)
        if self.ids:
            parts.append(f"id IN ({', '.join('?' * len(self.ids))})")
            values += self.ids
        return " AND ".join(parts), values
