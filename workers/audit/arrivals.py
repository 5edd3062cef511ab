"""What the journal of the index says of instances, grouped into what is one audit message.

The journal says for certain what was stored, replaced, set aside, removed or assigned to another
patient. Who sent an instance, only notifications say; one that is lost costs the sender's name, and
no more.
"""

from __future__ import annotations

import time
from collections import Counter, OrderedDict
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, NamedTuple

from workers.archive.index.notes import DROPPED, EXPORTED, SENT
from workers.archive.procedure_steps import NOTES

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from workers.archive.index.records import JournalEntry

GRACE = 3.0
"""Seconds that a line of the journal waits for the notification that names the sender."""
LONGEST = 60.0
"""Seconds after which a group is told, although its association goes on."""
MOST = 200_000
"""Instances whose sender is remembered until the journal has them."""
ARRIVED = frozenset({"stored", "replaced", "conflict"})
"""The kinds of lines that have a sender."""
COUNTED = frozenset({SENT, EXPORTED})
"""The kinds of lines about as many instances as their size, which went to what is their path."""
STEPS = frozenset(NOTES.values())
"""The kinds of lines about a performed procedure step."""
KINDS = ARRIVED | COUNTED | STEPS | {"removed", "assigned", DROPPED}
"""The kinds of lines that are told; others are about no instances."""


class ArrivalOrigin(NamedTuple):
    """The association on which instances came."""

    association: str
    calling: str
    called: str
    remote: str
    local: str


@dataclass(slots=True)
class ArrivedGroup:
    """Instances of a study to which the same happened on one association."""

    kind: str
    origin: ArrivalOrigin | None
    study: str
    first: int
    """The lowest number in the journal."""
    began: float
    about: str = ""
    """Where instances went, or the SOP Instance UID of a step."""
    sop_classes: Counter[str] = field(default_factory=Counter)


class Arrivals:
    """The groups that are open. `now` is a monotonic time; lines have their time since 1970."""

    def __init__(self, holder: str, *, is_shared: bool = False) -> None:
        self._holder, self._is_shared = holder, is_shared
        self._origins: OrderedDict[str, ArrivalOrigin] = OrderedDict()
        self._groups: dict[tuple[str, ArrivalOrigin | None, str, str], ArrivedGroup] = {}
        self._ended: set[str] = set()
        self._read_after_end: set[str] = set()
        self.position = 0
        """The number up to which the journal was read."""

    @property
    def told(self) -> int:
        """The number in the journal up to which everything was told."""
        return min((one.first - 1 for one in self._groups.values()), default=self.position)

    def sent_by(self, sop_instance_uid: str, origin: ArrivalOrigin) -> None:
        """Note the sender of an instance."""
        self._origins[sop_instance_uid] = origin
        if len(self._origins) > MOST:
            self._origins.popitem(last=False)

    def association_ended(self, name: str) -> None:
        """Note that nothing more comes on an association."""
        self._ended.add(name)

    def read(self, lines: Iterable[JournalEntry], now: float, wall: float) -> bool:
        """Take the next lines of the journal; return False if one waits for its sender."""
        for line in lines:
            is_own = line.entry.holder in ("", self._holder) and line.kind in KINDS
            if is_own and not self._take(line, now, wall):
                return False
            self.position = line.seq
        return True

    def due(self, now: float, *, at_end: bool, everything: bool = False) -> Iterator[ArrivedGroup]:
        """Yield groups that are complete, or old, and forget them.

        `at_end`: the journal was read to its end, so that what ended before is complete.
        """
        complete = self._read_after_end if at_end else set()
        for key, group in list(self._groups.items()):
            is_complete = at_end and (group.origin is None or group.origin.association in complete)
            if everything or is_complete or now - group.began > LONGEST:
                del self._groups[key]
                yield group
        if at_end:
            self._read_after_end, self._ended = self._ended, set()

    def _take(self, line: JournalEntry, now: float, wall: float) -> bool:
        origin = None
        if line.kind in ARRIVED:
            origin = self._origins.pop(line.entry.sop_instance_uid, None)
            if origin is None and wall - line.at < GRACE:
                return False
            if origin is None and self._is_shared:
                return True  # another gateway's, which tells it
        about = line.entry.path if line.kind in COUNTED else ""
        if line.kind in STEPS:
            about = line.entry.sop_instance_uid
        key = line.kind, origin, line.study_instance_uid, about
        group = self._groups.get(key)
        if group is None:
            group = ArrivedGroup(*key[:3], first=line.seq, began=now, about=about)
            self._groups[key] = group
        number = line.entry.size if line.kind in COUNTED else 1
        group.sop_classes[line.entry.sop_class_uid] += number
        return True


def monotonic() -> tuple[float, float]:
    """Return the monotonic time, and the time since 1970."""
    return time.monotonic(), time.time()
