"""Which studies are complete, as a function of the journal's lines and a passed-in `now`.

A study is *open* from the first instance that arrives until a line of the journal says that it is
complete; it is open again when something arrives later. It is due

- when nothing arrived for the quiet period, or
- when all instances are there that it has by its own count (0020,1208), a series by (0020,1209), or
- when all performed procedure steps of the study have ended, and what they list is there.

Series are told of in the same way, if that is asked for.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, NamedTuple

from workers.archive.index.notes import ARRIVED, COMPLETE

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from workers.archive.index.records import IndexEntry, JournalEntry

QUIET, COUNT, MPPS = "quiet", "count", "mpps"
"""Why a study is complete."""


class StudyPart(NamedTuple):
    """A study, or a series of it."""

    study: str
    series: str = ""
    """Empty: the whole study."""


@dataclass(slots=True)
class OpenPart:
    """A part that is not complete yet."""

    last: int
    """The number of its last arrival."""
    at: float
    """When that was, in seconds of the epoch."""
    entry: IndexEntry
    """The instance that arrived last."""
    is_looked_at: bool = False
    """Whether its counts were compared since the last arrival."""


@dataclass
class Completion:
    """The open studies and series."""

    quiet: float
    """Seconds without an arrival."""
    with_series: bool = False
    open: dict[StudyPart, OpenPart] = field(default_factory=dict)
    position: int = 0
    """The number of the last line that was read."""

    def read(self, lines: Iterable[JournalEntry], now: float) -> None:
        """Take note of lines, in their order."""
        for line in lines:
            self.position = line.seq
            if line.kind in ARRIVED and line.study_instance_uid:
                self._arrived(line, now)
            elif line.kind == COMPLETE:
                part = StudyPart(line.study_instance_uid, line.series_instance_uid)
                known = self.open.get(part)
                if known is not None and known.last < line.seq:
                    del self.open[part]

    def _arrived(self, line: JournalEntry, now: float) -> None:
        parts = [StudyPart(line.study_instance_uid)]
        if self.with_series and line.series_instance_uid:
            parts.append(StudyPart(line.study_instance_uid, line.series_instance_uid))
        for part in parts:
            at = min(line.at, now)  # another host's clock may be ahead
            self.open[part] = OpenPart(line.seq, at, line.entry)

    def due(self, now: float) -> list[StudyPart]:
        """Return the parts that have been quiet for long enough."""
        return [part for part, known in self.open.items() if now - known.at >= self.quiet]

    def changed(self) -> Iterator[tuple[StudyPart, OpenPart]]:
        """Yield, once for each arrival, the parts whose counts are to be compared."""
        for part, known in self.open.items():
            if not known.is_looked_at:
                known.is_looked_at = True
                yield part, known

    def look_again(self, study: str) -> None:
        """Have the counts of a study and its series compared again: a step has changed."""
        for part, known in self.open.items():
            if part.study == study:
                known.is_looked_at = False

    @property
    def cursor(self) -> int:
        """The number of the line after which a restart has to read."""
        last = [known.last for known in self.open.values()]
        return min(last) - 1 if last else self.position
